// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import "time"

// Page is one of the structs below. Each has a field Brand, the name of the site.
type Page interface{ page() }

// Form is what every page with a form has.
type Form struct {
	Token   string // ties the form to the visitor's cookie
	Problem string // why the last try was not accepted; empty on the first visit
}

// Notice is a plain message: what happened, what it means, what to do next. The gate uses it too.
type Notice struct {
	Brand    string
	Title    string
	Text     string
	Link     string // a path on this host; empty: no link
	LinkText string
}

// SignIn asks for user name and password.
type SignIn struct {
	Brand string
	Form
	Name     string
	Remember bool
	ReturnTo string
}

// SecondFactor asks for the code of the authenticator app, or for a backup code.
type SecondFactor struct {
	Brand string
	Form
	UserName  string
	Backup    bool   // asks for a backup code
	HasBackup bool   // there are unused backup codes
	StartOver string // the token of the form that drops this sign-in; empty hides it
}

// EnableTwoFactor shows a new authenticator key and asks for a code that confirms it.
type EnableTwoFactor struct {
	Brand string
	Form
	UserName  string
	QR        string // a PNG in base64
	Secret    string // in groups of four
	Link      string // the otpauth address, without "otpauth://"
	StartOver string // as in SecondFactor
}

// BackupCodes shows new backup codes, once.
type BackupCodes struct {
	Brand string
	Form
	UserName string
	Codes    []string
}

// BackupCodeUsed tells how many backup codes are left after one was used.
type BackupCodeUsed struct {
	Brand    string
	Left     int
	Continue string // a path on this host
}

// Setup makes the first account.
type Setup struct {
	Brand string
	Form
	Action      string // where the form goes: the path of the link
	Wrong       string // the field that the problem is about: "name" or "password"; empty where it is about neither
	Name        string
	MinPassword int
}

// Invite sets the first password of a person whom an operator has added.
type Invite struct {
	Brand string
	Form
	Action      string
	UserName    string
	MinPassword int
}

// Reenroll asks for the password before a new second factor is set up.
type Reenroll struct {
	Brand string
	Form
	Action   string
	UserName string
}

// Sudo asks a person who is signed in for the password again.
type Sudo struct {
	Brand string
	Form
	UserName string
}

// Account shows a person what is known of them.
type Account struct {
	Brand    string
	Token    string // of the sign-out form
	UserName string
	FullName string
	Email    string
	Groups   []string
	Factors  []Factor
	Left     int // unused backup codes
	Sessions int
}

// Factor is a line of the account page.
type Factor struct {
	Name     string
	LastUsed time.Time
}

// SignOut asks before signing out, since a link alone must not do it.
type SignOut struct {
	Brand string
	Token string
}

func (Notice) page()          {}
func (SignIn) page()          {}
func (SecondFactor) page()    {}
func (EnableTwoFactor) page() {}
func (BackupCodes) page()     {}
func (BackupCodeUsed) page()  {}
func (Setup) page()           {}
func (Invite) page()          {}
func (Reenroll) page()        {}
func (Sudo) page()            {}
func (Account) page()         {}
func (SignOut) page()         {}

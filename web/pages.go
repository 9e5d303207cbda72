// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import "time"

// Page is one of the structs below.
type Page interface{ frame() Frame }

// Frame is what every page embeds, and what is around the page.
type Frame struct {
	Brand Brand
	Here  string // where the choice of another language leads back to, a path on this host; empty: the choice opens in a new tab
}

func (f Frame) frame() Frame { return f }

// Form is what every page with a form has.
type Form struct {
	Token   string // ties the form to the visitor's cookie
	Problem string // why the last try was not accepted; empty on the first visit
}

// Notice is a plain message: what happened, what it means, what to do next. The gate uses it too.
type Notice struct {
	Frame
	Title    string
	Text     string
	Link     string // a path on this host; empty: no link
	LinkText string
}

// SignIn asks for user name and password.
type SignIn struct {
	Frame
	Form
	Name     string
	Remember bool
	ReturnTo string
}

// SecondFactor asks for the code of the authenticator app, or for a backup code.
type SecondFactor struct {
	Frame
	Form
	UserName  string
	Backup    bool   // asks for a backup code
	HasBackup bool   // there are unused backup codes
	StartOver string // the token of the form that drops this sign-in; empty hides it
}

// EnableTwoFactor shows a new authenticator key and asks for a code that confirms it.
type EnableTwoFactor struct {
	Frame
	Form
	UserName  string
	QR        string // a PNG in base64
	Secret    string // in groups of four
	Link      string // the otpauth address, without "otpauth://"
	StartOver string // as in SecondFactor
}

// BackupCodes shows new backup codes, once.
type BackupCodes struct {
	Frame
	Form
	UserName string
	Codes    []string
}

// BackupCodeUsed tells how many backup codes are left after one was used.
type BackupCodeUsed struct {
	Frame
	Left     int
	Continue string // a path on this host
}

// Setup makes the first account.
type Setup struct {
	Frame
	Form
	Action      string // where the form goes: the path of the link
	Wrong       string // the field that the problem is about: "name" or "password"; empty where it is about neither
	Name        string
	MinPassword int
}

// Invite sets the first password of a person whom an operator has added.
type Invite struct {
	Frame
	Form
	Action      string
	UserName    string
	MinPassword int
}

// Reenroll asks for the password before a new second factor is set up.
type Reenroll struct {
	Frame
	Form
	Action   string
	UserName string
}

// Sudo asks a person who is signed in for the password again.
type Sudo struct {
	Frame
	Form
	UserName string
}

// Account shows a person what is known of them.
type Account struct {
	Frame
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
	Frame
	Token string
}

// ChooseLanguage offers the languages of the pages.
type ChooseLanguage struct {
	Frame
	ReturnTo string // a path on this host; empty: the page comes again
}

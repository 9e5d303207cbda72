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
	Forgot   bool // offers a new password by mail
}

// SecondFactor asks for a code by one of the ways of a person.
type SecondFactor struct {
	Frame
	Form
	UserName  string
	Way       Way   // the one that the page is about; the zero value: there is none that counts
	Sent      *Sent // the code that was sent by it; nil: none
	Others    []Way
	StepUp    bool   // the person is signed in
	Trust     int    // for how many days this browser can be trusted; 0 hides the choice
	Trusted   bool   // that was chosen
	StartOver string // the token of the form that drops this sign-in; empty hides it
}

// Way is one way to enter a code. The values of Method are those of auth.Method.
type Way struct {
	Method  string
	Factor  string // id, where codes are sent
	Name    string // as the person called it; empty: not named
	Channel string // of a webhook
	To      string // a hint of where codes go
	Token   string // of the form that has one sent
}

// Sent is a code on its way.
type Sent struct {
	Method, Channel string
	To              string
	Until           time.Time
	Failed          bool // it could not be delivered
}

// EnableTwoFactor asks for the code that confirms a new second factor, and shows the key where it is an authenticator app.
type EnableTwoFactor struct {
	Frame
	Form
	UserName  string
	First     bool   // the person has no second factor yet
	Method    string // of what is being enrolled; empty: nothing is chosen yet
	QR        string // a PNG in base64
	Secret    string // in groups of four
	Link      string // the otpauth address, without "otpauth://"
	Sent      *Sent  // the code that was sent; nil: none
	SendToken string // of the form that has one sent
	Kinds     Kinds  // what else there is
	StartOver string // as in SecondFactor
}

// Kinds offers what may be enrolled, each in a form of its own.
type Kinds struct {
	Action string // where the forms go
	Token  string
	List   []Kind
}

// Kind is one kind of second factor that may be enrolled.
type Kind struct {
	Method      string // as in Way
	Channel     string // of a webhook
	Phone       bool   // its destination is a telephone number
	Open        bool   // its form shows at once
	Name        string // as it was typed …
	Destination string // … and so was this
	Problem     string // why it was not accepted
}

// ConfirmAddress asks for the code that proves a new e-mail address.
type ConfirmAddress struct {
	Frame
	Form
	Sent      *Sent
	SendToken string // of the form that has another one sent
}

// Reset asks whose password is forgotten.
type Reset struct {
	Frame
	Form
}

// ResetPassword sets another password by a mailed link.
type ResetPassword struct {
	Frame
	Form
	Action      string // where the form goes: the path of the link
	UserName    string
	MinPassword int
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

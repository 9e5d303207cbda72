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

// GoOn leads on by itself to where somebody wanted to go who has just sent a form of ours. A redirect to another site would be blocked
// there: browsers hold form-action against redirects too.
type GoOn struct {
	Frame
	To   string // a path on this host, or an address at the portal
	Site string // the host that it leads to
	Asks bool   // the person is asked first, and nothing goes on by itself
}

// SignIn asks for user name and password.
type SignIn struct {
	Frame
	Form
	Name     string
	Remember bool
	ReturnTo string
	Forgot   bool   // offers a new password by mail
	Site     string // the host of another site that the person goes on to; empty: this one
}

// SecondFactor asks for a code by one of the ways of a person.
type SecondFactor struct {
	Frame
	Form
	UserName  string
	Wrong     bool  // the problem is about the code
	Way       Way   // the one that the page is about; the zero value: there is none that counts
	Sent      *Sent // the code that was sent by it; nil: none
	Others    []Way
	OtherKind bool          // there is none because a rule wants another kind
	StepUp    bool          // the person is signed in
	TurnsOff  bool          // what is proven turns two-factor sign-in off
	Vouched   bool          // no password was asked for
	Trust     time.Duration // for how long this browser can be trusted; 0 hides the choice
	Trusted   bool          // that was chosen
	StartOver string        // the token of the form that drops this sign-in; empty for somebody who is signed in
}

// Way is one way to enter a code. The values of Method are those of auth.Method.
type Way struct {
	Method  string
	Factor  string // id, where codes are sent
	Name    string // as the person called it; empty: not named
	Channel string // of a webhook
	To      string // a hint of where codes go
	Token   string // of the form that has a code sent; empty: none is sent when this way is taken
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
	Wrong     bool   // as in SecondFactor
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
	Wrong     bool // as in SecondFactor
	Sent      *Sent
	SendToken string // of the form that has another one sent
}

// Reset asks whose password is forgotten.
type Reset struct {
	Frame
	Form
}

// ChoosePassword sets a password by a one-time link: the first one of a person whom an operator has added, or another one.
type ChoosePassword struct {
	Frame
	Form
	Title       string
	Why         string // what happens with it
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

// Reenroll asks for the password before a new second factor is set up.
type Reenroll struct {
	Frame
	Form
	Action   string
	UserName string
	Vouched  bool // no password is asked for
}

// Sudo asks a person who is signed in for the password again.
type Sudo struct {
	Frame
	Form
	UserName string
	TurnsOff bool // as in SecondFactor
}

// Account shows a person what is known of them, and leads to what they can change.
type Account struct {
	Frame
	Token          string // of the sign-out form
	Done           string // what has just been done; empty: nothing
	UserName       string
	FullName       string
	HasPassword    bool
	Email          string
	MayChangeEmail bool // the address can be changed
	Groups         []string
	Factors        []Factor
	Left           int // unused backup codes
	AppPasswords   int
	Sessions       int
}

// Factor is an enrolled second factor.
type Factor struct {
	ID       string
	Method   string // as in Way
	Channel  string // of a webhook
	Name     string // as the person called it; empty: not named
	To       string // where codes go; empty where none are sent
	Added    time.Time
	LastUsed time.Time
}

// AddFactor offers the second factors that may be enrolled.
type AddFactor struct {
	Frame
	Problem    string // about none of the kinds
	Kinds      Kinds
	NeedsEmail bool // codes by e-mail would be among them if the account had an address
}

// EditFactor shows one second factor, to be renamed or removed.
type EditFactor struct {
	Frame
	Form
	RemoveToken string
	Factor      Factor
	Typed       string // the name in the form
	WrongName   bool   // the problem is about it
	Last        bool   // there is no other one, so it cannot be removed by itself
}

// NewBackupCodes asks before backup codes are replaced.
type NewBackupCodes struct {
	Frame
	Form
}

// DisableTwoFactor asks before two-factor sign-in is turned off.
type DisableTwoFactor struct {
	Frame
	Form
	Vouched bool // no password is asked for
}

// ChangePassword asks for the password at hand and a new one.
type ChangePassword struct {
	Frame
	Form
	Wrong       string // the field that the problem is about: "current" or "password"; empty on the first visit
	UserName    string
	MinPassword int
}

// ChangeEmail asks for another e-mail address.
type ChangeEmail struct {
	Frame
	Form
	Current string // empty: the account has none
	Typed   string
}

// AppPasswords lists what programs come in with for a person.
type AppPasswords struct {
	Frame
	Done    string
	Problem string
	Token   string // of the forms that revoke one
	List    []AppPassword
}

// AppPassword is what one program comes in with, and what it is good for.
type AppPassword struct {
	ID       string
	Name     string
	Hosts    []string
	Paths    []string // it is good there and below; none: everywhere
	Methods  []string // none: all
	ReadOnly bool     // they are those that only read
	Networks []string // none: all
	Made     time.Time
	LastUsed time.Time
	Until    time.Time
}

// NewAppPassword asks what a new one is to be good for.
type NewAppPassword struct {
	Frame
	Form
	Newest    string   // the newest app password so far, with which the form comes back: one form makes one of them
	Wrong     string   // the field that the problem is about: "name", "site" or "path", above which it stands; empty where it is about none
	Site      string   // which was chosen; the only one where there are no Sites
	Sites     []string // that there are to choose from
	OtherSite bool     // one that is not among them can be typed
	Name      string
	Path      string
	ReadOnly  bool
	Lives     []int // in days
	Life      int   // the one that was chosen
	NoFactor  bool  // the account has no second factor
}

// AppPasswordMade shows a new one, once.
type AppPasswordMade struct {
	Frame
	UserName string
	Password string   // for the user name
	Headers  []Header // the same for programs that send headers
	Made     AppPassword
}

// Header is a field of an HTTP request.
type Header struct{ Name, Value string }

// Sessions lists where a person is signed in.
type Sessions struct {
	Frame
	Done        string
	Problem     string
	EndToken    string
	OthersToken string
	TrustToken  string
	This        Session
	Others      []Session
	Trusted     []TrustedBrowser
}

// Session is a sign-in that goes on.
type Session struct {
	ID      string
	Device  string // what the browser calls itself, or …
	Program bool   // … the program that goes on with it
	Address string // of the network; empty: not known
	Since   time.Time
	Seen    time.Time
	Proofs  string // what was proven, in words
}

// TrustedBrowser is one in which a person is not asked for a code.
type TrustedBrowser struct {
	ID       string
	Device   string
	Address  string
	LastUsed time.Time
	Until    time.Time
}

// SignOut asks before signing out, since a link alone must not do it.
type SignOut struct {
	Frame
	Token   string
	Vouched bool // what is in front of us goes on vouching for the person
}

// ChooseLanguage offers the languages of the pages.
type ChooseLanguage struct {
	Frame
	ReturnTo string // a path on this host; empty: the page comes again
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"net/http"
	"time"
)

// Message names one sentence that people read on our pages and in our refusals. Its words are in a catalog below and nowhere else:
// neither in templates nor in the code of another package. What operators read, in logs, errors and commands, is English where it is
// said. A sentence says what happened, what it means and what to do next, and blames nobody.
type Message string

// Say returns the words of a message in the language of whoever asks, with args filled in as package fmt does.
func Say(r *http.Request, m Message, args ...any) string { return language(r).say(m, args...) }

// Wait returns a time to wait in words. It rounds up, so that nobody who waited as told comes too early.
func Wait(r *http.Request, d time.Duration) string { return language(r).wait(d) }

// language chooses the catalog for a request. There is one so far. A second changes this function, and the templates: their words come
// from english, for whatever request (see parse).
func language(*http.Request) *catalog { return &english }

// catalog is the words of one language.
type catalog struct {
	lang      string // for the html element (BCP 47)
	day       string // how a moment is written, as a layout of package time
	sentences map[Message]string
}

func (c *catalog) say(m Message, args ...any) string {
	if len(args) == 0 {
		return c.sentences[m]
	}
	return fmt.Sprintf(c.sentences[m], args...)
}

func (c *catalog) wait(d time.Duration) string {
	up := func(unit time.Duration) int64 { return int64((d + unit - 1) / unit) }
	switch {
	case d <= time.Second:
		return c.say(OneSecond)
	case d <= 90*time.Second:
		return c.say(Seconds, up(time.Second))
	case d <= 90*time.Minute:
		return c.say(Minutes, up(time.Minute))
	}
	return c.say(Hours, up(time.Hour))
}

func (c *catalog) when(t time.Time) string {
	if t.IsZero() {
		return c.say(Never)
	}
	return t.UTC().Format(c.day)
}

// Messages of the sign-in page.
const (
	SignInTitle   Message = "sign-in.title"
	UserName      Message = "user-name"
	Password      Message = "password"
	KeepSignedIn  Message = "sign-in.keep"
	SignInButton  Message = "sign-in.button"
	SignedInAs    Message = "signed-in-as"
	StartOver     Message = "start-over"
	ProblemPrefix Message = "problem" // read aloud before the sentence of a refused form
)

// Messages of the second-factor page.
const (
	SecondFactorTitle Message = "second-factor.title"
	CodeHint          Message = "second-factor.hint"
	Code              Message = "second-factor.code"
	BackupHint        Message = "second-factor.backup-hint"
	BackupCode        Message = "second-factor.backup-code"
	UseBackupCode     Message = "second-factor.use-backup"
	UseApp            Message = "second-factor.use-app"
	ContinueButton    Message = "continue"
)

// Messages of the page that enrolls an authenticator app.
const (
	EnableTitle   Message = "enable.title"
	EnableWhy     Message = "enable.why"
	EnableScan    Message = "enable.scan"
	EnableImage   Message = "enable.image" // what the picture is, for who cannot see it
	EnableType    Message = "enable.type"
	EnableOpen    Message = "enable.open"
	EnableConfirm Message = "enable.confirm"
	EnableButton  Message = "enable.button"
)

// Messages of the backup code pages.
const (
	BackupCodesTitle Message = "backup-codes.title"
	BackupCodesWhy   Message = "backup-codes.why"
	BackupCodesOnce  Message = "backup-codes.once"
	BackupCodesList  Message = "backup-codes.list"
	CopyButton       Message = "backup-codes.copy"
	CopiedNote       Message = "backup-codes.copied"
	NotCopiedNote    Message = "backup-codes.not-copied"
	DownloadButton   Message = "backup-codes.download"
	DownloadedNote   Message = "backup-codes.downloaded"
	DownloadName     Message = "backup-codes.file"
	PrintButton      Message = "backup-codes.print"
	SavedButton      Message = "backup-codes.saved"
	UsedTitle        Message = "backup-code-used.title"
	CodesLeft        Message = "codes-left"
	OneCodeLeft      Message = "codes-left.one"
	NoCodeLeft       Message = "codes-left.none"
	FewCodesLeft     Message = "codes-left.few"
)

// Messages of the pages behind one-time links.
const (
	SetupTitle     Message = "setup.title"
	SetupWhy       Message = "setup.why"
	SetupButton    Message = "setup.button"
	InviteTitle    Message = "invite.title"
	InviteWhy      Message = "invite.why"
	InviteButton   Message = "invite.button"
	ReenrollTitle  Message = "re-enroll.title"
	ReenrollWhy    Message = "re-enroll.why"
	NewPassword    Message = "new-password"
	RepeatPassword Message = "repeat-password"
	PasswordHint   Message = "password-hint"
)

// Messages of the page that asks again for the password.
const (
	SudoTitle Message = "sudo.title"
	SudoWhy   Message = "sudo.why"
)

// Messages of the account and sign-out pages.
const (
	AccountTitle      Message = "account.title"
	AccountSetUp      Message = "account.set-up"
	ToApplication     Message = "account.to-application"
	AccountUser       Message = "account.user"
	AccountFullName   Message = "account.full-name"
	AccountEmail      Message = "account.email"
	AccountGroups     Message = "account.groups"
	AccountFactors    Message = "account.factors"
	AccountNoFactor   Message = "account.no-factor"
	AccountLastUsed   Message = "account.last-used"
	AccountCodes      Message = "account.backup-codes"
	AccountSessions   Message = "account.sessions"
	AccountOneSession Message = "account.sessions.one"
	AccountBrowsers   Message = "account.sessions.more"
	Never             Message = "never"
	SignOutTitle      Message = "sign-out.title"
	SignOutWhy        Message = "sign-out.why"
	SignOutButton     Message = "sign-out.button"
	SignedOutTitle    Message = "signed-out.title"
	SignedOutText     Message = "signed-out.text"
	SignInAgain       Message = "sign-in-again"
	OpenAgain         Message = "open-again"
)

// Messages about a proof or a form that was not accepted.
const (
	RefusedTitle        Message = "refused.title"
	WrongCredentials    Message = "wrong-credentials"
	WrongPassword       Message = "wrong-password"
	WrongCode           Message = "wrong-code"
	WrongBackupCode     Message = "wrong-backup-code"
	UsedCode            Message = "used-code"
	UsedBackupCode      Message = "used-backup-code"
	TooManyTries        Message = "too-many-tries"
	Stopped             Message = "stopped"
	StoppedBackupCodes  Message = "stopped-backup-codes"
	StoppedPassword     Message = "stopped-password"
	AttemptGoneTitle    Message = "attempt-gone.title"
	AttemptGone         Message = "attempt-gone"
	LinkGoneTitle       Message = "link-gone.title"
	LinkGone            Message = "link-gone"
	LinkNeeded          Message = "link-needed"
	NameTaken           Message = "name-taken"
	BadName             Message = "bad-name"
	PasswordsDiffer     Message = "passwords-differ"
	PasswordTooShort    Message = "password.too-short"
	PasswordTooLong     Message = "password.too-long"
	PasswordCommon      Message = "password.common"
	PasswordContext     Message = "password.context"
	PasswordPattern     Message = "password.pattern"
	PasswordNotText     Message = "password.not-text"
	Busy                Message = "busy"
	UnavailableTitle    Message = "unavailable.title"
	Unavailable         Message = "unavailable"
	CookiesTitle        Message = "cookies.title"
	Cookies             Message = "cookies"
	CrossOriginTitle    Message = "cross-origin.title"
	CrossOrigin         Message = "cross-origin"
	OldFormTitle        Message = "old-form.title"
	OldForm             Message = "old-form"
	BadRequestTitle     Message = "bad-request.title"
	BadRequest          Message = "bad-request"
	TooLarge            Message = "too-large"
	WrongType           Message = "wrong-type"
	TooSlow             Message = "too-slow"
	TooEarly            Message = "too-early"
	NotFoundTitle       Message = "not-found.title"
	NotFound            Message = "not-found"
	WrongMethodTitle    Message = "wrong-method.title"
	WrongMethod         Message = "wrong-method"
	ExposedTitle        Message = "exposed.title"
	Exposed             Message = "exposed"
	ForPeopleTitle      Message = "for-people.title"
	ForPeople           Message = "for-people"
	SignInRequiredTitle Message = "sign-in-required.title"
	BrokenPage          Message = "broken-page"
)

// Messages of the gate.
const (
	FormNotSentTitle          Message = "form-not-sent.title"
	FormNotSent               Message = "form-not-sent"
	ForbiddenTitle            Message = "forbidden.title"
	Forbidden                 Message = "forbidden"
	DeniedTitle               Message = "denied.title"
	Denied                    Message = "denied"
	ToAccount                 Message = "to-account"
	SecondFactorRequiredTitle Message = "second-factor-required.title"
	SecondFactorRequired      Message = "second-factor-required"
	StepUpRequiredTitle       Message = "step-up-required.title"
	StepUpRequired            Message = "step-up-required"
	SignInRequired            Message = "sign-in-required"
	FormNotProven             Message = "form-not-proven"
	BadHostTitle              Message = "bad-host.title"
	BadHost                   Message = "bad-host"
	NoTunnel                  Message = "no-tunnel"
	OtherSiteTitle            Message = "other-site.title"
	OtherSite                 Message = "other-site"
	TooEarlyTitle             Message = "too-early.title"
	RuleFailedTitle           Message = "rule-failed.title"
	RuleFailed                Message = "rule-failed"
)

// Times to wait.
const (
	OneSecond Message = "wait.one-second"
	Seconds   Message = "wait.seconds"
	Minutes   Message = "wait.minutes"
	Hours     Message = "wait.hours"
)

var english = catalog{lang: "en", day: "2 January 2006, 15:04 UTC", sentences: map[Message]string{
	SignInTitle:   "Sign in",
	UserName:      "User name",
	Password:      "Password",
	KeepSignedIn:  "Keep me signed in on this device",
	SignInButton:  "Sign in",
	SignedInAs:    "Signing in as",
	StartOver:     "Start over",
	ProblemPrefix: "Not accepted.",

	SecondFactorTitle: "Enter your code",
	CodeHint:          "Open your authenticator app and type the six digits that it shows now.",
	Code:              "Code",
	BackupHint:        "Type one of the backup codes that you saved. Each one works once.",
	BackupCode:        "Backup code",
	UseBackupCode:     "Use a backup code instead",
	UseApp:            "Use your authenticator app instead",
	ContinueButton:    "Continue",

	EnableTitle:   "Set up your second factor",
	EnableWhy:     "From now on, a password alone does not open this account. You also need a code from an app on your phone.",
	EnableScan:    "Scan this code with an authenticator app.",
	EnableImage:   "QR code with the key that stands as text below",
	EnableType:    "Or type this key into the app.",
	EnableOpen:    "Open in an app on this device",
	EnableConfirm: "Type the six digits that the app shows now.",
	EnableButton:  "Turn on",

	BackupCodesTitle: "Save your backup codes",
	BackupCodesWhy:   "If you lose your phone, a backup code lets you in. Each one works once. Keep them where only you can read them: in a password manager, or on paper.",
	BackupCodesOnce:  "They are shown only now.",
	BackupCodesList:  "Backup codes",
	CopyButton:       "Copy",
	CopiedNote:       "Copied.",
	NotCopiedNote:    "The browser did not allow copying. Select the codes and copy them by hand.",
	DownloadButton:   "Download",
	DownloadedNote:   "Downloaded.",
	DownloadName:     "backup-codes.txt",
	PrintButton:      "Print",
	SavedButton:      "I have saved them",
	UsedTitle:        "You used a backup code",
	CodesLeft:        "You have %d backup codes left.",
	OneCodeLeft:      "You have 1 backup code left.",
	NoCodeLeft:       "You have no backup code left.",
	FewCodesLeft:     "Without your phone or a backup code you cannot sign in. If your phone is lost, ask whoever runs this site to reset your second factor while you still have a way in.",

	SetupTitle:     "Make the first account",
	SetupWhy:       "This account administers the site. Next you set up two-factor sign-in for it.",
	SetupButton:    "Make the account",
	InviteTitle:    "Choose your password",
	InviteWhy:      "An account was made for you. Choose its password; next you set up two-factor sign-in.",
	InviteButton:   "Set the password",
	ReenrollTitle:  "Set up your second factor again",
	ReenrollWhy:    "Your second factor was reset. Type your password; next you set up a new one.",
	NewPassword:    "Password",
	RepeatPassword: "The same password again",
	PasswordHint:   "At least %d characters. A few random words are easy to remember and hard to guess.",

	SudoTitle: "Is it still you?",
	SudoWhy:   "What comes next needs a fresh sign-in. Type your password to go on.",

	AccountTitle:      "Your account",
	AccountSetUp:      "Set one up",
	ToApplication:     "Go to the application",
	AccountUser:       "User name",
	AccountFullName:   "Name",
	AccountEmail:      "E-mail",
	AccountGroups:     "Groups",
	AccountFactors:    "Second factors",
	AccountNoFactor:   "None yet",
	AccountLastUsed:   "Last used:",
	AccountCodes:      "Backup codes",
	AccountSessions:   "Signed in",
	AccountOneSession: "In this browser only",
	AccountBrowsers:   "In %d browsers, this one included",
	Never:             "never",
	SignOutTitle:      "Sign out?",
	SignOutWhy:        "You will need your password and a code to come back.",
	SignOutButton:     "Sign out",
	SignedOutTitle:    "You are signed out",
	SignedOutText:     "Nobody who uses this browser now can get into your account. You may close this window.",
	SignInAgain:       "Sign in",
	OpenAgain:         "Open the page again",

	RefusedTitle:        "That did not work",
	WrongPassword:       "This is not the password of this account. Check it and try again.",
	WrongCredentials:    "This user name and password do not open an account here. Check both and try again.",
	WrongCode:           "This code is not right. Type the one that your app shows now; if that fails too, check that your phone shows the right time.",
	WrongBackupCode:     "This is not one of your backup codes. Check it for slips and try again.",
	UsedCode:            "This code has been used. Wait for the next one.",
	UsedBackupCode:      "This backup code has been used. Each one works once: take another one.",
	TooManyTries:        "There were too many tries. To keep the account safe, wait %s and then try again.",
	Stopped:             "Codes are stopped for this account after many wrong ones, so that nobody can guess one. Use a backup code, or ask whoever runs this site.",
	StoppedBackupCodes:  "Backup codes are stopped for this account after many wrong ones, so that nobody can guess one. Use your authenticator app, or ask whoever runs this site.",
	StoppedPassword:     "After many wrong passwords nobody can sign in under this name, so that the password cannot be guessed. Ask whoever runs this site to open it again.",
	AttemptGoneTitle:    "Please sign in again",
	AttemptGone:         "This sign-in took too long, or was finished in another window. Nothing was lost. Sign in again to go on.",
	LinkGoneTitle:       "This link no longer works",
	LinkGone:            "It has been used, was replaced by a newer one, or has run out. Ask whoever runs this site for a new link.",
	LinkNeeded:          "Your second factor was reset. Open the link that you were given for it, or ask whoever runs this site for one.",
	NameTaken:           "Somebody has this user name. Choose another one.",
	BadName:             "This user name cannot be used. Take up to 64 of the letters a to z, digits, and . _ @ + -, with a letter or digit first.",
	PasswordsDiffer:     "The two passwords are not the same. Type the same one twice.",
	PasswordTooShort:    "This password is too short: it needs at least %d characters. A few more words will do.",
	PasswordTooLong:     "This password is too long to be remembered or checked. Choose a shorter one.",
	PasswordCommon:      "This password is known to those who guess passwords, so they try it first. Choose another one.",
	PasswordContext:     "This password is made of words that anybody can see here, such as your user name. Choose another one.",
	PasswordPattern:     "This password repeats itself or follows a simple row, such as 12345. Choose another one.",
	PasswordNotText:     "This password holds something that is not a character, so no keyboard could type it again. Choose another one.",
	Busy:                "Many people are signing in at this moment. Nothing was lost. Wait %s and send the form again.",
	UnavailableTitle:    "Sign-in is out of order",
	Unavailable:         "The sign-in service does not answer at this moment. Nothing about your account has changed. Try again in a minute; if it stays so, tell whoever runs this site.",
	CookiesTitle:        "Please allow cookies",
	Cookies:             "Your browser sent no cookie with this form, and sign-in cannot work without one. Allow cookies for this site in the settings of your browser, then open the page again.",
	CrossOriginTitle:    "This form was not accepted",
	CrossOrigin:         "It was sent from another site, so nothing was done. If it was you, open the page on this site and send it from there.",
	OldFormTitle:        "This page is too old",
	OldForm:             "Your sign-in has gone on in another window since this page was opened, so nothing was done. Open the page again and send it from there.",
	BadRequestTitle:     "This request was not understood",
	BadRequest:          "Something in it is missing, double or misspelled, so nothing was done. Open the page again and send it from there.",
	TooLarge:            "What was sent is larger than any form of this site, so nothing was done. Open the page again and send it from there.",
	WrongType:           "What was sent is not a form of this site, so nothing was done. Open the page again and send it from there.",
	TooSlow:             "The form took too long to arrive, so nothing was done. Check your connection and send it again.",
	TooEarly:            "The form arrived before the connection was safe, so nothing was done. Send it again.",
	NotFoundTitle:       "There is no such page",
	NotFound:            "The address may be misspelled or out of date. Your account page shows what you can do here.",
	WrongMethodTitle:    "This cannot be done here",
	WrongMethod:         "The page exists, but cannot be used in this way. Open it in the browser instead.",
	ExposedTitle:        "This site needs HTTPS",
	Exposed:             "The connection is not encrypted, so a password sent over it could be read on the way. Open the address with https:// in front; if that fails, ask whoever runs this site to turn on HTTPS.",
	ForPeopleTitle:      "This page is for people",
	ForPeople:           "Scripts and embedded frames cannot use it. Open it in a browser window.",
	SignInRequiredTitle: "Sign-in required",
	BrokenPage:          "This page could not be shown. Please tell whoever runs this site.",

	FormNotSentTitle:          "Your form was not sent",
	FormNotSent:               "You are not signed in, so what you sent did not reach the application. Sign in through the link, in a new tab, then come back to this one, reload it and agree to send the form again.",
	ForbiddenTitle:            "This is not open to you",
	Forbidden:                 "You are signed in, but your account may not use this page. If it should, ask whoever runs this site.",
	DeniedTitle:               "This is closed",
	Denied:                    "This site does not answer this request, signed in or not.",
	ToAccount:                 "Your account",
	SecondFactorRequiredTitle: "Second factor required",
	SecondFactorRequired:      "You are signed in, but this needs a second factor too.",
	StepUpRequiredTitle:       "Fresh proof required",
	StepUpRequired:            "You are signed in, but it was too long ago for this.",
	SignInRequired:            "Sign in at sign_in_url in a browser, then try again.",
	FormNotProven:             "This needs a fresh proof that it is you, so what you sent did not reach the application. Go on through the link, in a new tab, then come back to this one, reload it and agree to send the form again.",
	BadHostTitle:              "There is no such host",
	BadHost:                   "The request names no host, or something that is no host name, so nothing was done.",
	NoTunnel:                  "This method opens a tunnel or shows what was sent, so it is not passed on.",
	OtherSiteTitle:            "Opened from another site",
	OtherSite:                 "A page of another site asked for this connection in your name, so it was not opened.",
	TooEarlyTitle:             "Sent too early",
	RuleFailedTitle:           "This request could not be judged",
	RuleFailed:                "A rule of this site failed, so nothing was done. Tell whoever runs this site.",

	OneSecond: "one second",
	Seconds:   "%d seconds",
	Minutes:   "%d minutes",
	Hours:     "%d hours",
}}

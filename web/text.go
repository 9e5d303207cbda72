// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

// Message names one sentence that people read on our pages, in our refusals and in our mails. Its words stand in one file for each
// language (english.go, german.go, ...) and nowhere else: neither in templates nor in the code of another package. What operators read,
// in logs, errors and commands, is English where it is said. A sentence says what happened, what it means and what to do next, and
// blames nobody.
type Message string

// Messages of the sign-in page.
const (
	SignInTitle   Message = "sign-in.title"
	UserName      Message = "user-name"
	Password      Message = "password"
	KeepSignedIn  Message = "sign-in.keep"
	SignInFor     Message = "sign-in.for" // with the host of another site
	SignInButton  Message = "sign-in.button"
	SignedInAs    Message = "signed-in-as"
	WhoseAccount  Message = "whose-account" // the same for somebody who is signed in
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
	OtherWays         Message = "second-factor.others"
	TrustBrowser      Message = "second-factor.trust"       // with how many days
	TrustBrowserHours Message = "second-factor.trust-hours" // with how many hours
	CodeAsk           Message = "second-factor.ask"
	NoWayTitle        Message = "no-way.title"
	NoWay             Message = "no-way"        // a rule asks for another kind
	NoWayAtAll        Message = "no-way.at-all" // nothing of the account can be used
)

// Messages about codes that are sent, with where they go.
const (
	SendByEmail   Message = "send.email"
	SendBySMS     Message = "send.sms"
	SendByVoice   Message = "send.voice"
	SendByChannel Message = "send.channel" // with the channel before
	SentByEmail   Message = "sent.email"
	SentBySMS     Message = "sent.sms"
	SentByVoice   Message = "sent.voice"
	SentByChannel Message = "sent.channel" // with the channel before
	SentHint      Message = "sent.hint"
	SentUntil     Message = "sent.until"
	SentLook      Message = "sent.look"
	SentFailed    Message = "sent.failed"
	SendCode      Message = "send.code"
	SendAnother   Message = "send.another"
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
	EnableAdd     Message = "enable.add" // the title, where there is a second factor already
	EnableWhySent Message = "enable.why-sent"
	EnableNothing Message = "enable.nothing"
)

// Messages about the kinds of second factors.
const (
	KindsOther      Message = "kinds.other"
	KindApp         Message = "kind.app"
	KindEmail       Message = "kind.email"
	KindSMS         Message = "kind.sms"
	KindVoice       Message = "kind.voice"
	KindAppWhy      Message = "kinds.app"
	KindEmailWhy    Message = "kinds.email"
	KindName        Message = "kinds.name"
	KindNameHint    Message = "kinds.name-hint"
	KindPhone       Message = "kinds.phone"
	KindPhoneHint   Message = "kinds.phone-hint"
	KindPhoneWeak   Message = "kinds.phone-weak"
	KindDestination Message = "kinds.destination"
)

// Messages of the page that proves an e-mail address.
const (
	ConfirmAddressTitle  Message = "confirm-address.title"
	ConfirmAddressWhy    Message = "confirm-address.why"
	ConfirmAddressButton Message = "confirm-address.button"
	ConfirmAddressLeave  Message = "confirm-address.leave"
)

// Messages of the pages for a forgotten password.
const (
	ForgotPassword   Message = "sign-in.forgot"
	ResetWhy         Message = "reset.why"
	ResetWho         Message = "reset.who"
	ResetButton      Message = "reset.button"
	ResetSentTitle   Message = "reset-sent.title"
	ResetSent        Message = "reset-sent"
	NewPasswordTitle Message = "new-password.title"
	NewPasswordWhy   Message = "new-password.why"
	ResetDoneTitle   Message = "reset-done.title"
	ResetDone        Message = "reset-done"
	ResetLinkGone    Message = "reset-link-gone"
	ResetAgain       Message = "reset-again"
)

// Words for how hard a password is to guess.
const (
	StrengthShort  Message = "strength.short"
	StrengthWeak   Message = "strength.weak"
	StrengthFair   Message = "strength.fair"
	StrengthGood   Message = "strength.good"
	StrengthStrong Message = "strength.strong"
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
	CodesLeft        Message = "codes-left" // with how many
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
	AccountTitle     Message = "account.title"
	AccountSetUp     Message = "account.set-up"
	ToApplication    Message = "account.to-application"
	AccountUser      Message = "account.user"
	AccountFullName  Message = "account.full-name"
	AccountEmail     Message = "account.email"
	AccountGroups    Message = "account.groups"
	AccountFactors   Message = "account.factors"
	AccountNoFactor  Message = "account.no-factor"
	AccountLastUsed  Message = "account.last-used"
	AccountCodes     Message = "account.backup-codes"
	AccountApps      Message = "account.app-passwords"
	AccountSeeApps   Message = "account.see-app-passwords"
	AccountSessions  Message = "account.sessions"
	AccountBrowsers  Message = "account.browsers" // with how many, this one included
	AccountNoEmail   Message = "account.no-email"
	AccountAdded     Message = "account.added" // before a moment
	AccountAdd       Message = "account.add-factor"
	AccountNewCodes  Message = "account.new-codes"
	AccountSee       Message = "account.see-sessions"
	AccountTurnOff   Message = "account.turn-off"
	Change           Message = "change"
	Add              Message = "add"
	Back             Message = "back" // to the account page
	Never            Message = "never"
	SignOutTitle     Message = "sign-out.title"
	SignOutWhy       Message = "sign-out.why"
	SignOutButton    Message = "sign-out.button"
	SignedOutTitle   Message = "signed-out.title"
	SignedOutText    Message = "signed-out.text"
	GoOnTitle        Message = "go-on.title"
	GoOnText         Message = "go-on.text" // with the host
	GoOnAskTitle     Message = "go-on.ask-title"
	GoOnAsk          Message = "go-on.ask" // with the host
	UnknownAddress   Message = "unknown-site.address"
	UnknownSiteTitle Message = "unknown-site.title"
	UnknownSite      Message = "unknown-site"
	SignInAgain      Message = "sign-in-again"
	OpenAgain        Message = "open-again"
)

// Messages for people whom a handler in front of us has authenticated.
const (
	VouchedTitle       Message = "vouched.title"      // of the refusals below
	VouchedNoAccount   Message = "vouched.no-account" // with the name
	VouchedBadName     Message = "vouched.bad-name"   // with what was told
	OtherPerson        Message = "vouched.other-person"
	SignOutVouched     Message = "sign-out.vouched"
	SignedOutVouched   Message = "signed-out.vouched"
	ReenrollVouched    Message = "re-enroll.vouched"
	DisableVouched     Message = "disable.vouched"
	TurningOffVouched  Message = "disable.turning-off-vouched"
	DisableNextVouched Message = "disable.next-vouched"
	NoPassword         Message = "change-password.none"
)

// Messages of the pages that change an account.
const (
	AddFactorWhy     Message = "add-factor.why"
	AddFactorNoEmail Message = "add-factor.needs-email"
	AddFactorEmail   Message = "add-factor.add-email"
	FactorTitle      Message = "factor.title"
	FactorRename     Message = "factor.rename"
	FactorRemove     Message = "factor.remove"
	FactorRemoveWhy  Message = "factor.remove-why"
	FactorLast       Message = "factor.last"
	BadFactorName    Message = "bad-factor-name"
	NewCodesTitle    Message = "new-codes.title"
	NewCodesWhy      Message = "new-codes.why"
	NewCodesButton   Message = "new-codes.button"
	DisableTitle     Message = "disable.title"
	DisableWhy       Message = "disable.why"
	TurningOff       Message = "disable.turning-off"
	DisableNext      Message = "disable.next"
	DisableButton    Message = "disable.button"

	ChangePasswordTitle   Message = "change-password.title"
	ChangePasswordWhy     Message = "change-password.why"
	ChangePasswordCurrent Message = "change-password.current"
	ChangePasswordNew     Message = "change-password.new"
	ChangePasswordRepeat  Message = "change-password.repeat"
	ChangePasswordButton  Message = "change-password.button"
	ChangeEmailTitle      Message = "change-email.title"
	AddEmailTitle         Message = "add-email.title" // where there is none yet
	ChangeEmailWhy        Message = "change-email.why"
	ChangeEmailCurrent    Message = "change-email.current" // before the address
	ChangeEmailNew        Message = "change-email.new"
	SameEmail             Message = "same-email"
)

// Messages of the pages about app passwords.
const (
	AppPasswordsTitle    Message = "app-passwords.title"
	AppPasswordsWhy      Message = "app-passwords.why"
	AppPasswordsNone     Message = "app-passwords.none"
	AppPasswordsCount    Message = "app-passwords.count" // with how many
	AppPasswordsBack     Message = "app-passwords.back"
	AppPasswordSite      Message = "app-password.site"  // before a host
	AppPasswordPaths     Message = "app-password.paths" // before paths
	AppPasswordMay       Message = "app-password.may"   // before one of the next two, or methods
	AppPasswordReads     Message = "app-password.reads"
	AppPasswordAll       Message = "app-password.all"
	AppPasswordNetworks  Message = "app-password.networks" // before networks
	AppPasswordSince     Message = "app-password.since"    // before a moment
	AppPasswordUntil     Message = "app-password.until"    // before a moment
	AppPasswordRevoke    Message = "app-password.revoke"
	NewAppPasswordTitle  Message = "new-app-password.title"
	NewAppPasswordWhy    Message = "new-app-password.why"
	NewAppPasswordWeak   Message = "new-app-password.no-factor"
	NewAppPasswordName   Message = "new-app-password.name"
	NewAppPasswordHint   Message = "new-app-password.name-hint"
	NewAppPasswordSite   Message = "new-app-password.site"
	NewAppPasswordChoose Message = "new-app-password.choose" // a site, before one is chosen
	NewAppPasswordOther  Message = "new-app-password.site-hint"
	NewAppPasswordOnly   Message = "new-app-password.only-site" // with the host
	NewAppPasswordPath   Message = "new-app-password.path"
	NewAppPasswordBelow  Message = "new-app-password.path-hint"
	NewAppPasswordReads  Message = "new-app-password.reads"
	NewAppPasswordLife   Message = "new-app-password.life" // before the next
	NewAppPasswordDays   Message = "new-app-password.days" // with how many
	NewAppPasswordButton Message = "new-app-password.button"
	NewAppPasswordAgain  Message = "new-app-password.again"
	TooManyAppPasswords  Message = "too-many-app-passwords"
	BadAppPasswordName   Message = "bad-app-password.name"
	BadAppPasswordSite   Message = "bad-app-password.site"
	BadAppPasswordPath   Message = "bad-app-password.path"
	MadeTitle            Message = "app-password-made.title"
	MadeWhy              Message = "app-password-made.why"
	MadeOnce             Message = "app-password-made.once"
	MadeHeaders          Message = "app-password-made.headers"
	MadeHeadersWhy       Message = "app-password-made.headers-why"
	MadeFor              Message = "app-password-made.for"
	MadeNotCopied        Message = "app-password-made.not-copied"
	MadeKept             Message = "app-password-made.kept"
)

// Messages of the page that lists sessions.
const (
	SessionsTitle      Message = "sessions.title"
	SessionsThis       Message = "sessions.this"
	SessionsOthers     Message = "sessions.others"
	SessionsNone       Message = "sessions.none"
	SessionsSince      Message = "sessions.since"  // before a moment
	SessionsSeen       Message = "sessions.seen"   // before a moment
	SessionsProofs     Message = "sessions.proofs" // before a list of the words below
	SessionsEnd        Message = "sessions.end"
	SessionsEndOthers  Message = "sessions.end-others"
	SessionsTrusted    Message = "sessions.trusted"
	SessionsTrustedWhy Message = "sessions.trusted-why"
	SessionsUntil      Message = "sessions.until" // before a moment
	SessionsEndTrust   Message = "sessions.end-trust"
	ProofPassword      Message = "proof.password"
	ProofApp           Message = "proof.app"
	ProofEmail         Message = "proof.email"
	ProofMessage       Message = "proof.message" // a code that came by a channel of the site's own, such as SMS
	ProofBackupCode    Message = "proof.backup-code"
	ProofTrusted       Message = "proof.trusted"
	ProofVouched       Message = "proof.vouched"
)

// Messages that say what has just been done.
const (
	DoneFactorAdded   Message = "done.factor-added"
	DoneFactorRenamed Message = "done.factor-renamed"
	DoneFactorRemoved Message = "done.factor-removed"
	DoneTwoFactorOff  Message = "done.two-factor-off"
	DoneBackupCodes   Message = "done.backup-codes"
	DonePassword      Message = "done.password"
	DoneEmail         Message = "done.email"
	DoneSession       Message = "done.session"
	DoneOtherSessions Message = "done.other-sessions"
	DoneTrust         Message = "done.trust"
	DoneAppPassword   Message = "done.app-password"
)

// Messages about a proof or a form that was not accepted.
const (
	RefusedTitle        Message = "refused.title"
	WrongCredentials    Message = "wrong-credentials"
	WrongPassword       Message = "wrong-password"
	WrongCode           Message = "wrong-code"
	WrongBackupCode     Message = "wrong-backup-code"
	WrongSentCode       Message = "wrong-sent-code"
	UsedCode            Message = "used-code"
	UsedBackupCode      Message = "used-backup-code"
	CodeGone            Message = "code-gone"
	TriesSpent          Message = "tries-spent"
	TooManyMessages     Message = "too-many-messages"
	NoSuchWay           Message = "no-such-way"
	LastFactor          Message = "last-factor"
	BadDestination      Message = "bad-destination" // for a telephone number
	BadReceiver         Message = "bad-receiver"    // for any other destination
	BadAddress          Message = "bad-address"
	SameDestination     Message = "same-destination"
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
	FormKept                  Message = "form-kept"
	FormKeptNotProven         Message = "form-kept-not-proven"
	FormLater                 Message = "form-later"
	FormBusy                  Message = "form-busy"
	FormSend                  Message = "form-send"
	FormBack                  Message = "form-back"
	FormWaitsTitle            Message = "form-waits.title"
	FormWaits                 Message = "form-waits"
	FormGoneTitle             Message = "form-gone.title"
	FormGone                  Message = "form-gone"
	FormSentTitle             Message = "form-sent.title"
	FormSent                  Message = "form-sent"
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
	TokenRefused              Message = "token-refused"
	TokenTooWeak              Message = "token-too-weak"
	FormNotProven             Message = "form-not-proven"
	BadHostTitle              Message = "bad-host.title"
	BadHost                   Message = "bad-host"
	NoTunnel                  Message = "no-tunnel"
	OtherSiteTitle            Message = "other-site.title"
	OtherSite                 Message = "other-site"
	TooEarlyTitle             Message = "too-early.title"
	RuleFailedTitle           Message = "rule-failed.title"
	RuleFailed                Message = "rule-failed"

	// About a question of a proxy, which mostly nobody reads but who sets the proxy up.
	ForProxiesTitle   Message = "for-proxies.title"
	ForProxies        Message = "for-proxies"
	BadQuestionTitle  Message = "bad-question.title"
	BadQuestion       Message = "bad-question"
	NotProtectedTitle Message = "not-protected.title"
	NotProtected      Message = "not-protected"
)

// Messages about the language of the pages.
const (
	LanguageTitle Message = "language.title"
	LanguageWhy   Message = "language.why"
	LanguageLink  Message = "language.link" // with the name of the language
)

// Times to wait, with how many.
const (
	Seconds Message = "wait.seconds"
	Minutes Message = "wait.minutes"
	Hours   Message = "wait.hours"
)

// Devices, as far as we know them.
const (
	UnknownDevice Message = "device.unknown"
	DeviceOn      Message = "device.on" // with the program and the system
	Program       Message = "device.program"
	ProgramOn     Message = "device.program-on" // with the device
)

// Subjects of letters, with the brand.
const (
	MailCodeSubject             Message = "mail.code.subject"
	MailTurnOffSubject          Message = "mail.turn-off.subject"
	MailEnrollSubject           Message = "mail.enroll.subject"
	MailProveSubject            Message = "mail.prove.subject"
	MailResetSubject            Message = "mail.reset.subject"
	MailNewBrowserSubject       Message = "mail.new-browser.subject"
	MailFactorAddedSubject      Message = "mail.factor-added.subject"
	MailFactorRemovedSubject    Message = "mail.factor-removed.subject"
	MailTwoFactorOnSubject      Message = "mail.two-factor-on.subject"
	MailTwoFactorOffSubject     Message = "mail.two-factor-off.subject"
	MailTwoFactorResetSubject   Message = "mail.two-factor-reset.subject"
	MailPasswordChangedSubject  Message = "mail.password-changed.subject"
	MailPasswordResetSubject    Message = "mail.password-reset.subject"
	MailEmailChangedSubject     Message = "mail.email-changed.subject"
	MailBackupCodeUsedSubject   Message = "mail.backup-code-used.subject"
	MailBackupCodesMadeSubject  Message = "mail.backup-codes-made.subject"
	MailAppPasswordMadeSubject  Message = "mail.app-password-made.subject"
	MailWrongCodesSubject       Message = "mail.wrong-codes.subject"
	MailAfterFailuresSubject    Message = "mail.after-failures.subject"
	MailTrustedElsewhereSubject Message = "mail.trusted-elsewhere.subject"
	MailTestSubject             Message = "mail.test.subject"
)

// Leads of letters.
const (
	MailCode             Message = "mail.code"     // with the minutes that it works
	MailTurnOff          Message = "mail.turn-off" // with the minutes that it works
	MailEnroll           Message = "mail.enroll"   // with the minutes that it works
	MailProve            Message = "mail.prove"    // with the minutes that it works
	MailReset            Message = "mail.reset"    // with the minutes that it works
	MailNewBrowser       Message = "mail.new-browser"
	MailFactorAdded      Message = "mail.factor-added"
	MailFactorRemoved    Message = "mail.factor-removed"
	MailTwoFactorOn      Message = "mail.two-factor-on"
	MailTwoFactorOff     Message = "mail.two-factor-off"
	MailTwoFactorReset   Message = "mail.two-factor-reset"
	MailPasswordChanged  Message = "mail.password-changed"
	MailPasswordReset    Message = "mail.password-reset"
	MailEmailChanged     Message = "mail.email-changed"
	MailBackupCodeUsed   Message = "mail.backup-code-used" // with how many are left
	MailBackupCodesMade  Message = "mail.backup-codes-made"
	MailAppPasswordMade  Message = "mail.app-password-made"
	MailWrongCodes       Message = "mail.wrong-codes"
	MailAfterFailures    Message = "mail.after-failures"
	MailTrustedElsewhere Message = "mail.trusted-elsewhere"
	MailTest             Message = "mail.test"
)

// What letters say besides.
const (
	MailResetLink   Message = "mail.reset.link"
	MailKeepSecret  Message = "mail.keep-secret"  // of a code that signs in
	MailNotExpected Message = "mail.not-expected" // of a code that proves an address
	MailResetIgnore Message = "mail.reset.ignore"
	MailNotYou      Message = "mail.not-you"      // of what the owner may have done
	MailNotYouTell  Message = "mail.not-you.tell" // of what an operator has done
	MailSomebody    Message = "mail.somebody"     // of what tells that somebody knows the password

	MailWrongCodesVouchedSubject Message = "mail.wrong-codes-vouched.subject"
	MailWrongCodesVouched        Message = "mail.wrong-codes-vouched"
	MailVouchedNotYou            Message = "mail.vouched-not-you"

	MailAccount     Message = "mail.account" // labels of facts, from here on
	MailSite        Message = "mail.site"
	MailTime        Message = "mail.time"
	MailAddress     Message = "mail.address" // of the network
	MailDevice      Message = "mail.device"
	MailFactor      Message = "mail.factor"
	MailAppPassword Message = "mail.app-password"
	MailOldEmail    Message = "mail.old-email"
	MailNewEmail    Message = "mail.new-email"
)

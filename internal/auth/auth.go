// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package auth is the rules: who a person is, what they have proven, what is still missing, and whether they may pass. Each thing
// a person or an operator can do is one method of Service, and each of those is one store transaction that checks, changes and
// appends its event together, or does nothing.
//
// Three places decide, and no door can go round them. attempt.next says what a sign-in still needs. Requirement.Judge says whether
// a session satisfies a rule. Service.update is the only way to the store's write side, so that no change goes without its event.
//
// The package knows nothing of HTTP, Caddy or Badger. Read service.go for the acts, attempt.go for the way in, session.go for what
// the gate asks on each request, guess.go for the counters, token.go for every secret that is handed out.
package auth

import (
	"log/slog"
	"net/netip"
	"time"
)

// Method is one way of proving who you are; the values are those of RFC 8176 (amr) where it has one.
type Method string

const (
	Password   Method = "pwd"
	TOTP       Method = "otp"
	BackupCode Method = "backup_code"
)

// Second tells whether the method counts as a second factor.
func (m Method) Second() bool { return m == TOTP || m == BackupCode }

// Proof is one thing proven and when. A session keeps the newest proof of each method.
type Proof struct {
	Method Method    `json:"method"`
	At     time.Time `json:"at"`
}

// Level is what a rule demands. The zero value demands nothing and is not valid in a rule.
type Level int

const (
	LevelPassword  Level = 1
	LevelTwoFactor Level = 2
)

func (l Level) String() string {
	switch l {
	case LevelPassword:
		return "password"
	case LevelTwoFactor:
		return "two_factor"
	}
	return "none"
}

// Requirement is what a rule of a site asks of whoever wants to pass.
type Requirement struct {
	Level   Level
	Groups  []string      // a member of at least one of them; empty: any
	Users   []string      // one of these canonical names; empty: any
	Methods []Method      // second factors that count; empty: any the person enrolled
	MaxAge  time.Duration // how old the proofs may be; zero: as old as the session
}

// Verdict is the answer of Requirement.Judge.
type Verdict int

const (
	// SignIn: nobody is signed in.
	SignIn Verdict = iota
	// ProveMore: signed in, but a second factor is missing, or the one proven does not count here.
	ProveMore
	// StepUp: the proofs are too old for this rule.
	StepUp
	// Forbidden: signed in as somebody whom the rule does not admit.
	Forbidden
	// Pass: go ahead.
	Pass
)

// Client is who is asking, for events, session lists and the counters against guessing.
type Client struct {
	Address netip.Addr // zero: unknown, as for an operator's command
	Device  string     // the User-Agent; cut to 256 bytes when stored
}

// Settings are the parts of the configuration that a reload may change.
type Settings struct {
	Issuer      string        // name shown in the authenticator app
	PastSteps   int           // how many earlier TOTP codes still count, 0 to 10
	MinPassword int           // code points
	Idle        time.Duration // a session ends this long after its last request
	Lifetime    time.Duration // a session ends this long after sign-in, whatever happens
	Remember    time.Duration // both limits for a session with "keep me signed in"
	Brand       string        // shown on pages; a word that a password may not consist of
}

// DefaultSettings are the numbers of docs/caddyfile.md. The idle and overall limits are those of NIST SP 800-63B-4 §2.2.3.
var DefaultSettings = Settings{
	Issuer:      "Nightlatch",
	PastSteps:   1,
	MinPassword: 15,
	Idle:        time.Hour,
	Lifetime:    12 * time.Hour,
	Remember:    30 * 24 * time.Hour,
	Brand:       "Nightlatch",
}

// Kind is what went wrong, for the program: each door maps it to a status and a sentence.
type Kind int

const (
	Unavailable       Kind = iota // the store did not answer; never read it as "signed out" or "has no factor"
	NotSignedIn                   // no session, or one that has ended
	WrongCredentials              // unknown name, wrong password or disabled account: never say which
	WrongCode                     // the code is not right
	UsedCode                      // the code was right, but has been used
	TooManyTries                  // wait RetryAfter
	Stopped                       // this factor is stopped until another one, a backup code or an operator clears it
	AttemptGone                   // the sign-in took too long, was finished, or never began
	OutOfOrder                    // the attempt waits for another step
	LinkGone                      // the link was used, replaced, or has run out
	LinkNeeded                    // an operator reset the second factor: the new one is enrolled through the link only
	NameTaken                     // somebody has this user name
	BadName                       // the user name is not acceptable; Detail says why
	BadPassword                   // the new password is not acceptable; the cause is the error of package password
	BadInput                      // another field is not acceptable; Detail says which and why
	NotFound                      // no such user or session
	Busy                          // too many sign-ins at once: wait RetryAfter
	AlreadyDone                   // nothing to change
	Disabled                      // the account is shut; only an operator is told so
	LastAdministrator             // this would leave nobody to administer
)

// Error is every error of this package. Kind is for the program; Detail, where set, is a plain clause for an operator or a form; the
// cause is for the log and may name things that a visitor must not learn.
type Error struct {
	Kind       Kind
	Detail     string
	RetryAfter time.Duration // with TooManyTries and Busy
	Cause      error
}

// KindOf returns the Kind of an error of this package, and Unavailable for any other: what is not understood denies.
func KindOf(err error) Kind { return kindOf(err) }

// Step is what an attempt needs next.
type Step string

const (
	StepPassword  Step = "password"   // type the password (again)
	StepCode      Step = "code"       // a code of an enrolled factor, or a backup code
	StepEnroll    Step = "enroll"     // scan the QR code, confirm with a code
	StepSaveCodes Step = "save-codes" // the backup codes are on the page; say that they are saved
	StepDone      Step = "done"       // signed in
)

// Progress is the answer to each act of a sign-in.
type Progress struct {
	Step      Step
	Attempt   string    // value for the attempt cookie: a new one replaces the old; empty once done
	Session   string    // value for the session cookie; set at StepDone, unless the session at hand already sufficed
	Expires   time.Time // with Session: when the cookie may go; zero: with the browser
	ReturnTo  string    // where the person wanted to go, as given at the start; check it when used
	UsedCode  bool      // a backup code was just used …
	CodesLeft int       // … and this many are left
}

// AttemptView is what a page may show of an attempt. Secrets are in it only at the step that shows them.
type AttemptView struct {
	Step      Step
	UserName  string
	ReturnTo  string
	StepUp    bool     // the person is signed in and proves more, rather than signing in
	Secret    []byte   // at StepEnroll: the pending TOTP secret
	Issuer    string   // at StepEnroll: the name for the authenticator app
	Codes     []string // at StepSaveCodes: the backup codes, formatted
	CodesLeft int      // at StepCode: how many unused backup codes there are; 0 hides that way
	Expires   time.Time
}

// LinkKind is what a one-time link is for.
type LinkKind string

const (
	SetupLink    LinkKind = "setup"     // makes the first administrator; 1 hour
	InviteLink   LinkKind = "invite"    // sets the password of a new user and enrolls; 24 hours
	ReenrollLink LinkKind = "re-enroll" // after an operator's reset: enrolls again, with the password; 1 hour
)

// Link is what a page may show of a one-time link before it is used. Looking at a link consumes nothing.
type Link struct {
	Kind     LinkKind
	UserName string // empty for setup
	Expires  time.Time
}

// NewLink is a one-time link that was just made. The token is shown once and stored as a digest.
type NewLink struct {
	Token   string
	Kind    LinkKind
	Expires time.Time
}

// User is a person with an account. ID never changes and is never used again; the rest may change.
type User struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`         // canonical
	FullName string    `json:"display_name"` // what people are called
	Email    string    `json:"email"`
	Groups   []string  `json:"groups"`
	Admin    bool      `json:"admin"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
}

// NewUser is what an operator says of a person to be added.
type NewUser struct {
	Name, FullName, Email string
	Groups                []string
	Admin                 bool
	Password              string // empty: the person sets it through an invite link
}

// UserDetail is what an operator and the account page may see: never a secret, a hash or a token.
type UserDetail struct {
	User
	HasPassword bool         `json:"has_password"`
	Factors     []FactorInfo `json:"factors"`
	CodesLeft   int          `json:"backup_codes_left"`
	Sessions    int          `json:"sessions"`
	Stopped     []Method     `json:"stopped"` // factors at their hard stop against guessing
}

// FactorInfo describes an enrolled factor.
type FactorInfo struct {
	ID       string    `json:"id"`
	Method   Method    `json:"method"`
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used"`
}

// SessionInfo describes a session in lists. ID is no credential.
type SessionInfo struct {
	ID       string     `json:"id"`
	User     string     `json:"user"`
	Device   string     `json:"device"`
	Address  netip.Addr `json:"address"`
	Created  time.Time  `json:"created"`
	LastSeen time.Time  `json:"last_seen"`
	Expires  time.Time  `json:"expires"`
	Proofs   []Proof    `json:"proofs"`
}

// Event is one line of the record of what happened. It never holds a secret.
type Event struct {
	ID      string     `json:"id"` // sortable by time
	Time    time.Time  `json:"time"`
	Type    string     `json:"type"`  // one of the Event… constants
	Actor   string     `json:"actor"` // canonical name, "operator", or "anonymous"
	UserID  string     `json:"user_id,omitempty"`
	User    string     `json:"user,omitempty"`
	Address netip.Addr `json:"address"`
	Outcome string     `json:"outcome"`          // "success", "failure" or "refused"
	Method  Method     `json:"method,omitempty"` // the factor concerned
	Session string     `json:"session,omitempty"`
	Detail  string     `json:"detail,omitempty"`
}

// Clock tells the time; one act reads it once.
type Clock func() time.Time

// Credentials is what the sign-in form sends.
type Credentials struct {
	Name, Password string
	Remember       bool   // "keep me signed in"
	ReturnTo       string // kept as given
}

// discard is the logger of a Service that was given none.
var discard = slog.New(slog.DiscardHandler)

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package auth is the rules: who a person is, what they have proven, what is still missing, and whether they may pass. Each thing
// a person or an operator can do is one method of Service, and each of those is one store transaction that checks, changes and
// appends its event together, or does nothing.
//
// Four places decide, and no door can go round them. attempt.next says what a sign-in still needs. Requirement.Judge says whether
// a session satisfies a rule. fits says whether what was proven in somebody's name counts on a request on which a handler in front names
// somebody. Service.update is the only way to the store's write side, so that no change goes without its event; but for
// when sessions were last seen, which is none.
//
// The package knows nothing of HTTP, Caddy or Badger. Read service.go for how an act runs, attempt.go for the way in, password.go,
// vouch.go and code.go for the proofs, session.go and cache.go for what the gate asks on each request, handover.go for how a session comes
// to another host, form.go for forms that wait for their sender, cached.go for texts that are kept with a session, guess.go for the
// counters against guessing, and token.go for every secret that is handed out.
package auth

import "time"

// Method is one way of proving who you are, in the one word for it that the Caddyfile, the API, commands and events have. Only what we sign
// says it in another, see AMR.
type Method string

const (
	Password       Method = "password"
	TOTP           Method = "totp"
	Email          Method = "email"   // a code sent to the account's address
	Webhook        Method = "webhook" // a code delivered by whatever the operator has connected
	BackupCode     Method = "backup_code"
	Vouched        Method = "vouched"         // a handler in front of us says on each request who it is; stands in for the password
	AppPassword    Method = "app_password"    // an access key of a person; stands in for whatever the session had proven that made it
	ServiceToken   Method = "service_token"   // an access key of nobody
	TrustedBrowser Method = "trusted_browser" // this browser proved a second factor not long ago; stands in for a code where nothing fresh is asked
)

// First tells whether the method is a first factor: the password, or what stands in for it.
func (m Method) First() bool { return m == Password || m == Vouched }

// amr is the word of RFC 8176 section 2 for a method, where it has one.
func (m Method) amr() string {
	switch m {
	case Password:
		return "pwd"
	case TOTP:
		return "otp"
	}
	return string(m)
}

// UnmarshalText reads a method of a record. Those that were written before there was one word for all have that of amr.
func (m *Method) UnmarshalText(text []byte) error {
	*m = Method(text)
	for _, known := range [...]Method{Password, TOTP} {
		if known.amr() == string(text) {
			*m = known
		}
	}
	return nil
}

// Second tells whether the method counts as a second factor that a person proves.
func (m Method) Second() bool {
	switch m {
	case TOTP, Email, Webhook, BackupCode:
		return true
	}
	return false
}

// Proof is one thing proven and when. A session keeps the newest proof of each method.
type Proof struct {
	Method Method    `json:"method"`
	At     time.Time `json:"at"`
}

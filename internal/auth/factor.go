// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/rand"
	"encoding/base32"
	"slices"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/store"
)

// FactorInfo describes an enrolled factor. To is where codes go, whole: only its owner and operators get to see it.
type FactorInfo struct {
	ID       string    `json:"id"`
	Method   Method    `json:"method"`
	Name     string    `json:"name"` // as the person called it; empty: not named
	Channel  string    `json:"channel,omitempty"`
	To       string    `json:"to,omitempty"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used"`
}

// Hint is To as its owner knows it and nobody else: what a program gets to see. It is empty for an authenticator app.
func (f *FactorInfo) Hint() string {
	if f.To == "" {
		return ""
	}
	return hint(f.To)
}

// factors are all second factors of one user in one record, so that using one and changing another cannot pass each other by.
type factors struct {
	Version string          `json:"version,omitempty"` // another one after each change of what is enrolled
	TOTP    []totpFactor    `json:"totp,omitempty"`
	Email   *emailFactor    `json:"email,omitempty"`
	Webhook []webhookFactor `json:"webhook,omitempty"`
	Backup  []backupCode    `json:"backup,omitempty"`
}

// named is what all factors have.
type named struct {
	ID       string    `json:"id"`
	Name     string    `json:"name,omitempty"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used"`
}

// totpFactor is a confirmed authenticator. Its secret never leaves the store again (OT-20): the page that shows one shows the pending
// one of an attempt.
type totpFactor struct {
	named
	Secret   []byte `json:"secret"`
	LastStep int64  `json:"last_step"` // burned: neither it nor an earlier one counts again (RFC 6238 §5.2)
}

// emailFactor sends codes to the address of the account. That has been proven by a code, and a new address is proven before it takes
// the place of the old one.
type emailFactor struct{ named }

// webhookFactor has codes delivered to a destination that was proven by one.
type webhookFactor struct {
	named
	Channel     string `json:"channel"`
	Destination string `json:"destination"`
}

// backupCode keeps UsedAt as a fact rather than being deleted: a store that lost a deletion would otherwise give the code back.
type backupCode struct {
	Hash   string    `json:"hash"`
	UsedAt time.Time `json:"used_at,omitzero"`
}

const (
	maxFactors    = 10 // of one method
	maxFactorName = 64 // code points
)

func factorsKey(userID string) string { return "factors/" + userID }

func loadFactors(t store.Tx, userID string) (factors, error) {
	f, _, err := get[factors](t, factorsKey(userID))
	return f, err
}

// enrolled tells whether the person has a second factor. One that cannot be used at the moment, for want of a mail server say, is one
// all the same: a broken configuration must not open accounts.
func (f *factors) enrolled() bool { return f.count() > 0 }

func (f *factors) count() int {
	n := len(f.TOTP) + len(f.Webhook)
	if f.Email != nil {
		n++
	}
	return n
}

// each calls fn for every factor, the best methods first, with what is particular to it.
func (f *factors) each(fn func(m Method, n *named, channel, to string)) {
	for i := range f.TOTP {
		fn(TOTP, &f.TOTP[i].named, "", "")
	}
	for i := range f.Webhook {
		w := &f.Webhook[i]
		fn(Webhook, &w.named, w.Channel, w.Destination)
	}
	if f.Email != nil {
		fn(Email, &f.Email.named, "", "")
	}
}

// byID finds a factor.
func (f *factors) byID(id string) (m Method, n *named) {
	f.each(func(method Method, x *named, _, _ string) {
		if x.ID == id {
			m, n = method, x
		}
	})
	return m, n
}

// channel is what a webhook's factor is reached by.
func (f *factors) channel(id string) (channel string) {
	f.each(func(_ Method, x *named, c, _ string) {
		if x.ID == id {
			channel = c
		}
	})
	return channel
}

// has tells whether there is a factor of the method.
func (f *factors) has(m Method) (is bool) {
	f.each(func(x Method, _ *named, _, _ string) { is = is || x == m })
	return is
}

// remove takes a factor away and tells whether it was there.
func (f *factors) remove(id string) bool {
	before := f.count()
	f.TOTP = slices.DeleteFunc(f.TOTP, func(x totpFactor) bool { return x.ID == id })
	f.Webhook = slices.DeleteFunc(f.Webhook, func(x webhookFactor) bool { return x.ID == id })
	if f.Email != nil && f.Email.ID == id {
		f.Email = nil
	}
	f.Version = newID()
	return f.count() < before
}

func (f *factors) codesLeft() int {
	left := 0
	for _, c := range f.Backup {
		if c.UsedAt.IsZero() {
			left++
		}
	}
	return left
}

func (f *factors) hashes() []string {
	h := make([]string, len(f.Backup))
	for i, c := range f.Backup {
		h[i] = c.Hash
	}
	return h
}

// enroll makes what was confirmed a factor. The step of an authenticator app that confirmed it is burned: its code is worth nothing from
// now on (OT-6).
func (f *factors) enroll(p *pending, step int64, now time.Time) *FactorInfo {
	n := named{ID: newID(), Name: p.Name, Created: now.UTC(), LastUsed: now.UTC()}
	switch p.Method {
	case TOTP:
		f.TOTP = append(f.TOTP, totpFactor{named: n, Secret: p.Secret, LastStep: step})
	case Email:
		f.Email = &emailFactor{n}
	case Webhook:
		f.Webhook = append(f.Webhook, webhookFactor{named: n, Channel: p.Channel, Destination: p.Destination})
	}
	f.Version = newID()
	return &FactorInfo{ID: n.ID, Method: p.Method, Name: n.Name, Channel: p.Channel, To: p.Destination, Created: n.Created, LastUsed: n.LastUsed}
}

// setBackup replaces the backup codes: the older ones are dead.
func (f *factors) setBackup(hashes []string) {
	f.Backup = nil
	for _, hash := range hashes {
		f.Backup = append(f.Backup, backupCode{Hash: hash})
	}
}

// outcome is what became of a code. Its zero value is wrong.
type outcome int

const (
	wrong outcome = iota
	used
	right
)

// burn looks for the authenticator that made the code and burns the step, so that the code is worth nothing from then on.
func (f *factors) burn(code string, now time.Time, pastSteps int) outcome {
	result := wrong
	for i := range f.TOTP {
		d := &f.TOTP[i]
		if step, ok := otp.Match(d.Secret, code, now, pastSteps, d.LastStep); ok {
			d.LastStep, d.LastUsed = step, now.UTC()
			return right
		}
		if _, ok := otp.Match(d.Secret, code, now, pastSteps, -1); ok {
			result = used
		}
	}
	return result
}

// use marks the backup code at an index that was found for it among hashes. The set must still be the one that was searched.
func (f *factors) use(index int, hashes []string, now time.Time) outcome {
	if index < 0 || !slices.Equal(hashes, f.hashes()) {
		return wrong
	}
	if !f.Backup[index].UsedAt.IsZero() {
		return used
	}
	f.Backup[index].UsedAt = now
	return right
}

const (
	backupCodes     = 10
	backupCodeBytes = 10 // 80 bits: above the 64 of NIST SP 800-63B-4 §4.2.1.1
)

// crockford is base32 without letters that are misread (I, L, O) or misunderstood (U).
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// newBackupCodes returns ten codes as people see them, XXXX-XXXX-XXXX-XXXX.
func newBackupCodes() []string {
	codes := make([]string, backupCodes)
	for i := range codes {
		b := make([]byte, backupCodeBytes)
		rand.Read(b)
		c := crockford.EncodeToString(b)
		codes[i] = c[0:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:16]
	}
	return codes
}

// plainCode is the one spelling of a backup code that is hashed. Case, spaces and dashes do not count, and letters that Crockford's
// alphabet leaves out are read as the digit they look like. ok is false for what cannot be a code.
func plainCode(s string) (code string, ok bool) {
	if len(s) > 64 {
		return "", false
	}
	code = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(s))
	b, err := crockford.DecodeString(code)
	return code, err == nil && len(b) == backupCodeBytes
}

func plainCodes(codes []string) []string {
	plain := make([]string, len(codes))
	for i, c := range codes {
		plain[i], _ = plainCode(c)
	}
	return plain
}

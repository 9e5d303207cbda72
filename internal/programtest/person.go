// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package programtest

import (
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/otp"
)

// PastSteps lets ten earlier codes count, so that a person can sign in ten times without waiting for the clock.
const PastSteps = 10

// Password is everybody's.
const Password = "a door with two locks holds"

// Person is who an account belongs to, and what they keep: an authenticator app and backup codes on paper.
type Person struct {
	Name   string
	Secret []byte
	Paper  []string // backup codes not used yet
	step   int64    // of the last code taken from the app
}

// Code is one of the app that was not used yet. It stays away from the oldest that counts, which may stop counting on the way.
func (p *Person) Code() (string, error) {
	now := otp.Step(time.Now())
	p.step = max(p.step+1, now-PastSteps+2)
	if p.step > now {
		return "", fmt.Errorf("%s has used all codes of the moment", p.Name)
	}
	return otp.Code(p.Secret, p.step), nil
}

var (
	secretRE = regexp.MustCompile(`<code class="secret">([^<]+)</code>`)
	paperRE  = regexp.MustCompile(`<li><code>([^<]+)</code>`)
)

// HasKey tells whether the page shows the key of an authenticator.
func (b *Browser) HasKey() bool { return secretRE.MatchString(b.At.Body) }

// TakeKey takes the key on the page into the app.
func (b *Browser) TakeKey(p *Person) error {
	found := secretRE.FindStringSubmatch(b.At.Body)
	if found == nil {
		return b.Unexpected("no key")
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(found[1], " ", ""))
	if err != nil {
		return err
	}
	p.Secret, p.step = secret, 0
	return nil
}

// Paper is the backup codes on the page.
func (b *Browser) Paper() (codes []string) {
	for _, code := range paperRE.FindAllStringSubmatch(b.At.Body, -1) {
		codes = append(codes, code[1])
	}
	return codes
}

// TypePassword begins a sign-in.
func (b *Browser) TypePassword(p *Person) error {
	if err := b.Open("/_nightlatch/sign-in"); err != nil {
		return err
	}
	return b.Submit("sign-in", "name", p.Name, "password", Password)
}

// Enroll confirms the key of an authenticator app. The password is proven.
func (b *Browser) Enroll(p *Person) error {
	if err := b.Open("/_nightlatch/two-factor/enable"); err != nil {
		return err
	}
	if err := b.TakeKey(p); err != nil {
		return err
	}
	code, err := p.Code()
	if err != nil {
		return err
	}
	if err := b.Submit("two-factor/enable", "code", code); err != nil {
		return err
	}
	return b.Led("/_nightlatch/backup-codes")
}

// SaveCodes writes the backup codes down and goes on to the application.
func (b *Browser) SaveCodes(p *Person) error {
	if err := b.Open("/_nightlatch/backup-codes"); err != nil {
		return err
	}
	if p.Paper = b.Paper(); len(p.Paper) != 10 {
		return b.Unexpected(fmt.Sprintf("%d backup codes", len(p.Paper)))
	}
	if err := b.Submit("backup-codes"); err != nil {
		return err
	}
	return b.Led("/")
}

// TypeCode answers the page for the second factor, to which the browser has been led.
func (b *Browser) TypeCode(method, code string) error {
	page := "/_nightlatch/second-factor"
	if method == "backup_code" {
		page += "?method=backup_code"
	}
	if err := b.Open(page); err != nil {
		return err
	}
	return b.Submit("second-factor", "code", code)
}

// Join signs a new person in: password, enrollment, backup codes.
func (b *Browser) Join(p *Person) error {
	err := b.TypePassword(p)
	if err == nil {
		err = b.Enroll(p)
	}
	if err == nil {
		err = b.SaveCodes(p)
	}
	return err
}

// SignIn signs an enrolled person in with a code of the app.
func (b *Browser) SignIn(p *Person) error {
	err := b.TypePassword(p)
	if err == nil {
		err = b.Led("/_nightlatch/second-factor")
	}
	if err != nil {
		return err
	}
	code, err := p.Code()
	if err != nil {
		return err
	}
	if err := b.TypeCode("totp", code); err != nil {
		return err
	}
	return b.Led("/")
}

// SignOut ends the session of the browser.
func (b *Browser) SignOut() error {
	if err := b.Open("/_nightlatch/sign-out"); err != nil {
		return err
	}
	if err := b.Submit("sign-out"); err != nil {
		return err
	}
	return b.Led("/_nightlatch/signed-out")
}

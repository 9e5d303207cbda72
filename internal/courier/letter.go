// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// wording is what a letter of a kind says.
type wording struct {
	subject, lead web.Message
	advice        web.Message
	account       bool // the advice is followed on the account page
}

// wordings are all letters that there are.
var wordings = map[auth.MessageKind]wording{
	auth.MessageCode:    {web.MailCodeSubject, web.MailCode, web.MailKeepSecret, true},
	auth.MessageTurnOff: {web.MailTurnOffSubject, web.MailTurnOff, web.MailKeepSecret, true},
	auth.MessageEnroll:  {web.MailEnrollSubject, web.MailEnroll, web.MailNotExpected, false},
	auth.MessageProve:   {web.MailProveSubject, web.MailProve, web.MailNotExpected, false},
	auth.MessageReset:   {web.MailResetSubject, web.MailReset, web.MailResetIgnore, false},

	auth.NoticeNewBrowser:       {web.MailNewBrowserSubject, web.MailNewBrowser, web.MailNotYou, true},
	auth.NoticeFactorAdded:      {web.MailFactorAddedSubject, web.MailFactorAdded, web.MailNotYou, true},
	auth.NoticeFactorRemoved:    {web.MailFactorRemovedSubject, web.MailFactorRemoved, web.MailNotYou, true},
	auth.NoticeTwoFactorOn:      {web.MailTwoFactorOnSubject, web.MailTwoFactorOn, web.MailNotYou, true},
	auth.NoticeTwoFactorOff:     {web.MailTwoFactorOffSubject, web.MailTwoFactorOff, web.MailNotYou, true},
	auth.NoticeTwoFactorReset:   {web.MailTwoFactorResetSubject, web.MailTwoFactorReset, web.MailNotYouTell, false},
	auth.NoticePasswordChanged:  {web.MailPasswordChangedSubject, web.MailPasswordChanged, web.MailNotYou, true},
	auth.NoticePasswordReset:    {web.MailPasswordResetSubject, web.MailPasswordReset, web.MailNotYou, true},
	auth.NoticeEmailChanged:     {web.MailEmailChangedSubject, web.MailEmailChanged, web.MailNotYou, true},
	auth.NoticeBackupCodeUsed:   {web.MailBackupCodeUsedSubject, web.MailBackupCodeUsed, web.MailNotYou, true},
	auth.NoticeBackupCodesMade:  {web.MailBackupCodesMadeSubject, web.MailBackupCodesMade, web.MailNotYou, true},
	auth.NoticeAppPasswordMade:  {web.MailAppPasswordMadeSubject, web.MailAppPasswordMade, web.MailNotYou, true},
	auth.NoticeWrongCodes:       {web.MailWrongCodesSubject, web.MailWrongCodes, web.MailSomebody, true},
	auth.NoticeVouchedCodes:     {web.MailWrongCodesVouchedSubject, web.MailWrongCodesVouched, web.MailVouchedNotYou, false},
	auth.NoticeAfterFailures:    {web.MailAfterFailuresSubject, web.MailAfterFailures, web.MailSomebody, true},
	auth.NoticeTrustedElsewhere: {web.MailTrustedElsewhereSubject, web.MailTrustedElsewhere, web.MailSomebody, true},
}

// errNoOrigin says that a letter is nothing but a link, and that there is nowhere to lead.
var errNoOrigin = errors.New("a link cannot be made, since no protected site of the configuration names its host: write link_origin into smtp")

// sendLetter sends a letter once. Its ID is that of the message at every try, so that a mailbox can tell the repeat.
func (c *Courier) sendLetter(ctx context.Context, m auth.Message) error {
	letter, err := c.letter(&m)
	if err != nil {
		return err
	}
	subject, text, html, err := letter.Render()
	if err != nil {
		return err
	}
	return c.cfg.Mail.Send(ctx, mail.Message{ID: m.ID, To: m.To, Subject: subject, Text: text, HTML: html, Date: m.Time})
}

// letter says a message in the words of package web.
func (c *Courier) letter(m *auth.Message) (web.Letter, error) {
	w, ok := wordings[m.Kind]
	if !ok {
		return web.Letter{}, fmt.Errorf("there is no letter of the kind %q", m.Kind)
	}
	origin := c.origin(m)
	l := web.Letter{Brand: c.cfg.Brand, Language: m.Language, Subject: w.subject, Lead: w.lead, Code: m.Code, Advice: []web.Message{w.advice}}
	switch {
	case m.Secret():
		l.LeadArgs = []any{minutes(m.Expires.Sub(m.Time))}
	case m.Kind == auth.NoticeBackupCodeUsed:
		l.LeadArgs = []any{m.Left}
	}
	if m.Token != "" {
		if origin == "" {
			return web.Letter{}, errNoOrigin
		}
		l.Link, l.LinkText = origin+visit.Prefix+"reset/"+m.Token, web.MailResetLink
	}
	if w.account && origin != "" {
		l.Account = origin + visit.Prefix + "account"
	}
	l.Facts = facts(m, &l, origin)
	return l, nil
}

// facts are what an owner compares with what they remember. What is not known is left out.
func facts(m *auth.Message, l *web.Letter, origin string) []web.Fact {
	address, device := "", ""
	if m.Address.IsValid() {
		address = m.Address.String()
	}
	if m.Device != "" {
		device = l.Device(m.Device)
	}
	factor := web.Fact{Label: web.MailFactor, Value: m.Factor}
	if m.Factor == "" {
		factor.Value, factor.Ours = l.Kind(string(m.FactorKind), m.Channel), true
	}
	all := []web.Fact{
		{Label: web.MailAccount, Value: m.User},
		{Label: web.MailSite, Value: origin, Ours: true},
		{Label: web.MailTime, Value: l.When(m.Time), Ours: true},
		{Label: web.MailAddress, Value: address, Ours: true},
		{Label: web.MailDevice, Value: device, Ours: true},
		factor,
		{Label: web.MailAppPassword, Value: m.KeyName},
		{Label: web.MailOldEmail, Value: m.OldEmail, Ours: true},
		{Label: web.MailNewEmail, Value: m.NewEmail, Ours: true},
	}
	var known []web.Fact
	for _, f := range all {
		if f.Value != "" {
			known = append(known, f)
		}
	}
	return known
}

// minutes rounds down: a letter promises no more than there is.
func minutes(d time.Duration) int { return max(1, int(d/time.Minute)) }

// testLetter is one that an operator sends to try the mail server out.
func (c *Courier) testLetter(to string) (mail.Message, error) {
	now := c.cfg.Now()
	l := web.Letter{Brand: c.cfg.Brand, Subject: web.MailTestSubject, Lead: web.MailTest}
	l.Facts = []web.Fact{{Label: web.MailTime, Value: l.When(now), Ours: true}}
	if origin := c.cfg.Origin(); origin != "" {
		l.Facts = append(l.Facts, web.Fact{Label: web.MailSite, Value: origin, Ours: true})
	}
	subject, text, html, err := l.Render()
	return mail.Message{ID: rand.Text(), To: to, Subject: subject, Text: text, HTML: html, Date: now}, err
}

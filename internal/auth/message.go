// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// MessageKind is what a person is told outside of the browser.
type MessageKind string

// Codes and links are secrets: they are in memory alone until they are sent, and who did not get one asks for another.
const (
	MessageCode    MessageKind = "code"     // a code that signs in or proves more
	MessageTurnOff MessageKind = "turn_off" // a code that turns two-factor sign-in off
	MessageEnroll  MessageKind = "enroll"   // a code that enrolls the address or destination it goes to
	MessageProve   MessageKind = "address"  // a code that makes the address it goes to the account's
	MessageReset   MessageKind = "reset"    // a link that sets a new password
)

// Notices tell the owner of an account what has changed. Each is stored with the change, in one transaction, until it is sent
// (ASVS 6.3.7): a process that dies in between sends it when it is back.
const (
	NoticeNewBrowser       MessageKind = "new_browser"       // signed in from a browser that the account did not know
	NoticeFactorAdded      MessageKind = "factor_added"      // Factor names it
	NoticeFactorRemoved    MessageKind = "factor_removed"    // Factor names it
	NoticeTwoFactorOn      MessageKind = "two_factor_on"     // the first factor was enrolled
	NoticeTwoFactorOff     MessageKind = "two_factor_off"    // the owner turned it off
	NoticeTwoFactorReset   MessageKind = "two_factor_reset"  // an operator removed all factors
	NoticePasswordChanged  MessageKind = "password_changed"  // by the owner, who typed the old one
	NoticePasswordReset    MessageKind = "password_reset"    // through a mailed link
	NoticeEmailChanged     MessageKind = "email_changed"     // to the old address and to the new one
	NoticeBackupCodeUsed   MessageKind = "backup_code_used"  // Left says how many there still are
	NoticeBackupCodesMade  MessageKind = "backup_codes_made" // the older ones are dead
	NoticeWrongCodes       MessageKind = "wrong_codes"       // the password was right, and several codes after it were wrong
	NoticeVouchedCodes     MessageKind = "vouched_codes"     // the same, of somebody for whom a handler in front vouches
	NoticeAfterFailures    MessageKind = "after_failures"    // a sign-in succeeded after many wrong passwords
	NoticeAppPasswordMade  MessageKind = "app_password_made" // KeyName names it
	NoticeTrustedElsewhere MessageKind = "trusted_elsewhere" // a trusted browser's cookie was used from a second place; the trust is over
)

// Message is one thing to be told to one person. It holds a secret where Kind is a code or a link: never log it.
type Message struct {
	ID         string      `json:"id"` // the same at every try to deliver it
	Kind       MessageKind `json:"kind"`
	Method     Method      `json:"method"`            // Email or Webhook: how it goes out
	To         string      `json:"to"`                // an address, or with Webhook a destination
	Channel    string      `json:"channel,omitempty"` // one of Settings.Channels: of Webhook, or of the factor that a notice is about
	UserID     string      `json:"user_id"`
	User       string      `json:"user"`               // canonical name
	Language   string      `json:"language,omitempty"` // BCP 47; empty: not known
	Origin     string      `json:"origin,omitempty"`   // of the site where it was asked for or done, such as https://app.example.com; empty: not known
	Time       time.Time   `json:"time"`               // when it was asked for or done
	Address    netip.Addr  `json:"address,omitzero"`   // of who did it
	Device     string      `json:"device,omitempty"`   // User-Agent of who did it
	Factor     string      `json:"factor,omitempty"`   // the name of the factor it is about
	FactorKind Method      `json:"factor_kind,omitempty"`
	KeyName    string      `json:"key_name,omitempty"`  // of an access key
	Left       int         `json:"left,omitempty"`      // backup codes
	OldEmail   string      `json:"old_email,omitempty"` // of NoticeEmailChanged …
	NewEmail   string      `json:"new_email,omitempty"` // … and what it is now
	Code       string      `json:"-"`
	Token      string      `json:"-"`                // of a reset link
	Expires    time.Time   `json:"expires,omitzero"` // of the code or link
}

// Secret tells whether the message holds a code or a link. Such a one is not stored: it dies with the process.
func (m *Message) Secret() bool { return m.Code != "" || m.Token != "" }

const (
	outboxPrefix = "outbox/"
	outboxLife   = 3 * 24 * time.Hour // a notice that could not be sent for so long is given up
)

// send hands a message out once the act is stored. For a code or link the caller has asked the limits.
func (t *tx) send(u *userRecord, m Message) {
	m.UserID, m.User, m.Time = u.ID, u.Name, t.now.UTC()
	if m.ID == "" {
		m.ID = newID()
	}
	m.Origin, m.Address, m.Device = t.client.Origin, t.client.Address, cut(t.client.Device, maxDevice)
	if m.Language = u.Language; m.Language == "" {
		m.Language = t.client.Language
	}
	t.messages = append(t.messages, m)
}

// notify tells the owner of an account what this act has done, by mail to the address of the account. Who has none hears nothing.
func (t *tx) notify(u *userRecord, m Message) { t.notifyAt(u, u.Email, m) }

func (t *tx) notifyAt(u *userRecord, address string, m Message) {
	if !t.s.settings.Mail || address == "" {
		return
	}
	m.Method, m.To = Email, address
	t.send(u, m)
}

// storeMessages keeps what has to survive the process until it is delivered.
func (t *tx) storeMessages() error {
	for _, m := range t.messages {
		if m.Secret() {
			continue
		}
		if err := put(t, outboxPrefix+m.ID, m, t.now.Add(outboxLife)); err != nil {
			return fmt.Errorf("storing a message: %w", err)
		}
	}
	return nil
}

// Undelivered returns the notices that were stored and neither delivered nor given up, in no particular order. Whoever delivers asks
// once, when it starts.
func (s *Service) Undelivered(ctx context.Context) (list []Message, err error) {
	now := s.now()
	err = s.view(ctx, func(t store.Tx) error {
		list = nil
		return t.Scan(outboxPrefix, "", func(_ string, value []byte) error {
			var m Message
			if err := json.Unmarshal(value, &m); err != nil {
				return fmt.Errorf("decoding a message: %w", err)
			}
			if now.Sub(m.Time) < outboxLife {
				list = append(list, m)
			}
			return nil
		})
	})
	return list, err
}

// Delivered says that a message has arrived at whoever takes it on. A notice is then forgotten.
func (s *Service) Delivered(ctx context.Context, m Message) error {
	if m.Secret() {
		return nil
	}
	return s.update(ctx, Client{}, func(t *tx) error { return t.dropMessage(m.ID) })
}

func (t *tx) dropMessage(id string) error {
	if err := t.Delete(outboxPrefix + id); err != nil {
		return fmt.Errorf("forgetting a message: %w", err)
	}
	return nil
}

// delivery is what became of a code, for the page that asks for it. It stands under the id of its message.
type delivery struct {
	Failed bool `json:"failed"`
}

func deliveryKey(id string) string { return "delivery/" + id }

// NotDelivered says that a message is given up, and why, in words for an operator that hold no secret. It becomes an event, and the page
// that waits for the code says so.
func (s *Service) NotDelivered(ctx context.Context, m Message, why string) error {
	return s.update(ctx, Client{}, func(t *tx) error {
		t.event(Event{
			Type: EventNotDelivered, Actor: "system", Outcome: failure, UserID: m.UserID, User: m.User, Method: m.Method,
			Detail: cut(fmt.Sprintf("%s: %s", m.Kind, why), maxDetail),
		})
		if !m.Secret() {
			return t.dropMessage(m.ID)
		}
		return put(t, deliveryKey(m.ID), delivery{Failed: true}, m.Expires)
	})
}

// maxDetail is the size in bytes of an event's detail that comes from outside.
const maxDetail = 256

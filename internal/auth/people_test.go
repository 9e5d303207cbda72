// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

var (
	byMail = auth.NewFactor{Method: auth.Email, Name: "mailbox"}
	byApp  = auth.NewFactor{Method: auth.TOTP, Name: "tablet"}
)

func bySMS(number string) auth.NewFactor {
	return auth.NewFactor{Method: auth.Webhook, Name: "phone", Channel: "sms", Destination: number}
}

// mailBench is a bench that sends codes, for a test that runs beside others.
func mailBench(t *testing.T, changes ...func(*auth.Config)) *authtest.Bench {
	t.Helper()
	t.Parallel()
	b := authtest.New(t, changes...)
	b.WithMail()
	return b
}

// mailUser signs in with a password and a code by mail.
func mailUser(t *testing.T, b *authtest.Bench, name string) *authtest.Person {
	t.Helper()
	return b.EnrollWith(t, auth.NewUser{Name: name, Email: name + "@example.com"}, byMail)
}

// edit changes the one record below a prefix that holds a text.
func edit(t *testing.T, b *authtest.Bench, prefix, holds string, change func(map[string]any)) {
	t.Helper()
	found := 0
	for key, value := range b.Records(t, prefix) {
		if !strings.Contains(value, holds) {
			continue
		}
		found++
		var record map[string]any
		if err := json.Unmarshal([]byte(value), &record); err != nil {
			t.Fatal(err)
		}
		change(record)
		changed, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		b.Overwrite(t, key, string(changed))
	}
	if found != 1 {
		t.Fatalf("%d records %s… hold %q, want one", found, prefix, holds)
	}
}

// kinds are the kinds of messages, in their order.
func kinds(messages []auth.Message) (list []auth.MessageKind) {
	for _, m := range messages {
		list = append(list, m.Kind)
	}
	return list
}

func wantMessages(t *testing.T, got []auth.Message, want ...auth.MessageKind) {
	t.Helper()
	if !slices.Equal(kinds(got), want) {
		t.Errorf("messages: got %q, want %q", kinds(got), want)
	}
}

// types are the types of events, in their order.
func types(events []auth.Event) (list []string) {
	for _, e := range events {
		list = append(list, e.Type)
	}
	return list
}

// other is a code that is not the given one.
func other(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// wantSession checks that somebody is signed in, or is not.
func wantSession(t *testing.T, b *authtest.Bench, value string, runs bool, which string) {
	t.Helper()
	_, err := b.Session(t.Context(), auth.Asker{}, value)
	switch {
	case runs && err != nil:
		t.Errorf("%s has ended: %v", which, err)
	case !runs && auth.KindOf(err) != auth.NotSignedIn:
		t.Errorf("%s: got %v, want that it has ended", which, err)
	}
}

// signInByCode finishes a sign-in with the code that was sent for it.
func signInByCode(t *testing.T, b *authtest.Bench, p *authtest.Person) {
	t.Helper()
	pr := p.EnterPassword(t)
	m := b.Await(t, auth.MessageCode)
	pr, err := b.Code(t.Context(), p.Client(), pr.Attempt, m.Method, m.Code)
	p.Keep(wantStep(t, pr, err, auth.StepDone, "the code that was sent to "+p.Name))
}

// fill has a leaking counter hold so many.
func fill(t *testing.T, b *authtest.Bench, key string, held int) {
	t.Helper()
	b.Overwrite(t, key, fmt.Sprintf(`{"failures":%d,"last":%q}`, held, b.Clock.Now().Format(time.RFC3339Nano)))
}

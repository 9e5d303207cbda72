// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// What was stored when methods had the words of RFC 8176 is read as what it is: a session keeps its proofs, an attempt goes on, an event says
// the word of today, and the tries so far still count.
func TestMethodsOfOlderRecords(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	p := alice.EnterPassword(t)
	_, err := b.Code(t.Context(), alice.Client(), p.Attempt, auth.TOTP, other(alice.Code()))
	wantKind(t, err, auth.WrongCode, "a wrong code")

	older := strings.NewReplacer(`"method":"password"`, `"method":"pwd"`, `"method":"totp"`, `"method":"otp"`)
	changed, counters := map[string]int{}, 0
	for key, record := range b.Records(t, "") {
		if before := older.Replace(record); before != record {
			b.Overwrite(t, key, before)
			kind, _, _ := strings.Cut(key, "/")
			changed[kind]++
		}
		if strings.HasPrefix(key, "guess/code/") {
			counters++
			if !strings.HasSuffix(key, "/otp") {
				t.Errorf("a counter of tries at an app's code stands at %s, and stood under /otp", key)
			}
		}
	}
	if counters != 1 {
		t.Errorf("%d counters of tries at an app's code, want 1", counters)
	}
	for _, kind := range []string{"session", "attempt", "event"} {
		if changed[kind] == 0 {
			t.Errorf("no record under %s/ was made older: %v", kind, changed)
		}
	}
	b.Restart(t)

	x, err := b.Session(t.Context(), auth.Asker{Host: alice.Client().Host}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	if v := auth.Sudo.Judge(x, b.Clock.Now()); v != auth.Pass {
		t.Errorf("the session that has proven both is judged %v", v)
	}
	if got := auth.AMR(x.Proofs); !slices.Equal(got, []string{"pwd", "otp", "mfa"}) {
		t.Errorf("amr is %v", got)
	}
	if _, err := b.Code(t.Context(), alice.Client(), p.Attempt, auth.TOTP, alice.Code()); err != nil {
		t.Errorf("the sign-in that was in progress: %v", err)
	}
	events, err := b.Service.Events(t.Context(), "alice", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Method != "" && e.Method != auth.TOTP && e.Method != auth.Password {
			t.Errorf("an event has the method %q", e.Method)
		}
	}
}

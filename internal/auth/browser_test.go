// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

func at(address string) auth.Client { return auth.Client{Address: netip.MustParseAddr(address)} }

// failAt types wrong passwords until one is not looked at, and returns how many were and what the refusal was.
func failAt(t *testing.T, b *authtest.Bench, c auth.Client, name string, most int) (looked int, err error) {
	t.Helper()
	for range most {
		if _, err = b.SignIn(bg, c, auth.Credentials{Name: name, Password: "wrong"}); auth.KindOf(err) != auth.WrongCredentials {
			return looked, err
		}
		looked++
	}
	return looked, nil
}

// TestBF17KnownBrowserIsKnownForItsPeople: whoever has finished a sign-in with it, however many share it, and nobody else.
func TestBF17KnownBrowserIsKnownForItsPeople(t *testing.T) {
	b := mailBench(t)
	alice, bob := b.Enroll(t, auth.NewUser{Name: "alice"}), b.Enroll(t, auth.NewUser{Name: "bob"})
	carol := b.AddUser(t, auth.NewUser{Name: "carol"})
	bob.Browser = alice.Browser // one computer
	bob.SignIn(t)
	if bob.Browser != alice.Browser {
		t.Error("a browser that has a ticket gets another one")
	}
	half := b.Enroll(t, auth.NewUser{Name: "dora"})
	half.Browser = alice.Browser
	half.EnterPassword(t) // and no code: that is no sign-in
	for _, p := range []*authtest.Person{alice, bob, half, carol} {
		if n, err := failAt(t, b, elsewhere(len(p.Name)), p.Name, 6); n != 5 || auth.KindOf(err) != auth.TooManyTries {
			t.Fatalf("strangers failed %d times at %s, then %v", n, p.Name, err)
		}
	}
	for p, known := range map[*authtest.Person]bool{alice: true, bob: true, half: false, carol: false} {
		c := authtest.Client
		c.Browser = alice.Browser
		_, err := b.SignIn(bg, c, p.Credentials())
		if known && err != nil {
			t.Errorf("%s at their own browser, after strangers have failed: %v", p.Name, err)
		}
		if !known {
			wantKind(t, err, auth.TooManyTries, p.Name+" at a browser of others")
		}
	}
	for name, value := range map[string]string{"none": "", "garbage": "AAAA", "a session": alice.Session, "a visitor": b.VisitorToken()} {
		c := authtest.Client
		c.Browser = value
		_, err := b.SignIn(bg, c, alice.Credentials())
		wantKind(t, err, auth.TooManyTries, "alice with "+name+" for a browser's ticket")
	}
}

// TestBF17OwnFailuresCountInAKnownBrowser, and neither keep the owner out elsewhere nor count for others in the network.
func TestBF17OwnFailuresCountInAKnownBrowser(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Forget(t, "guess/")
	tries := 0
	for range 200 {
		n, err := failAt(t, b, alice.Client(), "alice", 1)
		tries += n
		if auth.KindOf(err) == auth.Stopped {
			break
		}
		if auth.KindOf(err) == auth.TooManyTries {
			b.Clock.Move(retryAfter(err))
		}
	}
	if tries != 50 {
		t.Errorf("%d tries at a known browser before the stop, want 50", tries)
	}
	for key, value := range b.Records(t, "guess/net/") {
		t.Errorf("they count for the network: %s is %s", key, value)
	}
	pr, err := b.SignIn(bg, elsewhere(1), alice.Credentials())
	wantStep(t, pr, err, auth.StepCode, "the owner elsewhere")
	if err := b.Unlock(bg, auth.Client{}, "alice"); err != nil {
		t.Fatal(err)
	}
	alice.EnterPassword(t)
}

func TestBrowsersAreForgotten(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	var tickets []string
	for range 21 {
		alice.Browser = ""
		alice.SignIn(t)
		tickets = append(tickets, alice.Browser)
	}
	known := func(ticket string) bool {
		t.Helper()
		b.Forget(t, "guess/")
		if _, err := failAt(t, b, elsewhere(1), "alice", 6); auth.KindOf(err) != auth.TooManyTries {
			t.Fatal(err)
		}
		c := authtest.Client
		c.Browser = ticket
		_, err := b.SignIn(bg, c, alice.Credentials())
		return err == nil
	}
	for i, want := range map[int]bool{0: false, 1: true, 20: true} {
		if got := known(tickets[i]); got != want {
			t.Errorf("browser %d of 21 is known: %t, want %t", i+1, got, want)
		}
	}
	last := b.Clock.Now().Add(-30 * time.Second) // SignIn moves on by one code
	b.Clock.Move(last.Add(auth.BrowserLife).Add(-time.Second).Sub(b.Clock.Now()))
	if !known(tickets[20]) {
		t.Error("not known a second before ninety days")
	}
	b.Clock.Move(time.Second)
	if known(tickets[20]) {
		t.Error("known after ninety days")
	}
}

// TestBF2NetworksOfIPv6: a subscriber is a /64, and a /48 has four times as much. One that is written as IPv4 in IPv6 is IPv4.
func TestBF2NetworksOfIPv6(t *testing.T) {
	b := mailBench(t)
	full := func(key string, failures int) {
		b.Overwrite(t, "guess/net/"+key, fmt.Sprintf(`{"failures":%d,"last":%q}`, failures, b.Clock.Now().Format(time.RFC3339Nano)))
	}
	full("2001:db8:1:2::/64", 99)
	full("2001:db8:1::/48", 398)
	full("192.0.2.7/32", 100)
	names := 0
	try := func(address string) error {
		names++
		_, err := b.SignIn(bg, at(address), auth.Credentials{Name: fmt.Sprint("user", names), Password: "wrong"})
		return err
	}
	for _, c := range []struct {
		address string
		want    auth.Kind
		after   time.Duration
	}{
		{"2001:db8:1:2::1", auth.WrongCredentials, 0},                             // the hundredth of the /64
		{"2001:db8:1:2:ffff:ffff:ffff:ffff", auth.TooManyTries, 36 * time.Second}, // the one after it
		{"fe80::1%eth0", auth.WrongCredentials, 0},                                // another network
		{"2001:db8:1:3::1", auth.WrongCredentials, 0},                             // another /64: the four hundredth of the /48
		{"2001:db8:1:4::1", auth.TooManyTries, 9 * time.Second},                   // the one after it, from a /64 that has done nothing
		{"2001:db8:2:4::1", auth.WrongCredentials, 0},                             // another /48
		{"192.0.2.7", auth.TooManyTries, 36 * time.Second},                        //
		{"::ffff:192.0.2.7", auth.TooManyTries, 36 * time.Second},                 //
		{"192.0.2.8", auth.WrongCredentials, 0},                                   // IPv4 has no wider network
		{"::ffff:192.0.2.9", auth.WrongCredentials, 0},                            //
	} {
		err := try(c.address)
		if auth.KindOf(err) != c.want || retryAfter(err) != c.after {
			t.Errorf("from %s: %v, wait %v; want kind %v and %v", c.address, err, retryAfter(err), c.want, c.after)
		}
	}
	got := b.Records(t, "guess/net/")
	for _, key := range []string{"2001:db8:1:3::/64", "2001:db8:2::/48", "2001:db8:2:4::/64", "fe80::/64", "fe80::/48", "192.0.2.8/32", "192.0.2.9/32"} {
		if _, found := got["guess/net/"+key]; !found {
			t.Errorf("%s is not counted, of %v", key, got)
		}
	}
}

// TestBF2WrongCodesCountForTheNetwork of a browser that is not known, and not of one that is.
func TestBF2WrongCodesCountForTheNetwork(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	alice.SignIn(t)
	b.Forget(t, "guess/")
	c := alice.Client()
	for _, known := range []bool{true, false} {
		if !known {
			c.Browser = ""
		}
		pr, err := b.SignIn(bg, c, alice.Credentials())
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Code(bg, c, pr.Attempt, auth.TOTP, other(alice.Code()))
		wantKind(t, err, auth.WrongCode, "a wrong code")
		if n := len(b.Records(t, "guess/net/")); (n > 0) == known {
			t.Errorf("%d counters of networks after a wrong code in a browser that is known: %t", n, known)
		}
	}
}

// TestASVS6_3_5NoticesOfSignIns: the owner hears of a browser that is new, and of what came before a sign-in that succeeded.
func TestASVS6_3_5NoticesOfSignIns(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	wantMessages(t, b.Sent(), auth.NoticeTwoFactorOn) // the very first browser is not news
	alice.SignIn(t)
	wantMessages(t, b.Sent())

	stranger := *alice
	stranger.Browser = ""
	c := elsewhere(5)
	c.Device, c.Language = "a phone", "pt-BR"
	pr, err := b.SignIn(bg, c, alice.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	wantMessages(t, b.Sent()) // not before the second factor
	pr, err = b.Code(bg, c, pr.Attempt, auth.TOTP, alice.Code())
	stranger.Keep(wantStep(t, pr, err, auth.StepDone, "a sign-in elsewhere"))
	sent := b.Sent()
	wantMessages(t, sent, auth.NoticeNewBrowser)
	if m := sent[0]; m.To != "alice@example.com" || m.Address != c.Address || m.Device != "a phone" || m.Language != "pt-BR" {
		t.Errorf("the notice: %+v", m)
	}
	b.Clock.Move(30 * time.Second)
	stranger.SignIn(t)
	wantMessages(t, b.Sent())

	for _, n := range []int{9, 10} {
		for failed := 0; failed < n; {
			looked, err := failAt(t, b, c, "alice", 1)
			failed += looked
			if err != nil {
				b.Clock.Move(retryAfter(err))
			}
		}
		for {
			pr, err = b.SignIn(bg, c, alice.Credentials())
			if auth.KindOf(err) != auth.TooManyTries || err == nil {
				break
			}
			b.Clock.Move(retryAfter(err))
		}
		pr, err = b.Code(bg, c, pr.Attempt, auth.TOTP, alice.Code())
		wantStep(t, pr, err, auth.StepDone, fmt.Sprintf("a sign-in after %d failures", n))
		b.Clock.Move(30 * time.Second)
		want := auth.NoticeNewBrowser
		if n == 10 {
			want = auth.NoticeAfterFailures
		}
		wantMessages(t, b.Sent(), want)
	}

	alice.SignIn(t)
	wantMessages(t, b.Sent()) // it was told once

	pr = alice.EnterPassword(t)
	for i := range 7 {
		_, err := b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, other(alice.Code()))
		wantKind(t, err, auth.WrongCode, "a wrong code after the right password")
		var want []auth.MessageKind
		if i == 4 {
			want = append(want, auth.NoticeWrongCodes)
		}
		wantMessages(t, b.Sent(), want...)
		b.Clock.Move(15 * time.Second)
	}
}

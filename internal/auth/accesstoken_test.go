// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/signing"
)

const home = "https://app.example.com"

// program is where a program of the tests runs.
var program = auth.Client{Address: authtest.Client.Address, Device: "test program", Host: "app.example.com", Home: home, API: true}

// here is the same for the gate.
var here = auth.Asker{Host: program.Host, Home: home}

// signInProgram signs a person's program in with all that they have.
func signInProgram(t testing.TB, b *authtest.Bench, p *authtest.Person) auth.Progress {
	t.Helper()
	in := p.Credentials()
	in.Tokens = true
	pr, err := b.SignIn(bg, program, in)
	if err != nil || pr.Step != auth.StepCode {
		t.Fatalf("the password: step %q, %v", pr.Step, err)
	}
	return proveCode(t, b, p, program, pr)
}

func proveCode(t testing.TB, b *authtest.Bench, p *authtest.Person, c auth.Client, pr auth.Progress) auth.Progress {
	t.Helper()
	b.Clock.Move(30 * time.Second)
	pr, err := b.Code(bg, c, pr.Attempt, auth.TOTP, p.Code())
	if err != nil || pr.Step != auth.StepDone || pr.Tokens == nil {
		t.Fatalf("the code: %+v, %v", pr, err)
	}
	return pr
}

// tokenOpens tells whether an access token opens the gate.
func tokenOpens(t testing.TB, b *authtest.Bench, token string) bool {
	t.Helper()
	return opensAt(t, b, here, token)
}

func opensAt(t testing.TB, b *authtest.Bench, a auth.Asker, token string) bool {
	t.Helper()
	s, err := b.Bearer(bg, a, token)
	if err != nil && auth.KindOf(err) != auth.NotSignedIn {
		t.Fatalf("asking with an access token: %v", err)
	}
	return s != nil
}

func TestAProgramGoesOnWithTokens(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	pr := signInProgram(t, b, alice)
	if pr.Session != "" || pr.Browser != "" || pr.SessionID == "" {
		t.Errorf("a program gets a cookie: %+v", pr)
	}
	s, err := b.Bearer(bg, here, pr.Tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	if s.ID != pr.SessionID || s.Name != "alice" || !s.Program || s.Level() != auth.LevelTwoFactor {
		t.Errorf("the session: %+v", s)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(pr.Tokens.Access, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(payload, &said); err != nil {
		t.Fatal(err)
	}
	now := float64(b.Clock.Now().Unix())
	for name, want := range map[string]any{
		"iss": home + "/_nightlatch", "aud": home + "/_nightlatch/api", "sub": s.UserID, "sid": s.ID, "preferred_username": "alice",
		"iat": now, "nbf": now, "exp": now + 300, "auth_time": now - 30,
	} {
		if said[name] != want {
			t.Errorf("%s: got %v, want %v", name, said[name], want)
		}
	}
	if got, want := slices.Sorted(maps.Keys(said)), []string{"amr", "aud", "auth_time", "exp", "iat", "iss", "jti", "nbf", "preferred_username", "sid", "sub", "ver"}; !slices.Equal(got, want) {
		t.Errorf("claims %q, want %q", got, want)
	}
	if got := said["amr"]; !slices.Equal(got.([]any), []any{"pwd", "otp", "mfa"}) {
		t.Errorf("amr %v", got)
	}
	list, err := b.Sessions(bg, "alice")
	if err != nil || len(list) != 2 || list[0].Program || !list[1].Program {
		t.Errorf("sessions %+v, %v; want the browser's and the program's", list, err)
	}
	for key, value := range b.Disk(t) {
		if strings.Contains(key+value, pr.Tokens.Refresh) {
			t.Errorf("the refresh token stands in %s", key)
		}
	}
	if n := testing.AllocsPerRun(100, func() { tokenOpens(t, b, pr.Tokens.Access) }); n > 0 {
		t.Errorf("the look-up allocates %v times", n)
	}
}

// SE-11: to the second, and by the clock alone. JW-12, ASVS 9.2.3: for this host and this home alone.
func TestSE11JW12AccessTokensAreForFiveMinutesHere(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	token := signInProgram(t, b, b.Enroll(t, auth.NewUser{Name: "alice"})).Tokens.Access
	elsewhere := map[string]auth.Asker{
		"another host": {Host: "mail.example.com", Home: home}, "another home": {Host: program.Host, Home: "https://evil.example"}, "no home": {Host: program.Host},
		"another port": {Host: program.Host, Home: home + ":8443"}, "somebody else in front": {Host: program.Host, Home: home, Vouched: "bob"},
	}
	for _, cached := range []bool{false, true} {
		if cached && !tokenOpens(t, b, token) {
			t.Fatal("the token opens nothing")
		}
		for name, a := range elsewhere {
			if opensAt(t, b, a, token) {
				t.Errorf("%s, cached %t: the token opens it", name, cached)
			}
		}
	}
	for _, cached := range []bool{false, true} {
		if !tokenOpens(t, b, token) {
			t.Fatal("the token opens nothing")
		}
		b.Clock.Move(5*time.Minute - time.Second)
		if !tokenOpens(t, b, token) {
			t.Errorf("cached %t: over a second early", cached)
		}
		b.Clock.Move(time.Second)
		if tokenOpens(t, b, token) {
			t.Errorf("cached %t: good at its end", cached)
		}
		b.Clock.Move(-5 * time.Minute)
		b.Restart(t)
		b.Clock.Move(5 * time.Minute)
		if tokenOpens(t, b, token) {
			t.Errorf("cached %t: good at its end when it is read anew", cached)
		}
		b.Clock.Move(-5 * time.Minute)
	}
}

// SE-11: a refresh token is of the host at which it was given, as the session is. At another it is none, and takes no harm.
func TestSE11RefreshTokensAreOfOneHost(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	refresh := signInProgram(t, b, b.Enroll(t, auth.NewUser{Name: "alice"})).Tokens.Refresh
	elsewhere := program
	elsewhere.Host, elsewhere.Home = "mail.example.com", "https://mail.example.com"
	if pair, err := b.Refresh(bg, elsewhere, refresh); auth.KindOf(err) != auth.NotSignedIn || pair != (auth.Tokens{}) {
		t.Errorf("at another host: got %+v, %v", pair, err)
	}
	if _, err := b.Refresh(bg, program, refresh); err != nil {
		t.Errorf("at its own afterwards: %v", err)
	}
}

// JW-3, JW-6, ASVS 9.2.1: with a key of ours, but without a claim that is looked at, or with another: no token.
func TestJW3JW6EachClaimIsNeeded(t *testing.T) {
	t.Parallel()
	var keys *signing.Keys
	b := authtest.New(t, func(c *auth.Config) {
		keys = signing.NewKeys(bytes.Repeat([]byte("k"), 32), c.Now)
		c.Sign = keys
	})
	token := signInProgram(t, b, b.Enroll(t, auth.NewUser{Name: "alice"})).Tokens.Access
	claims, err := keys.VerifyAccessToken(token)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(change func(map[string]any)) string {
		var said map[string]any
		if err := json.Unmarshal(claims, &said); err != nil {
			t.Fatal(err)
		}
		change(said)
		signed, err := keys.Sign(signing.EdDSA, signing.AccessToken, said)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	if !tokenOpens(t, b, sign(func(said map[string]any) { delete(said, "jti") })) {
		t.Fatal("the same claims under the same key open nothing")
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "sid", "ver"} {
		if tokenOpens(t, b, sign(func(said map[string]any) { delete(said, name) })) {
			t.Errorf("a token without %s is good", name)
		}
	}
	now := b.Clock.Now().Unix()
	for what, change := range map[string]func(map[string]any){
		"two audiences":    func(said map[string]any) { said["aud"] = []any{said["aud"], "other"} },
		"an application's": func(said map[string]any) { said["aud"] = home },
		"nbf to come":      func(said map[string]any) { said["nbf"] = now + 60 },
		"iat to come":      func(said map[string]any) { said["iat"] = now + 60 },
		"exp below zero":   func(said map[string]any) { said["exp"] = -1 },
		"exp beyond all":   func(said map[string]any) { said["exp"] = json.RawMessage("1" + strings.Repeat("0", 30)) },
		"exp as a part":    func(said map[string]any) { said["exp"] = float64(now) + 60.5 },
		"exp in a list":    func(said map[string]any) { said["exp"] = []int64{now + 60} },
		"nbf beyond all":   func(said map[string]any) { said["nbf"] = int64(math.MaxInt64) },
		"iat below zero":   func(said map[string]any) { said["iat"] = -1 },
		"null":             func(said map[string]any) { said["aud"] = nil },
		"exp as text":      func(said map[string]any) { said["exp"] = "9999999999" },
		"somebody else's":  func(said map[string]any) { said["sub"] = strings.Repeat("0", 32) },
		"another version":  func(said map[string]any) { said["ver"] = strings.Repeat("0", 16) },
		"no session":       func(said map[string]any) { said["sid"] = strings.Repeat("0", 16) },
	} {
		if tokenOpens(t, b, sign(change)) {
			t.Errorf("%s: the token is good", what)
		}
	}
}

// ASVS 9.2.2, SE-16, JW-10: neither is taken for the other, in memory or not: an access token for a cookie, a cookie or a refresh token for
// an access token.
func TestJW10NoCredentialPassesForAnother(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	pair := signInProgram(t, b, alice).Tokens
	for range 2 { // from the store, then from memory
		for name, value := range map[string]string{"access": pair.Access, "refresh": pair.Refresh} {
			if s, err := b.Session(bg, here, value); err == nil {
				t.Errorf("the %s token is a cookie of %s", name, s.Name)
			}
		}
		for name, value := range map[string]string{"refresh": pair.Refresh, "cookie": alice.Session} {
			if tokenOpens(t, b, value) {
				t.Errorf("the %s is an access token", name)
			}
			if name == "cookie" {
				if _, err := b.Refresh(bg, program, value); auth.KindOf(err) != auth.NotSignedIn {
					t.Errorf("the cookie is a refresh token: %v", err)
				}
			}
		}
		tokenOpens(t, b, pair.Access)
		if _, err := b.Session(bg, auth.Asker{}, alice.Session); err != nil {
			t.Fatal(err)
		}
	}
}

// OA-6, RFC 9700 §4.14.2: each refresh token is good for one use. A second use within ten seconds leads to the same next one, and later it
// ends the session, whoever has which.
func TestOA6ARefreshTokenThatComesAgainEndsTheSession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		wait  time.Duration
		turns int // refreshes before the first token comes again
		good  bool
	}{
		{"at once", 0, 1, true},
		{"a moment earlier", -time.Millisecond, 1, true}, // an act reads the clock as it begins, and the one that began last may be stored first
		{"nine seconds earlier", -9 * time.Second, 1, true},
		{"ten seconds earlier", -10 * time.Second, 1, false},
		{"nine seconds later", 9 * time.Second, 1, true},
		{"ten seconds later", 10 * time.Second, 1, false},
		{"an hour later", 59 * time.Minute, 1, false},
		{"two refreshes later", 0, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := authtest.New(t)
			first := signInProgram(t, b, b.Enroll(t, auth.NewUser{Name: "alice"})).Tokens
			last := *first
			for range c.turns {
				next, err := b.Refresh(bg, program, last.Refresh)
				if err != nil || next.Refresh == last.Refresh || !tokenOpens(t, b, next.Access) || !next.Expires.Equal(first.Expires) {
					t.Fatalf("a refresh: %+v, %v", next, err)
				}
				last = next
			}
			b.Clock.Move(c.wait)
			again, err := b.Refresh(bg, program, first.Refresh)
			if c.good {
				if err != nil || !tokenOpens(t, b, again.Access) {
					t.Fatalf("got %+v, %v; want the next token", again, err)
				}
				for _, pair := range []auth.Tokens{last, again} { // in another envelope, where a second has passed, but the same
					if _, err := b.Refresh(bg, program, pair.Refresh); err != nil {
						t.Errorf("the next token: %v", err)
					}
				}
				return
			}
			wantKind(t, err, auth.NotSignedIn, "the first token")
			if tokenOpens(t, b, last.Access) {
				t.Error("the newest access token is good")
			}
			_, err = b.Refresh(bg, program, last.Refresh)
			wantKind(t, err, auth.NotSignedIn, "the newest refresh token")
			if e := b.Events[len(b.Events)-1]; e.Type != auth.EventTokenCopied || e.User != "alice" {
				t.Errorf("the last event is %+v", e)
			}
		})
	}
}

// OA-6: parallel refreshes of one token all get the same next one, and the session goes on.
func TestOA6ParallelRefreshesAgree(t *testing.T) {
	t.Parallel()
	var skewed atomic.Int64
	b := authtest.New(t, func(c *auth.Config) {
		now := c.Now // as in earnest, an act that begins later may be stored first
		c.Now = func() time.Time { return now().Add(time.Duration(skewed.Add(7919)%1000) * time.Millisecond) }
	})
	first := signInProgram(t, b, b.Enroll(t, auth.NewUser{Name: "alice"})).Tokens
	var wg sync.WaitGroup
	got := make([]auth.Tokens, 40)
	errs := make([]error, len(got))
	for i := range got {
		wg.Go(func() { got[i], errs[i] = b.Refresh(bg, program, first.Refresh) })
	}
	wg.Wait()
	for i := range got {
		if errs[i] != nil || !tokenOpens(t, b, got[i].Access) {
			t.Fatalf("refresh %d: %+v, %v", i, got[i], errs[i])
		}
	}
	for i := range got {
		if _, err := b.Refresh(bg, program, got[i].Refresh); err != nil {
			t.Fatalf("the refresh after refresh %d: %v", i, err)
		}
	}
}

// SE-2, SE-3, OA-9: proving more draws new tokens, and the older ones gain nothing by it: they are dead. A refresh proves nothing anew.
func TestSE3OA9ProvingMoreDrawsNewTokens(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	old := signInProgram(t, b, alice)
	fresh := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}
	b.Clock.Move(11 * time.Minute)
	pair, err := b.Refresh(bg, program, old.Tokens.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(token string) auth.Verdict {
		s, err := b.Bearer(bg, here, token)
		if err != nil && auth.KindOf(err) != auth.NotSignedIn {
			t.Fatal(err)
		}
		return fresh.Judge(s, b.Clock.Now())
	}
	if v := judge(pair.Access); v != auth.StepUp {
		t.Errorf("after a refresh: verdict %v, want StepUp", v)
	}
	p, err := b.StepUp(bg, program, pair.Access, auth.Sudo, "")
	if err != nil || p.Step != auth.StepPassword {
		t.Fatalf("a step-up: %+v, %v", p, err)
	}
	mine := program
	mine.Session = old.SessionID
	if p, err = b.ReenterPassword(bg, mine, p.Attempt, alice.Password); err != nil {
		t.Fatal(err)
	}
	p = proveCode(t, b, alice, mine, p)
	if v := judge(p.Tokens.Access); v != auth.Pass || !p.Tokens.Expires.Equal(old.Tokens.Expires) {
		t.Errorf("after the step-up: verdict %v, end %v; want Pass, %v", v, p.Tokens.Expires, old.Tokens.Expires)
	}
	if v := judge(pair.Access); v != auth.SignIn {
		t.Errorf("the older access token: verdict %v, want SignIn", v)
	}
	_, err = b.Refresh(bg, program, pair.Refresh)
	wantKind(t, err, auth.NotSignedIn, "the older refresh token")
	if judge(p.Tokens.Access) != auth.Pass {
		t.Error("one that was on its way has ended the session")
	}
	b.Clock.Move(10 * time.Second)
	_, err = b.Refresh(bg, program, pair.Refresh)
	wantKind(t, err, auth.NotSignedIn, "the older refresh token, later")
	if judge(p.Tokens.Access) != auth.SignIn {
		t.Error("an older refresh token that came late has not ended the session")
	}
}

// SE-5, SE-6, SE-7, SE-8, OA-8: what ends a session ends its tokens with it, at once.
func TestSE6SE7SE8OA8TokensEndWithTheirSession(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *authtest.Bench, alice *authtest.Person, pr auth.Progress) error{
		"sign-out": func(b *authtest.Bench, _ *authtest.Person, pr auth.Progress) error {
			return b.SignOut(bg, program, pr.Tokens.Access)
		},
		"revocation": func(b *authtest.Bench, _ *authtest.Person, pr auth.Progress) error {
			return b.RevokeToken(bg, program, pr.Tokens.Refresh)
		},
		"an operator": func(b *authtest.Bench, _ *authtest.Person, pr auth.Progress) error {
			return b.RevokeSession(bg, auth.Client{}, pr.SessionID)
		},
		"disabled": func(b *authtest.Bench, _ *authtest.Person, _ auth.Progress) error {
			return b.SetDisabled(bg, auth.Client{}, "alice", true)
		},
		"deleted": func(b *authtest.Bench, _ *authtest.Person, _ auth.Progress) error {
			return b.DeleteUser(bg, auth.Client{}, "alice")
		},
		"factor reset": func(b *authtest.Bench, _ *authtest.Person, _ auth.Progress) error {
			_, err := b.ResetTwoFactor(bg, auth.Client{}, "alice")
			return err
		},
		"password": func(b *authtest.Bench, alice *authtest.Person, _ auth.Progress) error {
			alice.Sudo(t)
			_, err := b.ChangePassword(bg, alice.Client(), alice.Session, alice.Password, "another fine passphrase")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := authtest.New(t)
			alice := b.Enroll(t, auth.NewUser{Name: "alice"})
			pr := signInProgram(t, b, alice)
			if !tokenOpens(t, b, pr.Tokens.Access) {
				t.Fatal("the token opens nothing")
			}
			if err := end(b, alice, pr); err != nil {
				t.Fatal(err)
			}
			if tokenOpens(t, b, pr.Tokens.Access) {
				t.Error("the access token is good")
			}
			_, err := b.Refresh(bg, program, pr.Tokens.Refresh)
			wantKind(t, err, auth.NotSignedIn, "the refresh token")
		})
	}
}

// SE-10, OA-9: a refresh counts as a use, and keeps nothing alive beyond the end of the session.
func TestSE10RefreshesEndWithTheSession(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	first := signInProgram(t, b, b.Enroll(t, auth.NewUser{Name: "alice"})).Tokens
	pair, err := *first, error(nil)
	for at := time.Duration(0); at < 12*time.Hour-40*time.Minute; at += 40 * time.Minute {
		b.Clock.Move(40 * time.Minute)
		if pair, err = b.Refresh(bg, program, pair.Refresh); err != nil {
			t.Fatalf("after %s: %v", at, err)
		}
	}
	left := pair.Expires.Sub(b.Clock.Now())
	b.Clock.Move(left - time.Minute)
	if pair, err = b.Refresh(bg, program, pair.Refresh); err != nil || !pair.AccessExpires.Equal(first.Expires) {
		t.Fatalf("a minute before the end: %+v, %v; want an access token until %v", pair, err, first.Expires)
	}
	b.Clock.Move(time.Minute)
	_, err = b.Refresh(bg, program, pair.Refresh)
	wantKind(t, err, auth.NotSignedIn, "at the end")
	if tokenOpens(t, b, pair.Access) {
		t.Error("the access token is good after the end of the session")
	}
}

// MF-19, MF-20: an attempt that a program has begun goes on through the API alone, and one of a page on the pages alone; through the API it is
// over after five minutes.
func TestMF19AttemptsStayAtTheirDoor(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	page := program
	page.API = false
	for _, c := range []struct{ begins, other auth.Client }{{program, page}, {page, program}} {
		pr, err := b.SignIn(bg, c.begins, alice.Credentials())
		if err != nil || pr.ID != "" {
			t.Fatalf("%+v, %v", pr, err)
		}
		_, err = b.Code(bg, c.other, pr.Attempt, auth.TOTP, alice.Code())
		wantKind(t, err, auth.AttemptGone, "at the other door")
		life := 10 * time.Minute
		if c.begins.API {
			life = 5 * time.Minute
		}
		b.Clock.Move(life - time.Second)
		if _, err := b.Service.Attempt(bg, c.begins, pr.Attempt); err != nil {
			t.Errorf("API %t: a second before its end: %v", c.begins.API, err)
		}
		b.Clock.Move(time.Second)
		_, err = b.Service.Attempt(bg, c.begins, pr.Attempt)
		wantKind(t, err, auth.AttemptGone, "at its end")
	}
}

// SE-21, ASVS 14.2.1: the name of an attempt may stand in an address. With the session that it belongs to it is as good as the attempt; with
// another, or none, it is nothing, and there is none of a sign-in.
func TestSE21TheNameOfAnAttemptNeedsItsSession(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice, bob := b.Enroll(t, auth.NewUser{Name: "alice"}), b.Enroll(t, auth.NewUser{Name: "bob"})
	hers, his := signInProgram(t, b, alice), signInProgram(t, b, bob)
	with := func(id string) auth.Client {
		c := program
		c.Session = id
		return c
	}
	pr, err := b.AddFactor(bg, with(hers.SessionID), hers.Tokens.Access, byApp)
	if err != nil || pr.ID == "" {
		t.Fatalf("%+v, %v", pr, err)
	}
	for name, c := range map[string]auth.Client{"bob's session": with(his.SessionID), "no session": program} {
		for _, value := range []string{pr.ID, pr.Attempt} {
			_, err := b.Service.Attempt(bg, c, value)
			wantKind(t, err, auth.AttemptGone, name)
		}
	}
	if v, err := b.Service.Attempt(bg, with(hers.SessionID), pr.ID); err != nil || v.Step != auth.StepEnroll {
		t.Errorf("with her session: %+v, %v", v, err)
	}
	signIn, err := b.SignIn(bg, program, bob.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	for key := range b.Records(t, "attempt/") {
		name := strings.TrimPrefix(key, "attempt/")
		if v, err := b.Service.Attempt(bg, with(his.SessionID), name); err == nil {
			t.Errorf("the attempt %+v is open to bob by its name", v)
		}
	}
	if _, err := b.Service.Attempt(bg, program, signIn.Attempt); err != nil {
		t.Error(err)
	}
}

// CS-12: a script that slipped into the application has the person's cookie, and not what they type on our pages. That they are in sudo mode
// there is of no use to it.
func TestCS12WhatWasTypedOnOurPagesIsNotFreshForTheAPI(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	alice.Sudo(t)
	s, err := b.Session(bg, auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	script := alice.Client()
	script.API, script.Session = true, s.ID
	if !b.InSudo(alice.Client(), s) || b.InSudo(script, s) {
		t.Errorf("in sudo mode: on pages %t, through the API %t; want true, false", b.InSudo(alice.Client(), s), b.InSudo(script, s))
	}
	_, err = b.NewBackupCodes(bg, script, alice.Session)
	wantKind(t, err, auth.StepUpNeeded, "new backup codes")
	_, err = b.AddFactor(bg, script, alice.Session, byApp)
	wantKind(t, err, auth.StepUpNeeded, "one more factor")
	_, err = b.ChangePassword(bg, script, alice.Session, alice.Password, "another fine passphrase")
	wantKind(t, err, auth.StepUpNeeded, "another password")
	wantKind(t, b.EndOtherSessions(bg, script, alice.Session), auth.StepUpNeeded, "ending sessions")

	p, err := b.StepUp(bg, script, alice.Session, auth.Sudo, "")
	if err != nil || p.Step != auth.StepPassword {
		t.Fatalf("a step-up asks for %q, %v; want the password", p.Step, err)
	}
	if p, err = b.ReenterPassword(bg, script, p.ID, alice.Password); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(30 * time.Second)
	if p, err = b.Code(bg, script, p.ID, auth.TOTP, alice.Code()); err != nil || p.Session == "" || p.Tokens != nil {
		t.Fatalf("%+v, %v; want a new cookie", p, err)
	}
	made, err := b.NewBackupCodes(bg, script, p.Session)
	if err != nil || len(made.Codes) != 10 || made.Step != auth.StepDone {
		t.Errorf("through the API after its own step-up: %+v, %v", made, err)
	}
}

// MF-6: where two factors are asked for, a program whose person has none enrolls one on the way, and gets the backup codes with the session.
func TestMF6AProgramEnrollsOnTheWay(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	in := alice.Credentials()
	in.Level, in.Tokens = auth.LevelTwoFactor, true
	pr, err := b.SignIn(bg, program, in)
	if err != nil || pr.Step != auth.StepEnroll || pr.Tokens != nil || pr.SessionID != "" {
		t.Fatalf("%+v, %v; want an enrollment and nothing else", pr, err)
	}
	v, err := b.Service.Attempt(bg, program, pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	pr, err = b.ConfirmEnrollment(bg, program, pr.Attempt, otp.Code(v.Pending.Secret, otp.Step(b.Clock.Now())))
	if err != nil || pr.Step != auth.StepDone || len(pr.Codes) != 10 || pr.Tokens == nil {
		t.Fatalf("%+v, %v; want tokens and ten codes", pr, err)
	}
	for key, value := range b.Records(t, "") {
		if strings.Contains(value, pr.Codes[0]) {
			t.Errorf("a backup code stands in %s", key)
		}
	}
}

// DO: a program that asks for new tokens without end is told to wait, and goes on afterwards.
func TestRefreshesAreBounded(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	pair := *signInProgram(t, b, b.Enroll(t, auth.NewUser{Name: "alice"})).Tokens
	var err error
	for range 100 {
		if pair, err = b.Refresh(bg, program, pair.Refresh); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.Refresh(bg, program, pair.Refresh)
	wantKind(t, err, auth.TooManyTries, "the next one")
	b.Clock.Move(36 * time.Second)
	if _, err = b.Refresh(bg, program, pair.Refresh); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

// What a program has begun in sudo mode it may finish within the life of the attempt: there is no page that could ask for the proofs again. A
// page asks. The factor that was confirmed is as the answer says.
func TestAProgramFinishesWhatItBeganInSudoMode(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	page := program
	page.API = false
	for _, c := range []struct {
		client auth.Client
		want   auth.Step
	}{{program, auth.StepEnroll}, {page, auth.StepPassword}} {
		in := alice.Credentials()
		in.Tokens = c.client.API
		pr, err := b.SignIn(bg, c.client, in)
		if err != nil {
			t.Fatal(err)
		}
		if pr, err = b.Code(bg, c.client, pr.Attempt, auth.TOTP, alice.Code()); err != nil {
			t.Fatal(err)
		}
		ticket := pr.Session
		if c.client.API {
			ticket, c.client.Session = pr.Tokens.Access, pr.SessionID
			s, err := b.Bearer(bg, auth.Asker{Host: c.client.Host, Home: home}, ticket)
			if err != nil || !s.SudoUntil().Equal(b.Clock.Now().Add(auth.SudoAge)) {
				t.Errorf("in sudo mode until %v, %v; want ten minutes", s.SudoUntil(), err)
			}
			b.Clock.Move(4 * time.Minute) // the access token is good for five
			if pr.Tokens, err = refreshed(b, c.client, pr.Tokens); err != nil {
				t.Fatal(err)
			}
			b.Clock.Move(4 * time.Minute)
			ticket = pr.Tokens.Access
		} else {
			b.Clock.Move(8 * time.Minute)
		}
		if pr, err = b.AddFactor(bg, c.client, ticket, byApp); err != nil {
			t.Fatal(err)
		}
		b.Clock.Move(2 * time.Minute)
		v, err := b.Service.Attempt(bg, c.client, pr.Attempt)
		if err != nil || v.Step != c.want {
			t.Fatalf("API %t: two minutes after sudo mode ran out the attempt waits at %q, %v; want %q", c.client.API, v.Step, err, c.want)
		}
		if !c.client.API {
			continue
		}
		pr, err = b.ConfirmEnrollment(bg, c.client, pr.ID, otp.Code(v.Pending.Secret, otp.Step(b.Clock.Now())))
		if err != nil || pr.Factor == nil {
			t.Fatalf("%+v, %v; want a factor", pr, err)
		}
		u, err := b.User(bg, "alice")
		if err != nil || len(u.Factors) != 2 || !reflect.DeepEqual(u.Factors[1], *pr.Factor) {
			t.Errorf("the factor is said to be %+v, and there are %+v, %v", pr.Factor, u.Factors, err)
		}
		_, err = b.NewBackupCodes(bg, c.client, pr.Tokens.Access)
		wantKind(t, err, auth.StepUpNeeded, "the password is as old as it was")
	}
}

func refreshed(b *authtest.Bench, c auth.Client, old *auth.Tokens) (*auth.Tokens, error) {
	next, err := b.Refresh(bg, c, old.Refresh)
	return &next, err
}

// ST-11: what cannot be read is neither a token that is wrong nor one that is good. ST-3: what was not stored has not happened, so the same
// refresh token goes on once the disk is well.
func TestST3ST11TokensWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	pair := *signInProgram(t, b, alice).Tokens
	asks := []struct {
		name string
		ask  func() error
	}{
		{"bearer", func() error { _, err := b.Bearer(bg, here, pair.Access); return err }},
		{"refresh", func() error { _, err := b.Refresh(bg, program, pair.Refresh); return err }},
		{"revoke", func() error { return b.RevokeToken(bg, program, pair.Refresh) }},
		{"sign out", func() error { return b.SignOut(bg, program, pair.Access) }},
	}
	for _, c := range []struct {
		what  string
		fail  func(error)
		fails string
	}{
		{"no session", func(err error) { b.Store.FailReads("session/", err) }, "bearer refresh revoke sign out"},
		{"no user", func(err error) { b.Store.FailReads("user/", err) }, "bearer refresh revoke sign out"},
		{"no factors", func(err error) { b.Store.FailReads("factors/", err) }, "bearer"},
		{"no counter", func(err error) { b.Store.FailReads("refresh/", err) }, "refresh"},
		{"no reading", b.Store.FailViews, "bearer"},
		{"no writing", b.Store.FailUpdates, "refresh revoke sign out"},
		{"no keeping", b.Store.FailCommits, "refresh revoke sign out"},
	} {
		b.Restart(t) // nothing in memory
		c.fail(errDisk)
		events := len(b.Events)
		for _, a := range asks {
			if !strings.Contains(c.fails, a.name) {
				continue
			}
			if err := a.ask(); auth.KindOf(err) != auth.Unavailable {
				t.Errorf("%s: %s: got %v, want that nobody can tell", c.what, a.name, err)
			}
		}
		c.fail(nil)
		if len(b.Events) != events {
			t.Errorf("%s: told of %+v", c.what, b.Events[events:])
		}
		if !tokenOpens(t, b, pair.Access) {
			t.Fatalf("%s: the access token is dead after it", c.what)
		}
		var err error
		if pair, err = b.Refresh(bg, program, pair.Refresh); err != nil {
			t.Fatalf("%s: the refresh token is dead after it: %v", c.what, err)
		}
	}
}

// SE-9, OA-8: however a revocation, refreshes and requests fall together, nothing that came of them opens anything afterwards.
func TestSE9OA8RevocationWinsEveryRace(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	for _, end := range []func(pr auth.Progress) error{
		func(pr auth.Progress) error { return b.RevokeToken(bg, program, pr.Tokens.Refresh) },
		func(pr auth.Progress) error { return b.SignOut(bg, program, pr.Tokens.Access) },
		func(pr auth.Progress) error { return b.RevokeSession(bg, auth.Client{}, pr.SessionID) },
	} {
		pr := signInProgram(t, b, alice)
		made := make(chan auth.Tokens, 30)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if pair, err := b.Refresh(bg, program, pr.Tokens.Refresh); err == nil {
					made <- pair
					b.Bearer(bg, here, pair.Access)
				}
			})
			wg.Go(func() { b.Bearer(bg, here, pr.Tokens.Access) })
		}
		wg.Go(func() {
			if err := end(pr); err != nil {
				t.Errorf("ending the session: %v", err)
			}
		})
		wg.Wait()
		close(made)
		all := []auth.Tokens{*pr.Tokens}
		for pair := range made {
			all = append(all, pair)
		}
		for _, restarted := range []bool{false, true} {
			for _, pair := range all {
				if tokenOpens(t, b, pair.Access) {
					t.Errorf("restarted %t: an access token is good", restarted)
				}
				_, err := b.Refresh(bg, program, pair.Refresh)
				wantKind(t, err, auth.NotSignedIn, "a refresh token")
			}
			if !restarted {
				b.Restart(t)
			}
		}
	}
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// The rows of OWASP ASVS 5.0.0 that a browser can see. docs/security.md lists the proof of each row; rows that have theirs in another
// file are not here.

// ASVS 6.1.3: every way in is in docs/security.md, and nothing else is. A route that is added has to be written down there, with what it
// takes and what it gives.
func TestASVS6_1_3EveryRouteIsInThePage(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Pages and forms\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("docs/security.md has no section of pages and forms")
	}
	var got, want []string
	for _, m := range regexp.MustCompile("`([A-Z]+) /([^`]*)`").FindAllStringSubmatch(section, -1) {
		got = append(got, m[1]+" "+m[2])
	}
	for _, r := range routes() {
		want = append(want, r.method+" "+strings.ReplaceAll(r.path, "{$}", ""))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		for _, r := range want {
			if !slices.Contains(got, r) {
				t.Errorf("the page lacks %s", r)
			}
		}
		t.Errorf("the page has\n%q\nand there is\n%q", got, want)
	}
}

// formPages are all pages with a field for a password or a code, shown by the real portal.
func formPages(t *testing.T) map[string]string {
	t.Helper()
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	session := alice.Session
	alice.SignIn(t) // so that there is another one to end
	setup, err := d.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, invite, err := d.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	d.Enroll(t, auth.NewUser{Name: "carol"})
	reenroll, err := d.ResetTwoFactor(t.Context(), auth.Client{}, "carol")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RequestReset(t.Context(), authtest.Client, "alice"); err != nil {
		t.Fatal(err)
	}
	reset := d.Await(t, auth.MessageReset)
	accepted, err := d.AcceptInvite(t.Context(), authtest.Client, invite.Token, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := d.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "dora"})
	if err != nil {
		t.Fatal(err)
	}
	address, err := d.ChangeEmail(t.Context(), authtest.Client, session, "alice@new.test")
	if err != nil {
		t.Fatal(err)
	}
	attempt := alice.EnterPassword(t).Attempt
	pages := map[string]string{}
	show := func(path string, who func(*http.Request)) {
		t.Helper()
		w := d.ask("GET", "/_nightlatch/"+path, "", who)
		if w.Code != 200 || !strings.Contains(w.Body.String(), "<form") {
			t.Fatalf("%s: got %d without a form:\n%s", path, w.Code, w.Body)
		}
		pages[path] = w.Body.String()
	}
	nobody := cookies("", "")
	show("sign-in", nobody)
	show("reset", nobody)
	show("setup/"+setup.Token, nobody)
	show("invite/"+again.Token, nobody)
	show("re-enroll/"+reenroll.Token, nobody)
	show("reset/"+reset.Token, nobody)
	show("second-factor", cookies(attempt, ""))
	show("second-factor?method=backup_code", cookies(attempt, ""))
	show("two-factor/enable", cookies(accepted.Attempt, ""))
	show("email/confirm", cookies(address.Attempt, session))
	for _, page := range []string{"account", "password", "email", "two-factor/add", "backup-codes/new", "two-factor/disable", "sessions", "factor/" + d.factorOf(t, alice)} {
		show(page, cookies("", session))
	}
	d.Clock.Move(20 * time.Minute)
	up, err := d.StepUp(t.Context(), authtest.Client, session, auth.Sudo, "")
	if err != nil {
		t.Fatal(err)
	}
	show("sudo", cookies(up.Attempt, session))
	return pages
}

var typedField = regexp.MustCompile(` type="([^"]*)"`)

// ASVS 6.2.6, 6.2.7: a password is typed into a field that hides it and that a password manager knows, a code into one that a phone can
// fill in, and nothing on any page keeps anybody from pasting.
func TestASVS6_2_6ASVS6_2_7FieldsOfPasswordsAndCodes(t *testing.T) {
	completes := map[string][]string{
		"password": {"current-password", "new-password"}, "repeat": {"new-password"}, "current": {"current-password"},
		"code": {"one-time-code", "off"}, // a backup code is no code that a phone has been sent
	}
	pages := formPages(t)
	seen := map[string]int{}
	for path, page := range pages {
		for _, tag := range inputTag.FindAllString(page, -1) {
			name := nameAttr.FindStringSubmatch(tag)
			if name == nil || completes[name[1]] == nil {
				continue
			}
			seen[name[1]]++
			kind := ""
			if m := typedField.FindStringSubmatch(tag); m != nil {
				kind = m[1]
			}
			if hides := kind == "password"; hides != (name[1] != "code") {
				t.Errorf("%s: the field %s is of the type %q", path, name[1], kind)
			}
			known := slices.ContainsFunc(completes[name[1]], func(c string) bool { return strings.Contains(tag, ` autocomplete="`+c+`"`) })
			if !known {
				t.Errorf("%s: no password manager knows what %s is for", path, tag)
			}
			if strings.Contains(tag, "maxlength") || strings.Contains(tag, "pattern") {
				t.Errorf("%s: the field cuts or refuses what is typed: %s", path, tag)
			}
		}
		if strings.Contains(page, "current-password") && !strings.Contains(page, `autocomplete="username"`) && path != "password" {
			t.Errorf("%s does not say whose password it is", path)
		}
	}
	for name := range completes {
		if seen[name] < 1 {
			t.Errorf("no page has a field %s", name)
		}
	}
	d := newDesk(t)
	script := regexp.MustCompile(`<script[^>]* src="(/_nightlatch/static/[^"]+)"`)
	scripts := map[string]bool{}
	for path, page := range pages {
		if strings.Contains(page, "onpaste") {
			t.Errorf("%s handles pasting", path)
		}
		for _, m := range script.FindAllStringSubmatch(page, -1) {
			scripts[m[1]] = true
		}
	}
	if len(scripts) == 0 {
		t.Error("no page of passwords has a script, so nothing was looked at")
	}
	for src := range scripts {
		w := d.ask("GET", src, "")
		if w.Code != 200 || strings.Contains(w.Body.String(), "paste") || strings.Contains(w.Body.String(), "preventDefault") {
			t.Errorf("%s: got %d, and it keeps people from pasting", src, w.Code)
		}
	}
}

// ASVS 6.4.2: no form asks for, or gives, a hint or the answer to a secret question. These are all fields that there are.
func TestASVS6_4_2NoHintsAndNoSecretQuestions(t *testing.T) {
	want := []string{
		"channel", "code", "current", "destination", "email", "id", "method", "name", "password", "remember", "repeat", "return_to", "token", "who",
	}
	have := map[string]bool{}
	for _, page := range formPages(t) {
		for _, f := range formTag.FindAllStringSubmatch(page, -1) {
			for _, m := range regexp.MustCompile(`<(?:input|select|textarea|button)[^>]* name="([^"]+)"`).FindAllStringSubmatch(f[2], -1) {
				have[m[1]] = true
			}
		}
	}
	for name := range have {
		if !slices.Contains(want, name) {
			t.Errorf("there is a field %q", name)
		}
	}
	for _, name := range []string{"name", "password", "code", "who", "email"} {
		if !have[name] {
			t.Errorf("no field %q was found, so the search finds nothing", name)
		}
	}
}

// ASVS 6.2.10: a password that nobody has stolen is good for ever. After three years the same one signs in and nothing asks for another.
func TestASVS6_2_10NoPasswordRunsOut(t *testing.T) {
	s := newSite(t)
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	s.browser(t).signIn(bob, "/app").sees(200, "/app", "the application")
	s.Clock.Move(3 * 365 * 24 * time.Hour)
	s.browser(t).signIn(bob, "/app").sees(200, "/app", "the application")
}

// ASVS 6.1.1, 6.3.1: a stranger who guesses a password at the sign-in page meets the numbers of docs/security.md: no wait after the first
// failures, then one that doubles from 5 seconds to 15 minutes, and a stop at 50. The owner's own browser is not stopped by it.
func TestASVS6_1_1ASVS6_3_1GuessingPasswords(t *testing.T) {
	s := newSite(t)
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	own := s.browser(t).signIn(bob, "/app").sees(200, "/app")
	guess := s.browser(t).get("/_nightlatch/sign-in")
	try := func() *browser {
		return guess.fill("/_nightlatch/sign-in", "name", "bob", "password", "not the right one at all")
	}
	var waits []string
	for wrong := 0; wrong < 50; {
		switch try(); guess.status {
		case 403:
			wrong++
			if strings.Contains(guess.body, "nobody can sign in under this name") {
				t.Fatalf("stopped after %d failures, want 50", wrong)
			}
		case 429:
			after := guess.header.Get("Retry-After")
			waits = append(waits, after)
			seconds, err := time.ParseDuration(after + "s")
			if err != nil || seconds <= 0 {
				t.Fatalf("Retry-After is %q", after)
			}
			s.Clock.Move(seconds - time.Second)
			if try().status != 429 {
				t.Fatalf("a second before the end of the wait: got %d, want 429", guess.status)
			}
			s.Clock.Move(time.Second)
		default:
			t.Fatalf("got %d", guess.status)
		}
	}
	s.Clock.Move(15 * time.Minute)
	guess.fill("/_nightlatch/sign-in", "name", "bob", "password", bob.Password).sees(403, "/_nightlatch/sign-in", "nobody can sign in under this name")
	if want := []string{"5", "10", "20", "40", "80", "160", "320", "640", "900"}; len(waits) != 45 || !slices.Equal(waits[:9], want) || waits[44] != "900" {
		t.Errorf("waits of %q; want 45 of them, beginning %q and ending with 900", waits, want)
	}
	own.isSignedOut() // the hours went by
	own.signIn(bob, "/app").sees(200, "/app", "the application")
}

// ASVS 6.3.2: a new installation knows nobody. The link that makes the first administrator works for an hour, once, and only while there
// is none.
func TestASVS6_3_2NoDefaultAccount(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	for _, name := range []string{"admin", "root", "administrator", "nightlatch", "guest", "sa", ""} {
		for _, password := range []string{name, "admin", "password", "nightlatch"} {
			b.get("/_nightlatch/sign-in").fill("/_nightlatch/sign-in", "name", name, "password", password)
			if b.status != 403 && b.status != 429 || b.cookie(visit.Session) != "" {
				t.Errorf("%q with %q: got %d", name, password, b.status)
			}
		}
	}
	late, err := s.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Move(time.Hour)
	b.get("/_nightlatch/setup/"+late.Token).sees(410, "/_nightlatch/setup/"+late.Token)
	made, err := s.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	link := "/_nightlatch/setup/" + made.Token
	second := s.browser(t).get(link).sees(200, link)
	form := second.form(link)
	b.get(link).fill(link, "name", "ann", "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/two-factor/enable")
	form.Set("name", "mallory")
	form.Set("password", passphrase)
	form.Set("repeat", passphrase)
	second.send("POST", link, form).sees(410, link)
	if users, err := s.Users(t.Context()); err != nil || len(users) != 1 || users[0].Name != "ann" {
		t.Errorf("the accounts are %v, %v; want ann alone", users, err)
	}
}

// ASVS 6.3.8: a stranger who types a password learns nothing of the name: not by status, header, cookie or word.
func TestASVS6_3_8SignInTellsNothing(t *testing.T) {
	d := newDesk(t)
	d.AddUser(t, auth.NewUser{Name: "there"})
	d.Enroll(t, auth.NewUser{Name: "keyed"})
	d.AddUser(t, auth.NewUser{Name: "gated"})
	if err := d.SetDisabled(t.Context(), auth.Client{}, "gated", true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "asked"}); err != nil {
		t.Fatal(err)
	}
	visitor := d.VisitorToken()
	want := ""
	for _, name := range []string{"other", "there", "keyed", "gated", "asked"} { // of one length, as the pages then are
		for range 5 {
			body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {name}, "password": {"not the right one at all"}})
			w := d.ask("POST", "/_nightlatch/sign-in", body, right)
			got := fmt.Sprint(w.Code, w.Header(), strings.ReplaceAll(w.Body.String(), `value="`+name+`"`, ""))
			if want == "" {
				want = got
			}
			if w.Code != 403 || got != want {
				t.Errorf("%s: got\n%s\nwant that of a name that nobody has\n%s", name, got, want)
			}
		}
		body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {name}, "password": {"not the right one at all"}})
		if w := d.ask("POST", "/_nightlatch/sign-in", body, right); w.Code != 429 || w.Header().Get("Retry-After") != "5" {
			t.Errorf("%s after five failures: got %d with Retry-After %q, want 429 and 5", name, w.Code, w.Header().Get("Retry-After"))
		}
	}
}

// ASVS 6.4.1: an invite works once and for a day, and what it begins with is the person's own password, of the same policy as any.
func TestASVS6_4_1InviteIsForADayAndOnce(t *testing.T) {
	s := newSite(t)
	invite := func(name string) string {
		_, made, err := s.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return "/_nightlatch/invite/" + made.Token
	}
	bob, carol := invite("bob"), invite("carol")
	token := strings.TrimPrefix(bob, "/_nightlatch/invite/")
	if len(token) != 26 || token == strings.TrimPrefix(carol, "/_nightlatch/invite/") {
		t.Errorf("the token %q is not 26 characters of its own", token)
	}
	s.Clock.Move(24*time.Hour - time.Second)
	b := s.browser(t)
	b.get(bob).fill(bob, "password", token[:8], "repeat", token[:8]).sees(422, bob, "too short")
	b.fill(bob, "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/two-factor/enable")
	if b.cookie(visit.Session) != "" {
		t.Error("the link alone made a session")
	}
	s.browser(t).get(bob).sees(410, bob)
	s.Clock.Move(time.Second)
	s.browser(t).get(carol).sees(410, carol)
	s.browser(t).signIn(&authtest.Person{Name: "carol", Password: strings.TrimPrefix(carol, "/_nightlatch/invite/")}, "/app").
		sees(403, "/_nightlatch/sign-in") // the token is no password
}

// ASVS 7.2.4: whenever more is proven, and when the password changes, the session has another token, and the one before is nobody's.
func TestASVS7_2_4EachRiseMakesANewToken(t *testing.T) {
	s := newSite(t)
	b, alice := s.member(t, "alice")
	seen := map[string]string{"": "none"}
	fresh := func(after string) {
		t.Helper()
		now := b.cookie(visit.Session)
		if before, known := seen[now]; known {
			t.Errorf("after %s: the token is that from %s", after, before)
		}
		for old, when := range seen {
			if _, err := s.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, old); auth.KindOf(err) != auth.NotSignedIn {
				t.Errorf("after %s: the token from %s: %v", after, when, err)
			}
		}
		seen[now] = after
		b.get(account).sees(200, account)
	}
	attempt := b.cookie(visit.Attempt)
	fresh("the sign-in")
	s.Clock.Move(auth.SudoAge)
	b.get("/_nightlatch/password").prove(alice).sees(200, "/_nightlatch/password")
	fresh("the step-up")
	b.get("/_nightlatch/password").fill("/_nightlatch/password", "current", alice.Password, "password", passphrase, "repeat", passphrase).sees(200, account)
	fresh("the change of the password")
	if attempt != "" {
		t.Errorf("the attempt's cookie outlives the sign-in: %q", attempt)
	}

	// A session of a password alone that enrolls.
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	b = s.browser(t).signIn(bob, account).sees(200, account)
	seen = map[string]string{"": "none"}
	fresh("a password")
	b.get("/_nightlatch/two-factor/enable").fill("/_nightlatch/two-factor/enable", "code", s.code(b.scan())).fill("/_nightlatch/backup-codes").sees(200, account)
	fresh("the enrollment")
}

// ASVS 7.4.1: after signing out the cookie that a browser may have kept opens nothing, and neither does a form that was open.
func TestASVS7_4_1SigningOut(t *testing.T) {
	s := newSite(t)
	b, _ := s.member(t, "alice")
	kept := b.cookie(visit.Session)
	form := b.get("/_nightlatch/password").form("/_nightlatch/password")
	b.get(account).fill("/_nightlatch/sign-out").sees(200, "/_nightlatch/signed-out")
	if b.cookie(visit.Session) != "" {
		t.Error("the browser keeps the cookie")
	}
	b.keep(visit.Session, kept)
	b.get(account).sees(200, "/_nightlatch/sign-in")
	b.send("POST", "/_nightlatch/password", form).sees(200, "/_nightlatch/sign-in")
}

// ASVS 7.4.3: when a way to sign in changes, the other sessions end, or, where one is added, can be ended at once.
func TestASVS7_4_3OtherSessionsAfterAChange(t *testing.T) {
	for name, change := range map[string]func(s *site, b *browser, alice *authtest.Person){
		"another password": func(_ *site, b *browser, alice *authtest.Person) {
			b.get("/_nightlatch/password").fill("/_nightlatch/password", "current", alice.Password, "password", passphrase, "repeat", passphrase).sees(200, account)
		},
		"a factor that is removed": func(s *site, b *browser, _ *authtest.Person) {
			b.get("/_nightlatch/two-factor/add").fill("/_nightlatch/two-factor/add", "method", "totp", "name", "Tablet")
			b.fill("/_nightlatch/two-factor/enable", "code", s.code(b.scan())).sees(200, account)
			tablet := b.factorPage("Tablet")
			b.get(tablet).fill(tablet+"/remove").sees(200, account)
		},
		"two factors that are turned off": func(_ *site, b *browser, alice *authtest.Person) {
			b.get("/_nightlatch/two-factor/disable").fill("/_nightlatch/two-factor/disable").prove(alice).sees(200, account)
		},
		"a factor that is added, and the button": func(s *site, b *browser, _ *authtest.Person) {
			b.get("/_nightlatch/two-factor/add").fill("/_nightlatch/two-factor/add", "method", "totp", "name", "Tablet")
			b.fill("/_nightlatch/two-factor/enable", "code", s.code(b.scan())).sees(200, account, "/_nightlatch/sessions")
			b.get("/_nightlatch/sessions").fill("/_nightlatch/sessions/end-others").sees(200, "/_nightlatch/sessions")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			b, alice := s.member(t, "alice")
			other := s.enter(t, alice)
			other.get(account).sees(200, account)
			change(s, b, alice)
			other.isSignedOut()
			b.get(account).sees(200, account)
		})
	}
}

// ASVS 7.4.4: signing out is one press away on the account page, to which every page of the account leads; and a plain link leads to it
// from an application.
func TestASVS7_4_4SigningOutIsEasyToFind(t *testing.T) {
	d := newDesk(t)
	d.WithMail() // to change an address with
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for page := range accountPages {
		path := strings.NewReplacer("ID", d.factorOf(t, alice)).Replace(page)
		w := d.ask("GET", "/_nightlatch/"+path, "", cookies("", alice.Session))
		want := `href="/_nightlatch/account"`
		if page == "account" {
			want = `action="/_nightlatch/sign-out"`
		}
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d without %s", path, w.Code, want)
		}
	}
	if w := d.ask("GET", "/_nightlatch/sign-out", "", cookies("", alice.Session)); w.Code != 200 || !strings.Contains(w.Body.String(), `action="/_nightlatch/sign-out"`) {
		t.Errorf("the link: got %d", w.Code)
	}
}

// ASVS 7.6.2: no address signs anybody in. Whoever follows one has still to type, in a trusted browser too, and with a right link. Nor does
// one send anything to somebody who is signed in, whose next step would be a code: a link on any site could fill their mailbox.
func TestASVS7_6_2NoSessionWithoutTyping(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	d.Configure(func(x *auth.Settings) { x.Trust = 30 * 24 * time.Hour })
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	p := alice.EnterPassword(t)
	p, err := d.CodeAndTrust(t.Context(), alice.Client(), p.Attempt, auth.TOTP, alice.Code())
	if err != nil || p.Trusted == "" {
		t.Fatalf("trusting a browser: %v", err)
	}
	_, invite, err := d.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	setup, err := d.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RequestReset(t.Context(), authtest.Client, "alice"); err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{"setup": setup.Token, "invite": invite.Token, "re-enroll": invite.Token, "reset": d.Await(t, auth.MessageReset).Token}
	waiting := alice.EnterPassword(t).Attempt
	carol := d.Enroll(t, auth.NewUser{Name: "carol", Email: "carol@example.test"})
	carol.Add(t, auth.NewFactor{Method: auth.Email})
	session := carol.SignIn(t) // with the app
	d.Sent()
	remembered := func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Browser), Value: p.Browser})
		r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Trusted), Value: p.Trusted})
	}
	asked, begun := 0, 0
	for _, r := range routes() {
		if r.method != http.MethodGet {
			continue
		}
		kind, _, _ := strings.Cut(r.path, "/")
		path := strings.NewReplacer("{$}", "", "{token}", tokens[kind], "{id}", d.factorOf(t, alice), "{name}", "style.css").Replace(r.path)
		for _, attempt := range []string{"", waiting} {
			for _, query := range []string{"", "?name=alice&password=" + url.QueryEscape(alice.Password), "?code=" + alice.Code(), "?token=" + url.QueryEscape(d.FormToken(waiting, "sign-in"))} {
				w := d.ask("GET", "/_nightlatch/"+path+query, "", cookies(attempt, ""), remembered, header("Sec-Fetch-Site", "cross-site"))
				asked++
				if signsIn(w) {
					t.Errorf("GET %s%s signs in: %d %v", path, query, w.Code, w.Header())
				}
			}
		}
		for _, query := range []string{"", "?level=two_factor&methods=email", "?level=two_factor&methods=email,webhook", "?method=email"} {
			w := d.ask("GET", "/_nightlatch/"+path+query, "", cookies("", session), header("Sec-Fetch-Site", "cross-site"))
			if w.Header().Get("Location") == secondFactorPath {
				page := d.ask("GET", secondFactorPath, "", cookies(w.Result().Cookies()[0].Value, session))
				if begun++; !strings.Contains(page.Body.String(), "Send a code by e-mail to c•••@example.test") {
					t.Errorf("GET %s%s leads to a page without a way to ask for the code:\n%s", path, query, page.Body)
				}
			}
		}
	}
	if sent := d.Sent(); len(sent) != 0 || begun == 0 {
		t.Errorf("looking at pages, signed in, began %d step-ups and sent %v; want some, nothing", begun, sent)
	}
	if asked < 100 {
		t.Errorf("asked %d times only", asked)
	}
	// The same browser with the password alone is signed in: that is what being trusted means, and all.
	visitor := d.VisitorToken()
	body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {"alice"}, "password": {alice.Password}})
	if w := d.ask("POST", "/_nightlatch/sign-in", body, right, remembered); !signsIn(w) {
		t.Errorf("a trusted browser with the password: got %d %v", w.Code, w.Header())
	}
}

// signsIn tells whether an answer hands out a session.
func signsIn(w *httptest.ResponseRecorder) bool {
	return slices.ContainsFunc(w.Result().Cookies(), func(c *http.Cookie) bool {
		return c.Name == visit.Secure.CookieName(visit.Session) && c.Value != ""
	})
}

// ASVS 3.4.8, 3.5.8: no other site shares a window with a page of ours or embeds what one answers. Static files, which say nothing of
// anybody, are the same.
func TestASVS3_4_8ASVS3_5_8NoOtherSiteHoldsOurPages(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for _, r := range routes() {
		path := visit.Prefix + strings.NewReplacer("{$}", "", "{token}", "TOKEN", "{id}", "ID", "{name}", "style.css").Replace(r.path)
		w := d.ask(r.method, path, "", cookies("", alice.Session))
		if got := w.Header().Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
			t.Errorf("%s %s: %d with Cross-Origin-Resource-Policy %q", r.method, path, w.Code, got)
		}
		if got := w.Header().Get("Cross-Origin-Opener-Policy"); got != "same-origin" && strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s %s: %d with Cross-Origin-Opener-Policy %q", r.method, path, w.Code, got)
		}
	}
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

const account = "/_nightlatch/account"

// member is somebody with an authenticator and an address, signed in with a browser that is on the account page.
func (s *site) member(t *testing.T, name string) (*browser, *authtest.Person) {
	t.Helper()
	p := s.Enroll(t, auth.NewUser{Name: name, Email: name + "@example.test"})
	return s.enter(t, p), p
}

// enter signs somebody in with a new browser.
func (s *site) enter(t *testing.T, p *authtest.Person) *browser {
	t.Helper()
	b := s.browser(t).signIn(p, account).fill("/_nightlatch/second-factor", "code", p.Code()).sees(200, account)
	s.Clock.Move(otp.Period)
	return b
}

// prove types the password and a code, for which the browser has been asked.
func (b *browser) prove(p *authtest.Person) *browser {
	b.t.Helper()
	b.sees(200, "/_nightlatch/sudo").fill("/_nightlatch/sudo", "password", p.Password).sees(200, "/_nightlatch/second-factor")
	b.fill("/_nightlatch/second-factor", "code", p.Code())
	b.site.Clock.Move(otp.Period)
	return b
}

// isSignedOut checks that the session of a browser is over.
func (b *browser) isSignedOut() {
	b.t.Helper()
	b.get(account).sees(200, "/_nightlatch/sign-in")
}

var factorLink = regexp.MustCompile(`href="(/_nightlatch/factor/[^"]+)" aria-label="Change: ([^"]+) \(Second factor\)"`)

// factorPage is the address of the page of a second factor, by its name on the account page.
func (b *browser) factorPage(name string) string {
	b.t.Helper()
	b.get(account)
	for _, m := range factorLink.FindAllStringSubmatch(b.body, -1) {
		if m[2] == name {
			return m[1]
		}
	}
	b.t.Fatalf("no second factor %q on the account page:\n%s", name, b.body)
	return ""
}

// Somebody who comes back after a while is asked for all proofs first, adds a phone, gives it another name and takes it away again.
func TestStorySeveralFactors(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	b, alice := s.member(t, "alice")
	other := s.enter(t, alice)
	b.get(account).sees(200, account, "Authenticator app", "Last used", "Add another one", "You have 10 backup codes left", "alice@example.test")

	s.Clock.Move(auth.SudoAge)
	const add = "/_nightlatch/two-factor/add"
	b.get(add).prove(alice).sees(200, add, "Add a second factor", "Authenticator app", "E-mail", "Text message", "chat")
	b.fill(add, "method", "webhook", "channel", "sms", "destination", "0151 23456789", "name", "Phone").
		sees(422, add, "Write a telephone number with its country", `value="0151 23456789"`, `value="Phone"`, `aria-invalid="true"`)
	b.fill(add, "method", "webhook", "channel", "chat", "destination", strings.Repeat("x", 129)).
		sees(422, add, "Codes cannot be sent there. Check it for slips.").lacks("Write a telephone number")
	b.fill(add, "method", "webhook", "channel", "chat", "destination", "alice", "name", strings.Repeat("x", 65)).sees(422, add, "at most 64 characters")
	b.fill(add, "method", "carrier pigeon").sees(403, add, "This way cannot be used here")
	b.fill(add, "method", "webhook", "channel", "sms", "destination", "+49 151 23456789", "name", "Phone").sees(200, "/_nightlatch/two-factor/enable")
	s.browser(t).signIn(alice, "/").sees(200, "/_nightlatch/second-factor").lacks("text message") // it counts for nothing yet
	b.fill("/_nightlatch/two-factor/enable", "code", s.Await(t, auth.MessageEnroll).Code).
		sees(200, account, "The new second factor works from now on.", "Phone", "+4915123456789", "Text message")
	if b.cookie(visit.Attempt) != "" {
		t.Error("the attempt cookie outlives the enrollment")
	}
	b.get(account).lacks("works from now on") // said once
	b.get(add).fill(add, "method", "webhook", "channel", "sms", "destination", "+49 151 23456789").sees(409, add, "Codes go there already.")

	phone := b.factorPage("Phone")
	b.get(phone).sees(200, phone, "Second factor", `value="Phone"`)
	b.fill(phone+"/rename", "name", strings.Repeat("x", 65)).sees(422, phone+"/rename", "at most 64 characters", `aria-invalid="true"`)
	b.fill(phone+"/rename", "name", " <b>Mobile</b> ").sees(200, account, "The name is saved.", "<b>Mobile</b>")
	if strings.Contains(b.body, "<b>Mobile") {
		t.Errorf("the name of a factor is markup:\n%s", b.body)
	}
	other.get(account).sees(200, account)
	b.get(phone).fill(phone+"/remove").sees(200, account, "The second factor is removed.").lacks("Mobile", "+4915123456789")
	other.isSignedOut()
	b.get(phone).sees(404, phone)
	s.browser(t).signIn(alice, "/").sees(200, "/_nightlatch/second-factor").lacks("text message")

	last := b.factorPage("Authenticator app")
	b.get(last).sees(200, last, "This is your only second factor", "Turn off two-factor sign-in").lacks("/remove")
	form := b.form(last + "/rename")
	form.Set("token", s.FormToken(b.cookie(visit.Session), removeFactorForm.name))
	b.send("POST", last+"/remove", form).sees(409, last+"/remove", "This is the only second factor of the account")
}

// The second authenticator is as good as the first, and codes by e-mail go to the address of the account.
func TestStoryAnotherAuthenticatorAndMail(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	b, alice := s.member(t, "alice")
	const add = "/_nightlatch/two-factor/add"
	b.get(add).fill(add, "method", "totp", "name", "Tablet").sees(200, "/_nightlatch/two-factor/enable")
	tablet := b.scan()
	b.fill("/_nightlatch/two-factor/enable", "code", s.code(tablet)).sees(200, account, "Tablet", "Authenticator app")
	b.get(add).fill(add, "method", "email").sees(200, "/_nightlatch/two-factor/enable", "alice@example.test")
	b.fill("/_nightlatch/two-factor/enable", "code", s.Await(t, auth.MessageEnroll).Code).sees(200, account, "E-mail")
	b.get(add).sees(200, add).lacks(`value="email"`) // there is one address

	s.Clock.Move(otp.Period)
	s.browser(t).signIn(alice, "/app").fill("/_nightlatch/second-factor", "code", s.code(tablet)).sees(200, "/app")
	s.browser(t).signIn(alice, "/app").fill("/_nightlatch/second-factor", "code", alice.Code()).sees(200, "/app")
}

// A link in the application leads whoever has a second factor to the account, and whoever has none through enrollment to it.
func TestStoryLinksFromTheApplication(t *testing.T) {
	s := newSite(t)
	b, _ := s.member(t, "alice")
	b.get("/_nightlatch/two-factor/enable").sees(200, account)
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	c := s.browser(t).signIn(bob, account).sees(200, account, "None yet").lacks("Turn off", "Add another one", "backup-codes/new")
	for _, page := range []string{"two-factor/disable", "backup-codes/new"} {
		c.get("/_nightlatch/"+page).sees(200, account)
	}
	c.get("/_nightlatch/two-factor/enable").sees(200, "/_nightlatch/two-factor/enable")
	c.fill("/_nightlatch/two-factor/enable", "code", s.code(c.scan())).fill("/_nightlatch/backup-codes").
		sees(200, account, "The new second factor works from now on.")
	c.get("/_nightlatch/two-factor/disable").sees(200, "/_nightlatch/two-factor/disable", "Turn off two-factor sign-in?")
}

func TestASVS6_2_2ASVS6_2_3StoryPassword(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	b, alice := s.member(t, "alice")
	other := s.enter(t, alice)
	s.Clock.Move(auth.SudoAge)
	const page = "/_nightlatch/password"
	b.get(page).prove(alice).sees(200, page, "Change your password", "At least 15 characters", `value="alice"`)
	for _, c := range []struct {
		current, password, repeat string
		status                    int
		says, marks               string
	}{
		{alice.Password, passphrase, passphrase + "x", 422, "The two passwords are not the same", `id="password"`},
		{alice.Password, "short", "short", 422, "This password is too short", `id="password"`},
		{"not the right one at all", passphrase, passphrase, 403, "not the password of this account", `id="current"`},
		{"", passphrase, passphrase, 403, "not the password of this account", `id="current"`},
	} {
		b.fill(page, "current", c.current, "password", c.password, "repeat", c.repeat).sees(c.status, page, c.says)
		marked := regexp.MustCompile(`<input ` + c.marks + `[^>]*aria-invalid="true"`)
		if !marked.MatchString(b.body) {
			t.Errorf("%s: the field %s is not marked:\n%s", c.says, c.marks, b.body)
		}
	}
	before := b.cookie(visit.Session)
	b.fill(page, "current", alice.Password, "password", passphrase, "repeat", passphrase).sees(200, account, "The password is changed.")
	if after := b.cookie(visit.Session); after == before || after == "" {
		t.Error("the session cookie did not change with the password (SE-3)")
	}
	other.isSignedOut()
	if to := s.Await(t, auth.NoticePasswordChanged).To; to != "alice@example.test" {
		t.Errorf("the notice goes to %s", to)
	}
	s.browser(t).signIn(alice, "/").sees(403, "/_nightlatch/sign-in")
	alice.Password = passphrase
	s.browser(t).signIn(alice, "/").sees(200, "/_nightlatch/second-factor")
}

func TestStoryEmail(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	b, alice := s.member(t, "alice")
	const page = "/_nightlatch/email"
	s.Clock.Move(auth.SudoAge)
	b.get(page).prove(alice).sees(200, page, "Change your e-mail address", "alice@example.test")
	b.fill(page, "email", "no address").sees(422, page, "This is not an e-mail address", `value="no address"`, `aria-invalid="true"`)
	b.fill(page, "email", "alice@example.test").sees(422, page, "This is the address of your account already")
	b.fill(page, "email", "alice@new.test").sees(200, "/_nightlatch/email/confirm", "alice@new.test")
	m := s.Await(t, auth.MessageProve)
	if m.To != "alice@new.test" {
		t.Errorf("the code goes to %s", m.To)
	}
	s.browser(t).signIn(alice, "/")
	b.fill("/_nightlatch/email/confirm", "code", m.Code).sees(200, account, "Your e-mail address is changed.", "alice@new.test").lacks("alice@example.test")
	told := map[string]bool{s.Await(t, auth.NoticeEmailChanged).To: true, s.Await(t, auth.NoticeEmailChanged).To: true}
	if !told["alice@example.test"] || !told["alice@new.test"] {
		t.Errorf("told are %v, want the old address and the new one", told)
	}
}

// Without a mail server no address can be proven, and none is asked for.
func TestStoryNoMail(t *testing.T) {
	s := newSite(t)
	b, _ := s.member(t, "alice")
	b.get(account).sees(200, account, "alice@example.test").lacks(`"/_nightlatch/email"`)
	b.get("/_nightlatch/email").sees(404, "/_nightlatch/email")
	b.get("/_nightlatch/two-factor/add").sees(200, "/_nightlatch/two-factor/add").lacks(`value="email"`, `value="webhook"`)

	s.WithMail()
	carol := s.Enroll(t, auth.NewUser{Name: "carol"})
	c := s.enter(t, carol).sees(200, account, "None", "Add")
	c.get("/_nightlatch/two-factor/add").sees(200, "/_nightlatch/two-factor/add", "your account has no address").lacks(`value="email"`)
	c.get("/_nightlatch/email").sees(200, "/_nightlatch/email", "Add your e-mail address")
}

// OT-16
func TestStoryNewBackupCodes(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	b, alice := s.member(t, "alice")
	const page = "/_nightlatch/backup-codes/new"
	s.Clock.Move(auth.SudoAge)
	b.get(page).prove(alice).sees(200, page, "stop working")
	b.fill(page).sees(200, "/_nightlatch/backup-codes", "They are shown only now")
	fresh := b.read()
	b.get(page).sees(200, "/_nightlatch/backup-codes") // until they are saved, nothing takes their place
	b.get("/_nightlatch/password").sees(200, "/_nightlatch/backup-codes")
	b.fill("/_nightlatch/backup-codes").sees(200, account, "Your new backup codes work from now on", "You have 10 backup codes left").lacks(fresh[0])
	b.get("/_nightlatch/backup-codes").lacks(fresh...)
	s.Await(t, auth.NoticeBackupCodesMade)

	c := s.browser(t).signIn(alice, "/app").get("/_nightlatch/second-factor?method=backup_code")
	c.fill("/_nightlatch/second-factor", "code", alice.Codes[0]).sees(403, "/_nightlatch/second-factor", "This is not one of your backup codes")
	c.fill("/_nightlatch/second-factor", "code", fresh[0]).sees(200, "/_nightlatch/backup-codes/used", "You have 9 backup codes left")
}

func TestStoryTurnOff(t *testing.T) {
	for _, with := range []string{"a code", "a backup code"} {
		s := newSite(t)
		s.WithMail()
		b, alice := s.member(t, "alice")
		other := s.enter(t, alice)
		const page = "/_nightlatch/two-factor/disable"
		b.get(account).sees(200, account, page)
		b.get(page).sees(200, page, "Then your password alone opens your account", "Next you type your password and a code")
		b.fill(page).sees(200, "/_nightlatch/sudo").fill("/_nightlatch/sudo", "password", alice.Password).sees(200, "/_nightlatch/second-factor")
		code := alice.Code()
		if with == "a backup code" {
			b.get("/_nightlatch/second-factor?method=backup_code")
			code = alice.Codes[3]
		}
		b.fill("/_nightlatch/second-factor", "code", code).sees(200, account, "Two-factor sign-in is off.", "None yet").lacks("backup codes left")
		other.isSignedOut()
		if to := s.Await(t, auth.NoticeTwoFactorOff).To; to != "alice@example.test" {
			t.Errorf("the notice goes to %s", to)
		}
		s.browser(t).signIn(alice, "/app").sees(200, "/app")
	}
}

// TestMF13TurningOffSaysSo: whoever asks for a password and a code says what they are for, or a person who comes back to a page that
// somebody else has opened would take it for one more step-up. A link of the application goes its own way.
func TestMF13TurningOffSaysSo(t *testing.T) {
	const says = "This turns two-factor sign-in off for your account."
	s := newSite(t)
	b, alice := s.member(t, "alice")
	b.get("/_nightlatch/sudo?level=two_factor&max_age=60")
	s.Clock.Move(5 * time.Minute)
	b.get("/_nightlatch/sudo?level=two_factor&max_age=60").sees(200, "/_nightlatch/sudo").lacks(says)
	b.get("/_nightlatch/two-factor/disable").fill("/_nightlatch/two-factor/disable").sees(200, "/_nightlatch/sudo", says)
	b.get("/_nightlatch/two-factor/enable?return_to=/settings").sees(200, account).lacks(says)
	b.get("/_nightlatch/two-factor/disable").fill("/_nightlatch/two-factor/disable").
		fill("/_nightlatch/sudo", "password", alice.Password).sees(200, "/_nightlatch/second-factor", says)
	b.get("/_nightlatch/sudo?level=two_factor&max_age=60").sees(200, "/_nightlatch/sudo").lacks(says)
}

// The browsers of the sessions story.
const (
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

var sessionID = regexp.MustCompile(`(?s)name="id" value="([0-9a-f]+)">\s*<button class="second" aria-label="([^"]*)"`)

// row is the id of the row whose button ends what begins with the given words.
func (b *browser) row(words string) string {
	b.t.Helper()
	for _, m := range sessionID.FindAllStringSubmatch(b.body, -1) {
		if strings.HasPrefix(m[2], words) {
			return m[1]
		}
	}
	b.t.Fatalf("no row for %q on %s:\n%s", words, b.at, b.body)
	return ""
}

func TestASVS7_5_2StorySessions(t *testing.T) {
	s := newSite(t)
	s.Configure(func(x *auth.Settings) { x.Trust = 30 * 24 * time.Hour })
	b, alice := s.member(t, "alice")
	elsewhere := func(device string, trust bool) string {
		c := authtest.Client
		c.Device = device
		pr, err := s.SignIn(t.Context(), c, alice.Credentials())
		if err != nil {
			t.Fatal(err)
		}
		enter := s.Code
		if trust {
			enter = s.CodeAndTrust
		}
		if pr, err = enter(t.Context(), c, pr.Attempt, auth.TOTP, alice.Code()); err != nil {
			t.Fatal(err)
		}
		s.Clock.Move(otp.Period)
		return pr.Session
	}
	signInProgram := func(device string) {
		c := auth.Client{Address: authtest.Client.Address, Device: device, Host: "127.0.0.1", Home: "https://127.0.0.1", API: true}
		in := alice.Credentials()
		in.Tokens = true
		pr, err := s.SignIn(t.Context(), c, in)
		if err != nil {
			t.Fatal(err)
		}
		if pr, err = s.Code(t.Context(), c, pr.Attempt, auth.TOTP, alice.Code()); err != nil {
			t.Fatal(err)
		}
		s.Clock.Move(otp.Period)
	}
	goesOn := func(device string) bool {
		t.Helper()
		all, err := s.Sessions(t.Context(), alice.Name)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(all, func(x auth.SessionInfo) bool { return x.Device == device })
	}
	alive := func(session string) bool {
		_, err := s.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, session)
		return err == nil
	}
	const curl, unknown = "curl/8.14.1", "Sync/1.0"
	signInProgram(curl)
	signInProgram(unknown)
	pc, phone, old := elsewhere(firefox, false), elsewhere(safari, true), alice.Session

	const page = "/_nightlatch/sessions"
	s.Clock.Move(auth.SudoAge)
	b.get(page).prove(alice).sees(200, page, "Where you are signed in", "This browser", "Firefox, Windows", "Safari, iPhone", "192.0.2.1",
		"Proven by: password, authenticator app", "Trusted browsers", "<strong>Program: curl</strong>", "<strong>Program</strong>")
	if this, there := strings.Index(b.body, "This browser"), strings.Index(b.body, "Elsewhere"); this > there {
		t.Error("this browser is not the first")
	}
	if n := strings.Count(b.body, `action="/_nightlatch/sessions/end"`); n != 5 {
		t.Errorf("%d sessions can be ended, want the 5 others", n)
	}
	b.fill(page+"/end", "id", b.row("Sign out there: Firefox")).sees(200, page, "Signed out there.").lacks("Firefox")
	if alive(pc) || !alive(phone) || !alive(old) {
		t.Errorf("alive: ended one %t, others %t and %t", alive(pc), alive(phone), alive(old))
	}
	b.get(page).fill(page+"/end", "id", b.row("Sign out there: Program: curl")).sees(200, page, "Signed out there.").lacks("curl")
	if goesOn(curl) || !goesOn(unknown) {
		t.Errorf("programs go on: the ended one %t, the other %t", goesOn(curl), goesOn(unknown))
	}
	b.get(account).sees(200, account, "In 4 places, this browser included").get(page)
	b.fill(page+"/end-trust", "id", b.row("Ask for a code there: Safari")).sees(200, page, "asked for a code again").lacks("Trusted browsers")
	b.get(page).fill(page+"/end-others").sees(200, page, "You are signed out everywhere else.", "You are signed in nowhere else.")
	if alive(phone) || alive(old) || goesOn(unknown) {
		t.Error("another session is still alive")
	}

	// The own one, which the page does not offer, is a sign-out.
	form := url.Values{"token": {s.FormToken(b.cookie(visit.Session), endSessionForm.name)}}
	x, err := s.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, b.cookie(visit.Session))
	if err != nil {
		t.Fatal(err)
	}
	form.Set("id", x.ID)
	b.send("POST", page+"/end", form).sees(200, "/_nightlatch/signed-out")
	if b.cookie(visit.Session) != "" || b.answered.Get("Clear-Site-Data") == "" {
		t.Error("the browser keeps what it had of the session")
	}
	b.isSignedOut()
}

// Nobody but the act itself makes a page of ours say that something was done.
func TestDoneIsNotSaidByALink(t *testing.T) {
	d := newDesk(t)
	alice, mallory := d.Enroll(t, auth.NewUser{Name: "alice"}), d.Enroll(t, auth.NewUser{Name: "mallory"})
	ask := func(done, token string) string {
		target := "/_nightlatch/account?" + url.Values{"done": {done}, "token": {token}}.Encode()
		w := d.ask("GET", target, "", cookies("", alice.Session))
		if w.Code != 200 {
			t.Fatalf("%s: got %d", target, w.Code)
		}
		return w.Body.String()
	}
	const said = "The password is changed."
	if page := ask(auth.EventPasswordChanged, d.FormToken(alice.Session, "done/"+auth.EventPasswordChanged)); !strings.Contains(page, said) {
		t.Errorf("not said after the act:\n%s", page)
	}
	for name, token := range map[string]string{
		"no token": "", "of another act": d.FormToken(alice.Session, "done/"+auth.EventEmailChanged), "of a form": d.FormToken(alice.Session, passwordForm.name),
		"of another person": d.FormToken(mallory.Session, "done/"+auth.EventPasswordChanged),
	} {
		if strings.Contains(ask(auth.EventPasswordChanged, token), said) {
			t.Errorf("%s: the page says that the password was changed", name)
		}
	}
	if page := ask("anything", d.FormToken(alice.Session, "done/anything")); strings.Contains(page, `role="status"`) {
		t.Errorf("an act that does not exist is told:\n%s", page)
	}
}

// The pages warn of as few backup codes as the operator is told of.
func TestFewBackupCodesAreAsFewForEverybody(t *testing.T) {
	if web.FewCodes != auth.FewBackupCodes {
		t.Errorf("the pages warn below %d, the operator counts below %d", web.FewCodes, auth.FewBackupCodes)
	}
}

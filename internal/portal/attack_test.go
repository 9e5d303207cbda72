// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/password"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// desk is a portal without a network, for requests that no ordinary client sends.
type desk struct {
	*authtest.Bench
	*Portal
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{Bench: authtest.New(t)}
	d.Host = "app.example.test" // that ask asks for
	var err error
	keys := signing.NewKeys(make([]byte, 32), d.Clock.Now)
	if d.Portal, err = New(Config{Service: func() (*auth.Service, error) { return d.Bench.Service, nil }, Keys: func() (*signing.Keys, error) { return keys, nil }, Brand: web.Brand{Name: "Example"}, Now: d.Clock.Now}); err != nil {
		t.Fatal(err)
	}
	return d
}

// ask sends a request over TLS as some browser would; change makes it odd.
func (d *desk) ask(method, target, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://app.example.test/", strings.NewReader(body))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	r.URL, r.Host, r.RequestURI = u, "app.example.test", target
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	d.Portal.ServeHTTP(w, r, secure(r))
	return w
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func cookies(attempt, session string) func(*http.Request) {
	return func(r *http.Request) {
		for name, value := range map[string]string{"__Host-nightlatch-attempt": attempt, "__Host-nightlatch": session} {
			if value != "" {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
		}
	}
}

// forms are all forms of the portal by path. A test below compares them with the list of routes.
var forms = map[string]purpose{
	"sign-in":           signInForm,
	"start-over":        startOverForm,
	"second-factor":     secondFactorForm,
	"two-factor/enable": enableForm,
	"backup-codes":      backupCodesForm,

	"second-factor/send": sendSecondFactorForm,
	"two-factor/choose":  chooseForm,
	"two-factor/send":    sendEnrollmentForm,
	"email/confirm":      confirmAddressForm,
	"email/send":         sendAddressForm,
	"reset":              resetForm,
	"reset/TOKEN":        newPasswordForm,

	"setup/TOKEN":     setupForm,
	"invite/TOKEN":    inviteForm,
	"re-enroll/TOKEN": reenrollForm,
	"sudo":            sudoForm,
	"sign-out":        signOutForm,

	"two-factor/add":      addFactorForm,
	"factor/ID/rename":    renameFactorForm,
	"factor/ID/remove":    removeFactorForm,
	"two-factor/disable":  disableForm,
	"backup-codes/new":    newBackupCodesForm,
	"password":            passwordForm,
	"email":               emailForm,
	"app-passwords/new":   newAppPasswordForm,
	"sessions/end":        endSessionForm,
	"sessions/end-others": endOthersForm,
	"sessions/end-trust":  endTrustForm,

	"app-passwords/ID/revoke": revokeAppPasswordForm,
}

// unbound are the forms that are tied to nobody, since they change nothing but a taste.
var unbound = map[string]bool{"language": true}

func TestFormsAreAllInTheTests(t *testing.T) {
	names, pages := map[string]bool{}, map[string]bool{}
	for _, r := range routes() {
		path := strings.NewReplacer("{token}", "TOKEN", "{id}", "ID").Replace(r.path)
		pages[path] = pages[path] || r.method == http.MethodGet
		if _, ok := forms[path]; r.method == http.MethodPost && !ok && !unbound[path] {
			t.Errorf("POST %s is in no test", r.path)
		}
	}
	for path, f := range forms {
		if page := cmp.Or(strings.Replace(f.page, "{id}", "ID", 1), path); !pages[page] {
			t.Errorf("the form of %s stands on %s, which is no page", path, page)
		}
		if names[f.name] {
			t.Errorf("two forms have the purpose %q", f.name)
		}
		names[f.name] = true
	}
}

// rightForm is a form with its cookies and token, which passes every guard.
func (d *desk) rightForm(f purpose, attempt, session string, fields url.Values) (string, func(*http.Request)) {
	value := attempt
	if f.cookie == visit.Session {
		value = session
	}
	if fields == nil {
		fields = url.Values{}
	}
	fields.Set("token", d.FormToken(value, f.name))
	return fields.Encode(), cookies(attempt, session)
}

// CS-1, CS-2, CS-8: a form of another site is refused on every route, with everything else right, and nothing changes.
func TestCS1CS2CS8OtherSitesCannotSendForms(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	attempt := alice.EnterPassword(t).Attempt
	for path, f := range forms {
		body, right := d.rightForm(f, attempt, alice.Session, nil)
		for name, foreign := range map[string][]func(*http.Request){
			"CS-1 cross-site":    {header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example")},
			"CS-1 no origin":     {header("Sec-Fetch-Site", "cross-site")},
			"CS-1 null origin":   {header("Sec-Fetch-Site", "cross-site"), header("Origin", "null")},
			"CS-1 old browser":   {header("Origin", "https://evil.example")},
			"CS-2 sibling":       {header("Sec-Fetch-Site", "same-site"), header("Origin", "https://blog.example.test")},
			"CS-8 scheme":        {header("Origin", "http://app.example.test")},
			"CS-8 other port":    {header("Origin", "https://app.example.test:8443")},
			"CS-1 odd site word": {header("Sec-Fetch-Site", "SAME-ORIGIN")},
		} {
			before := d.Store.Sets() + d.Store.Deletes()
			w := d.ask("POST", "/_nightlatch/"+path, body, append(foreign, right)...)
			if w.Code != 403 || !strings.Contains(w.Body.String(), "sent from another site") {
				t.Errorf("%s to %s: got %d, want 403 with the reason", name, path, w.Code)
			}
			if after := d.Store.Sets() + d.Store.Deletes(); after != before {
				t.Errorf("%s to %s: %d writes", name, path, after-before)
			}
			if len(w.Header().Values("Set-Cookie")) != 0 {
				t.Errorf("%s to %s sets a cookie", name, path)
			}
		}
	}
	if _, err := d.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, alice.Session); err != nil {
		t.Errorf("the session did not survive: %v", err)
	}
	for path := range unbound {
		w := d.ask("POST", "/_nightlatch/"+path, "language=de", header("Sec-Fetch-Site", "cross-site"))
		if w.Code != 403 || len(w.Header().Values("Set-Cookie")) != 0 {
			t.Errorf("cross-site to %s: got %d, cookies %v", path, w.Code, w.Header().Values("Set-Cookie"))
		}
	}
}

// The same forms without the foreign headers get past the guards, also from a browser that sends no Sec-Fetch-Site, for which our
// own Referrer-Policy makes the Origin "null".
func TestFormsOfOurOwnPagesPass(t *testing.T) {
	d := newDesk(t)
	for _, ours := range [][]func(*http.Request){
		{header("Sec-Fetch-Site", "same-origin"), header("Origin", "null")},
		{header("Sec-Fetch-Site", "none")},
		{header("Origin", "https://app.example.test")},
		{header("Origin", "null")},
		{},
	} {
		visitor := d.VisitorToken()
		body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {"nobody"}, "password": {"x"}})
		w := d.ask("POST", "/_nightlatch/sign-in", body, append(ours, right)...)
		if !strings.Contains(w.Body.String(), "do not open an account") {
			t.Errorf("got %d %s, want the answer of the sign-in", w.Code, w.Body)
		}
	}
}

// CS-3: a form without the cookie that it was rendered for is refused, whoever made the token, and the sentence says how to help it.
func TestCS3LoginCSRF(t *testing.T) {
	d := newDesk(t)
	mallory := d.AddUser(t, auth.NewUser{Name: "mallory"})
	theirs := d.VisitorToken()
	fields := url.Values{"name": {mallory.Name}, "password": {mallory.Password}, "token": {d.FormToken(theirs, "sign-in")}}

	w := d.ask("POST", "/_nightlatch/sign-in", fields.Encode())
	if w.Code != 403 || !strings.Contains(w.Body.String(), "Allow cookies for this site") {
		t.Errorf("without a cookie: got %d, want 403 and how to allow cookies:\n%s", w.Code, w.Body)
	}
	w = d.ask("POST", "/_nightlatch/sign-in", fields.Encode(), cookies(d.VisitorToken(), ""))
	if w.Code != 403 || len(w.Header().Values("Set-Cookie")) != 0 {
		t.Errorf("with the victim's own cookie: got %d and cookies %v, want 403 and none", w.Code, w.Header().Values("Set-Cookie"))
	}
	// SE-15: two cookies of our name mean that somebody planted one.
	w = d.ask("POST", "/_nightlatch/sign-in", fields.Encode(), cookies(theirs, ""), cookies(d.VisitorToken(), ""))
	if w.Code != 403 {
		t.Errorf("with two cookies: got %d, want 403", w.Code)
	}
}

// CS-4, CS-10: a token is good for one cookie and one purpose.
func TestCS4CS10TokensDoNotTravel(t *testing.T) {
	d := newDesk(t)
	alice, mallory := d.Enroll(t, auth.NewUser{Name: "alice"}), d.Enroll(t, auth.NewUser{Name: "mallory"})
	victim, attacker := alice.EnterPassword(t).Attempt, mallory.EnterPassword(t).Attempt
	for path, f := range forms {
		mine, theirs := victim, attacker
		if f.cookie == visit.Session {
			mine, theirs = alice.Session, mallory.Session
		}
		for name, token := range map[string]string{
			"CS-10 of another person":  d.FormToken(theirs, f.name),
			"CS-4 of another purpose":  d.FormToken(mine, "another"),
			"CS-4 of no cookie":        d.FormToken("", f.name),
			"CS-4 empty":               "",
			"CS-4 the cookie itself":   mine,
			"CS-4 shortened":           d.FormToken(mine, f.name)[:42],
			"CS-4 with something more": d.FormToken(mine, f.name) + "A",
		} {
			before := d.Store.Sets() + d.Store.Deletes()
			w := d.ask("POST", "/_nightlatch/"+path, url.Values{"token": {token}, "code": {alice.Code()}}.Encode(), cookies(victim, alice.Session))
			if w.Code != 403 || !strings.Contains(w.Body.String(), "so nothing was done") {
				t.Errorf("%s at %s: got %d, want 403 with the reason", name, path, w.Code)
			}
			if after := d.Store.Sets() + d.Store.Deletes(); after != before {
				t.Errorf("%s at %s: %d writes", name, path, after-before)
			}
		}
	}
}

// CS-5: a link, an image, a preview or a HEAD signs nobody out and uses nothing up.
func TestCS5ASVS4_1_4OnlyPOSTChangesAnything(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	attempt := alice.EnterPassword(t).Attempt
	before := d.Store.Sets() + d.Store.Deletes()
	for _, r := range routes() {
		path := visit.Prefix + strings.NewReplacer("{$}", "", "{token}", "TOKEN", "{id}", "ID", "{name}", "x").Replace(r.path)
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"} {
			w := d.ask(method, path, "", cookies(attempt, alice.Session))
			if w.Header().Get("Clear-Site-Data") != "" {
				t.Errorf("%s %s signs out", method, path)
			}
			if method != "GET" && method != "HEAD" && w.Code != 405 {
				t.Errorf("%s %s: got %d, want 405", method, path, w.Code)
			}
			if w.Code == 405 && w.Header().Get("Allow") == "" {
				t.Errorf("%s %s: 405 without Allow", method, path)
			}
		}
	}
	if after := d.Store.Sets() + d.Store.Deletes(); after != before {
		t.Errorf("%d writes by methods that must not change anything", after-before)
	}
	if _, err := d.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, alice.Session); err != nil {
		t.Errorf("the session did not survive: %v", err)
	}
	if _, err := d.Attempt(t.Context(), attempt); err != nil {
		t.Errorf("the attempt did not survive: %v", err)
	}
}

// A step-up begins on GET, but not for a HEAD, with which programs look at links.
func TestCS5HeadBeginsNothing(t *testing.T) {
	d := newDesk(t)
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	session := bob.EnterPassword(t).Session
	d.Clock.Move(time.Minute)
	for _, target := range []string{"/_nightlatch/sudo?level=password&max_age=30", "/_nightlatch/two-factor/enable?return_to=/"} {
		before := d.Store.Sets()
		if w := d.ask("HEAD", target, "", cookies("", session)); w.Code != 303 || d.Store.Sets() != before || len(w.Header().Values("Set-Cookie")) != 0 {
			t.Errorf("HEAD %s: got %d, %d writes, cookies %v", target, w.Code, d.Store.Sets()-before, w.Header().Values("Set-Cookie"))
		}
		if w := d.ask("GET", target, "", cookies("", session)); d.Store.Sets() == before || len(w.Header().Values("Set-Cookie")) != 1 {
			t.Errorf("GET %s: got %d, %d writes, cookies %v", target, w.Code, d.Store.Sets()-before, w.Header().Values("Set-Cookie"))
		}
	}
}

// A link to the step-up page, from wherever, does not put another attempt in the place of codes that are shown only now.
func TestCS5ALinkDoesNotLoseBackupCodes(t *testing.T) {
	d := newDesk(t)
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	session, pr := bob.HalfWay(t)
	w := d.ask("GET", "/_nightlatch/sudo?level=two_factor&max_age=60", "", cookies(pr.Attempt, session))
	if at := w.Header().Get("Location"); w.Code != 303 || at != "/_nightlatch/backup-codes" || len(w.Header().Values("Set-Cookie")) != 0 {
		t.Errorf("got %d to %q, cookies %v; want the backup codes", w.Code, at, w.Header().Values("Set-Cookie"))
	}
	if v, err := d.Attempt(t.Context(), pr.Attempt); err != nil || len(v.Codes) != 10 {
		t.Errorf("codes on the page: %d, %v", len(v.Codes), err)
	}
}

// CS-11, OT-19: the key of an authenticator is what the server has, whatever the form says.
func TestCS11EnrollmentTakesNoKeyFromTheForm(t *testing.T) {
	d := newDesk(t)
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	session := bob.EnterPassword(t).Session
	pr, err := d.StepUp(t.Context(), authtest.Client, session, auth.Requirement{Level: auth.LevelTwoFactor}, "")
	if err != nil {
		t.Fatal(err)
	}
	mallory := d.Enroll(t, auth.NewUser{Name: "mallory"})
	body, right := d.rightForm(enableForm, pr.Attempt, session, url.Values{"code": {mallory.Code()}, "secret": {string(mallory.Secret)}, "key": {"AAAA"}})
	if w := d.ask("POST", "/_nightlatch/two-factor/enable", body, right); w.Code != 403 {
		t.Errorf("got %d, want 403", w.Code)
	}
	if u, err := d.User(t.Context(), "bob"); err != nil || len(u.Factors) != 0 {
		t.Errorf("factors %v, error %v; want none", u.Factors, err)
	}
}

// CS-12, WB-12: a script of the application gets no page, and a program is told in its own way.
func TestCS12WB12ScriptsGetNoPage(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for name, c := range map[string]struct {
		change []func(*http.Request)
		status int
	}{
		"fetch, signed out":     {[]func(*http.Request){header("Sec-Fetch-Mode", "cors"), header("Sec-Fetch-Dest", "empty")}, 401},
		"JSON, signed out":      {[]func(*http.Request){header("Accept", "application/json")}, 401},
		"XHR of an old browser": {[]func(*http.Request){header("Accept", "text/html"), header("X-Requested-With", "XMLHttpRequest")}, 401},
		"curl":                  {[]func(*http.Request){header("Accept", "*/*")}, 401},
		"nothing accepted":      {[]func(*http.Request){header("Accept", "")}, 401},
		"image, signed out":     {[]func(*http.Request){header("Sec-Fetch-Mode", "no-cors"), header("Sec-Fetch-Dest", "image")}, 401},
		"WebSocket, signed out": {[]func(*http.Request){header("Sec-Fetch-Mode", "websocket"), header("Sec-Fetch-Dest", "empty")}, 401},
		"fetch, signed in":      {[]func(*http.Request){header("Sec-Fetch-Mode", "same-origin"), header("Sec-Fetch-Dest", "empty"), cookies("", alice.Session)}, 403},
		"embed, signed in":      {[]func(*http.Request){header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "embed"), cookies("", alice.Session)}, 403},
	} {
		for _, target := range []string{"account", "sign-in", "sign-out", "backup-codes"} {
			w := d.ask("GET", "/_nightlatch/"+target, "", c.change...)
			if w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %s: got %d %s, want %d problem+json", name, target, w.Code, w.Header().Get("Content-Type"), c.status)
			}
			if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %s: 401 without WWW-Authenticate", name, target)
			}
		}
	}
	body, right := d.rightForm(signOutForm, "", alice.Session, nil)
	if w := d.ask("POST", "/_nightlatch/sign-out", body, right, header("Sec-Fetch-Site", "same-origin"), header("Sec-Fetch-Mode", "cors")); w.Code != 403 {
		t.Errorf("a script can send our form: got %d, want 403", w.Code)
	}
}

// CS-12, WB-6: a frame is led on as a window is, the browser shows what it gets to nobody, the page around it included, and no form is
// taken for one.
func TestCS12WB6FramesShowNothing(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for _, dest := range []string{"iframe", "frame"} {
		w := d.ask("GET", "/_nightlatch/account", "", header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", dest), cookies("", alice.Session))
		if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") || w.Header().Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: got %d, %v, want a page that no frame shows", dest, w.Code, w.Header())
		}
		body, right := d.rightForm(signOutForm, "", alice.Session, nil)
		if w := d.ask("POST", "/_nightlatch/sign-out", body, right, header("Sec-Fetch-Site", "same-origin"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", dest)); w.Code != 403 {
			t.Errorf("%s: a form for a frame: got %d, want 403", dest, w.Code)
		}
		if s, err := d.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, alice.Session); err != nil || s == nil {
			t.Errorf("%s: the session has ended: %v", dest, err)
		}
	}
}

// What machines ask for is open to them.
func TestHealthAndStaticFilesAreForPrograms(t *testing.T) {
	d := newDesk(t)
	for _, path := range []string{"/_nightlatch/healthz", "/_nightlatch/readyz", web.Static("style.css")} {
		if w := d.ask("GET", path, "", header("Accept", "*/*")); w.Code != 200 {
			t.Errorf("%s: got %d, want 200", path, w.Code)
		}
	}
}

// A portal that could only fail later is not made.
func TestNewRefuses(t *testing.T) {
	if p, err := New(Config{Brand: web.Brand{Name: "Example"}}); err == nil || p != nil {
		t.Errorf("no service: got %v, %v, want an error", p, err)
	}
}

// OR-1, OR-2: at each place where an address comes in, a refused one is neither used nor repeated.
func TestOR1OR2RefusedAddressIsNeitherUsedNorRepeated(t *testing.T) {
	d := newDesk(t)
	session := d.AddUser(t, auth.NewUser{Name: "carol"}).EnterPassword(t).Session
	bob, alice := d.AddUser(t, auth.NewUser{Name: "bob"}), d.Enroll(t, auth.NewUser{Name: "alice"})

	for _, a := range redirectAttacks {
		if a.address == "" {
			continue
		}
		escaped := url.QueryEscape(a.address)
		visitor := d.VisitorToken()
		body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {bob.Name}, "password": {bob.Password}, "return_to": {a.address}})
		wrong, _ := d.rightForm(signInForm, visitor, "", url.Values{"name": {"bob"}, "password": {"x"}, "return_to": {a.address}})
		// What comes back from our own store is checked as well.
		stored, err := d.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: alice.Name, Password: alice.Password, ReturnTo: a.address})
		if err != nil {
			t.Fatal(err)
		}
		startOver, started := d.rightForm(startOverForm, stored.Attempt, "", nil)
		code, coded := d.rightForm(secondFactorForm, stored.Attempt, "", url.Values{"method": {"totp"}, "code": {alice.Code()}})

		for _, c := range []struct {
			place, want string
			answer      *httptest.ResponseRecorder
		}{
			{"sign-in page", "", d.ask("GET", "/_nightlatch/sign-in?return_to="+escaped, "")},
			{"sign-in form", "/", d.ask("POST", "/_nightlatch/sign-in", body, right)},
			{"sign-in form, refused", "", d.ask("POST", "/_nightlatch/sign-in", wrong, right)},
			{"already signed in", "/", d.ask("GET", "/_nightlatch/sign-in?return_to="+escaped, "", cookies("", session))},
			{"step-up", "/", d.ask("GET", "/_nightlatch/sudo?level=password&return_to="+escaped, "", cookies("", session))},
			{"step-up, signed out", "/_nightlatch/sign-in?return_to=%2F", d.ask("GET", "/_nightlatch/sudo?level=password&return_to="+escaped, "")},
			{"enrollment, signed out", "/_nightlatch/sign-in?return_to=%2F", d.ask("GET", "/_nightlatch/two-factor/enable?return_to="+escaped, "")},
			{"backup code notice", "/", d.ask("GET", "/_nightlatch/backup-codes/used?return_to="+escaped, "", cookies("", session))},
			{"start over", "/_nightlatch/sign-in?return_to=%2F", d.ask("POST", "/_nightlatch/start-over", startOver, started)},
			{"after the second factor", "/", d.ask("POST", "/_nightlatch/second-factor", code, coded)},
		} {
			if got := c.answer.Header().Get("Location"); got != c.want {
				t.Errorf("%s: %s: Location %q, want %q (status %d)", a.id, c.place, got, c.want, c.answer.Code)
			}
			all := c.answer.Body.String() + fmt.Sprint(c.answer.Header())
			if len(a.address) > 2 && (strings.Contains(all, a.address) || strings.Contains(all, "evil")) {
				t.Errorf("%s: %s repeats the address:\n%s", a.id, c.place, all)
			}
		}
		d.Clock.Move(otp.Period) // the next code is a fresh one
	}
}

// OR-7, OR-8: no header and no host name of the request is in a redirect.
func TestOR7OR8RedirectsHaveNoHost(t *testing.T) {
	d := newDesk(t)
	w := d.ask("GET", "/_nightlatch/", "",
		header("X-Forwarded-Host", "evil.example"), header("X-Forwarded-Prefix", "//evil.example"), header("X-Forwarded-Proto", "gopher"),
		func(r *http.Request) { r.Host = "evil.example" })
	if got := w.Header().Get("Location"); w.Code != 303 || got != "/_nightlatch/account" {
		t.Errorf("got %d %q, want 303 to our own path", w.Code, got)
	}
}

// P43 and its like: a key that stands twice is refused, in the query and in the form.
func TestP43DoubleKeys(t *testing.T) {
	d := newDesk(t)
	visitor := d.VisitorToken()
	token := url.QueryEscape(d.FormToken(visitor, "sign-in"))
	for _, c := range []struct{ method, target, body string }{
		{"GET", "/_nightlatch/sign-in?return_to=/ok&return_to=//evil.example", ""},
		{"GET", "/_nightlatch/sign-in?return_to=/a;b", ""},
		{"GET", "/_nightlatch/sign-in?return_to=%zz", ""},
		{"POST", "/_nightlatch/sign-in?x=1&x=2", "token=" + token},
		{"POST", "/_nightlatch/sign-in", "token=" + token + "&name=a&name=b"},
		{"POST", "/_nightlatch/sign-in", "token=" + token + "&token=" + token},
		{"POST", "/_nightlatch/sign-in", "token=%zz"},
		{"POST", "/_nightlatch/sign-in", "a;b"},
	} {
		if w := d.ask(c.method, c.target, c.body, cookies(visitor, "")); w.Code != 400 {
			t.Errorf("%s %s %q: got %d, want 400", c.method, c.target, c.body, w.Code)
		}
	}
	// A value in the query is no value of the form.
	if w := d.ask("POST", "/_nightlatch/sign-in?token="+token, "name=a", cookies(visitor, "")); w.Code != 403 {
		t.Errorf("a token in the query: got %d, want 403", w.Code)
	}
}

// WB-1, WB-2: what a stranger puts into the address or a header is not on the page, or is text.
func TestWB1WB2AddressAndHeadersAreText(t *testing.T) {
	d := newDesk(t)
	for _, target := range []string{
		"/_nightlatch/sign-in/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
		"/_nightlatch/sign-in?return_to=%22onfocus=%22alert(1)",
		"/_nightlatch/sign-in?return_to=/%3Cscript%3Ealert(1)%3C/script%3E",
		"/_nightlatch/second-factor?method=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
	} {
		w := d.ask("GET", target, "", header("Referer", "javascript:alert(1)"), header("User-Agent", "<script>alert(1)</script>"))
		if strings.Contains(w.Body.String(), "alert(1)") {
			t.Errorf("%s: the page repeats it:\n%s", target, w.Body)
		}
	}
	visitor := d.VisitorToken()
	body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {`"><script>alert(1)</script>`}, "password": {"x"}})
	if w := d.ask("POST", "/_nightlatch/sign-in", body, right); strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("a user name is markup:\n%s", w.Body)
	}
}

// WB-4: what people wrote about themselves, and what their browser says, is text on the account page.
func TestWB4StoredValuesAreText(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice", FullName: `<img src=x onerror=alert(1)>`, Email: "alice@example.test"})
	w := d.ask("GET", "/_nightlatch/account", "", cookies("", alice.Session))
	if w.Code != 200 || strings.Contains(w.Body.String(), "<img src=x") || !strings.Contains(w.Body.String(), "&lt;img src=x") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// WB-6, WB-7, WB-10: every answer of every route, errors included, carries the headers; nothing but static files and public keys may be
// kept.
func TestWB6WB7WB10EveryRouteIsSecured(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	attempt := alice.EnterPassword(t).Attempt
	check := func(name string, w *httptest.ResponseRecorder) {
		t.Helper()
		h := w.Header()
		if got := h.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: %d with policy %q", name, w.Code, got)
		}
		if h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Vary"), "Cookie") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d with headers %v", name, w.Code, h)
		}
		if strings.Contains(w.Body.String(), "http-equiv") {
			t.Errorf("%s: the page redirects by itself", name)
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other origins may read it", name)
		}
	}
	for _, r := range routes() {
		if r.path == "jwks.json" || r.path == discoveryPath {
			continue // public by its nature, and in a test of its own
		}
		path := visit.Prefix + strings.NewReplacer("{$}", "", "{token}", "TOKEN", "{id}", "ID", "{name}", "x").Replace(r.path)
		for name, who := range map[string]func(*http.Request){"nobody": cookies("", ""), "signing in": cookies(attempt, ""), "signed in": cookies("", alice.Session)} {
			check(r.method+" "+path+" "+name, d.ask(r.method, path, "", who, header("Origin", "https://app.example.test")))
		}
	}
	for _, target := range []string{"/_nightlatch/account/x.css", "/_nightlatch/sign-in;.css", "/_nightlatch/app.js"} {
		w := d.ask("GET", target, "", cookies("", alice.Session))
		check(target, w)
		if w.Code != 404 || strings.Contains(w.Body.String(), "alice") {
			t.Errorf("%s: got %d, want 404 that says nothing of the person", target, w.Code)
		}
	}
}

// A page has one spelling; every other is no page, so that no cache or rule in front of us can be led to take one for the other.
func TestOneSpelling(t *testing.T) {
	d := newDesk(t)
	for _, target := range []string{
		"/_nightlatch/sign%2Din", "/_nightlatch/%73ign-in", "/_nightlatch//sign-in", "/_nightlatch/sign-in/", "/_nightlatch/./sign-in",
		"/_nightlatch/x/../sign-in", "/_nightlatch/sign-in%00", "/_nightlatch/sign-in%20", "/_nightlatch/sign-in.", "/_nightlatch/sign-in;x=1",
		"/_nightlatch/sign-in%2f", `/_nightlatch/sign-in\`, "/_nightlatch/Sign-In", "/_nightlatch/sign-in%0d%0aX:y", "/_nightlatch/setup/",
		"/_nightlatch/setup/a%2Fb", "/_nightlatch/setup/a/b", "/_nightlatch/static/%2e%2e/web.go", "/_nightlatch/static/../sign-in", "/_nightlatch/static/",
		"/_nightlatch/sign-in#x", "/_nightlatch/sign-in%23x", "/_nightlatch/caf%C3%A9", "/_nightlatch/unknown", "/_nightlatch/problems/sign-in-required",
	} {
		w := d.ask("GET", target, "")
		if w.Code != 404 || w.Header().Get("Location") != "" {
			t.Errorf("%s: got %d %s, want 404", target, w.Code, w.Header().Get("Location"))
		}
		if w := d.ask("POST", target, ""); w.Code != 404 {
			t.Errorf("POST %s: got %d, want 404", target, w.Code)
		}
	}
	if w := d.ask("GET", "/_nightlatch/sign-in", ""); w.Code != 200 {
		t.Errorf("the right spelling: got %d", w.Code)
	}
}

// The request may have been rewritten on its way to us; what counts is the target as the client sent it.
func TestTheTargetAsSentCounts(t *testing.T) {
	d := newDesk(t)
	r := httptest.NewRequest("GET", "https://app.example.test/_nightlatch/healthz", nil)
	r.Header.Set("Accept", "text/html")
	v := secure(r)
	v.URL = &url.URL{Path: "/_nightlatch/sign-in"}
	w := httptest.NewRecorder()
	d.Portal.ServeHTTP(w, r, v)
	if !strings.Contains(w.Body.String(), "<form") {
		t.Errorf("got %d %s, want the sign-in page", w.Code, w.Body)
	}
}

// DO-4: bodies are small, of one type, and refused before anything else is done with them.
func TestDO4Bodies(t *testing.T) {
	d := newDesk(t)
	visitor := d.VisitorToken()
	token := "token=" + url.QueryEscape(d.FormToken(visitor, "sign-in"))
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	endless := func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(zeros{}), -1 }
	for name, c := range map[string]struct {
		body   string
		change []func(*http.Request)
		status int
	}{
		"at the limit":      {token + "&password=" + strings.Repeat("x", maxBody-len(token)-10), nil, 403},
		"over the limit":    {token + "&password=" + strings.Repeat("x", maxBody), nil, 413},
		"chunked":           {token + "&password=" + strings.Repeat("x", maxBody), []func(*http.Request){chunked}, 413},
		"endless":           {"", []func(*http.Request){endless}, 413},
		"a million keys":    {strings.Repeat("a=&", 1e6), nil, 413},
		"many keys":         {strings.Repeat("a=&", 2e4), nil, 400},
		"JSON":              {`{"name":"a"}`, []func(*http.Request){header("Content-Type", "application/json")}, 415},
		"multipart":         {token, []func(*http.Request){header("Content-Type", "multipart/form-data; boundary=x")}, 415},
		"plain text":        {token, []func(*http.Request){header("Content-Type", "text/plain")}, 415},
		"no type":           {token, []func(*http.Request){header("Content-Type", "")}, 415},
		"two types":         {token, []func(*http.Request){header("Content-Type", "application/x-www-form-urlencoded, text/plain")}, 415},
		"type with charset": {token, []func(*http.Request){header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")}, 403},
	} {
		w := d.ask("POST", "/_nightlatch/sign-in", c.body, append(c.change, cookies(visitor, ""))...)
		if w.Code != c.status {
			t.Errorf("%s: got %d, want %d", name, w.Code, c.status)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// slowWriter remembers the read deadlines that a handler sets.
type slowWriter struct {
	http.ResponseWriter
	deadlines []time.Time
}

func (w *slowWriter) SetReadDeadline(d time.Time) error {
	w.deadlines = append(w.deadlines, d)
	return nil
}

// DO-6: a body has a deadline of its own, and the deadline is gone when the password is being checked.
func TestDO6SlowBodies(t *testing.T) {
	d := newDesk(t)
	r := httptest.NewRequest("POST", "https://app.example.test/_nightlatch/sign-in", strings.NewReader("a=b"))
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := &slowWriter{ResponseWriter: httptest.NewRecorder()}
	start := time.Now()
	d.Portal.ServeHTTP(w, r, secure(r))
	if len(w.deadlines) != 2 || w.deadlines[0].Before(start.Add(bodyTime)) || w.deadlines[0].After(time.Now().Add(bodyTime)) || !w.deadlines[1].IsZero() {
		t.Errorf("deadlines %v, want one %v from now and then none", w.deadlines, bodyTime)
	}
	answer := d.ask("POST", "/_nightlatch/sign-in", "", func(r *http.Request) { r.Body = io.NopCloser(late{}); r.ContentLength = 3 })
	if answer.Code != http.StatusRequestTimeout {
		t.Errorf("a body that does not come: got %d, want 408", answer.Code)
	}
}

type late struct{}

func (late) Read([]byte) (int, error) { return 0, fmt.Errorf("reading: %w", os.ErrDeadlineExceeded) }

// DO-7: visitors who prove nothing leave nothing behind.
func TestDO7AnonymousVisitsStoreNothing(t *testing.T) {
	d := newDesk(t)
	before := d.Store.Sets() + d.Store.Deletes() + d.Store.Updates()
	for range 2000 {
		if w := d.ask("GET", "/_nightlatch/sign-in?return_to=/app", ""); w.Code != 200 {
			t.Fatalf("got %d", w.Code)
		}
		d.ask("POST", "/_nightlatch/sign-in", "name=a&password=b&token=c", cookies(d.VisitorToken(), ""))
		d.ask("GET", "/_nightlatch/setup/TOKEN", "")
	}
	if after := d.Store.Sets() + d.Store.Deletes() + d.Store.Updates(); after != before {
		t.Errorf("%d writes for anonymous visitors", after-before)
	}
}

// RFC 8470: a form in early data may have been recorded and sent again.
func TestEarlyDataIsNoForm(t *testing.T) {
	d := newDesk(t)
	visitor := d.VisitorToken()
	body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {"a"}, "password": {"b"}})
	early := func(done bool) func(*http.Request) {
		return func(r *http.Request) { r.TLS = &tls.ConnectionState{HandshakeComplete: done} }
	}
	if w := d.ask("POST", "/_nightlatch/sign-in", body, right, early(false)); w.Code != 425 {
		t.Errorf("got %d, want 425", w.Code)
	}
	if w := d.ask("POST", "/_nightlatch/sign-in", body, right, early(true)); w.Code != 403 {
		t.Errorf("after the handshake: got %d, want the answer of the sign-in, 403", w.Code)
	}
	if w := d.ask("GET", "/_nightlatch/sign-in", "", early(false)); w.Code != 200 {
		t.Errorf("a page: got %d, want 200", w.Code)
	}
}

// On plain HTTP from afar there are no pages, no cookies and no forms, but health checks.
func TestExposedConnectionsAreRefused(t *testing.T) {
	d := newDesk(t)
	for _, r := range routes() {
		path := visit.Prefix + strings.NewReplacer("{$}", "", "{token}", "TOKEN", "{id}", "ID", "{name}", strings.TrimPrefix(web.Static("style.css"), "/_nightlatch/static/")).Replace(r.path)
		req := httptest.NewRequest(r.method, "http://app.example.test"+path, strings.NewReader(""))
		v := secure(req)
		v.Transport = visit.Exposed
		w := httptest.NewRecorder()
		d.Portal.ServeHTTP(w, req, v)
		if r.path == discoveryPath { // an open door too, behind which there is nothing in the open
			if w.Code != 404 {
				t.Errorf("%s %s: got %d", r.method, path, w.Code)
			}
			continue
		}
		open := slices.Contains([]string{"static/{name}", "healthz", "readyz", "jwks.json"}, r.path)
		if open && w.Code != 200 || !open && (w.Code != 403 || !strings.Contains(w.Body.String(), "This site needs HTTPS")) {
			t.Errorf("%s %s: got %d", r.method, path, w.Code)
		}
		if len(w.Header().Values("Set-Cookie")) != 0 {
			t.Errorf("%s %s sets a cookie in the open", r.method, path)
		}
	}
}

// On loopback cookies lose their prefix, and the origin is plain HTTP.
func TestLoopback(t *testing.T) {
	d := newDesk(t)
	r := httptest.NewRequest("GET", "http://localhost:8080/_nightlatch/sign-in", nil)
	r.Header.Set("Accept", "text/html")
	v := secure(r)
	v.Transport = visit.Loopback
	w := httptest.NewRecorder()
	d.Portal.ServeHTTP(w, r, v)
	if got := w.Header().Get("Set-Cookie"); w.Code != 200 || !strings.HasPrefix(got, "nightlatch-attempt=") || strings.Contains(got, "Secure") {
		t.Errorf("got %d with cookie %q", w.Code, got)
	}
	visitor := d.VisitorToken()
	for origin, want := range map[string]string{"http://localhost:8080": "do not open an account", "https://localhost:8080": "sent from another site"} {
		body, _ := d.rightForm(signInForm, visitor, "", url.Values{"name": {"a"}, "password": {"b"}})
		r := httptest.NewRequest("POST", "http://localhost:8080/_nightlatch/sign-in", strings.NewReader(body))
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		r.AddCookie(&http.Cookie{Name: "nightlatch-attempt", Value: visitor})
		w := httptest.NewRecorder()
		d.Portal.ServeHTTP(w, r, v)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("from %s: got %d, want %q:\n%s", origin, w.Code, want, w.Body)
		}
	}
}

// A store or service that fails is told as such: never "signed out", never a page of nobody, and the cause is in the log alone.
func TestFailuresAreNotSignedOut(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	pending := alice.EnterPassword(t).Attempt
	broken := errors.New("disk on fire")
	var log bytes.Buffer
	d.Portal.log = slog.New(slog.NewTextHandler(&log, nil))

	check := func(name string, w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || len(w.Header().Values("Set-Cookie")) != 0 {
			t.Errorf("%s: got %d, Retry-After %q, cookies %v", name, w.Code, w.Header().Get("Retry-After"), w.Header().Values("Set-Cookie"))
		}
		if strings.Contains(w.Body.String(), "fire") {
			t.Errorf("%s: the visitor learns the cause:\n%s", name, w.Body)
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "fire") || strings.Contains(log.String(), "SECRETTOKEN") {
			t.Errorf("%s: log %q, want one line with the cause and no token of a link", name, log.String())
		}
		log.Reset()
		d.ask("GET", "/_nightlatch/account", "", cookies("", alice.Session))
		if log.Len() > 0 {
			t.Errorf("%s: the next request in the same second says it again: %q", name, log.String())
		}
		d.Clock.Move(time.Second)
	}
	d.Restart(t) // with an empty cache, so that the store is asked
	d.Store.FailViews(broken)
	for _, target := range []string{"account", "sign-in", "second-factor", "sign-out", "two-factor/enable", "backup-codes", "backup-codes/used", "sudo", "setup/SECRETTOKEN", "invite/SECRETTOKEN",
		"two-factor/add", "factor/0", "two-factor/disable", "backup-codes/new", "password", "email", "sessions"} {
		check(target, d.ask("GET", "/_nightlatch/"+target, "", cookies(pending, alice.Session)))
	}
	check("a link, without cookies", d.ask("GET", "/_nightlatch/setup/SECRETTOKEN", ""))
	if w := d.ask("GET", "/_nightlatch/readyz", ""); w.Code != 503 {
		t.Errorf("readyz: got %d, want 503", w.Code)
	}
	d.Store.FailViews(nil)
	d.Store.FailReads("attempt/", broken)
	for _, target := range []string{"sign-in", "second-factor", "two-factor/enable", "email/confirm", "backup-codes", "sudo"} {
		check(target+", attempts cannot be read", d.ask("GET", "/_nightlatch/"+target, "", cookies(pending, "")))
	}
	d.Store.FailReads("attempt/", nil)
	d.Store.FailUpdates(broken)
	body, right := d.rightForm(signOutForm, pending, alice.Session, nil)
	check("sign-out", d.ask("POST", "/_nightlatch/sign-out", body, right))
	body, right = d.rightForm(secondFactorForm, pending, "", url.Values{"method": {"totp"}, "code": {alice.Code()}})
	check("second-factor", d.ask("POST", "/_nightlatch/second-factor", body, right))
	d.Store.FailUpdates(nil)

	d.Portal.service = func() (*auth.Service, error) { return nil, broken }
	check("no service", d.ask("GET", "/_nightlatch/sign-in", ""))
	if w := d.ask("GET", "/_nightlatch/readyz", ""); w.Code != 503 {
		t.Errorf("readyz without a service: got %d, want 503", w.Code)
	}
	if w := d.ask("GET", "/_nightlatch/healthz", ""); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("healthz: got %d %q", w.Code, w.Body)
	}
}

// Every kind of error has a status and a sentence with its blanks filled in.
func TestEveryKindIsTold(t *testing.T) {
	d := newDesk(t)
	tell := func(err error, m auth.Method) (*httptest.ResponseRecorder, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "https://app.example.test/", nil)
		q := &request{Request: r, w: w, visit: secure(r), portal: d.Portal, auth: d.Bench.Service}
		var sentence string
		q.refuse(err, m, func(problem string) web.Page {
			sentence = problem
			return web.Sudo{Form: web.Form{Problem: problem}}
		})
		return w, sentence
	}
	for kind := auth.Unavailable; kind <= auth.BadAddress; kind++ {
		for _, m := range []auth.Method{auth.Password, auth.TOTP, auth.Email, auth.Webhook, auth.BackupCode, ""} {
			w, sentence := tell(&auth.Error{Kind: kind, Detail: "detail", RetryAfter: 90 * time.Second, Cause: errors.New("cause")}, m)
			if kind == auth.StepUpNeeded {
				if at := w.Header().Get("Location"); w.Code != 303 || !strings.HasPrefix(at, "/_nightlatch/sudo?") {
					t.Errorf("fresh proofs are needed: got %d to %q, want the step-up", w.Code, at)
				}
				continue
			}
			if w.Code < 400 {
				t.Errorf("kind %d by %q: status %d", kind, m, w.Code)
			}
			if expected := []auth.Kind{auth.Unavailable, auth.Busy, auth.Disabled, auth.LastAdministrator, auth.NothingTyped}; (w.Code == 503) != slices.Contains(expected, kind) {
				t.Errorf("kind %d by %q: status %d", kind, m, w.Code)
			}
			if strings.Contains(w.Body.String(), "%") || strings.Contains(w.Body.String(), "cause") || strings.Contains(sentence, "%") {
				t.Errorf("kind %d by %q: %s", kind, m, w.Body)
			}
			if outcomes[kind].title == "" && w.Code != 503 && len(sentence) < 20 {
				t.Errorf("kind %d by %q has no sentence: %q", kind, m, sentence)
			}
		}
	}
	seen := map[string]bool{}
	for _, plain := range []string{"short", strings.Repeat("x1y2", 100), "correct horse\xff battery staple", "passwordpassword", "examplealice2024", "aaaaaaaaaaaaaaaaaaaa"} {
		err := password.Check(plain, 15, "alice", "Example")
		if err == nil {
			t.Fatalf("%q is accepted", plain)
		}
		_, sentence := tell(&auth.Error{Kind: auth.BadPassword, Cause: err}, auth.Password)
		if len(sentence) < 20 || seen[sentence] || strings.Contains(sentence, "%") {
			t.Errorf("%q (%v): sentence %q is missing or told before", plain, err, sentence)
		}
		seen[sentence] = true
	}
}

// The two packages that may not import each other agree on where our pages live.
func TestPrefix(t *testing.T) {
	if web.Prefix != visit.Prefix {
		t.Errorf("web.Prefix is %q, visit.Prefix %q", web.Prefix, visit.Prefix)
	}
}

// DO-9: nothing that a client can send makes a handler panic, and nothing gets anybody in.
func FuzzRequest(f *testing.F) {
	d := newDesk(f)
	alice := d.Enroll(f, auth.NewUser{Name: "alice"})
	attempt := alice.EnterPassword(f).Attempt
	f.Add("GET", "/_nightlatch/sign-in?return_to=/", "", "", "text/html")
	f.Add("POST", "/_nightlatch/sign-in", "name=a&password=b&token=c", "__Host-nightlatch-attempt="+attempt, "application/x-www-form-urlencoded")
	f.Add("POST", "/_nightlatch/second-factor", "code=000000&method=totp&token="+d.FormToken(attempt, "second-factor"), "__Host-nightlatch-attempt="+attempt, "application/x-www-form-urlencoded")
	f.Add("GET", "/_nightlatch/account", "", "__Host-nightlatch="+strings.Repeat("A", 200), "")
	f.Add("POST", "/_nightlatch/setup/x", "%zz", "__Host-nightlatch-attempt=x; __Host-nightlatch-attempt=y", "multipart/form-data")
	f.Add("HEAD", "/_nightlatch/sudo?level=two_factor&max_age=9&methods=totp", "", "=", "")
	f.Add("CONNECT", "/_nightlatch/static/x", "", ";;;", "a/b; c")
	f.Fuzz(func(t *testing.T, method, target, body, cookie, contentType string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.Path, visit.Prefix) {
			return
		}
		r := httptest.NewRequest("GET", "https://app.example.test/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		d.Portal.ServeHTTP(w, r, secure(r))
		if w.Code == 0 || w.Code == 500 {
			t.Errorf("status %d", w.Code)
		}
		for _, c := range w.Header().Values("Set-Cookie") {
			if strings.HasPrefix(c, "__Host-nightlatch=") && !strings.HasPrefix(c, "__Host-nightlatch=;") {
				t.Errorf("a session for %q", body)
			}
		}
	})
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"bytes"
	"fmt"
	"html"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

const (
	apps   = "/_nightlatch/app-passwords"
	newApp = apps + "/new"
)

// shown are the texts of a page that are there to be copied, by their id.
func shown(page string) map[string]string {
	texts := map[string]string{}
	for _, m := range regexp.MustCompile(`<code class="secret" id="([^"]+)">([^<]+)</code>`).FindAllStringSubmatch(page, -1) {
		texts[m[1]] = html.UnescapeString(m[2])
	}
	return texts
}

// keysOf are somebody's app passwords.
func keysOf(t *testing.T, b *authtest.Bench, p *authtest.Person) []auth.AccessKeyInfo {
	t.Helper()
	list, err := b.AppPasswords(t.Context(), userID(t, b, p))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func userID(t *testing.T, b *authtest.Bench, p *authtest.Person) string {
	t.Helper()
	u, err := b.User(t.Context(), p.Name)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// opens tells whether a program that shows a token may make a request.
func opens(t *testing.T, b *authtest.Bench, token, method, path string) bool {
	t.Helper()
	_, err := b.Bearer(t.Context(), auth.Asker{Host: "127.0.0.1", Method: method, Path: path}, token)
	return err == nil
}

// Somebody makes an app password for a calendar, copies it, sees it in the list without its secret, and revokes it.
func TestStoryAppPassword(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	b, alice := s.member(t, "alice")
	b.get(account).sees(200, account, "App passwords", "None")
	s.Clock.Move(auth.SudoAge)
	b.get(apps).prove(alice).sees(200, apps, "App passwords", "You have none.")
	b.get(newApp).sees(200, newApp, "Make an app password", "It is good for 127.0.0.1 alone.", "90 days").lacks(`name="site"`, "no second factor")
	b.fill(newApp, "name", "", "path", "/dav", "days", "30").sees(422, newApp, "This name cannot be used.", `value="/dav"`)
	b.fill(newApp, "name", "Calendar", "path", "dav", "days", "30").sees(422, newApp, "This path cannot be used.", `value="Calendar"`, `value="dav"`, `<option value="30" selected>`)
	if !regexp.MustCompile(`<input id="path"[^>]*aria-invalid="true"`).MatchString(b.body) {
		t.Errorf("the field of the path is not marked:\n%s", b.body)
	}
	b.fill(newApp, "name", "Calendar", "path", "/dav/", "read_only", "yes", "days", "30").
		sees(200, newApp, "Your new app password", "It is shown only now", "Calendar", "127.0.0.1", "/dav", "reading only", "Nightlatch-Client-Id", "Nightlatch-Client-Secret")
	made := shown(b.body)
	if made["user"] != "alice" || made["password"] != made["Nightlatch-Client-Id"]+"_"+made["Nightlatch-Client-Secret"] || !credential.IsKey(made["password"]) {
		t.Fatalf("shown are %q", made)
	}
	if m := s.Await(t, auth.NoticeAppPasswordMade); m.To != "alice@example.test" {
		t.Errorf("the notice goes to %s", m.To)
	}
	token, until := made["password"], s.Clock.Now().Add(30*24*time.Hour)
	for path, want := range map[string]bool{"GET /dav": true, "HEAD /dav/x": true, "PUT /dav": false, "GET /": false, "GET /davx": false} {
		method, path, _ := strings.Cut(path, " ")
		if got := opens(t, s.Bench, token, method, path); got != want {
			t.Errorf("%s %s: opened %t, want %t", method, path, got, want)
		}
	}

	secret := made["Nightlatch-Client-Secret"]
	b.get(apps).sees(200, apps, "Calendar", "Site: 127.0.0.1", "Only below: /dav", "Allowed: reading only (GET and HEAD)", "Made: ", "Last used: ", "Works until: "+web.When(new(http.Request), until)).lacks(secret, "Only from")
	b.get(account).sees(200, account, "App passwords").lacks(secret)
	b.get(newApp).fill(newApp, "name", "Script", "days", "365").sees(200, newApp, "reading and changing").lacks("Only below", secret)
	other := shown(b.body)["password"]
	b.get(apps)
	if calendar, script := strings.Index(b.body, "Calendar"), strings.Index(b.body, "Script"); script > calendar {
		t.Error("the newest is not the first")
	}

	b.fill(apps+"/"+made["Nightlatch-Client-Id"]+"/revoke").sees(200, apps, "The app password is revoked", "Script").lacks("Calendar")
	if opens(t, s.Bench, token, "GET", "/dav") || !opens(t, s.Bench, other, "PUT", "/") {
		t.Error("revoking one did not end it, or ended the other one too")
	}
	b.get(apps).lacks("is revoked") // said once
}

// An app password of somebody without a second factor opens no more than the password does, and the page says so.
func TestAppPasswordWithoutASecondFactor(t *testing.T) {
	s := newSite(t)
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	b := s.browser(t).signIn(bob, account).get(newApp).sees(200, newApp, "Your account has no second factor.")
	b.fill(newApp, "name", "Script", "days", "90").sees(200, newApp, "Your new app password")
	x, err := s.Bearer(t.Context(), auth.Asker{Host: "127.0.0.1", Method: "GET", Path: "/"}, shown(b.body)["password"])
	if err != nil {
		t.Fatal(err)
	}
	need := auth.Requirement{Level: auth.LevelTwoFactor}
	if need.Judge(x, s.Clock.Now()) == auth.Pass {
		t.Error("it passes for two factors")
	}
}

// A form that is sent twice makes one: by a reload of the page that shows the secret, which nobody can show again, or by the back button of
// a browser that kept the form.
func TestOneFormMakesOneAppPassword(t *testing.T) {
	s := newSite(t)
	b, alice := s.member(t, "alice")
	b.get(newApp)
	form := b.form(newApp)
	form.Set("name", "Calendar")
	form.Set("days", "90")
	first := shown(b.send("POST", newApp, form).sees(200, newApp).body)["password"]
	for range 2 {
		b.send("POST", newApp, form).sees(409, newApp, "Nothing was made", "A new one is shown only once", `value="Calendar"`).lacks(first)
	}
	if n := len(keysOf(t, s.Bench, alice)); n != 1 {
		t.Errorf("%d app passwords, want 1", n)
	}
	b.get(newApp).fill(newApp, "name", "Calendar", "days", "90").sees(200, newApp)
	second := shown(b.body)["password"]
	if list := keysOf(t, s.Bench, alice); len(list) != 2 || second == first {
		t.Errorf("%d app passwords, want a second one that differs", len(list))
	}
	// The same when the newest has gone meanwhile.
	b.get(newApp)
	form = b.form(newApp)
	form.Set("name", "Script")
	form.Set("days", "90")
	if err := s.RemoveAppPassword(t.Context(), here(&desk{Bench: s.Bench}), b.cookie(visit.Session), keysOf(t, s.Bench, alice)[1].ID); err != nil {
		t.Fatal(err)
	}
	b.send("POST", newApp, form).sees(409, newApp, "Nothing was made")
}

// Copies of a form that arrive in the same moment, as two clicks do, make one too. All others say that nothing was made.
func TestCopiesOfAFormMakeOneAppPassword(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	body, right := d.rightForm(newAppPasswordForm, "", alice.Session, url.Values{"name": {"Calendar"}, "days": {"90"}})
	answers := make([]*httptest.ResponseRecorder, 16)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { answers[i] = d.ask("POST", newApp, body, right) })
	}
	group.Wait()
	statuses := map[int]int{}
	for _, w := range answers {
		statuses[w.Code]++
		if shows := len(shown(w.Body.String())) > 0; shows != (w.Code == 200) || !shows && !strings.Contains(w.Body.String(), "Nothing was made") {
			t.Errorf("got %d:\n%s", w.Code, w.Body)
		}
	}
	if n := len(keysOf(t, d.Bench, alice)); n != 1 || statuses[200] != 1 || statuses[409] != len(answers)-1 {
		t.Errorf("%d app passwords, and answers %v", n, statuses)
	}
}

// asks makes an app password at a desk with a form that is right but for what is changed.
func (d *desk) asks(t *testing.T, p *authtest.Person, fields url.Values) *httptest.ResponseRecorder {
	t.Helper()
	form := url.Values{"name": {"Calendar"}, "days": {"90"}}
	if list := keysOf(t, d.Bench, p); len(list) > 0 {
		form.Set("newest", list[len(list)-1].ID)
	}
	maps.Copy(form, fields)
	body, right := d.rightForm(newAppPasswordForm, "", p.Session, form)
	return d.ask("POST", newApp, body, right)
}

// What a person may ask for is what the page offers. Other fields are nobody's (ASVS 15.3.3).
func TestASVS15_3_3AppPasswordsAreWhatThePageOffers(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for name, c := range map[string]struct {
		fields url.Values
		status int
		says   string
	}{
		"no time":         {url.Values{"days": {""}}, 400, "not understood"},
		"for ever":        {url.Values{"days": {"0"}}, 400, "not understood"},
		"a time before":   {url.Values{"days": {"-30"}}, 400, "not understood"},
		"another time":    {url.Values{"days": {"91"}}, 400, "not understood"},
		"a huge time":     {url.Values{"days": {"99999999999999999999"}}, 400, "not understood"},
		"a long name":     {url.Values{"name": {strings.Repeat("x", 65)}}, 422, "name cannot be used"},
		"a name of lines": {url.Values{"name": {"a\r\nb"}}, 422, "name cannot be used"},
		"a path up":       {url.Values{"path": {"/dav/../admin"}}, 422, "path cannot be used"},
		"a query":         {url.Values{"path": {"/dav?x=1"}}, 422, "path cannot be used"},
		"a long path":     {url.Values{"path": {"/" + strings.Repeat("x", 40000)}}, 422, "path cannot be used"},
	} {
		w := d.asks(t, alice, c.fields)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || len(shown(w.Body.String())) != 0 {
			t.Errorf("%s: got %d, want %d with %q:\n%s", name, w.Code, c.status, c.says, w.Body)
		}
	}
	if list := keysOf(t, d.Bench, alice); len(list) != 0 {
		t.Fatalf("made were %+v", list)
	}
	w := d.asks(t, alice, url.Values{
		"site": {"evil.example"}, "host": {"evil.example"}, "hosts": {"*.example.test"}, "methods": {"DELETE"}, "networks": {"0.0.0.0/0"}, "level": {"2"},
		"user": {"mallory"}, "user_id": {"0"}, "expires": {"2999-01-01"}, "life": {"9999"}, "id": {"nlk0000000000000000"}, "secret": {"secret"}, "token_type": {"x"},
	})
	list := keysOf(t, d.Bench, alice)
	if w.Code != 200 || len(list) != 1 {
		t.Fatalf("got %d, %d app passwords", w.Code, len(list))
	}
	k := list[0]
	if !slices.Equal(k.Hosts, []string{"app.example.test"}) || len(k.Paths)+len(k.Methods)+len(k.Networks) != 0 || k.User != "alice" || k.MadeBy != "alice" ||
		k.ID == "nlk0000000000000000" || !k.Expires.Equal(d.Clock.Now().Add(90*day).UTC().Truncate(time.Second)) {
		t.Errorf("made was %+v", k)
	}
}

// The fifty-first is refused, and the page says what to do.
func TestTooManyAppPasswords(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for range auth.MaxAccessKeys {
		if _, err := d.NewAppPassword(t.Context(), here(d), alice.Session, auth.NewAccessKey{Name: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if w := d.asks(t, alice, nil); w.Code != 409 || !strings.Contains(w.Body.String(), "as many app passwords as one account can have") {
		t.Errorf("got %d:\n%s", w.Code, w.Body)
	}
}

// At a central portal it is for one of the sites there, which is chosen, or typed where the configuration has patterns; and for no other.
func TestAppPasswordAtAPortal(t *testing.T) {
	names, others := []string{"app.example.net", "auth.example.test", "wiki.example.org"}, false
	d := newDesk(t)
	var err error
	d.Portal, err = New(Config{
		Service: func() (*auth.Service, error) { return d.Bench.Service, nil }, Brand: web.Brand{Name: "Example"}, Now: d.Clock.Now,
		Central: &Central{
			Origin: "https://auth.example.test", Site: func(string) Site { return Site{} }, Hosts: func() ([]string, bool) { return names, others },
			HasHost: func(name string) bool {
				return slices.Contains(names, name) || others && strings.HasSuffix(name, ".example.org")
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	ask := func(method string, fields url.Values) *httptest.ResponseRecorder {
		t.Helper()
		body, right := d.rightForm(newAppPasswordForm, "", alice.Session, fields)
		r := httptest.NewRequest(method, newApp, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
		right(r)
		v := secure(r)
		v.Host, v.AtPortal = "127.0.0.1", true
		w := httptest.NewRecorder()
		d.Portal.ServeHTTP(w, r, v)
		return w
	}
	page := ask("GET", nil).Body.String()
	for _, want := range []string{`<select id="site"`, "<option>app.example.net</option>", "<option>wiki.example.org</option>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s:\n%s", want, page)
		}
	}
	others = true
	if page = ask("GET", nil).Body.String(); !strings.Contains(page, `<input id="site"`) || !strings.Contains(page, `<option value="app.example.net">`) {
		t.Errorf("nothing can be typed:\n%s", page)
	}
	for typed, want := range map[string]string{
		"app.example.net": "app.example.net", " Wiki.Example.ORG. ": "wiki.example.org", "https://blog.example.org:8443/page?x": "blog.example.org",
		"": "", "evil.test": "", "*.example.org": "", "app.example.net,evil.test": "", "app.example.net evil.test": "", "https://": "", "/app.example.net": "",
	} {
		var newest string
		if list := keysOf(t, d.Bench, alice); len(list) > 0 {
			newest = list[len(list)-1].ID
		}
		w := ask("POST", url.Values{"name": {"Calendar"}, "days": {"90"}, "site": {typed}, "newest": {newest}})
		list := keysOf(t, d.Bench, alice)
		switch {
		case want == "":
			if w.Code != 422 || !strings.Contains(w.Body.String(), "This sign-in knows no such site.") || len(shown(w.Body.String())) != 0 {
				t.Errorf("%q: got %d:\n%s", typed, w.Code, w.Body)
			}
		case w.Code != 200 || len(list) == 0 || !slices.Equal(list[len(list)-1].Hosts, []string{want}):
			t.Errorf("%q: got %d and %+v, want one for %s", typed, w.Code, list, want)
		}
	}
}

// ASVS 8.2.2: somebody else's app password is as good as none, and so is one that has gone.
func TestASVS8_2_2OtherPeoplesAppPasswords(t *testing.T) {
	d := newDesk(t)
	alice, mallory := d.Enroll(t, auth.NewUser{Name: "alice"}), d.Enroll(t, auth.NewUser{Name: "mallory"})
	d.asks(t, alice, url.Values{"name": {"Calendar of Alice"}})
	id := keysOf(t, d.Bench, alice)[0].ID
	for _, wrong := range []string{id, strings.ToUpper(id), "nlk0000000000000000", "0", "new", strings.Repeat("0", 40000)} {
		body, right := d.rightForm(revokeAppPasswordForm, "", mallory.Session, url.Values{"id": {id}, "user": {"alice"}})
		if w := d.ask("POST", apps+"/"+wrong+"/revoke", body, right); w.Code != 404 || strings.Contains(w.Body.String(), "Alice") {
			t.Errorf("%.30s: got %d, want 404", wrong, w.Code)
		}
	}
	if w := d.ask("GET", apps, "", cookies("", mallory.Session)); w.Code != 200 || strings.Contains(w.Body.String(), "Alice") || strings.Contains(w.Body.String(), id) {
		t.Errorf("got %d with the app passwords of somebody else:\n%s", w.Code, w.Body)
	}
	if n := len(keysOf(t, d.Bench, alice)); n != 1 {
		t.Fatalf("%d app passwords, want 1", n)
	}
	body, right := d.rightForm(revokeAppPasswordForm, "", alice.Session, nil)
	for _, want := range []int{303, 404} {
		if w := d.ask("POST", apps+"/"+id+"/revoke", body, right); w.Code != want {
			t.Errorf("got %d, want %d", w.Code, want)
		}
	}
}

// LG-1, ST-14: the secret is in the answer to the form and nowhere else: neither in an address, a header, a cookie or the log, nor in what
// is stored, nor on a page that comes later.
func TestLG1TheSecretIsInOneAnswer(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	var log bytes.Buffer
	var err error
	if d.Portal, err = New(Config{
		Service: func() (*auth.Service, error) { return d.Bench.Service, nil }, Brand: web.Brand{Name: "Example"}, Now: d.Clock.Now,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}); err != nil {
		t.Fatal(err)
	}
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	w := d.asks(t, alice, nil)
	made := shown(w.Body.String())
	secret := made["Nightlatch-Client-Secret"]
	if w.Code != 200 || len(secret) != 43 {
		t.Fatalf("got %d with %q", w.Code, made)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("the page may be kept: Cache-Control %q", got)
	}
	if strings.Contains(w.Body.String(), `"`+newApp) || strings.Contains(w.Body.String(), "return_to") {
		t.Errorf("a link of the page leads back to it, where there would be nothing:\n%s", w.Body)
	}
	elsewhere := map[string]string{"headers": fmt.Sprint(w.Header()), "the log": log.String()}
	for _, page := range []string{"app-passwords", "app-passwords/new", "account"} {
		elsewhere["GET "+page] = d.ask("GET", "/_nightlatch/"+page, "", cookies("", alice.Session)).Body.String()
	}
	elsewhere["the form again"] = d.asks(t, alice, url.Values{"newest": {""}}).Body.String()
	for _, prefix := range []string{"access/", "users/", "events/", "outbox/"} {
		for key, value := range d.Records(t, prefix) {
			elsewhere[key] = value
		}
	}
	elsewhere["messages"], elsewhere["events"] = fmt.Sprintf("%+v", d.Sent()), fmt.Sprintf("%+v", d.Events)
	records := 0
	for where, text := range elsewhere {
		if strings.Contains(text, secret) {
			t.Errorf("%s: holds the secret:\n%s", where, text)
		}
		if strings.HasPrefix(where, "access/") {
			records++
		}
	}
	if records != 1 {
		t.Errorf("looked at %d records of keys, want 1", records)
	}
}

// MF-12: nobody makes or revokes one with a session whose proofs are old, and what was typed into the form is gone with it.
func TestMF12AppPasswordsNeedSudo(t *testing.T) {
	s := newSite(t)
	b, alice := s.member(t, "alice")
	b.get(newApp).fill(newApp, "name", "Calendar", "days", "90").sees(200, newApp)
	b.get(apps)
	s.Clock.Move(auth.SudoAge)
	b.fill(apps+"/"+keysOf(t, s.Bench, alice)[0].ID+"/revoke").prove(alice).sees(200, apps, "Calendar")
	b.get(newApp)
	s.Clock.Move(auth.SudoAge)
	b.fill(newApp, "name", "Script", "days", "90").prove(alice).sees(200, newApp, "Make an app password").lacks("Script")
	if n := len(keysOf(t, s.Bench, alice)); n != 1 {
		t.Errorf("%d app passwords, want 1", n)
	}
}

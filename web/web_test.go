// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var example = Frame{Brand: Brand{Name: "Example"}, Here: "/_nightlatch/sign-in?return_to=/app"}

const month = 30 * 24 * time.Hour

// full is one of each page with every field set, so that each branch of a template runs either with it or with the zero value.
var full = []Page{
	ChooseLanguage{example, "/app"},
	Notice{example, "Title", "Text", "/link?a=b", "Link"},
	GoOn{example, "/_nightlatch/continue?site=x&return_to=%2F", "app.example.net", true},
	SignIn{example, Form{"token", "problem"}, "alice", true, "/app?x=1", true, "app.example.net"},
	SecondFactor{example, Form{"token", "problem"}, "alice", true, ways[0], nil, ways[1:], true, true, true, false, month, true, "token"},
	SecondFactor{example, Form{"token", "problem"}, "alice", true, ways[1], nil, ways[2:], true, true, true, false, month, true, "token"},
	SecondFactor{example, Form{"token", "problem"}, "alice", true, ways[2], &Sent{"webhook", "sms", "••• 67", time.Unix(1e9, 0), false}, ways, true, true, true, false, time.Hour, true, "token"},
	SecondFactor{example, Form{"token", "problem"}, "alice", true, ways[4], &Sent{"webhook", "chat", "a•••", time.Unix(1e9, 0), true}, ways, true, true, true, false, time.Hour, true, "token"},
	SecondFactor{example, Form{"token", "problem"}, "alice", true, ways[5], nil, ways, true, true, true, true, month, true, "token"},
	EnableTwoFactor{example, Form{"token", "problem"}, "alice", true, true, "totp", "QUJD+/8=", "ABCD EFGH", "totp/Example:alice?secret=ABCD&issuer=Example", nil, "token", kinds, "token"},
	EnableTwoFactor{example, Form{"token", "problem"}, "alice", true, true, "email", "", "", "", &Sent{"email", "", "a@b", time.Unix(1e9, 0), false}, "token", kinds, "token"},
	EnableTwoFactor{example, Form{"token", "problem"}, "alice", true, true, "webhook", "", "", "", &Sent{"webhook", "voice", "+491", time.Unix(1e9, 0), true}, "token", kinds, "token"},
	EnableTwoFactor{example, Form{"token", "problem"}, "alice", true, true, "", "", "", "", nil, "", kinds, "token"},
	ConfirmAddress{example, Form{"token", "problem"}, true, &Sent{"email", "", "a@b", time.Unix(1e9, 0), false}, "token"},
	Reset{example, Form{"token", "problem"}},
	ChoosePassword{example, Form{"token", "problem"}, "Title", "Why", "/_nightlatch/reset/x", "alice", 15},
	BackupCodes{example, Form{"token", "problem"}, "alice", []string{"AAAA-BBBB-CCCC-DDDD"}},
	BackupCodeUsed{example, 9, "/app"},
	Setup{example, Form{"token", "problem"}, "/_nightlatch/setup/x", "password", "alice", 15},
	Reenroll{example, Form{"token", "problem"}, "/_nightlatch/re-enroll/x", "alice", false},
	Reenroll{example, Form{"token", "problem"}, "/_nightlatch/re-enroll/x", "alice", true},
	Sudo{example, Form{"token", "problem"}, "alice", true},
	Account{example, "token", "Done.", "alice", "Alice", true, "alice@example.test", true, []string{"a", "b"}, enrolled, 3, 2, 2},
	AddFactor{example, "problem", kinds, true},
	EditFactor{example, Form{"token", "problem"}, "token", enrolled[1], "Work phone", true, true},
	NewBackupCodes{example, Form{"token", "problem"}},
	DisableTwoFactor{example, Form{"token", "problem"}, false},
	DisableTwoFactor{example, Form{"token", "problem"}, true},
	ChangePassword{example, Form{"token", "problem"}, "password", "alice", 15},
	ChangePassword{example, Form{"token", "problem"}, "current", "alice", 15},
	ChangeEmail{example, Form{"token", "problem"}, "alice@example.test", "alice@other.test"},
	AppPasswords{example, "Done.", "problem", "token", appPasswords},
	NewAppPassword{example, Form{"token", "problem"}, "nlk1", "name", "app.example.net", []string{"app.example.net", "wiki.example.net"}, true, "Calendar", "/dav", true, []int{30, 90}, 90, true},
	NewAppPassword{example, Form{"token", "problem"}, "nlk1", "site", "app.example.net", nil, false, "Calendar", "/dav", true, []int{1, 365}, 1, true},
	NewAppPassword{example, Form{"token", "problem"}, "nlk1", "path", "app.example.net", nil, false, "Calendar", "/dav", true, []int{30}, 30, true},
	AppPasswordMade{example, "alice", "nlk1_x", []Header{{"Nightlatch-Client-Id", "nlk1"}, {"Nightlatch-Client-Secret", "x"}}, appPasswords[0]},
	Sessions{
		example, "Done.", "problem", "token", "token", "token",
		Session{"1", "Firefox/1 Windows", false, "192.0.2.1", time.Unix(1e9, 0), time.Unix(1e9, 0), "password"},
		[]Session{
			{"2", "Chrome/1 Android", false, "2001:db8::1", time.Unix(1e9, 0), time.Time{}, "password, authenticator app"},
			{"3", "curl/8", true, "2001:db8::1", time.Unix(1e9, 0), time.Time{}, "password"},
			{"4", "Sync/1", true, "", time.Unix(1e9, 0), time.Time{}, "password"},
		},
		[]TrustedBrowser{{"3", "Safari/1 iPhone", "192.0.2.7", time.Unix(1e9, 0), time.Unix(2e9, 0)}},
	},
	SignOut{example, "token", false},
	SignOut{example, "token", true},
	NotSent{example, "Title", "Text", "/link?a=b", "Link", "sealed"},
	NotSent{example, "Title", "Text", "", "", "sealed"},
}

var enrolled = []Factor{
	{"1", "totp", "", "Phone", "", time.Unix(1e9, 0), time.Unix(1e9, 0)}, {"2", "webhook", "sms", "Work phone", "+4915123456789", time.Unix(1e9, 0), time.Time{}},
	{"3", "email", "", "", "alice@example.test", time.Unix(1e9, 0), time.Time{}},
}

var appPasswords = []AppPassword{
	{"nlk1", "Calendar", []string{"app.example.net"}, []string{"/dav", "/files"}, []string{"GET"}, true, []string{"192.0.2.0/24"}, time.Unix(1e9, 0), time.Time{}, time.Unix(2e9, 0)},
	{"nlk2", "Script", []string{"app.example.net", "*.example.org"}, nil, []string{"GET", "POST"}, false, nil, time.Unix(1e9, 0), time.Unix(1e9, 0), time.Unix(2e9, 0)},
	{"nlk3", "Other", []string{"app.example.net"}, nil, nil, false, nil, time.Unix(1e9, 0), time.Unix(1e9, 0), time.Unix(2e9, 0)},
}

var ways = []Way{
	{"totp", "", "", "", "", ""}, {"email", "1", "", "", "a•••@example.test", "token"}, {"webhook", "2", "Work phone", "sms", "••• 67", "token"},
	{"webhook", "3", "", "voice", "••• 68", "token"}, {"webhook", "4", "", "chat", "a•••", "token"}, {"backup_code", "", "", "", "", ""},
}

var kinds = Kinds{"/_nightlatch/two-factor/choose", "token", []Kind{
	{"totp", "", false, true, "Phone", "", ""}, {"email", "", false, false, "", "", ""},
	{"webhook", "sms", true, true, "Phone", "0151", "problem"}, {"webhook", "voice", true, false, "", "", ""}, {"webhook", "chat", false, false, "", "alice", ""},
}}

func TestEveryPageFitsItsTemplate(t *testing.T) {
	tested := map[string]bool{}
	for _, page := range full {
		typ := reflect.TypeOf(page)
		tested[typ.Name()] = true
		variants := []Page{page, reflect.Zero(typ).Interface().(Page)}
		// With the full value a bool hides the branch of its opposite, so each is also tried the other way.
		for i := range typ.NumField() {
			if typ.Field(i).Type.Kind() == reflect.Bool {
				v := reflect.New(typ).Elem()
				v.Set(reflect.ValueOf(page))
				v.Field(i).SetBool(false)
				variants = append(variants, v.Interface().(Page))
			}
		}
		for _, v := range variants {
			var out bytes.Buffer
			if err := voices[0].render(&out, v); err != nil {
				t.Errorf("%s: %v", typ.Name(), err)
			}
			for _, bad := range []string{"ZgotmplZ", "%!", "<no value>", " style=", "<style", "javascript:", "onclick"} {
				if strings.Contains(out.String(), bad) {
					t.Errorf("%s: the page contains %q:\n%s", typ.Name(), bad, out.String())
				}
			}
			if m := regexp.MustCompile(`<script[^>]*>[^<]`).FindString(out.String()); m != "" {
				t.Errorf("%s: inline script: %s", typ.Name(), m)
			}
		}
	}
	for name := range voices[0].templates {
		if !tested[name] {
			t.Errorf("template %s has no page in this test", name)
		}
	}
	if len(tested) != len(voices[0].templates) {
		t.Errorf("%d pages, %d templates", len(tested), len(voices[0].templates))
	}
}

// WB-1, WB-4: whatever a person or a stranger wrote is text on the page.
func TestWB1WB4MarkupInValuesIsText(t *testing.T) {
	const attack = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`
	for _, page := range full {
		v := reflect.New(reflect.TypeOf(page)).Elem()
		v.Set(reflect.ValueOf(page))
		poison(v, attack)
		var out bytes.Buffer
		if err := voices[0].render(&out, v.Interface().(Page)); err != nil {
			t.Errorf("%T: %v", page, err)
		}
		if strings.Contains(out.String(), "alert(1)</script>") || strings.Contains(out.String(), "<img src=x") {
			t.Errorf("%T renders markup from a value:\n%s", page, out.String())
		}
	}
}

func poison(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				poison(v.Field(i), s)
			}
		}
	case reflect.Slice:
		fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(fresh, v)
		for i := range fresh.Len() {
			poison(fresh.Index(i), s)
		}
		v.Set(fresh)
	}
}

// A link of ours that was made of a script address is cut off by html/template and leads nowhere.
func TestWB2ScriptAddressIsNoLink(t *testing.T) {
	var out bytes.Buffer
	if err := voices[0].render(&out, Notice{Frame: example, Title: "T", Text: "x", Link: "javascript:alert(1)", LinkText: "go"}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "javascript:") {
		t.Errorf("got %s", out.String())
	}
}

// ASVS 3.2.2: the types that switch escaping off, and the template package that has none, are not used anywhere near pages.
func TestNothingSwitchesEscapingOff(t *testing.T) {
	forbidden := regexp.MustCompile(`template\.(HTML|HTMLAttr|JS|JSStr|URL|CSS|Srcset)\b|"text/template"`)
	for _, dir := range []string{".", "../internal/portal", "../internal/gate"} {
		files, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s has moved: say here where", dir)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			b, err := os.ReadFile(dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			if m := forbidden.Find(b); m != nil {
				t.Errorf("%s/%s uses %s", dir, f.Name(), m)
			}
		}
	}
}

func TestCatalogIsWhole(t *testing.T) {
	declared := map[string]bool{}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Message" {
				key, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				if declared[key] {
					t.Errorf("two messages have the key %q", key)
				}
				declared[key] = true
				if !voices[0].has(Message(key)) {
					t.Errorf("%s (%s) has no English words", spec.Names[0].Name, key)
				}
			}
			return true
		})
	}
	if n := len(english.sentences) + len(english.counted); len(declared) != n {
		t.Errorf("%d messages are declared, %d have English words", len(declared), n)
	}

	call := regexp.MustCompile(`say "([^"]+)"`)
	words := regexp.MustCompile(`>[^<{]*[A-Za-z]{2}[^<{]*<`)
	names, err := templateFiles.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := templateFiles.ReadFile("templates/" + n.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllSubmatch(b, -1) {
			if !declared[string(m[1])] {
				t.Errorf("%s says %q, which is not in the catalog", n.Name(), m[1])
			}
		}
		plain := regexp.MustCompile(`\{\{[^}]*\}\}`).ReplaceAll(b, nil)
		if m := words.Find(plain); m != nil {
			t.Errorf("%s has words of its own: %s", n.Name(), m)
		}
	}
}

func TestWaitRoundsUp(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "one second"},
		{time.Second, "one second"},
		{1001 * time.Millisecond, "2 seconds"},
		{90 * time.Second, "90 seconds"},
		{91 * time.Second, "2 minutes"},
		{15*time.Minute + time.Millisecond, "16 minutes"},
		{2*time.Hour + time.Second, "3 hours"},
	} {
		if got := voices[0].wait(c.d); got != c.want {
			t.Errorf("wait(%v) = %q, want %q", c.d, got, c.want)
		}
	}
}

// WB-6, WB-7, WB-10: every answer says that it is not to be framed, cached, sniffed or scripted.
func TestWB6WB7WB10EveryAnswerIsSecured(t *testing.T) {
	answers := map[string]func(http.ResponseWriter, *http.Request){
		"page": func(w http.ResponseWriter, r *http.Request) {
			Write(w, r, 404, Notice{Frame: example, Title: "T", Text: "x"})
		},
		"problem":  func(w http.ResponseWriter, r *http.Request) { Problem(w, r, 401, ProblemDetails{Type: "x"}) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { See(w, "/x") },
		"broken":   func(w http.ResponseWriter, r *http.Request) { Write(w, r, 200, noTemplate{}) },
	}
	want := map[string]string{
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
	for name, answer := range answers {
		w := httptest.NewRecorder()
		answer(w, httptest.NewRequest("GET", "/", nil))
		for k, v := range want {
			if got := w.Header().Get(k); got != v {
				t.Errorf("%s: %s is %q, want %q", name, k, got, v)
			}
		}
		if vary := w.Header().Get("Vary"); !strings.Contains(vary, "Cookie") || !strings.Contains(vary, "Sec-Fetch-Mode") {
			t.Errorf("%s: Vary is %q", name, vary)
		}
	}
}

type noTemplate struct{ Frame }

func TestBrokenPageIsACleanError(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("GET", "/", nil), 200, noTemplate{})
	if w.Code != 500 || strings.Contains(w.Body.String(), "noTemplate") {
		t.Errorf("got %d %q, want 500 without the inside of the program", w.Code, w.Body)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("HEAD", "/", nil), 200, SignIn{})
	if w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("got %d bytes and Content-Length %s, want none and that of the page", w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

func TestProblemIsRFC9457(t *testing.T) {
	w := httptest.NewRecorder()
	Problem(w, httptest.NewRequest("GET", "/", nil), 401, ProblemDetails{Type: "sign-in-required", Title: "Sign-in required", SignInURL: "/_nightlatch/sign-in?return_to=%2F"})
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"type": "/_nightlatch/problems/sign-in-required", "title": "Sign-in required", "status": 401.0, "sign_in_url": "/_nightlatch/sign-in?return_to=%2F"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What a problem says besides stands beside the members that all have, in one object, and nothing is added where there is nothing to say.
func TestProblemWithMembersOfItsOwn(t *testing.T) {
	const of = `{"type":"/_nightlatch/problems/x","title":"X","status":401`
	for _, c := range []struct {
		more any
		want string
	}{
		{nil, `}`},
		{struct{}{}, `}`},
		{map[string]string{"attempt": "a&b"}, `,"attempt":"a&b"}`},
		{struct {
			Reason string `json:"reason"`
			Least  int    `json:"least,omitempty"`
		}{Reason: "short"}, `,"reason":"short"}`},
	} {
		w := httptest.NewRecorder()
		Problem(w, httptest.NewRequest("GET", "/", nil), 401, ProblemDetails{Type: "x", Title: "X", More: c.more})
		if got := w.Body.String(); got != of+c.want {
			t.Errorf("%v: got %s, want %s", c.more, got, of+c.want)
		}
	}
}

// An answer to a program has the headers of a page, and no body for HEAD.
func TestJSON(t *testing.T) {
	for method, want := range map[string]string{"GET": `{"name":"</script>"}`, "HEAD": ""} {
		w := httptest.NewRecorder()
		JSON(w, httptest.NewRequest(method, "/", nil), 201, map[string]string{"name": "</script>"})
		h := w.Header()
		if got := w.Body.String(); got != want || w.Code != 201 || h.Get("Content-Type") != "application/json" || h.Get("Content-Length") != "20" {
			t.Errorf("%s: got %d, %v, %s", method, w.Code, h, got)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: the headers are %v", method, h)
		}
	}
}

func TestStaticFilesAreKeptForEverAndByTheirContent(t *testing.T) {
	for _, name := range []string{"style.css", "script.js", "icon.svg"} {
		address := Static(name)
		served := strings.TrimPrefix(address, Prefix+"static/")
		w := httptest.NewRecorder()
		if !ServeStatic(w, httptest.NewRequest("GET", address, nil), Brand{}, served) {
			t.Fatalf("%s is not served", address)
		}
		if got := w.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		if w.Header().Get("Content-Type") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", name, w.Header())
		}
		if len(w.Header().Values("Set-Cookie")) != 0 || w.Header().Get("Vary") != "" {
			t.Errorf("%s: a kept answer varies: %v", name, w.Header())
		}
	}
	for _, served := range []string{"", "style.css", "../web.go", "style.0000000000000000.css", "templates/base.html"} {
		if ServeStatic(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), Brand{}, served) {
			t.Errorf("%q is served", served)
		}
	}
}

func TestSignInPageIsSmall(t *testing.T) {
	for _, v := range voices {
		total := len(rendered(t, v, SignIn{Frame: example, Form: Form{Token: strings.Repeat("x", 43)}}))
		for _, a := range assets {
			total += len(a.body)
		}
		if total > 30<<10 {
			t.Errorf("%s: the sign-in page with styles, scripts and icon is %d bytes, want at most %d", v.Tag, total, 30<<10)
		}
	}
}

// No page asks a third party for anything: whoever runs the site is the only one to learn who signs in.
func TestNoThirdParty(t *testing.T) {
	address := regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
	for _, page := range full {
		var out bytes.Buffer
		if err := voices[0].render(&out, page); err != nil {
			t.Fatal(err)
		}
		for _, m := range address.FindAllStringSubmatch(out.String(), -1) {
			ours := strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "//")
			if !ours && !strings.HasPrefix(m[1], "data:image/png;base64,") && !strings.HasPrefix(m[1], "otpauth://totp/") {
				t.Errorf("%T leads to %s", page, m[1])
			}
		}
	}
}

// WCAG 2.2 AA, computed from the style sheet in both schemes: text 4.5 to 1, edges and focus rings 3 to 1.
func TestContrast(t *testing.T) {
	css, err := staticFiles.ReadFile("static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark scheme")
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		color := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(text, -1) {
			color[m[1]] = luminance(t, m[2])
		}
		for _, pair := range []struct {
			over, under string
			least       float64
		}{
			{"text", "ground", 4.5}, {"text", "sheet", 4.5}, {"quiet", "sheet", 4.5}, {"quiet", "ground", 4.5},
			{"accent", "sheet", 4.5}, {"on-accent", "accent", 4.5}, {"problem", "problem-ground", 4.5}, {"problem", "sheet", 3},
			{"warning", "warning-ground", 4.5}, {"edge", "sheet", 3}, {"edge", "ground", 3}, {"accent", "ground", 3},
		} {
			a, okA := color[pair.over]
			b, okB := color[pair.under]
			if !okA || !okB {
				t.Errorf("%s: no color %s or %s", scheme, pair.over, pair.under)
				continue
			}
			if got := (math.Max(a, b) + .05) / (math.Min(a, b) + .05); got < pair.least {
				t.Errorf("%s: %s on %s has %.2f, want %.1f", scheme, pair.over, pair.under, got, pair.least)
			}
		}
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	var rgb [3]int
	if _, err := fmt.Sscanf(hex, "%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		t.Fatal(err)
	}
	var sum float64
	for i, weight := range []float64{.2126, .7152, .0722} {
		c := float64(rgb[i]) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

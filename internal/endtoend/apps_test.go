// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

const appsDir = "../../docs/apps"

// appPage is a page of docs/apps, as far as a test can hold it.
type appPage struct {
	name       string
	headers    map[string]string // name to what its table says the value is
	caddyfiles []string
}

var (
	rowRE   = regexp.MustCompile("(?m)^\\| `([A-Za-z0-9-]+)` \\| ([^|]+) \\|")
	blockRE = regexp.MustCompile("(?ms)^```caddyfile\n(.*?)^```$")
)

func readAppPage(t *testing.T, name string) appPage {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(appsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	p := appPage{name: name, headers: map[string]string{}}
	for _, row := range rowRE.FindAllStringSubmatch(string(b), -1) {
		p.headers[row[1]] = row[2]
	}
	for _, block := range blockRE.FindAllStringSubmatch(string(b), -1) {
		p.caddyfiles = append(p.caddyfiles, block[1])
	}
	if len(p.headers) == 0 || len(p.caddyfiles) == 0 {
		t.Fatalf("%s has %d headers in its table and %d Caddyfiles", name, len(p.headers), len(p.caddyfiles))
	}
	return p
}

// Every preset stands in the index of docs/apps with its page, and every page is in the index.
func TestEveryPresetHasAPage(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(appsDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9]+)` \\| \\[[^]]+\\]\\(([a-z0-9]+\\.md)\\) \\|").FindAllStringSubmatch(string(index), -1) {
		pages[row[1]] = row[2]
	}
	if got, want := slices.Sorted(maps.Keys(pages)), identity.Presets(); !slices.Equal(got, want) {
		t.Errorf("the index has the presets %q; want %q", got, want)
	}
	for preset, page := range pages {
		blocks := readAppPage(t, page).caddyfiles
		if !slices.ContainsFunc(blocks, func(b string) bool { return strings.Contains(b, "\t\tpreset "+preset+"\n") }) {
			t.Errorf("no Caddyfile of %s says preset %s", page, preset)
		}
	}
	for _, page := range appPages(t) {
		if !slices.Contains(slices.Collect(maps.Values(pages)), page.name) {
			t.Errorf("%s is not in the index", page.name)
		}
	}
}

func appPages(t *testing.T) (pages []appPage) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(appsDir, "*.md"))
	if err != nil || len(files) < 10 {
		t.Fatalf("got the pages %q, %v", files, err)
	}
	for _, file := range files {
		if name := filepath.Base(file); name != "README.md" {
			pages = append(pages, readAppPage(t, name))
		}
	}
	return pages
}

// appSite is the site of one Caddyfile of a page, on loopback, in front of an application that shows what it gets.
type appSite struct {
	page appPage
	text string // the Caddyfile, as the page has it
	addr string
	app  *wiretest.Upstream
}

var (
	hostRE     = regexp.MustCompile(`(?m)^[a-z]+\.example\.com \{$`)
	upstreamRE = regexp.MustCompile(`reverse_proxy localhost:\d+`)
	optionsRE  = regexp.MustCompile(`(?s)^\{\n.*?\n\}\n\n`)
	skipRE     = regexp.MustCompile(`(?m)^\t\tskip (.+)$`)
	tokenRE    = regexp.MustCompile(`header Authorization "(\w+) \*"`)
)

// here is the Caddyfile with addresses of this machine in it. Its global options would be the second ones.
func (s appSite) here(t *testing.T) string {
	t.Helper()
	text := optionsRE.ReplaceAllString(s.text, "")
	if len(hostRE.FindAllString(text, -1)) != 1 || len(upstreamRE.FindAllString(text, -1)) != 1 {
		t.Fatalf("%s: not one host and one reverse_proxy in\n%s", s.page.name, text)
	}
	text = hostRE.ReplaceAllString(text, "http://"+s.addr+" {")
	return upstreamRE.ReplaceAllString(text, "reverse_proxy "+s.app.Addr)
}

// spelling is a way to write the names of headers. Caddy drops underscores and dots unless it is told to let a name through. Then it drops
// the name with hyphens, and one that comes twice. Whoever does that must be as safe.
type spelling struct{ gap, option string }

var appSpellings = []spelling{{"-", ""}, {"_", "expected_underscore_headers"}, {".", "expected_dot_headers"}}

// all are these names as the spelling writes them.
func (s spelling) all(names []string) (spelled []string) {
	for _, name := range names {
		spelled = append(spelled, strings.ReplaceAll(name, "-", s.gap))
	}
	return spelled
}

// servers are the global options under which these names come through. A proxy ends TLS in front, since plain HTTP with a header that only
// proxies send is refused.
func (s spelling) servers(names []string) string {
	options := []string{"trusted_proxies static 127.0.0.1", "trusted_proxies_strict"}
	if s.option != "" {
		options = append(options, s.option+" "+strings.Join(s.all(names), " "))
	}
	return "servers {\n\t\t" + strings.Join(options, "\n\t\t") + "\n\t}"
}

// proxied is what that proxy says.
var proxied = http.Header{"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}}

// claims are header lines that say of each name that this is somebody else.
func (s spelling) claims(names []string) (lines string) {
	for _, name := range s.all(names) {
		lines += name + ": evil\r\n"
		if s.option == "" {
			lines += strings.ToUpper(name) + ": evil\r\n"
		}
	}
	return lines
}

// ID-2, ID-4, ID-5, ID-6, ID-10: the Caddyfile of each page of docs/apps, in the program, sends exactly what the table of the page says,
// while the client claims to be somebody else by each header of each preset, however that is spelled. Strangers come in only where it
// skips, and there nothing is sent.
func TestPagesOfApplicationsSayWhatIsSent(t *testing.T) {
	var sites []appSite
	for _, page := range appPages(t) {
		for _, text := range page.caddyfiles {
			sites = append(sites, appSite{page: page, text: text, app: wiretest.Echo(t)})
		}
	}
	var config strings.Builder
	for i := range sites { // now that no application takes a port any more
		sites[i].addr = programtest.FreeAddr(t)
		config.WriteString(sites[i].here(t))
	}
	s, names, cookie := newServer(t), claimedNames(t), ""
	for _, spelled := range appSpellings {
		s.global = spelled.servers(names)
		s.configure(t, "", config.String())
		if cookie == "" {
			s.Start(t)
			cookie = signedIn(t, s, sites[0].addr)
		}
		s.reload(t)
		for i, site := range sites {
			t.Run(fmt.Sprintf("%s %d %s", site.page.name, i, spelled.gap), func(t *testing.T) {
				site.hold(t, names, cookie, spelled.claims(names))
			})
		}
	}
}

// hold tries a site with a person and with a stranger.
func (s appSite) hold(t *testing.T, names []string, cookie, claims string) {
	values := map[string]string{
		"user name": "alice", "display name": "Alice Añez", "e-mail address": "alice@example.com", "groups, comma": "admins,staff", "groups, pipe": "admins|staff",
	}
	want := map[string]string{}
	for header, value := range s.page.headers {
		if values[value] == "" {
			t.Fatalf("the value of %s is %q", header, value)
		}
		want[strings.ToLower(header)] = values[value]
	}
	s.wantTold(t, names, want, "/page", cookie+claims)
	if token := tokenRE.FindStringSubmatch(s.text); token != nil {
		claims = "Authorization: " + token[1] + " of-the-application\r\n" + claims
	}
	for _, path := range s.skipped() {
		s.wantTold(t, names, nil, path, claims)
		s.wantTold(t, names, nil, path, cookie+claims)
	}
	before := len(s.app.Requests())
	if answer := s.ask(t, "/page", claims); answer.Status != http.StatusUnauthorized || len(s.app.Requests()) != before {
		t.Errorf("a stranger got %d, and %d requests came to the application; want 401 and none", answer.Status, len(s.app.Requests())-before)
	}
}

// claimedNames are the headers of all presets, in lower case.
func claimedNames(t *testing.T) (names []string) {
	t.Helper()
	for _, preset := range identity.Presets() {
		c, err := identity.Preset(preset)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{c.User, c.Name, c.Email, c.Groups} {
			if name != "" {
				names = append(names, strings.ToLower(name))
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// signedIn is the cookie of alice, who has everything that can be told.
func signedIn(t *testing.T, s *server, addr string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"name": "alice", "display_name": "Alice Añez", "email": "alice@example.com", "groups": []string{"staff", "admins"}, "password": programtest.Password,
	})
	must(t, err)
	s.Operate(t, "POST", "/nightlatch/users", string(body))
	alice, b := &programtest.Person{Name: "alice"}, programtest.NewBrowser(t, "http://"+addr, nil)
	b.Header = proxied
	must(t, b.TypePassword(alice))
	must(t, b.Led("/"))
	must(t, b.Enroll(alice))
	must(t, b.SaveCodes(alice))
	return "Cookie: " + b.Cookies.String() + "\r\n"
}

// skipped is one path for each that the Caddyfile skips.
func (s appSite) skipped() (paths []string) {
	for _, line := range skipRE.FindAllStringSubmatch(s.text, -1) {
		for matcher := range strings.FieldsSeq(line[1]) {
			switch matcher {
			case "@git":
				paths = append(paths, "/ada/engine/info/refs?service=git-upload-pack", "/ada/engine.git/git-receive-pack", "/ada/engine/info/lfs/objects/batch")
			case "@token":
				paths = append(paths, "/api/x")
			default:
				paths = append(paths, strings.ReplaceAll(matcher, "*", "x"))
			}
		}
	}
	return paths
}

func (s appSite) ask(t *testing.T, path, lines string) wiretest.Response {
	t.Helper()
	return s.send(t, "GET", path, lines+"\r\n")
}

// send sends a request, of which rest is more header lines, an empty one, and the body.
func (s appSite) send(t *testing.T, method, path, rest string) wiretest.Response {
	t.Helper()
	head := method + " " + path + " HTTP/1.1\r\nHost: " + s.addr + "\r\n"
	for name, values := range proxied {
		head += name + ": " + values[0] + "\r\n"
	}
	return wiretest.Raw(t, s.addr, head+rest)
}

// wantTold sends a request and holds what arrives against what the application is to be told, by names in lower case.
func (s appSite) wantTold(t *testing.T, names []string, want map[string]string, path, lines string) {
	t.Helper()
	before := len(s.app.Requests())
	answer := s.ask(t, path, lines)
	asked := s.app.Requests()[before:]
	if answer.Status != http.StatusOK || len(asked) != 1 {
		t.Fatalf("%s: got %d, and %d requests at the application; want 200 and one", path, answer.Status, len(asked))
	}
	if strings.Contains(string(asked[0].Raw), "evil") {
		t.Errorf("%s: the application got\n%s", path, asked[0].Raw)
	}
	for _, name := range names {
		var wanted []string
		if want[name] != "" {
			wanted = []string{want[name]}
		}
		if got := asked[0].Values(name); !slices.Equal(got, wanted) {
			t.Errorf("%s: %s is %q; want %q", path, name, got, wanted)
		}
	}
	for name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("%s: no preset sends %s", path, name)
		}
	}
}

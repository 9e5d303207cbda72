// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// checkRefused checks that an error is the guard's, and that nothing came to a server.
func checkRefused(t *testing.T, err error) {
	t.Helper()
	e, is := errors.AsType[*Error](err)
	if _, guarded := errors.AsType[*refusal](err); !is || !guarded || e.Temporary {
		t.Errorf("got %#v, want a lasting error of the guard", err)
	}
}

// counted is a server that counts connections, whatever is said on them.
func counted(t *testing.T) (server *httptest.Server, connections *atomic.Int32) {
	t.Helper()
	connections = new(atomic.Int32)
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server, connections
}

func TestSS1_InternalTargets(t *testing.T) {
	for _, url := range []string{
		"http://169.254.169.254/latest/meta-data", "https://169.254.169.254/", "http://[fd00:ec2::254]/", "https://[fe80::1]/", "https://[fe80::1%25lo]/",
		"http://0/", "https://0.0.0.0/", "https://[::]/", "https://0.1.2.3/", "https://255.255.255.255/", "https://240.0.0.1/", "https://224.0.0.1/",
		"https://[ff02::1]/", "https://[::ffff:169.254.169.254]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[64:ff9b::7f00:1]/",
		"https://[2002:a9fe:a9fe::]/", "https://[2002:7f00:1::]/", "https://[2001:0:a9fe:a9fe::1]/", "https://[::169.254.169.254]/", "https://[::7f00:1]/",
		"https://168.63.129.16/", "https://100.100.100.200/", "https://192.0.0.192/", "https://[fd20:ce::254]/", "https://[4000::1]/", "https://[64:ff9b:1::1]/",
		// Spellings that some resolvers take for addresses, and others that parsers disagree about.
		"http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.01/",
		"https://0x7f.0.0.0x1/", "https://127.0.0.1./", "https://0x/", "https://1.2.3.4.5/", "https://a.0x7F/", "https://[::ffff:127.0.0.1]/",
		"https://①②⑦.0.0.1/", "https://localhost。/", "https://ⓛocalhost/", "https://%31%32%37.0.0.1/", "https://127.0.0.1%00.example.com/",
		"https://127.0.0.1\\@sms.example.com/", "https://sms.example.com\\.evil.example/", "https://[127.0.0.1]/", "https://[localhost]/", "https://a..b/",
		"https://.example.com/", "https://sms.example.com./", "https://sms example.com/", "https://sms,example.com/",
		// Other than http and https, and parts that have no place.
		"", " ", "/send", "//sms.example.com/", "sms.example.com", "sms.example.com:443/send", "https:", "https://", "https:///send", "https:sms.example.com",
		"unix:/run/sms.sock", "unix:///run/sms.sock", "unix//run/sms.sock", "file:///etc/passwd", "ftp://sms.example.com/", "gopher://sms.example.com/",
		"http+unix://%2Frun%2Fsms.sock/", "javascript:alert(1)", " https://sms.example.com/",
		"https://user@sms.example.com/", "https://user:password@sms.example.com/", "https://@sms.example.com/", "https://sms.example.com@127.0.0.1/",
		"https://sms.example.com/#", "https://sms.example.com/#part", "https://sms.example.com#@127.0.0.1/",
		"https://sms.example.com:/", "https://sms.example.com:0/", "https://sms.example.com:65536/", "https://sms.example.com:https/", "https://sms.example.com:-1/",
	} {
		for _, allow := range []bool{false, true} {
			if _, err := New(Config{URL: url, Secret: secret, AllowPrivate: allow}); err == nil || !strings.HasPrefix(err.Error(), "webhook URL: ") {
				t.Errorf("%s, AllowPrivate %v: got %v, want an error", url, allow, err)
			}
		}
	}
	t.Run("Caddy's admin endpoint", func(t *testing.T) {
		server, connections := counted(t)
		admin := netip.MustParseAddrPort(server.Listener.Addr().String())
		forbidden := func(a netip.AddrPort) bool { return a == admin }
		for _, host := range []string{"127.0.0.1", "localhost", "sms.example.com"} {
			s := newSender(t, Config{
				URL: onPort(t, "http", host, server) + "/load", AllowPrivate: true, Forbidden: forbidden, resolver: always("127.0.0.1"),
			})
			checkRefused(t, s.Send(t.Context(), event()))
		}
		if n := connections.Load(); n != 0 {
			t.Errorf("got %d connections", n)
		}
		other, connections := counted(t)
		if err := newSender(t, Config{URL: other.URL, Forbidden: forbidden}).Send(t.Context(), event()); err != nil || connections.Load() != 1 {
			t.Errorf("the port beside it: got %v", err)
		}
	})
}

func TestSS2_RedirectsAreNotFollowed(t *testing.T) {
	inside, connections := counted(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		handler, got := recorder(status)
		outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", inside.URL)
			handler(w, r)
		}))
		err := newSender(t, Config{URL: outside.URL}).Send(t.Context(), event())
		outside.Close()
		if e, is := errors.AsType[*Error](err); !is || e.Temporary || e.Status != status || !strings.Contains(err.Error(), "redirect") {
			t.Errorf("%d: got %v, want a lasting error that says so", status, err)
		}
		if len(got) != 1 {
			t.Errorf("%d: got %d requests", status, len(got))
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestSS3_TheAddressOfTheConnectionCounts(t *testing.T) {
	server, connections := counted(t)
	const host = "sms.example.com"
	t.Run("a name for loopback", func(t *testing.T) {
		s := newSender(t, Config{URL: onPort(t, "https", host, server), resolver: always("127.0.0.1")})
		checkRefused(t, s.Send(t.Context(), event()))
		if n := connections.Swap(0); n != 0 {
			t.Errorf("got %d connections", n)
		}
	})
	t.Run("a name for loopback, allowed", func(t *testing.T) {
		s := newSender(t, Config{URL: onPort(t, "http", host, server), AllowPrivate: true, resolver: always("127.0.0.1")})
		if err := s.Send(t.Context(), event()); err != nil || connections.Swap(0) != 1 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("several answers", func(t *testing.T) {
		for _, answers := range [][]string{{"169.254.169.254", "127.0.0.1"}, {"127.0.0.1", "169.254.169.254"}, {"fe80::1", "fd00:ec2::254", "127.0.0.1"}} {
			s := newSender(t, Config{URL: onPort(t, "http", host, server), AllowPrivate: true, resolver: always(answers...)})
			if err := s.Send(t.Context(), event()); err != nil || connections.Swap(0) != 1 {
				t.Errorf("%q: got %v, want the one that may be dialed", answers, err)
			}
		}
		s := newSender(t, Config{URL: onPort(t, "https", host, server), AllowPrivate: true, resolver: always("169.254.169.254", "fe80::1", "0.0.0.0")})
		checkRefused(t, s.Send(t.Context(), event()))
	})
	t.Run("rebinding", func(t *testing.T) {
		var asked atomic.Int32
		s := newSender(t, Config{URL: onPort(t, "http", host, server), AllowPrivate: true, resolver: names(func(string) []string {
			if asked.Add(1) <= 2 { // one question for IPv4, one for IPv6
				return []string{"127.0.0.1"}
			}
			return []string{"169.254.169.254"}
		})})
		if err := s.Send(t.Context(), event()); err != nil {
			t.Fatal(err)
		}
		checkRefused(t, s.Send(t.Context(), event()))
	})
}

// SS-4: all that leaves the program goes through a client that was made to; http.Get and its like are guarded by nothing.
func TestSS4_NoOtherWayOut(t *testing.T) {
	makers := map[string]string{
		"internal/webhook":        "the guarded one",
		"caddymodule":             "commands ask Caddy's admin endpoint, where the operator says it is",
		"docs/webhook-receiver":   "a program of its own",
		"docs/assertion-verifier": "a program of its own",
		"internal/programtest":    "for tests",
		"internal/wiretest":       "for tests",
		"internal/auth/authtest":  "for tests",
		"bench":                   "measures from outside",
	}
	ways := []string{"Client", "Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"}
	const root = "../.."
	seen := map[string]int{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		room, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		room = filepath.ToSlash(room)
		ast.Inspect(file, func(n ast.Node) bool {
			selector, is := n.(*ast.SelectorExpr)
			if !is || !slices.Contains(ways, selector.Sel.Name) {
				return true
			}
			if from, isName := selector.X.(*ast.Ident); isName && from.Name == "http" {
				seen[room]++
				if makers[room] == "" {
					t.Errorf("%s uses http.%s: what leaves the program goes through internal/webhook", name, selector.Sel.Name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen["internal/webhook"] == 0 || seen["caddymodule"] == 0 {
		t.Errorf("found only %v", seen)
	}
}

// SS-5 (CVE-2024-21498): nothing of a delivery, and no header, has a say in where it goes.
func TestSS5_OnlyTheConfigurationSaysWhere(t *testing.T) {
	handler, got := recorder(http.StatusOK)
	server := httptest.NewServer(handler)
	defer server.Close()
	evil, connections := counted(t)
	s := newSender(t, Config{URL: onPort(t, "http", "sms.example.com", server) + "/send", AllowPrivate: true, resolver: always("127.0.0.1"),
		Header: http.Header{"X-Forwarded-Host": {evil.Listener.Addr().String()}, "Forwarded": {"host=" + evil.Listener.Addr().String()}}})
	e := event()
	e.Body = []byte(`{"url":"` + evil.URL + `","data":{"site":"` + evil.URL + `","destination":"` + evil.URL + `"}}`)
	if err := s.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if want := strings.TrimPrefix(onPort(t, "http", "sms.example.com", server), "http://"); r.Host != want || r.RequestURI != "/send" {
		t.Errorf("got %s %s, want %s", r.Host, r.RequestURI, want)
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("got %d connections elsewhere", n)
	}
}

// dialed returns which addresses a delivery to cfg would dial, in no order; it dials none of them. Names resolve to all the answers.
func dialed(t testing.TB, cfg Config, answers ...string) (at []netip.AddrPort) {
	t.Helper()
	var mu sync.Mutex
	if cfg.Secret == "" {
		cfg.Secret = secret
	}
	cfg.Forbidden = func(a netip.AddrPort) bool { // it is asked last, so whatever comes here would be dialed
		mu.Lock()
		defer mu.Unlock()
		at = append(at, a)
		return true
	}
	cfg.resolver = always(answers...)
	s, err := New(cfg)
	if err != nil {
		return nil
	}
	if err := s.Send(t.Context(), event()); err == nil {
		t.Error("something was dialed")
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(at)
}

// Which addresses are dialed for which kind of URL. The columns are those of docs/webhook.md.
func TestAddresses(t *testing.T) {
	type answer struct{ https, httpsPrivate, httpPrivate bool } // the last two with AllowPrivate
	public, private, never := answer{true, true, false}, answer{false, true, true}, answer{}
	for addr, want := range map[string]answer{
		"93.184.216.34": public, "1.1.1.1": public, "9.255.255.255": public, "11.0.0.0": public, "172.15.255.255": public, "172.32.0.0": public,
		"100.63.255.255": public, "100.128.0.0": public, "192.0.1.0": public, "192.167.255.255": public, "192.169.0.0": public, "198.17.255.255": public,
		"198.20.0.0": public, "223.255.255.255": public, "126.255.255.255": public, "128.0.0.0": public, "169.253.255.255": public, "169.255.0.0": public,
		"2606:4700::1111": public, "2a00::1": public, "2001:4860:4860::8888": public, "3fff:ffff::1": public,
		"64:ff9b::5db8:d822": public, // 93.184.216.34

		"10.0.0.0": private, "10.255.255.255": private, "172.16.0.0": private, "172.31.255.255": private, "192.168.0.0": private,
		"192.168.255.255": private, "100.64.0.0": private, "100.127.255.255": private, "198.18.0.1": private, "198.19.255.255": private,
		"127.0.0.1": private, "127.255.255.255": private, "::1": private, "fc00::1": private, "fdff:ffff::1": private, "fd00:ec3::254": private,

		"0.0.0.0": never, "0.255.255.255": never, "169.254.0.0": never, "169.254.169.254": never, "169.254.255.255": never, "192.0.0.0": never,
		"192.0.0.255": never, "224.0.0.0": never, "239.255.255.255": never, "240.0.0.0": never, "255.255.255.255": never,
		"168.63.129.16": never, "100.100.100.200": never,
		"::": never, "::2": never, "::7f00:1": never, "::a9fe:a9fe": never, "fe80::1": never, "febf::1": never, "fec0::1": never, "ff02::1": never,
		"ff05::1:3": never, "2001::1": never, "2001:0:5db8:d822::": never, "2002:a9fe:a9fe::1": never, "2002:5db8:d822::1": never,
		"64:ff9b::7f00:1": never, "64:ff9b::a9fe:a9fe": never, "64:ff9b::a00:1": never, "64:ff9b::": never, "64:ff9b:1::a9fe:a9fe": never,
		"100::1": never, "1fff::1": never, "4000::1": never, "fbff::1": never, "fe00::1": never,
		"fd00:ec2::254": never, "fd00:ec2::23": never, "fd20:ce::254": never, "fd00:42::42": never, "fd00:c1::a9fe:a9fe": never,
		"::ffff:169.254.169.254": never, "::ffff:10.0.0.1": private, "::ffff:127.0.0.1": private, "::ffff:0.0.0.0": never,
	} {
		to := netip.MustParseAddr(addr).Unmap()
		got := answer{
			len(dialed(t, Config{URL: "https://sms.example.com"}, addr)) == 1,
			len(dialed(t, Config{URL: "https://sms.example.com", AllowPrivate: true}, addr)) == 1,
			len(dialed(t, Config{URL: "http://sms.example.com", AllowPrivate: true}, addr)) == 1,
		}
		if got != want {
			t.Errorf("a name for %s: got %v, want %v", addr, got, want)
		}
		if strings.HasPrefix(addr, "::ffff:") {
			continue // refused as a spelling: TestSS1_InternalTargets
		}
		literal := netip.AddrPortFrom(to, 443).String()
		for scheme, want := range map[string]bool{"https": want != never, "http": want == private} {
			at := dialed(t, Config{URL: scheme + "://" + literal}, "1.1.1.1")
			if !want && at != nil || want && !slices.Equal(at, []netip.AddrPort{netip.AddrPortFrom(to, 443)}) {
				t.Errorf("%s to the literal %s: dials %v, want %v", scheme, addr, at, want)
			}
		}
	}
	if _, err := New(Config{URL: "http://sms.example.com", Secret: secret}); err == nil {
		t.Error("plain http to any name is allowed")
	}
}

// What localhost is, is for the machine to say, and no test can change that; so the guard is asked.
func TestLocalhostIsLoopback(t *testing.T) {
	for _, url := range []string{"http://localhost", "https://LOCALHOST:8443"} {
		for _, allow := range []bool{false, true} {
			to, err := parseTarget(url, allow)
			if err != nil {
				t.Fatal(err)
			}
			for addr, want := range map[string]bool{
				"127.0.0.1:80": true, "127.9.9.9:1": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true, "10.0.0.1:80": false, "1.1.1.1:443": false,
				"[fd00::1]:80": false, "169.254.169.254:80": false, "0.0.0.0:80": false, "/run/sms.sock": false,
			} {
				if err := guard(to, nil)(t.Context(), "tcp", addr, nil); (err == nil) != want {
					t.Errorf("%s, AllowPrivate %v, at %s: got %v", url, allow, addr, err)
				}
			}
		}
	}
}

// A literal is not looked up, so that nothing else than it can come to the guard. Were it so one day, the guard would know.
func TestALiteralIsOneAddress(t *testing.T) {
	to, err := parseTarget("https://10.0.0.5:8443", true)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{"10.0.0.5:8443": true, "10.0.0.6:8443": false, "1.1.1.1:8443": false, "127.0.0.1:8443": false} {
		if err := guard(to, nil)(t.Context(), "tcp4", addr, nil); (err == nil) != want {
			t.Errorf("%s: got %v", addr, err)
		}
	}
}

// The same by other means: prefixes that nothing may dial, whatever a URL says.
var refusedEverywhere = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"), netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("fe80::/9"), netip.MustParsePrefix("ff00::/8"), netip.MustParsePrefix("fd00:ec2::254/128"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("64:ff9b::7f00:0/104"), netip.MustParsePrefix("64:ff9b::a9fe:0/112"),
}

// Whatever New accepts dials nothing that is refused, and nothing private that the URL does not name.
func FuzzNew(f *testing.F) {
	for _, url := range []string{
		"https://sms.example.com/send?x=y", "http://127.0.0.1:2019/load", "http://localhost", "http://[::1]:80", "https://[fd00::1]", "http://10.0.0.1",
		"https://2130706433", "http://0x7f.1", "http://127.1", "http://0", "https://[::ffff:169.254.169.254]", "https://[64:ff9b::a9fe:a9fe]", "https://[fe80::1%25eth0]",
		"https://user:pass@host", "https://a#b", "unix:/x", "https://①27.0.0.1", "https://1.1.1.1\t", "https://sms_gateway:8080", "https://%31.1.1.1",
	} {
		f.Add(url, false)
		f.Add(url, true)
	}
	answers := []string{"0.0.0.0", "10.0.0.1", "127.0.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "1.1.1.1", "::", "::1", "fe80::1", "ff02::1",
		"fd00:ec2::254", "fd00::1", "2002:7f00:1::", "64:ff9b::7f00:1", "2606:4700::1111"}
	f.Fuzz(func(t *testing.T, url string, allow bool) {
		inURL := func(a netip.Addr) bool {
			return strings.Contains(url, a.String()) || a.Is6() && strings.Contains(url, "[") || a.IsLoopback() && strings.Contains(strings.ToLower(url), "localhost")
		}
		for _, at := range dialed(t, Config{URL: url, AllowPrivate: allow, Timeout: MinTimeout}, answers...) {
			a := at.Addr()
			for _, p := range refusedEverywhere {
				if p.Contains(a) {
					t.Errorf("%q dials %s", url, at)
				}
			}
			if (a.IsPrivate() || a.IsLoopback()) && !allow && !inURL(a) {
				t.Errorf("%q dials %s", url, at)
			}
			if !a.IsPrivate() && !a.IsLoopback() && strings.HasPrefix(strings.ToLower(url), "http:") && reachOf(a) == public {
				t.Errorf("%q sends in the clear to %s", url, at)
			}
		}
	})
}

// Names are looked up by the dialer, once for each delivery, and at no other time.
func TestNewLooksUpNothing(t *testing.T) {
	resolver := names(func(name string) []string { t.Errorf("%s was looked up", name); return nil })
	newSender(t, Config{URL: "https://sms.example.com", Timeout: time.Second, resolver: resolver})
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// surface is one way on which a client can tell the application who it is.
type surface struct {
	name     string
	identity []string // what the application may be told, sorted
	send     func(t *testing.T, lines []string) wiretest.Response
}

// identities is the sites of an application that shows what it received, and alice, who has groups and neither a full name nor an
// e-mail address.
type identities struct {
	*sites
	echo   *wiretest.Upstream
	cookie string // of alice, over HTTP/1.1
}

func newIdentities(t *testing.T, answer ...string) *identities {
	t.Helper()
	x := &identities{echo: wiretest.Echo(t, answer...)}
	// Caddy would keep these spellings to itself; whoever allows them must be as safe.
	x.sites = newSites(t, x.echo.Addr, "servers {\n\t\texpected_underscore_headers remote_user remote_groups\n\t}")
	_, alice := x.server.joined(t, "alice", named("http", x.gated), nil, "--group", "staff", "--group", "ops")
	x.cookie = alice.Cookies.String()
	return x
}

// overTLS names cookies of plain HTTP as they are called over TLS.
func overTLS(cookies string) string {
	return "__Host-" + strings.ReplaceAll(cookies, "; ", "; __Host-")
}

// surfaces are all that lead to the application: a page that needs two factors, one that needs nothing, a WebSocket, and the two pages
// over HTTP/2. Each request has the cookie of alice, whether it is asked for or not, and one of the application.
func (x *identities) surfaces() []surface {
	isAlice, nobody := []string{"Remote-Groups: ops,staff", "Remote-User: alice"}, []string(nil)
	over1 := func(head string) func(*testing.T, []string) wiretest.Response {
		return func(t *testing.T, lines []string) wiretest.Response {
			t.Helper()
			lines = append([]string{head, "Host: " + host}, lines...)
			return wiretest.RawTLS(t, x.gatedSecure, x.trust, strings.Join(append(lines, "Cookie: app=1; "+overTLS(x.cookie), "", ""), "\r\n"))
		}
	}
	over2 := func(path string) func(*testing.T, []string) wiretest.Response {
		return func(t *testing.T, lines []string) wiretest.Response {
			t.Helper()
			fields := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", path}}
			return wiretest.H2(t, x.gatedSecure, x.trust).Do(append(fields, append(asFields(lines),
				[2]string{"cookie", "app=1"}, [2]string{"cookie", overTLS(x.cookie)})...), nil, nil)
		}
	}
	return []surface{
		{"a page", isAlice, over1("GET /page HTTP/1.1")},
		{"a skipped page", nobody, over1("GET /open/page HTTP/1.1")},
		{"a WebSocket", isAlice, over1("GET /socket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket")},
		{"a page over HTTP/2", isAlice, over2("/page")},
		{"a skipped page over HTTP/2", nobody, over2("/open/page")},
	}
}

func asFields(lines []string) (fields [][2]string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		fields = append(fields, [2]string{strings.ToLower(name), value})
	}
	return fields
}

// claims finds every line, in headers and trailers, that some application may read as an identity, however it is spelled. Forwarded-For
// and its like are the proxy's own.
func claims(m wiretest.Message) []string {
	var found []string
	for _, line := range append(slices.Clone(m.Header), m.Trailer...) {
		name, _, _ := strings.Cut(line, ":")
		folded := strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
		for _, claim := range []string{"remote-", "x-remote-", "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-auth-", "x-webauth-",
			"x-authentik-", "ssl-client-", "x-goog-authenticated-", "x-sum", "proxy"} {
			if strings.HasPrefix(folded, claim) {
				found = append(found, line)
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// Section C of the attack catalogue, on the wire on both sides of the proxy.
func TestIdentity(t *testing.T) {
	x := newIdentities(t)
	for _, c := range []struct {
		name  string
		lines []string
		want  []string // more lines that have to reach the application
		only1 bool     // HTTP/2 has no such field
	}{
		{name: "nothing odd"},
		{name: "ID-1 Connection strips our header", only1: true,
			lines: []string{"Connection: close, Remote-User, remote-groups, X-Forwarded-For, Cookie, Authorization", "Authorization: Bearer app", "Connection: Upgrade, Remote-User"},
			want:  []string{"Authorization: Bearer app", "X-Forwarded-For: 127.0.0.1"}},
		{name: "ID-2 underscore aliases", lines: []string{"Remote_User: root", "REMOTE_USER: root", "Remote-_User: root", "Remote.User: root", "remote_groups: admins"}},
		{name: "ID-4 a value where we have none", lines: []string{"Remote-Email: ceo@example.com", "Remote-Name: The Boss"}},
		{name: "ID-5 claims on a skipped page", lines: []string{"Remote-User: root", "Remote-Groups: admins"}},
		{name: "ID-6 case and duplicates", lines: []string{"remote-user: a", "REMOTE-USER: b", "Remote-User: c"}},
		{name: "ID-10 legacy names", lines: []string{"X-Forwarded-User: root", "X-Auth-Request-User: root", "X-WEBAUTH-USER: root", "X-Remote-User: root",
			"X-Authentik-Username: root", "Ssl-Client-S-Dn: CN=root", "X-Goog-Authenticated-User-Email: root@example.com", "Proxy: http://evil.example"}},
		{name: "ID-12 our secrets in other places", lines: []string{"Cookie: __Host-nightlatch=S; nightlatch-attempt=A", "Cookie: nightlatch=; __host-NIGHTLATCH-attempt=A"}},
	} {
		for _, s := range x.surfaces() {
			if c.only1 && strings.HasSuffix(s.name, "HTTP/2") {
				continue
			}
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				before := len(x.echo.Requests())
				response := s.send(t, c.lines)
				asked := x.echo.Requests()[before:]
				if strings.HasPrefix(c.name, "ID-12") && len(s.identity) > 0 {
					// Two of our cookies: nobody can tell which was planted, so it is nobody's.
					if len(asked) != 0 || response.Status != http.StatusUnauthorized {
						t.Errorf("got %d, and %d requests at the application, want 401 and none", response.Status, len(asked))
					}
					return
				}
				if len(asked) != 1 {
					t.Fatalf("%d requests reached the application, want 1; the answer is %d %q", len(asked), response.Status, response.Reset)
				}
				if got := claims(asked[0].Message); !slices.Equal(got, s.identity) {
					t.Errorf("the application was told %q, want %q", got, s.identity)
				}
				if got := asked[0].Values("Cookie"); strings.Join(got, "; ") != "app=1" {
					t.Errorf("the application got cookies %q, want app=1 alone", got)
				}
				for _, line := range c.want {
					if !slices.Contains(asked[0].Header, line) {
						t.Errorf("the application got no %q in %q", line, asked[0].Header)
					}
				}
			})
		}
	}
	t.Run("ID-1 Connection over HTTP/2", func(t *testing.T) {
		before := len(x.echo.Requests())
		for _, s := range x.surfaces()[3:] {
			s.send(t, []string{"Connection: Remote-User, Remote-Groups"})
		}
		for _, r := range x.echo.Requests()[before:] {
			if got := claims(r.Message); strings.HasPrefix(r.Start, "GET /page") && len(got) != 2 {
				t.Errorf("the application was told %q", got)
			}
		}
	})
	t.Run("ID-7 trailers", func(t *testing.T) {
		trailer := []string{"X-Sum: 1", "Remote-User: root", "Remote_User: root", "remote-groups: admins"}
		for _, path := range []string{"/page", "/open/page"} {
			want := x.surfaces()[0].identity
			if path != "/page" {
				want = nil
			}
			before := len(x.echo.Requests())
			wiretest.Raw(t, x.gated, "POST "+path+" HTTP/1.1\r\nHost: "+host+"\r\nCookie: "+x.cookie+"\r\nTrailer: X-Sum, Remote-User\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"+
				strings.Join(trailer, "\r\n")+"\r\n\r\n")
			wiretest.H2(t, x.gatedSecure, x.trust).Do([][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", host}, {":path", path},
				{"cookie", overTLS(x.cookie)}, {"trailer", "x-sum, remote-user"}}, []byte("abc"), asFields(trailer))
			asked := x.echo.Requests()[before:]
			if len(asked) != 2 {
				t.Fatalf("%s: %d requests reached the application, want 2", path, len(asked))
			}
			for _, r := range asked {
				if got := claims(r.Message); !slices.Equal(got, want) || len(r.Trailer) != 0 || string(r.Body) != "abc" {
					t.Errorf("%s: the application was told %q with the trailer %q after %q, want %q, none and abc", path, got, r.Trailer, r.Body, want)
				}
			}
		}
	})
}

// ID-6: a header name that the operator has written in an odd way is one name all the same.
func TestID6ConfiguredName(t *testing.T) {
	echo := wiretest.Echo(t)
	addr := programtest.FreeAddr(t)
	s := serve(t, "", fmt.Sprintf("http://%s {\n\tnightlatch {\n\t\theaders x-auth-USER\n\t}\n\treverse_proxy %s\n}", addr, echo.Addr))
	_, alice := s.joined(t, "alice", "http://"+addr, nil, "--group", "staff")
	wiretest.Raw(t, addr, "GET / HTTP/1.1\r\nHost: "+addr+"\r\nCookie: "+alice.Cookies.String()+"\r\nx-auth-user: a\r\nX-AUTH-USER: b\r\nX-Auth_User: c\r\nRemote-User: d\r\n\r\n")
	asked := echo.Requests()
	if len(asked) != 1 || !slices.Equal(claims(asked[0].Message), []string{"X-Auth-User: alice"}) {
		t.Errorf("the application was told %+v, want one X-Auth-User: alice", asked)
	}
}

// The application cannot plant a cookie of ours, nor take one away.
func TestPlantedCookies(t *testing.T) {
	x := newIdentities(t, "Set-Cookie: app=1; Path=/", "Set-Cookie: nightlatch=x", "Set-Cookie: __Host-nightlatch=x; Path=/; Secure", "Set-Cookie: __HOST-Nightlatch-attempt=x",
		"set-cookie: =nightlatch=x", "Set-Cookie:  nightlatch-attempt=; Max-Age=0", "Set-Cookie: nightlatch", "Set-Cookie: mynightlatch=2")
	for _, s := range x.surfaces() {
		got := s.send(t, nil)
		if set := got.Values("Set-Cookie"); !slices.Equal(set, []string{"app=1; Path=/", "mynightlatch=2"}) {
			t.Errorf("%s: %d with Set-Cookie %q, want app and mynightlatch alone", s.name, got.Status, set)
		}
	}
}

// ID-17: a CGI program has variables of its own for an identity, and reads headers in their spelling.
func TestID17FastCGI(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(struct {
			Env    map[string]string
			Header http.Header // the variables HTTP_… by the names that they come from
		}{fcgi.ProcessEnv(r), r.Header})
	}))
	addr := programtest.FreeAddr(t)
	s := newServer(t)
	s.global = "servers {\n\t\texpected_underscore_headers remote_user http_remote_user\n\t}"
	root := filepath.Join(s.Dir, "php")
	must(t, os.Mkdir(root, 0o700))
	must(t, os.WriteFile(filepath.Join(root, "index.php"), nil, 0o600))
	s.configure(t, "", fmt.Sprintf("http://%s {\n\troot * %s\n\tvars http.auth.user.id root\n\tnightlatch {\n\t\tskip /open/*\n\t}\n\tphp_fastcgi %s\n}", addr, root, listener.Addr()))
	s.Start(t)
	_, alice := s.joined(t, "alice", "http://"+addr, nil)
	for path, want := range map[string]string{"/page": "alice", "/open/page": ""} {
		response := wiretest.Raw(t, addr, "GET "+path+" HTTP/1.1\r\nHost: "+addr+"\r\nCookie: app=1; "+alice.Cookies.String()+
			"\r\nHTTP_REMOTE_USER: root\r\nREMOTE_USER: root\r\nRemote-User: root\r\nProxy: http://evil.example\r\nRemote-Groups: admins\r\n\r\n")
		var told struct {
			Env    map[string]string
			Header http.Header
		}
		if err := json.Unmarshal(response.Body, &told); err != nil {
			t.Fatalf("%s: %d %q, %v", path, response.Status, response.Body, err)
		}
		if got := told.Env["REMOTE_USER"]; got != want {
			t.Errorf("%s: REMOTE_USER is %q, want %q", path, got, want)
		}
		var header []string
		for name, values := range told.Header {
			// What came as HTTP_REMOTE_USER is HTTP_HTTP_REMOTE_USER here, which nobody reads.
			if folded := strings.ToLower(name); strings.HasPrefix(folded, "remote") || folded == "proxy" || folded == "cookie" {
				header = append(header, name+": "+strings.Join(values, "|"))
			}
		}
		slices.Sort(header)
		expected := []string{"Cookie: app=1"}
		if want != "" {
			expected = append(expected, "Remote-User: "+want)
		}
		if !slices.Equal(header, expected) {
			t.Errorf("%s: the program was told %q, want %q", path, header, expected)
		}
	}
}

// ID-18: two people at once, on many connections, each claiming to be the other: the application is never told the wrong one.
func TestID18ManyAtOnce(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q %q", r.Header.Values("Remote-User"), r.Header.Values("Remote-Groups"))
	}))
	t.Cleanup(app.Close)
	addr := programtest.FreeAddr(t)
	s := serve(t, "", fmt.Sprintf("http://%s {\n\tnightlatch\n\treverse_proxy %s\n}", addr, app.Listener.Addr()))
	_, alice := s.joined(t, "alice", "http://"+addr, nil, "--group", "staff")
	_, bob := s.joined(t, "bob", "http://"+addr, nil)
	people := []struct {
		cookie, other, want string
	}{
		{alice.Cookies.String(), "bob", `["alice"] ["staff"]`},
		{bob.Cookies.String(), "alice", `["bob"] []`},
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 200}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: patience}
	var crowd sync.WaitGroup
	for i := range 200 {
		crowd.Go(func() {
			for j := range 10 {
				p := people[(i+j)%2] // whichever connection it goes out on
				r, err := http.NewRequest("GET", "http://"+addr+"/", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Cookie", p.cookie)
				r.Header.Set("Remote-User", p.other)
				resp, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(body) != p.want {
					t.Errorf("the application was told %d %s, %v, want %s", resp.StatusCode, body, err, p.want)
					return
				}
			}
		})
	}
	crowd.Wait()
}

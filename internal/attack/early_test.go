// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// slowRoad is a way to a server on which what the server says waits until it is let go. So a client cannot finish a handshake, and what
// it has sent with its first words stays early data.
type slowRoad struct {
	addr string

	mu      sync.Mutex
	open    bool
	waiting [][]byte
	back    func([]byte)
}

func newSlowRoad(t *testing.T, to string) *slowRoad {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	road := &slowRoad{addr: front.LocalAddr().String()}
	var done sync.WaitGroup
	t.Cleanup(func() {
		front.Close()
		server.Close()
		done.Wait()
	})
	done.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := front.ReadFrom(buf)
			if err != nil {
				return
			}
			road.mu.Lock()
			road.back = func(p []byte) { front.WriteTo(p, from) }
			road.mu.Unlock()
			server.Write(buf[:n])
		}
	})
	done.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, err := server.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				road.send(append([]byte(nil), buf[:n]...))
			}
		}
	})
	return road
}

func (r *slowRoad) send(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open {
		r.back(p)
		return
	}
	r.waiting = append(r.waiting, p)
}

// letGo sends what has waited, and from now on everything at once.
func (r *slowRoad) letGo() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = true
	for _, p := range r.waiting {
		r.back(p)
	}
	r.waiting = nil
}

// FA-20, RFC 8470: whoever recorded TLS early data can send it again. So what may change something, by its method, by what an application may
// take for its method, or as an act of ours, waits for the handshake, whatever it presents; it is answered with 425, reaches no application,
// and uses nothing up.
func TestFA20EarlyData(t *testing.T) {
	app, addr := wiretest.Echo(t), programtest.FreeAddr(t)
	h := begin(t, "", "", strings.NewReplacer("PORT", port(addr), "APP", app.Addr).Replace(`
https://app.test:PORT {
	log
	nightlatch
	reverse_proxy APP
}
`))
	alice, hers := h.add(t, "alice"), visitor(t, "https://"+addr)
	hers.Header.Set("Host", workshopHost)
	hers.typePassword(alice)
	hers.enroll(alice)
	key := hers.appPassword("a program")
	in := signInProgram(t, addr, workshopHost, alice, password)

	local := (&shop{house: h, addr: addr}).key(t, `{"name":"for a network","user":"alice","hosts":["app.test"],"networks":["127.0.0.0/8"]}`)

	config := secure(workshopHost)
	tickets := ticketCache{tls.NewLRUClientSessionCache(1), make(chan struct{}, 1)}
	config.ClientSessionCache = tickets
	if r := wiretest.H3(t, addr, config).Do(h2(workshopHost, "/"), nil, nil); r.Status == 0 {
		t.Fatalf("the first connection: %q", r.Reset)
	}
	<-tickets.came // its handshake is done, and the next one can resume

	bearer := [2]string{"authorization", "Bearer " + key.token()}
	access := [2]string{"authorization", "Bearer " + in.Access}
	refresh, err := json.Marshal(map[string]string{"refresh_token": in.Refresh})
	must(t, err)
	type early struct {
		fields [][2]string
		body   []byte
		want   int
	}
	asJSON := [2]string{"content-type", "application/json"}
	road := newSlowRoad(t, addr)
	c := wiretest.H3Early(t, road.addr, config)
	requests := map[string]early{
		"/early/get":                            {[][2]string{bearer}, nil, 200},
		"/early/access":                         {[][2]string{access}, nil, 200},
		"/early/network":                        {[][2]string{{"authorization", "Bearer " + local.token()}}, nil, 425},
		"/early/post":                           {[][2]string{{":method", "POST"}, bearer}, []byte("x"), 425},
		"/early/access-post":                    {[][2]string{{":method", "POST"}, access}, []byte("x"), 425},
		"/early/delete":                         {[][2]string{{":method", "DELETE"}, {"nightlatch-client-id", key.id}, {"nightlatch-client-secret", key.secret}}, nil, 425},
		"/early/basic":                          {[][2]string{{":method", "PUT"}, {"authorization", strings.TrimPrefix(basicLine("alice", key.token()), "Authorization: ")}}, []byte("x"), 425},
		"/early/override":                       {[][2]string{bearer, {"x-http-method-override", "DELETE"}}, nil, 425},
		"/early/query?_method=DELETE":           {[][2]string{bearer}, nil, 425},
		"/early/cookie":                         {[][2]string{{":method", "POST"}, {"cookie", hers.Cookies.String()}}, []byte("x"), 425},
		"/_nightlatch/api/v1/token/refresh":     {[][2]string{{":method", "POST"}, asJSON}, refresh, 425},
		"/_nightlatch/api/v1/token/revoke":      {[][2]string{{":method", "POST"}, asJSON}, refresh, 425},
		"/_nightlatch/api/v1/sign-out":          {[][2]string{{":method", "POST"}, access}, nil, 425},
		"/_nightlatch/api/v1/sign-in":           {[][2]string{{":method", "POST"}, asJSON}, []byte(`{"username":"alice","password":"` + password + `"}`), 425},
		"/_nightlatch/api/v1/app-passwords/abc": {[][2]string{{":method", "DELETE"}, access}, nil, 425},
	}
	answers := map[string]func() wiretest.Response{}
	for target, e := range requests {
		answers[target] = c.Begin(h2(workshopHost, target, e.fields...), e.body, nil)
	}
	// The server has answered them all before the client hears a word.
	for target := range requests {
		if !programtest.Eventually(func() bool { return strings.Contains(h.Said(), `"uri":"`+target+`"`) }) {
			t.Fatalf("%s was not answered before the handshake was done", target)
		}
	}
	road.letGo()
	for target, answer := range answers {
		if r := answer(); r.Status != requests[target].want {
			t.Errorf("%s: got %d %s, want %d", target, r.Status, r.Body, requests[target].want)
		}
	}
	if !c.Early() {
		t.Fatal("the server has not taken the early data")
	}
	for _, r := range app.Requests() {
		if !strings.HasPrefix(r.Start, "GET /early/get ") && !strings.HasPrefix(r.Start, "GET /early/access ") {
			t.Errorf("the application got %q", r.Start)
		}
	}
	// A proxy in front that has ended TLS says it in a header (section 5.1).
	for _, target := range []string{"/early/post", "/_nightlatch/api/v1/token/refresh"} {
		e := requests[target]
		if r := c.Do(h2(workshopHost, target, append(e.fields, [2]string{"early-data", "1"})...), e.body, nil); r.Status != 425 {
			t.Errorf("%s, early at the proxy: got %d %s, want 425", target, r.Status, r.Body)
		}
	}
	// The same again, when the handshake is done.
	for _, target := range []string{"/early/network", "/early/post", "/early/override", "/early/query?_method=DELETE", "/_nightlatch/api/v1/token/refresh"} {
		e := requests[target]
		if r := c.Do(h2(workshopHost, target, e.fields...), e.body, nil); r.Status != 200 {
			t.Errorf("%s, after the handshake: got %d %s, want 200", target, r.Status, r.Body)
		}
	}
}

// ticketCache tells when a ticket has come.
type ticketCache struct {
	tls.ClientSessionCache
	came chan struct{}
}

func (c ticketCache) Put(name string, state *tls.ClientSessionState) {
	c.ClientSessionCache.Put(name, state)
	select {
	case c.came <- struct{}{}:
	default:
	}
}

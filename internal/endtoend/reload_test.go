// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// whoami is an application that says who it was told is asking.
func whoami(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%q", r.Header.Values("Remote-User"))
}

// reloads is how many there are, fewer under the race detector, which makes each take a second.
func reloads() int {
	if underRace() {
		return 15
	}
	return 50
}

// AD-8: nobody who is signed in, signing in or locked out notices a reload or a restart.
func TestReloadsAndRestart(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(whoami))
	t.Cleanup(app.Close)
	addr := programtest.FreeAddr(t)
	base := "http://" + addr
	site := func(rules string) string {
		return fmt.Sprintf("%s {\n\tnightlatch %s\n\treverse_proxy %s\n}", base, rules, app.Listener.Addr())
	}
	configs := [2][2]string{
		{"issuer One", site("")},
		{"issuer Two\nbrand Two\nsession {\n\tidle 2h\n}\npassword {\n\tmin_length 10\n}", site("{\n\t\tskip /open\n\t\trequire /admin/* two_factor max_age 10m\n\t}")},
	}
	s := serve(t, configs[0][0], configs[0][1])
	configure := func(i int) { s.configure(t, configs[i%2][0], configs[i%2][1]) }

	alice, bob := programtest.NewBrowser(t, base, nil), programtest.NewBrowser(t, base, nil)
	must(t, alice.Join(s.addPerson(t, "alice")))
	busy := s.addPerson(t, "bob")
	must(t, bob.Join(busy))
	slow, carol := s.joined(t, "carol", base, nil)
	must(t, carol.SignOut())
	must(t, carol.TypePassword(slow)) // and there she stops until all is over
	s.addPerson(t, "mallory")

	configure(1)
	s.reload(t)
	idle := func() {
		for _, b := range []*browser{alice, bob, carol} {
			b.Client.CloseIdleConnections()
		}
		app.CloseClientConnections()
	}
	idle()
	goroutines, files := s.settled(t, 0, 0)

	load := &load{t: t, stop: make(chan struct{})}
	turns := make(chan struct{}, 1000)
	for range 2 {
		load.workers.Go(func() { load.keepAsking(alice, turns) })
	}
	load.workers.Go(func() { load.keepSigningIn(base, busy) })
	guesses := &guesses{browser: programtest.NewBrowser(t, base, nil), began: time.Now()}
	again := make(chan struct{}, 1000)
	load.workers.Go(func() { load.keepGuessing(guesses, again) })
	for i := range reloads() {
		again <- struct{}{}
		configure(i)
		s.reload(t)
		again <- struct{}{}
		for range 3 {
			select {
			case <-turns:
			case <-time.After(patience):
				t.Fatal("no request is answered")
			}
		}
	}
	close(load.stop)
	load.workers.Wait()
	idle()
	guesses.browser.Client.CloseIdleConnections()
	t.Logf("%d requests and %d sign-ins during %d reloads, %d connections dropped; %d guesses looked at and %d turned away",
		load.requests.Load(), load.signIns.Load(), reloads(), load.dropped.Load(), guesses.looked, guesses.refused)
	if n := load.signIns.Load(); n < 3 {
		t.Errorf("only %d sign-ins finished during the reloads", n)
	}
	if n, most := load.dropped.Load(), max(load.requests.Load()/100, int64(reloads())); n > most {
		t.Errorf("%d connections were dropped, want at most %d", n, most)
	}
	afterGoroutines, afterFiles := s.settled(t, goroutines, files)
	t.Logf("goroutines: %d before, %d after; open files: %d before, %d after", goroutines, afterGoroutines, files, afterFiles)
	// The database compacts when it likes, with a goroutine and a file or two. A leak is at least one at each reload.
	if slack := reloads() / 2; afterGoroutines > goroutines+slack || afterFiles > files+slack {
		t.Errorf("after %d reloads there are %d goroutines and %d open files; before there were %d and %d",
			reloads(), afterGoroutines, afterFiles, goroutines, files)
	}

	sessions := s.Do(t, "", "session", "list", "--json", "--address", "unix/"+s.Socket())
	s.Stop(t)
	s.Start(t)
	if got := s.Do(t, "", "session", "list", "--json", "--address", "unix/"+s.Socket()); strings.Count(got, `"id"`) != strings.Count(sessions, `"id"`) {
		t.Errorf("the restart changed the sessions from %s to %s", sessions, got)
	}
	must(t, alice.Open("/"))
	if alice.At.Body != `["alice"]` {
		t.Error(alice.Unexpected("after the restart"))
	}
	code, err := slow.Code()
	must(t, err)
	must(t, carol.TypeCode("totp", code))
	must(t, carol.Open("/"))
	if carol.At.Body != `["carol"]` {
		t.Error(carol.Unexpected("finishing after the restart a sign-in begun before"))
	}
	// One more guess may be due by now. Two in a row are not.
	for tries := guesses.refused; guesses.refused == tries; {
		must(t, guesses.guess())
	}
	if got, most := guesses.looked, guesses.most(); got > most {
		t.Errorf("%d guesses were looked at; in %v there should be %d", got, time.Since(guesses.began), most)
	}
}

// settled waits until there are at most so many goroutines and open files, or no fewer come for a while: connections take a moment to
// close.
func (s *server) settled(t *testing.T, mostGoroutines, mostFiles int) (goroutines, files int) {
	t.Helper()
	goroutines, files = s.goroutines(t), s.files(t)
	for deadline, tick := time.After(3*time.Second), time.Tick(50*time.Millisecond); goroutines > mostGoroutines || files > mostFiles; {
		select {
		case <-tick:
			goroutines, files = min(goroutines, s.goroutines(t)), min(files, s.files(t))
		case <-deadline:
			return goroutines, files
		}
	}
	return goroutines, files
}

// load is what goes on during the reloads.
type load struct {
	t                          *testing.T
	stop                       chan struct{}
	workers                    sync.WaitGroup
	requests, signIns, dropped atomic.Int64
}

func (l *load) over() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// keepAsking sends requests of one signed-in browser over a connection of its own. Each answer must be the application's. That a
// connection is dropped without an answer is Caddy's way when a listener changes hands, with the gate or without it; how many is bounded.
func (l *load) keepAsking(b *browser, turns chan<- struct{}) {
	client := &http.Client{Jar: b.Cookies, Timeout: patience, CheckRedirect: b.Client.CheckRedirect, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for !l.over() {
		resp, err := client.Get(b.Base + "/")
		if err != nil {
			l.dropped.Add(1)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || string(body) != `["alice"]` {
			l.t.Errorf("a request during a reload: %d %q, %v", resp.StatusCode, body, err)
			return
		}
		l.requests.Add(1)
		select {
		case turns <- struct{}{}:
		default:
		}
	}
}

// keepSigningIn signs one person in again and again, as far as the codes go.
func (l *load) keepSigningIn(base string, p *person) {
	for !l.over() && len(p.Paper) > 0 {
		b := programtest.NewBrowser(l.t, base, nil)
		err := b.TypePassword(p)
		if err == nil && !b.Leads("/_nightlatch/second-factor") {
			err = b.Unexpected("the password during a reload")
		}
		if err == nil {
			code := p.Paper[0]
			p.Paper = p.Paper[1:]
			err = b.TypeCode("backup_code", code)
		}
		if err == nil && !b.Leads("/_nightlatch/backup-codes/used") {
			err = b.Unexpected("a backup code during a reload")
		}
		b.Client.CloseIdleConnections()
		switch {
		case programtest.IsLost(err):
			l.dropped.Add(1)
		case err != nil:
			l.t.Error(err)
			return
		default:
			l.signIns.Add(1)
		}
	}
}

// guesses are wrong passwords for one name. Of each the server says whether it has looked at it, or refused to.
type guesses struct {
	browser         *browser
	began           time.Time
	looked, refused int
}

// keepGuessing guesses again during each reload and after it, and not without pause, which would only keep the machine busy.
func (l *load) keepGuessing(g *guesses, again <-chan struct{}) {
	for {
		select {
		case <-again:
		case <-l.stop:
			return
		}
		switch err := g.guess(); {
		case programtest.IsLost(err):
			l.dropped.Add(1) // if the server has looked at it, it counts there and not here
		case err != nil:
			l.t.Error(err)
			return
		}
	}
}

func (g *guesses) guess() error {
	err := g.browser.Open("/_nightlatch/sign-in")
	if err == nil {
		err = g.browser.Submit("sign-in", "name", "mallory", "password", "not the password of mallory")
	}
	if err != nil {
		return err
	}
	switch g.browser.At.Status {
	case http.StatusForbidden:
		g.looked++
	case http.StatusTooManyRequests:
		g.refused++
	default:
		return g.browser.Unexpected("a wrong password")
	}
	return nil
}

// most is how many guesses the server may have looked at by now: five, then one after 5 seconds, one after 10 more, and so on. A lost
// lockout would give five more at once.
func (g *guesses) most() int {
	most, wait := 5, 5*time.Second
	for since := time.Since(g.began); since >= wait; wait *= 2 {
		since -= wait
		most++
	}
	return most
}

// A reload that cannot be changes nothing, and other processes beside the server neither disturb it nor are told riddles.
func TestBesideARunningServer(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(whoami))
	t.Cleanup(app.Close)
	addr := programtest.FreeAddr(t)
	site := func(addr, rules string) string {
		return fmt.Sprintf("http://%s {\n\tnightlatch %s\n\treverse_proxy %s\n}", addr, rules, app.Listener.Addr())
	}
	s := serve(t, "", site(addr, ""))
	_, alice := s.joined(t, "alice", "http://"+addr, nil)
	still := func(t *testing.T) {
		t.Helper()
		must(t, alice.Open("/"))
		if alice.At.Body != `["alice"]` {
			t.Error(alice.Unexpected("the configuration that runs no longer serves"))
		}
	}
	there := filepath.Join(s.Dir, "Caddyfile.there")
	reload := []string{"reload", "--config", there, "--address", "unix/" + s.Socket()}

	refused := map[string]struct{ option, rules, want string }{
		"a rule with a typing error": {"", "{\n\t\trequire twofactor\n\t}", "twofactor"},
		"an unreachable rule":        {"", "{\n\t\tskip /a\n\t\tskip /a\n\t}", "skip /a"},
		"a changed key":              {"key BAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIv8=", "", "restart to change it"},
		"an unset key":               {"key {env.NIGHTLATCH_UNSET}", "", "is empty"},
	}
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			s.write(t, there, s.Socket(), c.option, site(addr, c.rules))
			_, said, code := s.Try(t, "", reload...)
			if code == 0 || !strings.Contains(said, c.want) {
				t.Errorf("exit %d, want another and a sentence with %q: %s", code, c.want, said)
			}
			still(t)
		})
	}
	t.Run("validate", func(t *testing.T) {
		s.write(t, there, s.Socket(), "", site(addr, ""))
		if _, said, code := s.Try(t, "", "validate", "--config", there, "--adapter", "caddyfile"); code != 0 {
			t.Errorf("exit %d, want 0: %s", code, said)
		}
		still(t)
	})
	t.Run("a second server", func(t *testing.T) {
		s.write(t, there, filepath.Join(s.Dir, "another"), "", site(programtest.FreeAddr(t), ""))
		_, said, code := s.Try(t, "", "run", "--config", there, "--adapter", "caddyfile")
		sentence := fmt.Sprintf("the data directory %s is in use by another process", filepath.Join(s.Dir, "data"))
		if code == 0 || strings.Count(said, sentence) != 1 {
			t.Errorf("exit %d with %d times %q, want another exit and the sentence once: %s", code, strings.Count(said, sentence), sentence, said)
		}
		still(t)
	})
	t.Run("and then a good one", func(t *testing.T) {
		s.write(t, there, s.Socket(), "", site(addr, "{\n\t\tskip /open\n\t}"))
		s.Do(t, "", reload...)
		still(t)
		if stranger := programtest.NewBrowser(t, "http://"+addr, nil); stranger.Open("/open") != nil || stranger.At.Body != "[]" {
			t.Error(stranger.Unexpected("the new configuration does not serve"))
		}
	})
}

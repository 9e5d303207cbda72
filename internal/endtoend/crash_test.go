// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

const crowd = 5 // people at once

// thresholds are after how many acknowledgments the server is killed, round by round: in the middle of the first sign-ins, of the
// enrollments, and of all that comes later. At 5 acts a person has done one of each kind, so from 4*crowd+1 on each kind has happened.
func thresholds() []int64 {
	if underRace() {
		return []int64{3, 9, 4*crowd + 1}
	}
	return []int64{1, 5, 12, 4*crowd + 1, 40, 60}
}

// ST-3, ST-4: what was acknowledged before kill -9 is so after the restart. The process is killed in the middle of sign-ins,
// enrollments and sign-outs of several people at once, after more acknowledgments in each round.
func TestKilledWhilePeopleSignIn(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(whoami))
	t.Cleanup(app.Close)
	addr := programtest.FreeAddr(t)
	s := newServer(t)
	// Each person comes from an address of their own, so that the counter of the network does not fill up with the used codes that the
	// test tries again.
	s.global = "servers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t\ttrusted_proxies_strict\n\t}"
	s.configure(t, "", fmt.Sprintf("http://%s {\n\tnightlatch\n\treverse_proxy %s\n}", addr, app.Listener.Addr()))
	s.Start(t)

	var total witness
	began := time.Now()
	for round, after := range thresholds() {
		var people []*witness
		for i := range crowd {
			w := &witness{t: t, base: "http://" + addr, address: fmt.Sprintf("10.0.%d.%d", round, i+1)}
			w.person = s.addPerson(t, fmt.Sprintf("p%d-%d", round, i))
			people = append(people, w)
		}
		s.crash(t, people, after)
		s.Start(t)
		var checks sync.WaitGroup
		for _, w := range people {
			checks.Go(w.check)
		}
		checks.Wait()
		for _, w := range people {
			total.add(w)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d rounds in %v: %d enrollments, %d app codes, %d backup codes, %d sessions and %d sign-outs were acknowledged and checked; %d acts broke off",
		len(thresholds()), time.Since(began).Round(time.Second), total.enrollments, len(total.codes), len(total.backups), len(total.sessions), len(total.ended), total.broken)
	if total.enrollments == 0 || len(total.codes) == 0 || len(total.backups) == 0 || len(total.sessions) == 0 || len(total.ended) == 0 {
		t.Error("not every kind of act was acknowledged before a crash")
	}
}

// crash lets the people live until the server is killed.
func (s *server) crash(t *testing.T, people []*witness, after int64) {
	t.Helper()
	var acknowledged atomic.Int64
	var lives sync.WaitGroup
	enough := make(chan struct{})
	for _, w := range people {
		w.acknowledged = func() {
			if acknowledged.Add(1) == after {
				close(enough)
			}
		}
		lives.Go(w.live)
	}
	select {
	case <-enough:
	case <-time.After(patience):
		t.Errorf("only %d of %d acts were acknowledged", acknowledged.Load(), after)
	}
	s.Kill()
	lives.Wait()
}

// witness is a person who remembers what the server has acknowledged.
type witness struct {
	t             *testing.T
	base, address string
	person        *person
	acknowledged  func()

	enrollments     int
	doubtful        bool // an enrollment that broke off: it may be there or not
	codes, backups  []string
	sessions, ended []*browser // signed in, signed out
	broken          int
}

func (w *witness) add(o *witness) {
	w.enrollments += o.enrollments
	w.broken += o.broken
	w.codes, w.backups = append(w.codes, o.codes...), append(w.backups, o.backups...)
	w.sessions, w.ended = append(w.sessions, o.sessions...), append(w.ended, o.ended...)
}

// browser comes through a proxy that says where from.
func (w *witness) browser() *browser {
	b := programtest.NewBrowser(w.t, w.base, nil)
	b.Header.Set("X-Forwarded-For", w.address)
	b.Header.Set("X-Forwarded-Proto", "https")
	return b
}

// live enrolls, and then signs in and out until the server is gone.
func (w *witness) live() {
	for act := 0; ; act++ {
		err := w.act(act)
		switch {
		case programtest.IsLost(err):
			w.broken++
			return
		case err != nil:
			w.t.Errorf("%s: %v", w.person.Name, err)
			return
		}
	}
}

func (w *witness) act(n int) error {
	b := w.browser()
	switch {
	case n == 0:
		return w.enroll(b)
	case n%3 == 0 && len(w.sessions) > 1:
		return w.signOut()
	case n%3 == 1 && len(w.codes) < programtest.PastSteps-2:
		return w.signIn(b, "totp")
	case len(w.person.Paper) > 1: // one is left for the check
		return w.signIn(b, "backup_code")
	default:
		return b.Open("/") // a stranger's; nothing is left to do but to wait for the end
	}
}

func (w *witness) enroll(b *browser) error {
	if err := b.TypePassword(w.person); err != nil {
		return err
	}
	w.doubtful = true
	if err := b.Enroll(w.person); err != nil {
		return err
	}
	w.doubtful = false
	w.enrollments++
	w.acknowledged()
	if err := b.SaveCodes(w.person); err != nil {
		return err
	}
	w.sessions = append(w.sessions, b)
	w.acknowledged()
	return nil
}

// signIn counts on the code from the moment it is sent on: whatever becomes of it, nobody uses it on purpose again.
func (w *witness) signIn(b *browser, method string) error {
	err := b.TypePassword(w.person)
	if err == nil {
		err = b.Led("/_nightlatch/second-factor")
	}
	if err != nil {
		return err
	}
	var code string
	if method == "totp" {
		code, err = w.person.Code()
	} else {
		code, w.person.Paper = w.person.Paper[0], w.person.Paper[1:]
	}
	if err != nil {
		return err
	}
	if err := b.TypeCode(method, code); err != nil {
		return err
	}
	if !b.Leads("/") {
		return b.Unexpected("a code that was not used yet")
	}
	if method == "totp" {
		w.codes = append(w.codes, code)
	} else {
		w.backups = append(w.backups, code)
	}
	w.sessions = append(w.sessions, b)
	w.acknowledged()
	return nil
}

func (w *witness) signOut() error {
	b := w.sessions[0]
	w.sessions = w.sessions[1:]
	held := w.browser()
	held.Cookies.SetCookies(nil, b.Cookies.Cookies(nil)) // as a thief would who copied them
	if err := b.SignOut(); err != nil {
		return err
	}
	w.ended = append(w.ended, held)
	w.acknowledged()
	return nil
}

// check is the same person after the restart.
func (w *witness) check() {
	for _, b := range w.sessions {
		if err := b.Send("GET", "/", nil); err != nil || b.At.Body != fmt.Sprintf("[%q]", w.person.Name) {
			w.t.Errorf("%v, %v", b.Unexpected("an acknowledged session of "+w.person.Name), err)
		}
	}
	for _, b := range w.ended {
		if err := b.Send("GET", "/", nil); err != nil || b.At.Status != http.StatusSeeOther {
			w.t.Errorf("%v, %v", b.Unexpected("a session that "+w.person.Name+" had ended"), err)
		}
	}
	if w.enrollments == 0 {
		w.checkUnenrolled()
		return
	}
	if err := w.checkCodes(); err != nil {
		w.t.Errorf("%s after the crash: %v", w.person.Name, err)
	}
}

// checkUnenrolled is for a person whose enrollment was not acknowledged. It is there or not; what must not be is half of one.
func (w *witness) checkUnenrolled() {
	b := w.browser()
	err := b.TypePassword(w.person)
	switch {
	case err != nil:
	case w.doubtful && b.Leads("/_nightlatch/second-factor"):
		code := ""
		if code, err = w.person.Code(); err == nil {
			err = b.TypeCode("totp", code)
		}
		if err == nil && !b.Leads("/") {
			err = b.Unexpected("the app of an enrollment that broke off and is there")
		}
	default:
		err = b.Enroll(w.person)
	}
	if err != nil {
		w.t.Errorf("%s after the crash: %v", w.person.Name, err)
	}
}

// checkCodes tries the last used code of each kind again, and the first, and then one that is new. More would reach the limit of
// guesses.
func (w *witness) checkCodes() error {
	b := w.browser()
	err := b.TypePassword(w.person)
	if err == nil {
		err = b.Led("/_nightlatch/second-factor")
	}
	if err != nil {
		return err
	}
	for method, used := range map[string][]string{"totp": w.codes, "backup_code": w.backups} {
		for i, code := range used {
			if i != 0 && i != len(used)-1 {
				continue
			}
			if err := b.TypeCode(method, code); err != nil {
				return err
			}
			if b.At.Status != http.StatusForbidden {
				return b.Unexpected(fmt.Sprintf("the %s %s, used before the crash", method, code))
			}
		}
	}
	method, code := "totp", ""
	if len(w.person.Paper) > 0 {
		method, code = "backup_code", w.person.Paper[0]
	} else if code, err = w.person.Code(); err != nil {
		return err
	}
	if err := b.TypeCode(method, code); err != nil {
		return err
	}
	if !b.Leads("/") {
		return b.Unexpected("a code that was never used")
	}
	return nil
}

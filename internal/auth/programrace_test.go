// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// ending are the acts after which nothing of a person's programs is good. The person sits at another browser than their programs.
var ending = map[string]func(b *authtest.Bench, p *authtest.Person, browser string) error{
	"another password": func(b *authtest.Bench, p *authtest.Person, browser string) error {
		_, err := b.ChangePassword(bg, p.Client(), browser, p.Password, newPassword)
		return err
	},
	"a reset of the password": func(b *authtest.Bench, p *authtest.Person, _ string) error {
		link, err := b.NewResetLink(bg, auth.Client{}, p.Name)
		if err != nil {
			return err
		}
		return b.ResetPassword(bg, authtest.Client, link.Token, newPassword)
	},
	"a reset of the factors": func(b *authtest.Bench, p *authtest.Person, _ string) error {
		_, err := b.ResetTwoFactor(bg, auth.Client{}, p.Name)
		return err
	},
	"the last factor": func(b *authtest.Bench, p *authtest.Person, browser string) error {
		pr, err := b.Service.DisableTwoFactor(bg, p.Client(), browser)
		if err != nil {
			return err
		}
		if pr, err = b.ReenterPassword(bg, p.Client(), pr.Attempt, p.Password); err != nil {
			return err
		}
		_, err = b.Code(bg, p.Client(), pr.Attempt, auth.TOTP, p.Code())
		return err
	},
	"a stop": func(b *authtest.Bench, p *authtest.Person, _ string) error {
		return b.SetDisabled(bg, auth.Client{}, p.Name, true)
	},
	"the end of the account": func(b *authtest.Bench, p *authtest.Person, _ string) error {
		return b.DeleteUser(bg, auth.Client{}, p.Name)
	},
}

// OA-8, SE-7, SE-8: keys that are made, and tokens that are refreshed and used, while their person's account is made safe again. Whatever came
// first, none of them is good from then on, nor after a restart.
func TestSE7SE8OA8NothingOfProgramsOutlivesWhatEndsIt(t *testing.T) {
	for name, end := range ending {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := authtest.New(t)
			for round := range 2 {
				p := b.Enroll(t, auth.NewUser{Name: fmt.Sprintf("alice%d", round)})
				pr := signInProgram(t, b, p)
				b.Clock.Move(30 * time.Second)
				browser := p.SignIn(t) // the second session; the first one makes keys
				b.Clock.Move(30 * time.Second)
				older := newAppPassword(t, b, p, "older")

				var mu sync.Mutex
				access, refresh, keys := []string{pr.Tokens.Access}, []string{pr.Tokens.Refresh}, []string{older.Token}
				var wg sync.WaitGroup
				begin, one := make(chan struct{}), make(chan struct{})
				first := sync.OnceFunc(func() { close(one) })
				for i := range 6 {
					wg.Go(func() {
						<-begin
						pair, err := b.Refresh(bg, program, pr.Tokens.Refresh)
						made, keyErr := b.NewAppPassword(bg, p.Client(), p.Session, auth.NewAccessKey{Name: fmt.Sprint("new ", i), Hosts: []string{keyHost}})
						mu.Lock()
						defer mu.Unlock()
						defer first()
						if err == nil {
							access, refresh = append(access, pair.Access), append(refresh, pair.Refresh)
							b.Bearer(bg, here, pair.Access)
						}
						if keyErr == nil {
							keys = append(keys, made.Token)
							b.Bearer(bg, keyAsker, made.Token)
						}
					})
					wg.Go(func() {
						<-begin
						b.Bearer(bg, here, pr.Tokens.Access)
						b.Bearer(bg, keyAsker, older.Token)
					})
				}
				wg.Go(func() {
					<-begin
					if round > 0 {
						<-one // of them at least is there before
					}
					if err := end(b, p, browser); err != nil {
						t.Errorf("ending: %v", err)
					}
				})
				close(begin)
				wg.Wait()
				if round > 0 && len(access) == 1 && len(keys) == 1 {
					t.Error("nothing was made before the end")
				}
				for _, restarted := range []bool{false, true} {
					for _, token := range access {
						if tokenOpens(t, b, token) {
							t.Errorf("round %d, restarted %t: one of %d access tokens is good", round, restarted, len(access))
						}
					}
					for _, token := range refresh {
						if _, err := b.Refresh(bg, program, token); auth.KindOf(err) != auth.NotSignedIn {
							t.Errorf("round %d, restarted %t: one of %d refresh tokens: %v", round, restarted, len(refresh), err)
						}
					}
					for _, token := range keys {
						wantAccessKey(t, b, token, false, fmt.Sprintf("round %d, restarted %t: one of %d keys", round, restarted, len(keys)))
					}
					if !restarted {
						b.Restart(t)
					}
				}
			}
		})
	}
}

// SE-10, OA-9: refreshes at the very end of a session. Whichever of them come in time, none leads beyond it.
func TestSE10RefreshesWhileTheSessionEnds(t *testing.T) {
	b := authtest.New(t)
	pr := signInProgram(t, b, b.Enroll(t, auth.NewUser{Name: "alice"}))
	end := pr.Tokens.Expires
	refresh := pr.Tokens.Refresh
	for left := end.Sub(b.Clock.Now()); left > 30*time.Minute; left = end.Sub(b.Clock.Now()) {
		b.Clock.Move(30 * time.Minute)
		pair, err := b.Refresh(bg, program, refresh)
		if err != nil {
			t.Fatal(err)
		}
		refresh = pair.Refresh
	}
	b.Clock.Move(end.Sub(b.Clock.Now()) - time.Second)
	var wg sync.WaitGroup
	pairs := make(chan auth.Tokens, 20)
	for i := range 20 {
		wg.Go(func() {
			if i == 10 {
				b.Clock.Move(time.Second)
			}
			if pair, err := b.Refresh(bg, program, refresh); err == nil {
				pairs <- pair
			}
		})
	}
	wg.Wait()
	close(pairs)
	for pair := range pairs {
		if !pair.Expires.Equal(end) || pair.AccessExpires.After(end) {
			t.Errorf("a pair until %s and %s, want no later than %s", pair.AccessExpires, pair.Expires, end)
		}
		if tokenOpens(t, b, pair.Access) {
			t.Error("an access token opens after the end")
		}
		_, err := b.Refresh(bg, program, pair.Refresh)
		wantKind(t, err, auth.NotSignedIn, "a refresh after the end")
	}
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/password"
)

func TestSE2SE5TicketsDieWithTheStepTheyWereFor(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	p := alice.EnterPassword(t)
	first := p.Attempt
	done, err := b.Code(t.Context(), authtest.Client, first, auth.TOTP, alice.Code())
	wantStep(t, done, err, auth.StepDone, "the code")
	if _, err := b.Attempt(t.Context(), first); auth.KindOf(err) != auth.AttemptGone {
		t.Errorf("a copy of the ticket from before the second factor: %v", err)
	}
	if _, err := b.Session(t.Context(), auth.Asker{}, first); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("that copy as a session: %v", err)
	}
}

func TestSE6SigningOutEndsWhatHangsOnTheSession(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(20 * time.Minute)
	p, err := b.StepUp(t.Context(), authtest.Client, alice.Session, auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Minute}, "")
	wantStep(t, p, err, auth.StepPassword, "stepping up")
	if err := b.SignOut(t.Context(), authtest.Client, alice.Session); err != nil {
		t.Fatal(err)
	}
	_, err = b.ReenterPassword(t.Context(), authtest.Client, p.Attempt, alice.Password)
	wantKind(t, err, auth.AttemptGone, "a step-up of a session that was signed out")
	if err := b.SignOut(t.Context(), authtest.Client, alice.Session); err != nil {
		t.Errorf("signing out twice: %v", err)
	}
}

func TestSE6SigningOutOfASessionThatHasRunOut(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(2 * time.Hour)
	if err := b.SignOut(t.Context(), authtest.Client, alice.Session); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(-2 * time.Hour)
	_, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "a session signed out after its end, when the clock goes back")
}

// TestSE7EnrollingEndsOtherSessions: those were made with a password alone.
func TestSE7EnrollingEndsOtherSessions(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	other := alice.EnterPassword(t).Session
	mine := alice.EnterPassword(t).Session
	if _, err := b.Session(t.Context(), auth.Asker{}, other); err != nil {
		t.Fatal(err)
	}
	p, err := b.StepUp(t.Context(), authtest.Client, mine, twoFactor, "")
	wantStep(t, p, err, auth.StepEnroll, "enrolling")
	alice.Finish(t, p)
	_, err = b.Session(t.Context(), auth.Asker{}, other)
	wantKind(t, err, auth.NotSignedIn, "another session after the enrollment")
	if s, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil || twoFactor.Judge(s, b.Clock.Now()) != auth.Pass {
		t.Errorf("the session that enrolled: %v", err)
	}
}

func TestSE18SessionIDIsNoCredential(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	list, err := b.Sessions(t.Context(), "alice")
	if err != nil || len(list) != 1 {
		t.Fatalf("sessions: %v, %v", list, err)
	}
	if strings.Contains(alice.Session, list[0].ID) {
		t.Error("the ticket shows the id")
	}
	if _, err := b.Session(t.Context(), auth.Asker{}, list[0].ID); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("the id as a ticket: %v", err)
	}
}

func TestOT5CodeOfASignInAtAStepUp(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(20 * time.Minute)
	up, err := b.StepUp(t.Context(), authtest.Client, alice.Session, auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}, "")
	wantStep(t, up, err, auth.StepPassword, "stepping up")
	up, err = b.ReenterPassword(t.Context(), authtest.Client, up.Attempt, alice.Password)
	wantStep(t, up, err, auth.StepCode, "the password at step-up")
	code := alice.Code()
	in := alice.EnterPassword(t)
	in, err = b.Code(t.Context(), authtest.Client, in.Attempt, auth.TOTP, code)
	wantStep(t, in, err, auth.StepDone, "signing in elsewhere")
	_, err = b.Code(t.Context(), authtest.Client, up.Attempt, auth.TOTP, code)
	wantKind(t, err, auth.UsedCode, "the same code at the step-up")
}

func TestOT15NoBackupCodesBeforeAFactor(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	session := alice.EnterPassword(t).Session
	p, err := b.StepUp(t.Context(), authtest.Client, session, twoFactor, "")
	wantStep(t, p, err, auth.StepEnroll, "enrolling")
	v, err := b.Attempt(t.Context(), p.Attempt)
	if err != nil || v.Codes != nil {
		t.Errorf("codes before the factor is confirmed: %v, %v", v.Codes, err)
	}
	_, err = b.Code(t.Context(), authtest.Client, p.Attempt, auth.BackupCode, "0000-0000-0000-0000")
	wantKind(t, err, auth.OutOfOrder, "a backup code before there are any")
}

func TestOT18OT20PendingEnrollment(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	p, err := b.StepUp(t.Context(), authtest.Client, alice.EnterPassword(t).Session, twoFactor, "")
	wantStep(t, p, err, auth.StepEnroll, "enrolling")
	v, err := b.Attempt(t.Context(), p.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	alice.Secret = v.Pending.Secret
	if again := alice.EnterPassword(t); again.Step != auth.StepDone {
		t.Errorf("a pending secret is asked for at sign-in: %q", again.Step)
	}
	b.Clock.Move(11 * time.Minute)
	_, err = b.ConfirmEnrollment(t.Context(), authtest.Client, p.Attempt, alice.Code())
	wantKind(t, err, auth.AttemptGone, "confirming after eleven minutes")

	enrolled := b.Enroll(t, auth.NewUser{Name: "enrolled"})
	p = enrolled.EnterPassword(t)
	v, err = b.Attempt(t.Context(), p.Attempt)
	if err != nil || v.Step != auth.StepCode || v.Pending != nil || v.Codes != nil {
		t.Errorf("OT-20: what an attempt of an enrolled person shows: %+v, %v", v, err)
	}
	_, err = b.ConfirmEnrollment(t.Context(), authtest.Client, p.Attempt, enrolled.Code())
	wantKind(t, err, auth.OutOfOrder, "enrolling over an existing factor before proving it")
}

func TestBF8BF19SideDoorsShareTheCounters(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(20 * time.Minute)
	need := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Minute}
	p, err := b.StepUp(t.Context(), authtest.Client, alice.Session, need, "")
	wantStep(t, p, err, auth.StepPassword, "stepping up")
	for range 5 {
		_, err = b.ReenterPassword(t.Context(), authtest.Client, p.Attempt, "wrong")
		wantKind(t, err, auth.WrongPassword, "a wrong password at step-up")
	}
	_, err = b.ReenterPassword(t.Context(), authtest.Client, p.Attempt, alice.Password)
	wantKind(t, err, auth.TooManyTries, "the sixth try at step-up")
	_, err = b.SignIn(t.Context(), authtest.Client, alice.Credentials())
	wantKind(t, err, auth.TooManyTries, "signing in after five failures at step-up")
}

func TestBF9BF11CountersSurviveOtherNamesAndUnknownAddresses(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	for range 5 {
		b.SignIn(t.Context(), auth.Client{}, auth.Credentials{Name: "alice", Password: "wrong"})
	}
	for i := range 90 {
		b.SignIn(t.Context(), elsewhere(i), auth.Credentials{Name: strings.Repeat("x", i+1), Password: "wrong"})
	}
	_, err := b.SignIn(t.Context(), auth.Client{}, alice.Credentials())
	wantKind(t, err, auth.TooManyTries, "after many other names")
	_, err = b.SignIn(t.Context(), elsewhere(7000), alice.Credentials())
	wantKind(t, err, auth.TooManyTries, "from another address: the counter of the name does not need one")
}

func TestBF16MF20NothingAboutFactorsBeforeThePassword(t *testing.T) {
	b := authtest.New(t)
	b.Enroll(t, auth.NewUser{Name: "alice"})
	p, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "alice", Password: "wrong"})
	wantKind(t, err, auth.WrongCredentials, "a wrong password")
	if !reflect.DeepEqual(p, auth.Progress{}) {
		t.Errorf("a wrong password tells %+v", p)
	}
}

func TestMF2MF3StepsOnlyInOrder(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	visitor := b.VisitorToken()
	for _, m := range []auth.Method{auth.TOTP, auth.BackupCode} {
		_, err := b.Code(t.Context(), authtest.Client, visitor, m, alice.Code())
		wantKind(t, err, auth.AttemptGone, "MF-3: a second factor without a password")
	}
	p := alice.EnterPassword(t)
	_, err := b.SavedCodes(t.Context(), authtest.Client, p.Attempt)
	wantKind(t, err, auth.OutOfOrder, "MF-2: the last step alone")
	_, err = b.ConfirmEnrollment(t.Context(), authtest.Client, p.Attempt, alice.Code())
	wantKind(t, err, auth.OutOfOrder, "MF-2: another flow's step")
	_, err = b.ReenterPassword(t.Context(), authtest.Client, p.Attempt, alice.Password)
	wantKind(t, err, auth.OutOfOrder, "MF-2: a step that is done")
	for _, code := range []string{"", " ", "0", "\x00"} {
		_, err := b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, code)
		if auth.KindOf(err) != auth.WrongCode {
			t.Errorf("MF-2: the code %q: %v", code, err)
		}
	}
	_, err = b.Code(t.Context(), authtest.Client, p.Attempt, auth.Password, alice.Password)
	wantKind(t, err, auth.BadInput, "MF-7: a password in place of a second factor")
	_, err = b.Code(t.Context(), authtest.Client, p.Attempt, "email", "123456")
	wantKind(t, err, auth.NoSuchWay, "MF-7: a method that is not enrolled")
}

func TestMF4EnrolledFactorIsAskedUnderALaxRule(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	if p := alice.EnterPassword(t); p.Session != "" {
		t.Error("an enrolled person gets a session for the password alone")
	}
	lax := auth.Requirement{Level: auth.LevelPassword}
	s := &auth.Session{Name: "alice", Enrolled: true, Proofs: []auth.Proof{{Method: auth.Password, At: b.Clock.Now()}}}
	if v := lax.Judge(s, b.Clock.Now()); v != auth.ProveMore {
		t.Errorf("a session without the factor, however it came about: verdict %v, want prove more", v)
	}
}

func TestMF6NoSecondLevelWithoutAFactor(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	session := alice.EnterPassword(t).Session
	p, err := b.StepUp(t.Context(), authtest.Client, session, twoFactor, "")
	wantStep(t, p, err, auth.StepEnroll, "enrolling")
	for range 3 {
		s, err := b.Session(t.Context(), auth.Asker{}, session)
		if err != nil {
			t.Fatal(err)
		}
		if v := twoFactor.Judge(s, b.Clock.Now()); v != auth.ProveMore {
			t.Errorf("with an enrollment under way: verdict %v, want prove more", v)
		}
	}
}

func TestMF11LinksAreForOnePersonAndOnePurpose(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	b.Enroll(t, auth.NewUser{Name: "alice"})
	bob := b.Enroll(t, auth.NewUser{Name: "bob"})
	_, invite, err := b.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.ResetTwoFactor(t.Context(), auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Reenroll(t.Context(), authtest.Client, again.Token, bob.Password)
	wantKind(t, err, auth.WrongPassword, "alice's link with bob's password")
	_, err = b.AcceptInvite(t.Context(), authtest.Client, again.Token, "a passphrase for somebody")
	wantKind(t, err, auth.LinkGone, "a re-enrollment link as an invite")
	_, err = b.Setup(t.Context(), authtest.Client, invite.Token, "mallory", "a passphrase for mallory")
	wantKind(t, err, auth.LinkGone, "an invite as a setup link")
	_, err = b.Reenroll(t.Context(), authtest.Client, invite.Token, "")
	wantKind(t, err, auth.LinkGone, "an invite as a re-enrollment link")
	if err := b.SetDisabled(t.Context(), auth.Client{}, "carol", true); err != nil {
		t.Fatal(err)
	}
	_, err = b.AcceptInvite(t.Context(), authtest.Client, invite.Token, "a passphrase for carol")
	wantKind(t, err, auth.LinkGone, "RE-9: an invite of a disabled account")
}

func TestMF12EnrollingTakesAFreshPassword(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	session := alice.EnterPassword(t).Session
	b.Clock.Move(10 * time.Minute)
	p, err := b.StepUp(t.Context(), authtest.Client, session, twoFactor, "")
	wantStep(t, p, err, auth.StepPassword, "enrolling in a session that was left open")
}

func TestMF12SecondEnrollmentReplacesNothing(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	one := alice.EnterPassword(t).Session
	p1, err := b.StepUp(t.Context(), authtest.Client, one, twoFactor, "")
	wantStep(t, p1, err, auth.StepEnroll, "one enrollment")
	p2, err := b.StepUp(t.Context(), authtest.Client, one, twoFactor, "")
	wantStep(t, p2, err, auth.StepEnroll, "another at the same time")
	v2, err := b.Attempt(t.Context(), p2.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	alice.Finish(t, p1)
	stranger := *alice
	stranger.Secret = v2.Pending.Secret
	_, err = b.ConfirmEnrollment(t.Context(), authtest.Client, p2.Attempt, stranger.Code())
	wantKind(t, err, auth.OutOfOrder, "confirming the second when the first is a factor")
	alice.SignIn(t)
}

func TestMF15FreshnessIsPerSession(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	old := alice.Session
	b.Clock.Move(20 * time.Minute)
	alice.SignIn(t)
	need := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}
	s, err := b.Session(t.Context(), auth.Asker{}, old)
	if err != nil {
		t.Fatal(err)
	}
	if v := need.Judge(s, b.Clock.Now()); v != auth.StepUp {
		t.Errorf("an old session beside a fresh one: verdict %v, want step-up", v)
	}
}

// TestMF17NothingReadableHoldsASecret marshals everything that lists and details return.
func TestMF17NothingReadableHoldsASecret(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	detail, err := b.User(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	users, _ := b.Users(t.Context())
	sessions, _ := b.Sessions(t.Context(), "")
	out, err := json.Marshal([]any{detail, users, sessions, b.Events})
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := json.Marshal(alice.Secret)
	for _, s := range append([]string{alice.Password, alice.Session, strings.Trim(string(secret), `"`), "argon2"}, alice.Codes...) {
		if strings.Contains(string(out), s) {
			t.Errorf("an operator can read %q", s)
		}
	}
}

func TestMF19TamperedTickets(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	p := alice.EnterPassword(t)
	for i := range p.Attempt {
		tampered := p.Attempt[:i] + string(p.Attempt[i]^1) + p.Attempt[i+1:]
		if _, err := b.Attempt(t.Context(), tampered); auth.KindOf(err) != auth.AttemptGone {
			t.Fatalf("a ticket with byte %d changed: %v", i, err)
		}
	}
}

// TestST18OneKeyForEachUse: a value made for one use is worth nothing for another.
func TestST18OneKeyForEachUse(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	if _, err := b.Attempt(t.Context(), alice.Session); auth.KindOf(err) != auth.AttemptGone {
		t.Errorf("a session's ticket as an attempt's: %v", err)
	}
	if _, err := b.Session(t.Context(), auth.Asker{}, b.VisitorToken()); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("an attempt's ticket as a session's: %v", err)
	}
	form := b.FormToken(alice.Session, "x")
	if _, err := b.Session(t.Context(), auth.Asker{}, form); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("a form token as a session's ticket: %v", err)
	}
	if _, err := b.Link(t.Context(), form); auth.KindOf(err) != auth.LinkGone {
		t.Errorf("a form token as a link: %v", err)
	}
}

// TestST12ST13ST17ASVS6_5_3ASVS11_2_4Sources reads the project's own code for three habits that no behavior shows: secrets from a predictable source,
// decoders that build what a client names, and secrets compared with ==.
func TestST12ST13ST17ASVS6_5_3ASVS11_2_4Sources(t *testing.T) {
	banned := map[string]string{
		"math/rand":    "ST-17: everything random here may be a secret; use crypto/rand",
		"math/rand/v2": "ST-17: everything random here may be a secret; use crypto/rand",
		"encoding/gob": "ST-13: gob builds what the bytes name; clients hold random tickets only",
	}
	secretNames := []string{"secret", "ticket", "hash", "digest", "mac", "sum"}
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") || strings.Contains(path, "bench") {
			return err
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			if why, bad := banned[strings.Trim(i.Path.Value, `"`)]; bad {
				t.Errorf("%s imports %s: %s", path, i.Path.Value, why)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(*ast.BinaryExpr)
			if !ok || e.Op != token.EQL && e.Op != token.NEQ {
				return true
			}
			for _, side := range []ast.Expr{e.X, e.Y} {
				name := ""
				switch x := side.(type) {
				case *ast.Ident:
					name = x.Name
				case *ast.SelectorExpr:
					name = x.Sel.Name
				}
				for _, s := range secretNames {
					if strings.EqualFold(name, s) && !empty(e.X) && !empty(e.Y) {
						t.Errorf("%s: ST-12: %s compared with %s; use subtle.ConstantTimeCompare or hmac.Equal", set.Position(e.Pos()), name, e.Op)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("read %d files only", files)
	}
}

// empty tells whether an operand is nil or "": asking whether there is a secret at all gives nothing away.
func empty(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name == "nil"
	case *ast.BasicLit:
		return x.Value == `""`
	}
	return false
}

func TestOperatorMistakes(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	b.Enroll(t, auth.NewUser{Name: "alice"})
	wantKind(t, b.RevokeSession(t.Context(), auth.Client{}, strings.Repeat("a", 5000)), auth.NotFound, "an id that is too long")
	wantKind(t, b.RevokeSession(t.Context(), auth.Client{}, "aaaa"), auth.NotFound, "an id that is nobody's")
	if err := b.SetDisabled(t.Context(), auth.Client{}, "alice", true); err != nil {
		t.Fatal(err)
	}
	wantKind(t, b.SetDisabled(t.Context(), auth.Client{}, "alice", true), auth.AlreadyDone, "disabling twice")
	_, err := b.ResetTwoFactor(t.Context(), auth.Client{}, "alice")
	wantKind(t, err, auth.Disabled, "resetting the factors of a disabled user")
	if d, err := b.User(t.Context(), "alice"); err != nil || len(d.Factors) != 1 {
		t.Errorf("factors after a reset that was refused: %v, %v", d.Factors, err)
	}
	_, err = b.User(t.Context(), strings.Repeat("a", 100_000))
	wantKind(t, err, auth.NotFound, "a name that is too long")
}

// TestSE25AddressAndBrowserBindNothing: a phone changes its network and a browser its name, and neither ends a session or makes it pass.
func TestSE25AddressAndBrowserBindNothing(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(20 * time.Minute)
	need := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}
	p, err := b.StepUp(t.Context(), elsewhere(1), alice.Session, need, "")
	p = wantStep(t, p, err, auth.StepPassword, "stepping up from another address")
	p, err = b.ReenterPassword(t.Context(), elsewhere(2), p.Attempt, alice.Password)
	p = wantStep(t, p, err, auth.StepCode, "the password from a third one")
	p, err = b.Code(t.Context(), elsewhere(3), p.Attempt, auth.TOTP, alice.Code())
	wantStep(t, p, err, auth.StepDone, "the code from a fourth one")
}

func TestDO8LongTickets(t *testing.T) {
	b := authtest.New(t)
	views, updates := b.Store.Views(), b.Store.Updates()
	for _, value := range []string{strings.Repeat(".", 1<<20), strings.Repeat("A", 1<<20), strings.Repeat("A", 256), strings.Repeat("=", 257)} {
		if _, err := b.Session(t.Context(), auth.Asker{}, value); auth.KindOf(err) != auth.NotSignedIn {
			t.Errorf("a ticket of %d bytes as a session: %v", len(value), err)
		}
		if _, err := b.Code(t.Context(), authtest.Client, value, auth.TOTP, "123456"); auth.KindOf(err) != auth.AttemptGone {
			t.Errorf("a ticket of %d bytes as an attempt: %v", len(value), err)
		}
		if err := b.SignOut(t.Context(), authtest.Client, value); err != nil {
			t.Errorf("signing out with a ticket of %d bytes: %v", len(value), err)
		}
	}
	if v, u := b.Store.Views()-views, b.Store.Updates()-updates; v != 0 || u != 4 {
		t.Errorf("made-up tickets cost %d reads and %d transactions, want 0 and the 4 of the codes", v, u)
	}
	if _, err := b.Link(t.Context(), strings.Repeat("A", 1<<20)); auth.KindOf(err) != auth.LinkGone {
		t.Errorf("a link of a megabyte: %v", err)
	}
}

// TestMF22NothingSaidIsNothingProven: the zero values of what a check can say are the refusals.
func TestMF22NothingSaidIsNothingProven(t *testing.T) {
	var verdict password.Verdict
	if verdict.OK() {
		t.Error("the zero value of a password's verdict lets somebody in")
	}
	var judged auth.Verdict
	if judged == auth.Pass {
		t.Error("the zero value of a session's verdict lets somebody in")
	}
	if v := (&auth.Requirement{}).Judge(nil, time.Now()); v != auth.SignIn {
		t.Errorf("nobody, asked for nothing: %v, want to sign in", v)
	}
}

// DO: whoever has a password alone may change their mind about what to enroll, and not without end.
func TestChoosingAFactorIsBounded(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	in := alice.Credentials()
	in.Level = auth.LevelTwoFactor
	pr, err := b.SignIn(bg, authtest.Client, in)
	if err != nil {
		t.Fatal(err)
	}
	attempt := pr.Attempt
	for range 100 {
		if pr, err = b.ChooseFactor(bg, authtest.Client, attempt, byApp); err != nil {
			t.Fatal(err)
		}
		attempt = pr.Attempt
	}
	_, err = b.ChooseFactor(bg, authtest.Client, attempt, byApp)
	wantKind(t, err, auth.TooManyTries, "once more")
	b.Clock.Move(36 * time.Second)
	if _, err = b.ChooseFactor(bg, authtest.Client, attempt, byApp); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

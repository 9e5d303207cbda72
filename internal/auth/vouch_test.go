// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// vouchedFor is a browser for which a handler in front vouches.
func vouchedFor(name string) auth.Client {
	c := authtest.Client
	c.Vouched = name
	return c
}

// enrollVouched signs somebody in for whom a handler in front vouches, and enrolls an authenticator. It moves the clock to the next code.
func enrollVouched(t *testing.T, b *authtest.Bench, name string) (session string, secret []byte) {
	t.Helper()
	c := vouchedFor(name)
	p, err := b.Vouch(bg, c, auth.Vouching{Create: true})
	session = wantStep(t, p, err, auth.StepDone, "coming for the first time").Session
	p, err = b.StepUp(bg, c, session, twoFactor, "")
	return finishVouched(t, b, c, wantStep(t, p, err, auth.StepEnroll, "enrolling"))
}

// finishVouched goes on with an enrollment until there is a session.
func finishVouched(t *testing.T, b *authtest.Bench, c auth.Client, p auth.Progress) (session string, secret []byte) {
	t.Helper()
	v, err := b.Service.Attempt(bg, c, p.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	p, err = b.ConfirmEnrollment(bg, c, p.Attempt, otp.Code(v.Pending.Secret, otp.Step(b.Clock.Now())))
	p = wantStep(t, p, err, auth.StepSaveCodes, "the first code")
	p, err = b.SavedCodes(bg, c, p.Attempt)
	b.Clock.Move(otp.Period)
	return wantStep(t, p, err, auth.StepDone, "saving the codes").Session, v.Pending.Secret
}

func code(b *authtest.Bench, secret []byte) string {
	return otp.Code(secret, otp.Step(b.Clock.Now()))
}

func methodsOf(proofs []auth.Proof) (list []auth.Method) {
	for _, p := range proofs {
		list = append(list, p.Method)
	}
	slices.Sort(list)
	return list
}

// TestStoryVouched: whom a handler in front names has an account on first sight, enrolls a second factor, and is asked for that alone from
// then on.
func TestStoryVouched(t *testing.T) {
	b := authtest.New(t)
	c := vouchedFor("Alice")
	p, err := b.Vouch(bg, c, auth.Vouching{Create: true, ReturnTo: "/reports"})
	p = wantStep(t, p, err, auth.StepDone, "the first time")
	if p.ReturnTo != "/reports" {
		t.Errorf("the return address is %q", p.ReturnTo)
	}
	s, err := b.Session(bg, auth.Asker{Vouched: c.Vouched}, p.Session)
	if err != nil || s.Name != "alice" || s.Admin || twoFactor.Judge(s, b.Clock.Now()) != auth.ProveMore {
		t.Fatalf("the first session: %+v, %v", s, err)
	}
	if d, err := b.User(bg, "alice"); err != nil || d.HasPassword || d.Name != "alice" {
		t.Errorf("the account: %+v, %v", d, err)
	}
	added, signedIn := b.Events[0], b.Events[1]
	if added.Type != auth.EventUserAdded || added.Actor != "system" || added.User != "alice" || added.Method != auth.Vouched {
		t.Errorf("the event of the account: %+v", added)
	}
	if signedIn.Type != auth.EventSignIn || signedIn.Method != auth.Vouched {
		t.Errorf("the event of the sign-in: %+v", signedIn)
	}

	p, err = b.StepUp(bg, c, p.Session, twoFactor, "")
	session, secret := finishVouched(t, b, c, wantStep(t, p, err, auth.StepEnroll, "a rule of two factors"))
	if s, err = b.Session(bg, auth.Asker{Vouched: c.Vouched}, session); err != nil || twoFactor.Judge(s, b.Clock.Now()) != auth.Pass {
		t.Fatalf("the session after enrolling: %v", err)
	}
	if err := b.SignOut(bg, c, session); err != nil {
		t.Fatal(err)
	}
	wantSession(t, b, session, false, "the session that was signed out")

	p, err = b.Vouch(bg, c, auth.Vouching{})
	p = wantStep(t, p, err, auth.StepCode, "MF-4: coming again")
	if p.Session != "" {
		t.Error("MF-1: there is a session before the code")
	}
	p, err = b.Code(bg, c, p.Attempt, auth.TOTP, code(b, secret))
	p = wantStep(t, p, err, auth.StepDone, "the code")
	if s, err = b.Session(bg, auth.Asker{Vouched: c.Vouched}, p.Session); err != nil || !slices.Equal(methodsOf(s.Proofs), []auth.Method{auth.TOTP, auth.Vouched}) {
		t.Errorf("the proofs: %v, %v", s.Proofs, err)
	}
	if last := b.Events[len(b.Events)-1]; last.Type != auth.EventSignIn || last.Method != auth.TOTP {
		t.Errorf("the event of the second sign-in: %+v", last)
	}
}

// TestVouchedIsRefused: who is not known, is disabled, or has a name that cannot be one, gets nothing, and an operator sees it.
func TestVouchedIsRefused(t *testing.T) {
	b := authtest.New(t)
	b.AddUser(t, auth.NewUser{Name: "bob"})
	b.AddUser(t, auth.NewUser{Name: "carol"})
	if err := b.SetDisabled(bg, auth.Client{}, "bob", true); err != nil {
		t.Fatal(err)
	}
	b.Enroll(t, auth.NewUser{Name: "dan"})
	if _, err := b.ResetTwoFactor(bg, auth.Client{}, "dan"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		vouched string
		create  bool
		want    auth.Kind
		detail  string // of the event; empty: there is none
	}{
		"unknown":              {"mallory", false, auth.NoAccount, "there is no such account"},
		"SE-8 disabled":        {"bob", true, auth.NoAccount, "the account is disabled"},
		"a reset needs a link": {"dan", true, auth.LinkNeeded, "a link is needed to enroll"},
		"nobody":               {"", true, auth.BadName, ""},
		"a space after it":     {"carol ", true, auth.BadName, ""},
		"ID-15 full width":     {"ｃarol", true, auth.BadName, ""},
		"ID-15 Kelvin sign":    {"\u212Aarol", true, auth.BadName, ""},
		"ID-15 Cyrillic":       {"саrol", true, auth.BadName, ""},
		"two of them":          {"carol,bob", true, auth.BadName, ""},
		"a subject":            {"CN=carol", true, auth.BadName, ""},
		"a line":               {"carol\r\nX: y", true, auth.BadName, ""},
		"too long":             {strings.Repeat("a", 65), true, auth.BadName, ""},
	} {
		before, users := len(b.Events), len(b.Records(t, "user/"))
		p, err := b.Vouch(bg, vouchedFor(c.vouched), auth.Vouching{Create: c.create})
		wantKind(t, err, c.want, name)
		if !reflect.DeepEqual(p, auth.Progress{}) {
			t.Errorf("%s: got %+v", name, p)
		}
		events := b.Events[before:]
		switch {
		case c.detail == "" && len(events) != 0:
			t.Errorf("%s: events %+v", name, events)
		case c.detail != "" && (len(events) != 1 || events[0].Type != auth.EventVouched || events[0].Outcome != "refused" ||
			events[0].User != c.vouched || events[0].Detail != c.detail):
			t.Errorf("%s: events %+v", name, events)
		}
		if n := len(b.Records(t, "user/")); n != users {
			t.Errorf("%s: %d accounts, want %d", name, n, users)
		}
	}
	if list, err := b.Sessions(bg, ""); err != nil || len(list) != 0 {
		t.Errorf("sessions: %+v, %v", list, err)
	}
}

// TestID15VouchedNameIsTheStoredOne: however the handler in front writes the case of a name, it is one account.
func TestID15VouchedNameIsTheStoredOne(t *testing.T) {
	b := authtest.New(t)
	for _, name := range []string{"alice@example.com", "Alice@Example.COM", "ALICE@EXAMPLE.COM"} {
		p, err := b.Vouch(bg, vouchedFor(name), auth.Vouching{Create: true})
		p = wantStep(t, p, err, auth.StepDone, name)
		if s, err := b.Session(bg, auth.Asker{Vouched: name}, p.Session); err != nil || s.Name != "alice@example.com" {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	if users, err := b.Users(bg); err != nil || len(users) != 1 {
		t.Errorf("accounts: %+v, %v", users, err)
	}
}

// TestSessionsFitWhomTheHandlerInFrontNames: a session counts as long as the same person is named, and what was begun with the word of
// that handler counts where it is given.
func TestSessionsFitWhomTheHandlerInFrontNames(t *testing.T) {
	b := authtest.New(t)
	vouched, _ := enrollVouched(t, b, "alice")
	typed := b.Enroll(t, auth.NewUser{Name: "bob"}).Session
	for _, c := range []struct {
		whose, session, named string
		want                  bool
	}{
		{"vouched", vouched, "alice", true},
		{"vouched", vouched, "Alice", true},
		{"vouched", vouched, "", false},
		{"vouched", vouched, "bob", false},
		{"vouched", vouched, "alice ", false},
		{"vouched", vouched, "ａlice", false},
		{"typed", typed, "", true},
		{"typed", typed, "bob", true},
		{"typed", typed, "alice", false},
		{"typed", typed, " ", false},
	} {
		for range 2 { // from the store, and from memory
			_, err := b.Session(bg, auth.Asker{Vouched: c.named}, c.session)
			if got := err == nil; got != c.want || !got && auth.KindOf(err) != auth.NotSignedIn {
				t.Errorf("a %s session where %q is named: %v, want it %t", c.whose, c.named, err, c.want)
			}
		}
		if n := testing.AllocsPerRun(100, func() { b.Session(bg, auth.Asker{Vouched: c.named}, c.session) }); n != 0 && c.want && c.named != "Alice" {
			t.Errorf("%q: it allocates %v times", c.named, n)
		}
		// The acts of the account agree with it.
		_, err := b.StepUp(bg, vouchedFor(c.named), c.session, auth.Requirement{Level: auth.LevelPassword}, "")
		if got := err == nil; got != c.want {
			t.Errorf("a step-up with a %s session where %q is named: %v", c.whose, c.named, err)
		}
		if !c.want {
			wantKind(t, err, auth.NotSignedIn, "a step-up in a foreign session")
		}
	}
}

// TestMF19AttemptsFitWhomTheHandlerInFrontNames: a sign-in in progress goes on only for the person who began it. Neither its secrets nor
// its next step are there for anybody else, and a right code is neither counted nor used up.
func TestMF19AttemptsFitWhomTheHandlerInFrontNames(t *testing.T) {
	b := authtest.New(t)
	_, secret := enrollVouched(t, b, "alice")
	b.AddUser(t, auth.NewUser{Name: "bob"})
	carol := b.Enroll(t, auth.NewUser{Name: "carol"})

	p, err := b.Vouch(bg, vouchedFor("alice"), auth.Vouching{})
	attempt := wantStep(t, p, err, auth.StepCode, "alice comes").Attempt
	for _, named := range []string{"", "bob", "carol", "alice "} {
		_, err := b.Service.Attempt(bg, vouchedFor(named), attempt)
		wantKind(t, err, auth.AttemptGone, "looking, where "+named+" is named")
		_, err = b.Code(bg, vouchedFor(named), attempt, auth.TOTP, code(b, secret))
		wantKind(t, err, auth.AttemptGone, "the code, where "+named+" is named")
	}
	p, err = b.Code(bg, vouchedFor("alice"), attempt, auth.TOTP, code(b, secret))
	wantStep(t, p, err, auth.StepDone, "alice herself")

	attempt = carol.EnterPassword(t).Attempt
	_, err = b.Code(bg, vouchedFor("alice"), attempt, auth.TOTP, carol.Code())
	wantKind(t, err, auth.AttemptGone, "a sign-in by password, where somebody else is named meanwhile")
	p, err = b.Code(bg, vouchedFor("carol"), attempt, auth.TOTP, carol.Code())
	wantStep(t, p, err, auth.StepDone, "a sign-in by password, where the same person is named meanwhile")
}

// TestNobodyElseComesInWhereSomebodyIsNamed: neither the right password of another account nor a link of one opens it, and the links stay
// good.
func TestNobodyElseComesInWhereSomebodyIsNamed(t *testing.T) {
	b := authtest.New(t)
	c := vouchedFor("alice")
	setup, err := b.NewSetupLink(bg)
	if err != nil {
		t.Fatal(err)
	}
	bob := b.Enroll(t, auth.NewUser{Name: "bob"})
	_, invite, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	reset, err := b.ResetTwoFactor(bg, auth.Client{}, "bob")
	if err != nil {
		t.Fatal(err)
	}
	b.Forget(t, "guess/")

	_, err = b.SignIn(bg, c, bob.Credentials())
	wantKind(t, err, auth.OtherPerson, "bob's password")
	if n := len(b.Records(t, "guess/")); n != 0 {
		t.Errorf("it has left %d counters", n)
	}
	_, err = b.AcceptInvite(bg, c, invite.Token, newPassword)
	wantKind(t, err, auth.OtherPerson, "carol's invite")
	_, err = b.Reenroll(bg, c, reset.Token, bob.Password)
	wantKind(t, err, auth.OtherPerson, "bob's re-enrollment")
	_, err = b.Setup(bg, c, setup.Token, "root", newPassword)
	wantKind(t, err, auth.OtherPerson, "the setup of another name")
	for _, l := range []auth.NewLink{setup, invite, reset} {
		if _, err := b.Link(bg, l.Token); err != nil {
			t.Errorf("the link %s is gone: %v", l.Kind, err)
		}
	}
	if _, err := b.User(bg, "root"); auth.KindOf(err) != auth.NotFound {
		t.Errorf("the account of the setup is there: %v", err)
	}
	p, err := b.Setup(bg, c, setup.Token, "alice", newPassword)
	wantStep(t, p, err, auth.StepEnroll, "the setup of the name that is vouched for")
}

// TestVouchedSudo: what is fresh is the second factor; of the first the request itself speaks.
func TestVouchedSudo(t *testing.T) {
	b := authtest.New(t)
	c := vouchedFor("alice")
	session, secret := enrollVouched(t, b, "alice")
	b.Clock.Move(30 * time.Minute)
	s, err := b.Session(bg, auth.Asker{Vouched: c.Vouched}, session)
	if err != nil || b.InSudo(auth.Client{}, s) {
		t.Fatalf("in sudo mode after half an hour: %v", err)
	}
	wantKind(t, b.RenameFactor(bg, c, session, "x", "y"), auth.StepUpNeeded, "an act on the account")
	p, err := b.StepUp(bg, c, session, auth.Sudo, "/x")
	p = wantStep(t, p, err, auth.StepCode, "the code alone is asked for")
	p, err = b.Code(bg, c, p.Attempt, auth.TOTP, code(b, secret))
	p = wantStep(t, p, err, auth.StepDone, "the code")
	wantSession(t, b, session, false, "ASVS 7.2.4: the ticket from before")
	if s, err = b.Session(bg, auth.Asker{Vouched: c.Vouched}, p.Session); err != nil || !b.InSudo(auth.Client{}, s) {
		t.Errorf("not in sudo mode after the code: %v", err)
	}
	need := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}
	if v := need.Judge(s, b.Clock.Now()); v != auth.Pass {
		t.Errorf("max_age after the code: verdict %v", v)
	}
	b.Clock.Move(11 * time.Minute)
	if v := need.Judge(s, b.Clock.Now()); v != auth.StepUp {
		t.Errorf("max_age later: verdict %v, want a step-up", v)
	}

	// Who has no second factor has nothing to type.
	p, err = b.Vouch(bg, vouchedFor("bob"), auth.Vouching{Create: true})
	session = wantStep(t, p, err, auth.StepDone, "bob comes").Session
	b.Clock.Move(30 * time.Minute)
	need.Level = auth.LevelPassword
	if s, err = b.Session(bg, auth.Asker{Vouched: "bob"}, session); err != nil || !b.InSudo(auth.Client{}, s) || need.Judge(s, b.Clock.Now()) != auth.Pass {
		t.Errorf("the word of the handler has grown old: %v", err)
	}
}

// TestVouchedStepUpOfATypedSession: somebody signed in with a password, and a handler in front vouches for them meanwhile. Its word takes
// the place of the stale password, and binds the session to it.
func TestVouchedStepUpOfATypedSession(t *testing.T) {
	b := authtest.New(t)
	bob := b.Enroll(t, auth.NewUser{Name: "bob"})
	b.Clock.Move(30 * time.Minute)
	p, err := b.StepUp(bg, vouchedFor("bob"), bob.Session, auth.Sudo, "")
	p = wantStep(t, p, err, auth.StepCode, "the code alone is asked for")
	p, err = b.Code(bg, vouchedFor("bob"), p.Attempt, auth.TOTP, bob.Code())
	p = wantStep(t, p, err, auth.StepDone, "the code")
	if s, err := b.Session(bg, auth.Asker{Vouched: "bob"}, p.Session); err != nil || s.Name != "bob" {
		t.Errorf("with the word that it rests on: %v, %v", s, err)
	}
	if _, err := b.Session(bg, auth.Asker{}, p.Session); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("the session is not bound to that word: %v", err)
	}
}

// TestVouchedDisable: turning two factors off asks for a current code, and leaves the session with the first factor that it has.
func TestVouchedDisable(t *testing.T) {
	b := authtest.New(t)
	c := vouchedFor("alice")
	session, secret := enrollVouched(t, b, "alice")
	p, err := b.DisableTwoFactor(bg, c, session)
	p = wantStep(t, p, err, auth.StepCode, "MF-13: a fresh code is asked for, whatever was typed before")
	if v, err := b.Service.Attempt(bg, c, p.Attempt); err != nil || !v.Vouched {
		t.Errorf("the page is not told that no password is asked for: %+v, %v", v, err)
	}
	p, err = b.Code(bg, c, p.Attempt, auth.TOTP, code(b, secret))
	p = wantStep(t, p, err, auth.StepDone, "the code")
	s, err := b.Session(bg, auth.Asker{Vouched: c.Vouched}, p.Session)
	if err != nil || s.Enrolled || !slices.Equal(methodsOf(s.Proofs), []auth.Method{auth.Vouched}) {
		t.Errorf("the session: %+v, %v", s, err)
	}
	_, err = b.DisableTwoFactor(bg, authtest.Client, p.Session)
	wantKind(t, err, auth.NotSignedIn, "where nobody is named")
}

// TestVouchedResetNeedsALink: after an operator's reset whoever gets past the handler in front alone binds no new authenticator; the link
// and that handler's word do, and no password is asked for, since there is none.
func TestVouchedResetNeedsALink(t *testing.T) {
	b := authtest.New(t)
	c := vouchedFor("alice")
	session, old := enrollVouched(t, b, "alice")
	link, err := b.ResetTwoFactor(bg, auth.Client{}, "alice")
	if err != nil || link.Kind != auth.ReenrollLink {
		t.Fatalf("the reset: %+v, %v", link, err)
	}
	wantSession(t, b, session, false, "the session from before")
	_, err = b.Vouch(bg, c, auth.Vouching{Create: true})
	wantKind(t, err, auth.LinkNeeded, "without the link")
	_, err = b.Reenroll(bg, authtest.Client, link.Token, "")
	wantKind(t, err, auth.WrongPassword, "the link where nobody is named")
	b.Clock.Move(time.Minute)
	p, err := b.Reenroll(bg, c, link.Token, "")
	_, secret := finishVouched(t, b, c, wantStep(t, p, err, auth.StepEnroll, "the link"))
	p, err = b.Vouch(bg, c, auth.Vouching{})
	p = wantStep(t, p, err, auth.StepCode, "coming again")
	_, err = b.Code(bg, c, p.Attempt, auth.TOTP, code(b, old))
	wantKind(t, err, auth.WrongCode, "MF-16: the authenticator from before")
	p, err = b.Code(bg, c, p.Attempt, auth.TOTP, code(b, secret))
	wantStep(t, p, err, auth.StepDone, "the new one")

	// Or the operator gives them a password.
	if link, err = b.ResetTwoFactor(bg, auth.Client{}, "alice"); err != nil {
		t.Fatal(err)
	}
	invite, err := b.NewResetLink(bg, auth.Client{}, "alice")
	if err != nil || invite.Kind != auth.InviteLink {
		t.Fatalf("a link for a password: %+v, %v", invite, err)
	}
	p, err = b.AcceptInvite(bg, authtest.Client, invite.Token, newPassword)
	p = wantStep(t, p, err, auth.StepEnroll, "the password")
	finishVouched(t, b, authtest.Client, p)
}

// TestMF12VouchedFirstFactor: who has no second factor yet needs nothing but the handler's word to enroll one, as with a password, so
// whoever comes first binds it. It never replaces one that is there.
func TestMF12VouchedFirstFactor(t *testing.T) {
	b := authtest.New(t)
	c := vouchedFor("alice")
	p, err := b.Vouch(bg, c, auth.Vouching{Create: true})
	first := wantStep(t, p, err, auth.StepDone, "the first browser").Session
	p, err = b.Vouch(bg, c, auth.Vouching{})
	second := wantStep(t, p, err, auth.StepDone, "the second browser").Session
	p, err = b.StepUp(bg, c, first, twoFactor, "")
	started := wantStep(t, p, err, auth.StepEnroll, "the first browser enrolls")
	p, err = b.StepUp(bg, c, second, twoFactor, "")
	finishVouched(t, b, c, wantStep(t, p, err, auth.StepEnroll, "the second browser enrolls"))
	wantSession(t, b, first, false, "SE-7: the session that was begun with the first factor alone")
	_, err = b.Service.Attempt(bg, c, started.Attempt)
	wantKind(t, err, auth.AttemptGone, "the enrollment of the first browser")
	p, err = b.Vouch(bg, c, auth.Vouching{})
	wantStep(t, p, err, auth.StepCode, "from now on")
}

// TestVouchIsBoundedAndSilent: a link is enough to begin one, so it sends nothing, and a name can begin a hundred and then one in a while.
func TestVouchIsBoundedAndSilent(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	b.Sent()
	c := alice.Client()
	c.Vouched = "alice"
	for range 100 {
		p, err := b.Vouch(bg, c, auth.Vouching{})
		wantStep(t, p, err, auth.StepCode, "coming")
	}
	if sent := b.Sent(); len(sent) != 0 {
		t.Errorf("a mere link has sent %v", kinds(sent))
	}
	writes := len(b.Records(t, ""))
	_, err := b.Vouch(bg, c, auth.Vouching{})
	wantKind(t, err, auth.TooManyTries, "once too often")
	if n := len(b.Records(t, "")); n != writes {
		t.Errorf("what was refused has written %d records", n-writes)
	}
	p, err := b.Vouch(bg, vouchedFor("bob"), auth.Vouching{Create: true})
	wantStep(t, p, err, auth.StepDone, "somebody else")
	b.Clock.Move(time.Minute)
	p, err = b.Vouch(bg, c, auth.Vouching{})
	p = wantStep(t, p, err, auth.StepCode, "a minute later")
	if err := b.SendCode(bg, c, p.Attempt, auth.Email, alice.Account(t).Factors[0].ID); err != nil {
		t.Errorf("asking for the code: %v", err)
	}
	p, err = b.Code(bg, c, p.Attempt, auth.Email, b.Await(t, auth.MessageCode).Code)
	wantStep(t, p, err, auth.StepDone, "the code that was asked for")
}

// TestVouchedOwnersAreNotLockedOut: whoever has the first factor alone can begin no more in browsers that nobody knows, and the owner can in
// their own.
func TestVouchedOwnersAreNotLockedOut(t *testing.T) {
	b := authtest.New(t)
	_, secret := enrollVouched(t, b, "alice")
	own := vouchedFor("alice")
	p, err := b.Vouch(bg, own, auth.Vouching{})
	p = wantStep(t, p, err, auth.StepCode, "the owner")
	p, err = b.Code(bg, own, p.Attempt, auth.TOTP, code(b, secret))
	own.Browser = wantStep(t, p, err, auth.StepDone, "the owner's code").Browser
	for range 101 {
		_, err = b.Vouch(bg, vouchedFor("alice"), auth.Vouching{})
	}
	wantKind(t, err, auth.TooManyTries, "in a browser that nobody knows")
	p, err = b.Vouch(bg, own, auth.Vouching{})
	wantStep(t, p, err, auth.StepCode, "in the owner's browser")
}

// TestBF1VouchedCodesStop: guessing codes behind the handler in front is counted as anywhere, and the owner hears what it was.
func TestBF1VouchedCodesStop(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	alice.Sudo(t)
	alice.Add(t, byApp)
	b.Sent()
	c := vouchedFor("alice")
	p, err := b.Vouch(bg, c, auth.Vouching{})
	attempt := wantStep(t, p, err, auth.StepCode, "coming").Attempt
	for range 5 {
		_, err := b.Code(bg, c, attempt, auth.TOTP, "abcdef")
		wantKind(t, err, auth.WrongCode, "a wrong code")
	}
	wantMessages(t, b.Sent(), auth.NoticeVouchedCodes)
	p, err = b.Vouch(bg, c, auth.Vouching{})
	attempt = wantStep(t, p, err, auth.StepCode, "BF-2: beginning anew").Attempt
	_, err = b.Code(bg, c, attempt, auth.TOTP, "abcdef")
	wantKind(t, err, auth.TooManyTries, "the sixth")
}

// TestMF18VouchedTrustedBrowser: a trusted browser stands in for the code, where it is the person's own.
func TestMF18VouchedTrustedBrowser(t *testing.T) {
	b := authtest.New(t)
	b.Configure(func(s *auth.Settings) { s.Trust = 24 * time.Hour })
	_, secret := enrollVouched(t, b, "alice")
	c := vouchedFor("alice")
	p, err := b.Vouch(bg, c, auth.Vouching{})
	p = wantStep(t, p, err, auth.StepCode, "coming")
	p, err = b.CodeAndTrust(bg, c, p.Attempt, auth.TOTP, code(b, secret))
	p = wantStep(t, p, err, auth.StepDone, "the code")
	c.Trusted = p.Trusted
	p, err = b.Vouch(bg, c, auth.Vouching{})
	p = wantStep(t, p, err, auth.StepDone, "coming with the trusted browser")
	if p.Trusted == "" || p.Trusted == c.Trusted {
		t.Error("the ticket of the trusted browser was not renewed")
	}
	bob := vouchedFor("bob")
	bob.Trusted = p.Trusted
	enrollVouched(t, b, "bob")
	p, err = b.Vouch(bg, bob, auth.Vouching{})
	wantStep(t, p, err, auth.StepCode, "somebody else in that browser")
}

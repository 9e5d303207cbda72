// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/credential"
)

const keyHost = "app.example.com"

// keyAsker is a request that a key for keyHost and nothing else covers.
var keyAsker = auth.Asker{Host: keyHost, Method: "GET", Path: "/", Address: netip.MustParseAddr("192.0.2.1")}

// newAppPassword makes a key for keyHost. The session must be in sudo mode.
func newAppPassword(t *testing.T, b *authtest.Bench, p *authtest.Person, name string) auth.MadeAccessKey {
	t.Helper()
	made, err := b.NewAppPassword(bg, p.Client(), p.Session, auth.NewAccessKey{Name: name, Hosts: []string{keyHost}})
	if err != nil {
		t.Fatalf("making an app password of %s: %v", p.Name, err)
	}
	return made
}

func newServiceToken(t *testing.T, b *authtest.Bench, in auth.NewAccessKey) auth.MadeAccessKey {
	t.Helper()
	in.Name = "backup job"
	if in.Hosts == nil {
		in.Hosts = []string{keyHost}
	}
	made, err := b.AddAccessKey(bg, auth.Client{}, "", in)
	if err != nil {
		t.Fatalf("making a service token: %v", err)
	}
	return made
}

// wantAccessKey checks that a key passes, or that it is nobody's.
func wantAccessKey(t *testing.T, b *authtest.Bench, token string, works bool, which string) *auth.Session {
	t.Helper()
	s, err := b.Bearer(bg, keyAsker, token)
	switch {
	case works && err != nil:
		t.Errorf("%s does not work: %v", which, err)
	case !works && (auth.KindOf(err) != auth.NotSignedIn || s != nil):
		t.Errorf("%s: got %v, %v, want that it is not known", which, s, err)
	}
	return s
}

func TestASVS7_2_3StoryAppPassword(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", FullName: "Alice", Email: "alice@example.com", Groups: []string{"staff"}})
	b.Sent()
	b.Events = nil
	c := alice.Client()
	c.Host = keyHost
	made, err := b.NewAppPassword(bg, c, alice.Session, auth.NewAccessKey{Name: " calendar sync "})
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "calendar sync" || made.User != "alice" || made.MadeBy != "alice" || !slices.Equal(made.Hosts, []string{keyHost}) || !made.LastUsed.IsZero() {
		t.Errorf("made: %+v", made.AccessKeyInfo)
	}
	if life := made.Expires.Sub(b.Clock.Now()); life < auth.AccessKeyLife-time.Second || life > auth.AccessKeyLife {
		t.Errorf("it works for %v", life)
	}
	if made.Token != made.ID+"_"+made.Secret || !credential.IsKey(made.Token) || len(made.ID) != 19 || !strings.HasPrefix(made.ID, "nlk") || len(made.Secret) != 43 {
		t.Errorf("id %q, secret %q, token %q", made.ID, made.Secret, made.Token)
	}

	session, err := b.Session(bg, auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Events) != 1 {
		t.Fatalf("events: %+v", b.Events)
	}
	e := b.Events[0]
	if e.Type != auth.EventAccessKeyMade || e.User != "alice" || e.Actor != "alice" || e.Session != session.ID || e.Key != made.ID || e.Detail != "calendar sync" {
		t.Errorf("the event: %+v", e)
	}
	sent := b.Sent()
	wantMessages(t, sent, auth.NoticeAppPasswordMade)
	if sent[0].KeyName != "calendar sync" || sent[0].Secret() {
		t.Errorf("the notice: %+v", sent[0])
	}
	for key, record := range b.Records(t, "") {
		if strings.Contains(record, made.Secret) || strings.Contains(key, made.Secret) {
			t.Errorf("ASVS 7.2.3: the secret stands in the record %s", key)
		}
	}

	s := wantAccessKey(t, b, made.Token, true, "the new key")
	if s.Name != "alice" || s.FullName != "Alice" || s.Email != "alice@example.com" || s.GroupList != "staff" || s.UserID != session.UserID {
		t.Errorf("whose it is: %+v", s)
	}
	if s.Key != made.ID || s.ID != made.ID || !s.Program || s.Level() != auth.LevelTwoFactor || !s.ProvenAt().Equal(made.Created) {
		t.Errorf("what it stands for: %+v, level %s, proven %s", s, s.Level(), s.ProvenAt())
	}
	if again := wantAccessKey(t, b, made.Token, true, "the key in memory"); again != s {
		t.Error("the second request loaded it again")
	}

	list, err := b.AppPasswords(bg, s.UserID)
	if err != nil || len(list) != 1 || list[0].ID != made.ID || list[0].User != "alice" || !list[0].LastUsed.Equal(b.Clock.Now()) {
		t.Errorf("the list: %+v, %v", list, err)
	}
	if text, err := json.Marshal(list); err != nil || strings.Contains(string(text), "secret") || !strings.Contains(string(text), `"paths":[]`) {
		t.Errorf("the list as JSON: %s, %v", text, err)
	}

	b.Events = nil
	if err := b.RemoveAppPassword(bg, c, alice.Session, made.ID); err != nil {
		t.Fatal(err)
	}
	wantAccessKey(t, b, made.Token, false, "the key after it was revoked")
	if e := b.Events[0]; e.Type != auth.EventAccessKeyRevoked || e.Actor != "alice" || e.Key != made.ID || e.Session != session.ID || e.Detail != "calendar sync" {
		t.Errorf("the event: %+v", e)
	}
	if list, err := b.AppPasswords(bg, s.UserID); err != nil || len(list) != 0 {
		t.Errorf("the list after that: %+v, %v", list, err)
	}
	wantKind(t, b.RemoveAppPassword(bg, c, alice.Session, made.ID), auth.NotFound, "revoking it again")
	b.Restart(t)
	wantAccessKey(t, b, made.Token, false, "the key after a restart")
}

func TestStoryServiceToken(t *testing.T) {
	b := mailBench(t)
	b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b.Sent()
	b.Events = nil
	made := newServiceToken(t, b, auth.NewAccessKey{})
	if e := b.Events[0]; e.Type != auth.EventAccessKeyMade || e.Actor != "operator" || e.User != "" || e.Key != made.ID {
		t.Errorf("the event: %+v", e)
	}
	s := wantAccessKey(t, b, made.Token, true, "a service token")
	if s.Name != "" || s.UserID != "" || s.GroupList != "" || s.Key != made.ID || s.Level() != auth.LevelTwoFactor || s.Proofs[0].Method != auth.ServiceToken {
		t.Errorf("what it stands for: %+v", s)
	}
	theirs, err := b.AddAccessKey(bg, auth.Client{}, "Alice", auth.NewAccessKey{Name: "phone", Hosts: []string{keyHost}})
	if err != nil || theirs.User != "alice" || theirs.MadeBy != "operator" {
		t.Fatalf("an app password by an operator: %+v, %v", theirs, err)
	}
	wantMessages(t, b.Sent(), auth.NoticeAppPasswordMade)
	if s := wantAccessKey(t, b, theirs.Token, true, "an operator's app password"); s.Name != "alice" || s.Level() != auth.LevelTwoFactor || s.Proofs[0].Method != auth.AppPassword {
		t.Errorf("what it stands for: %+v", s)
	}
	all, err := b.AccessKeys(bg, "")
	if err != nil || len(all) != 2 || !slices.IsSortedFunc(all, func(a, b auth.AccessKeyInfo) int { return strings.Compare(a.ID, b.ID) }) {
		t.Errorf("all keys: %+v, %v", all, err)
	}
	if hers, err := b.AccessKeys(bg, "ALICE"); err != nil || len(hers) != 1 || hers[0].ID != theirs.ID {
		t.Errorf("hers: %+v, %v", hers, err)
	}
	_, err = b.AccessKeys(bg, "nobody")
	wantKind(t, err, auth.NotFound, "those of nobody")
	_, err = b.AddAccessKey(bg, auth.Client{}, "nobody", auth.NewAccessKey{Name: "x", Hosts: []string{keyHost}})
	wantKind(t, err, auth.NotFound, "one for nobody")

	for _, id := range []string{made.ID, theirs.ID} {
		if err := b.RevokeAccessKey(bg, auth.Client{}, id); err != nil {
			t.Fatal(err)
		}
		wantKind(t, b.RevokeAccessKey(bg, auth.Client{}, id), auth.NotFound, "revoking it twice")
	}
	wantAccessKey(t, b, made.Token, false, "the service token after that")
	wantAccessKey(t, b, theirs.Token, false, "the app password after that")
	if n := len(b.Records(t, "access/")); n != 2 {
		t.Errorf("ST-7: of two keys that were revoked %d are remembered", n)
	}
	if err := b.SetDisabled(bg, auth.Client{}, "alice", true); err != nil {
		t.Fatal(err)
	}
	_, err = b.AddAccessKey(bg, auth.Client{}, "alice", auth.NewAccessKey{Name: "x", Hosts: []string{keyHost}})
	wantKind(t, err, auth.Disabled, "a key of somebody who is kept out")
	for _, id := range []string{"", "nlk", made.Token, strings.Repeat("x", 70_000), "nlk0000000000000000", strings.ToUpper(made.ID)} {
		wantKind(t, b.RevokeAccessKey(bg, auth.Client{}, id), auth.NotFound, "revoking "+id[:min(len(id), 70)])
	}
}

// TestMF5AccessKeyScope: a request is inside of all that a key says, or the key is nobody's.
func TestMF5AccessKeyScope(t *testing.T) {
	b := authtest.New(t)
	networks := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/32")}
	keys := map[string]auth.MadeAccessKey{
		"host":     newServiceToken(t, b, auth.NewAccessKey{}),
		"hosts":    newServiceToken(t, b, auth.NewAccessKey{Hosts: []string{"App.Example.com.", "*.apps.example.com", "[2001:DB8::1]"}}),
		"paths":    newServiceToken(t, b, auth.NewAccessKey{Paths: []string{"/api", "/dav/"}}),
		"root":     newServiceToken(t, b, auth.NewAccessKey{Paths: []string{"/"}}),
		"methods":  newServiceToken(t, b, auth.NewAccessKey{Methods: []string{"get", "PROPFIND"}}),
		"head":     newServiceToken(t, b, auth.NewAccessKey{Methods: []string{"HEAD"}}),
		"networks": newServiceToken(t, b, auth.NewAccessKey{Networks: networks}),
		"mapped":   newServiceToken(t, b, auth.NewAccessKey{Networks: []netip.Prefix{netip.MustParsePrefix("::ffff:10.1.2.3/112")}}),
	}
	host := func(h string) func(*auth.Asker) { return func(a *auth.Asker) { a.Host = h } }
	path := func(p string) func(*auth.Asker) { return func(a *auth.Asker) { a.Path = p } }
	method := func(m string) func(*auth.Asker) { return func(a *auth.Asker) { a.Method = m } }
	from := func(s string) func(*auth.Asker) {
		return func(a *auth.Asker) { a.Address, _ = netip.ParseAddr(s) }
	}
	ambiguous := func(p string) func(*auth.Asker) { return func(a *auth.Asker) { a.Path, a.Ambiguous = p, true } }
	for _, c := range []struct {
		key  string
		ask  func(*auth.Asker)
		pass bool
	}{
		{"host", host(keyHost), true},
		{"host", host("www.app.example.com"), false},
		{"host", host("example.com"), false},
		{"host", host("app.example.com.evil.example"), false},
		{"host", host(""), false},
		{"host", path("/anything"), true},
		{"host", ambiguous("/a//b"), true},
		{"host", method("DELETE"), true},
		{"host", from(""), true},

		{"hosts", host(keyHost), true},
		{"hosts", host("wiki.apps.example.com"), true},
		{"hosts", host("apps.example.com"), false},
		{"hosts", host("a.wiki.apps.example.com"), false},
		{"hosts", host(".apps.example.com"), false},
		{"hosts", host("*.apps.example.com"), true}, // no host is called so, and it has one label more
		{"hosts", host("wikiapps.example.com"), false},
		{"hosts", host("[2001:db8::1]"), true},
		{"hosts", host("[2001:db8::2]"), false},

		{"paths", path("/api"), true},
		{"paths", path("/api/"), true},
		{"paths", path("/api/v1/items"), true},
		{"paths", path("/apix"), false},
		{"paths", path("/API"), false},
		{"paths", path("/dav"), true},
		{"paths", path("/dav/alice"), true},
		{"paths", path("/davx"), false},
		{"paths", path("/"), false},
		{"paths", path(""), false},
		{"paths", path("*"), false},
		{"paths", path("/x/api"), false},
		{"paths", ambiguous("/api/../admin"), false},
		{"paths", ambiguous("/api"), false},
		{"root", path("/anything"), true},
		{"root", path("*"), false},
		{"root", ambiguous("/a//b"), false},

		{"methods", method("GET"), true},
		{"methods", method("HEAD"), true},
		{"methods", method("PROPFIND"), true},
		{"methods", method("POST"), false},
		{"methods", method("get"), false},
		{"methods", method(""), false},
		{"head", method("HEAD"), true},
		{"head", method("GET"), false},

		{"networks", from("10.1.255.1"), true},
		{"networks", from("::ffff:10.1.255.1"), true},
		{"networks", from("10.2.0.1"), false},
		{"networks", from("2001:db8:1::1"), true},
		{"networks", from("2001:db8:1::1%eth0"), true},
		{"networks", from("2001:db9::1"), false},
		{"networks", from("::a01:1"), false},
		{"networks", from(""), false},
		{"mapped", from("10.1.9.9"), true},
		{"mapped", from("10.2.0.1"), false},
		{"mapped", from(""), false},
	} {
		a := keyAsker
		c.ask(&a)
		for _, when := range []string{"first", "in memory"} {
			s, err := b.Bearer(bg, a, keys[c.key].Token)
			if c.pass != (err == nil) || c.pass != (s != nil) || err != nil && auth.KindOf(err) != auth.NotSignedIn {
				t.Errorf("%s, %s: %+v: got %v, want pass %v", c.key, when, a, err, c.pass)
			}
		}
	}
	if got, want := keys["networks"].Networks, networks; !slices.Equal(got, want) {
		t.Errorf("networks: got %v, want %v", got, want)
	}
	if got, want := keys["mapped"].Networks, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}; !slices.Equal(got, want) {
		t.Errorf("a network of IPv4 inside of IPv6: got %v, want %v", got, want)
	}
	if got, want := keys["hosts"].Hosts, []string{keyHost, "*.apps.example.com", "[2001:db8::1]"}; !slices.Equal(got, want) {
		t.Errorf("hosts: got %v, want %v", got, want)
	}
	if got, want := keys["paths"].Paths, []string{"/api", "/dav"}; !slices.Equal(got, want) {
		t.Errorf("paths: got %v, want %v", got, want)
	}
}

// The log of the gate is told why a good key was refused, and nobody else: the kind of the error is that of an unknown one.
func TestWhatAKeyIsNotForIsSaidToTheLog(t *testing.T) {
	b := authtest.New(t)
	made := newServiceToken(t, b, auth.NewAccessKey{Paths: []string{"/api"}, Methods: []string{"GET"}, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	for want, change := range map[string]func(*auth.Asker){
		"not for this host":    func(a *auth.Asker) { a.Host = "other.example.com" },
		"not for this method":  func(a *auth.Asker) { a.Method = "POST" },
		"not for this path":    func(a *auth.Asker) { a.Path = "/admin" },
		"not for this network": func(a *auth.Asker) { a.Address = netip.MustParseAddr("198.51.100.1") },
	} {
		a := keyAsker
		a.Path = "/api"
		change(&a)
		_, err := b.Bearer(bg, a, made.Token)
		if auth.KindOf(err) != auth.NotSignedIn || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if n := testing.AllocsPerRun(100, func() { b.Bearer(bg, a, made.Token) }); n != 0 {
			t.Errorf("%s: %v allocations", want, n)
		}
	}
}

func TestWhatMayBeAskedOfAKey(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	now := b.Clock.Now()
	day := 24 * time.Hour
	many := func(n int, text string) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(text, i))
		}
		return list
	}
	prefix := func(texts ...string) (list []netip.Prefix) {
		for _, s := range texts {
			list = append(list, netip.MustParsePrefix(s))
		}
		return list
	}
	type change func(*auth.NewAccessKey)
	hosts := func(h ...string) change { return func(in *auth.NewAccessKey) { in.Hosts = h } }
	paths := func(p ...string) change { return func(in *auth.NewAccessKey) { in.Paths = p } }
	methods := func(m ...string) change { return func(in *auth.NewAccessKey) { in.Methods = m } }
	networks := func(n ...netip.Prefix) change { return func(in *auth.NewAccessKey) { in.Networks = n } }
	ends := func(d time.Duration) change { return func(in *auth.NewAccessKey) { in.Expires = now.Add(d) } }
	name := func(n string) change { return func(in *auth.NewAccessKey) { in.Name = n } }
	good := auth.Kind(-1)
	for what, c := range map[string]struct {
		ask              change
		person, operator auth.Kind
	}{
		"a name":                   {name("x"), good, good},
		"a long name":              {name(strings.Repeat("ä", 64)), good, good},
		"a name that is too long":  {name(strings.Repeat("ä", 65)), auth.BadKeyName, auth.BadKeyName},
		"no name":                  {name(" "), auth.BadKeyName, auth.BadKeyName},
		"a line break in the name": {name("a\nb"), auth.BadKeyName, auth.BadKeyName},
		"text that is reversed":    {name("a\u202eb"), auth.BadKeyName, auth.BadKeyName},

		"no host":             {hosts(), auth.BadKeyHost, auth.BadKeyHost},
		"an empty host":       {hosts(""), auth.BadKeyHost, auth.BadKeyHost},
		"any host":            {hosts("*"), auth.BadKeyHost, auth.BadKeyHost},
		"a star in the midst": {hosts("a.*.example.com"), auth.BadKeyHost, auth.BadKeyHost},
		"two stars":           {hosts("*.*.example.com"), auth.BadKeyHost, auth.BadKeyHost},
		"a star and no more":  {hosts("*."), auth.BadKeyHost, auth.BadKeyHost},
		"a host with a port":  {hosts("app.example.com:443"), auth.BadKeyHost, auth.BadKeyHost},
		"an origin":           {hosts("https://app.example.com"), auth.BadKeyHost, auth.BadKeyHost},
		"a space":             {hosts("app.example.com "), auth.BadKeyHost, auth.BadKeyHost},
		"an empty label":      {hosts("app..example.com"), auth.BadKeyHost, auth.BadKeyHost},
		"letters beyond A-Z":  {hosts("bücher.example"), auth.BadKeyHost, auth.BadKeyHost},
		"a bracket":           {hosts("[::1"), auth.BadKeyHost, auth.BadKeyHost},
		"a zone":              {hosts("[fe80::1%eth0]"), auth.BadKeyHost, auth.BadKeyHost},
		"IPv4 in brackets":    {hosts("[192.0.2.1]"), auth.BadKeyHost, auth.BadKeyHost},
		"a star on addresses": {hosts("*.[::1]"), auth.BadKeyHost, auth.BadKeyHost},
		"a long host":         {hosts(strings.Repeat("a.", 128) + "example"), auth.BadKeyHost, auth.BadKeyHost},
		"33 hosts":            {hosts(many(33, "h%d.example.com")...), auth.BadKeyHost, auth.BadKeyHost},
		"32 hosts":            {hosts(many(32, "h%d.example.com")...), good, good},
		"addresses":           {hosts("192.0.2.1", "[::1]", "localhost"), good, good},

		"no path":              {paths(""), auth.BadKeyPath, auth.BadKeyPath},
		"no slash":             {paths("api"), auth.BadKeyPath, auth.BadKeyPath},
		"a query":              {paths("/api?x=1"), auth.BadKeyPath, auth.BadKeyPath},
		"an encoded path":      {paths("/a%20b"), auth.BadKeyPath, auth.BadKeyPath},
		"a wildcard":           {paths("/api/*"), auth.BadKeyPath, auth.BadKeyPath},
		"dot segments":         {paths("/api/.."), auth.BadKeyPath, auth.BadKeyPath},
		"a dot segment":        {paths("/./api"), auth.BadKeyPath, auth.BadKeyPath},
		"an empty segment":     {paths("/api//x"), auth.BadKeyPath, auth.BadKeyPath},
		"slashes":              {paths("//"), auth.BadKeyPath, auth.BadKeyPath},
		"slashes at the end":   {paths("/api//"), auth.BadKeyPath, auth.BadKeyPath},
		"a backslash":          {paths(`/api\x`), auth.BadKeyPath, auth.BadKeyPath},
		"a parameter":          {paths("/api;v=1"), auth.BadKeyPath, auth.BadKeyPath},
		"a control character":  {paths("/api\x00"), auth.BadKeyPath, auth.BadKeyPath},
		"a space at the end":   {paths("/api "), auth.BadKeyPath, auth.BadKeyPath},
		"a long path":          {paths("/" + strings.Repeat("a", 255)), auth.BadKeyPath, auth.BadKeyPath},
		"good paths":           {paths("/", "/a b", "/grüße/", "/.well-known"), good, good},
		"33 paths":             {paths(many(33, "/%d")...), auth.BadKeyPath, auth.BadKeyPath},
		"no method":            {methods(""), auth.BadKeyMethod, auth.BadKeyMethod},
		"a method of two":      {methods("GET POST"), auth.BadKeyMethod, auth.BadKeyMethod},
		"a long method":        {methods(strings.Repeat("A", 33)), auth.BadKeyMethod, auth.BadKeyMethod},
		"good methods":         {methods("get", "M-SEARCH"), good, good},
		"no network":           {networks(netip.Prefix{}), auth.BadKeyNetwork, auth.BadKeyNetwork},
		"half of all of IPv4":  {networks(prefix("::ffff:0:0/80")...), auth.BadKeyNetwork, auth.BadKeyNetwork},
		"good networks":        {networks(prefix("10.0.0.1/8", "::/0", "0.0.0.0/0")...), good, good},
		"an end that is past":  {ends(-time.Hour), auth.BadKeyExpiry, auth.BadKeyExpiry},
		"an end that is now":   {ends(0), auth.BadKeyExpiry, auth.BadKeyExpiry},
		"an hour":              {ends(time.Hour), auth.BadKeyExpiry, good},
		"a day":                {ends(day), good, good},
		"a day of a slow door": {ends(day - 10*time.Second), good, good},
		"a year":               {ends(365 * day), good, good},
		"more than a year":     {ends(366 * day), auth.BadKeyExpiry, good},
		"ten years":            {ends(3650 * day), auth.BadKeyExpiry, good},
		"eleven years":         {ends(3651 * day), auth.BadKeyExpiry, auth.BadKeyExpiry},
	} {
		t.Run(what, func(t *testing.T) {
			b.Forget(t, "account/")
			in := auth.NewAccessKey{Name: "x", Hosts: []string{keyHost}}
			c.ask(&in)
			_, err := b.NewAppPassword(bg, alice.Client(), alice.Session, in)
			if c.person == good && err != nil || c.person != good && (err == nil || auth.KindOf(err) != c.person) {
				t.Errorf("a person: got %v, want kind %d", err, c.person)
			}
			_, err = b.AddAccessKey(bg, auth.Client{}, "", in)
			if c.operator == good && err != nil || c.operator != good && (err == nil || auth.KindOf(err) != c.operator) {
				t.Errorf("an operator: got %v, want kind %d", err, c.operator)
			}
		})
	}
}

// TestHowLongAKeyMayLastIsSaid, to each as it holds for them.
func TestHowLongAKeyMayLastIsSaid(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	in := auth.NewAccessKey{Name: "x", Hosts: []string{keyHost}, Expires: b.Clock.Now()}
	_, person := b.NewAppPassword(bg, alice.Client(), alice.Session, in)
	_, operator := b.AddAccessKey(bg, auth.Client{}, "", in)
	for want, err := range map[string]error{"a key ends in 1 to 365 days": person, "a key ends in at most 3650 days": operator} {
		if e, ok := errors.AsType[*auth.Error](err); !ok || e.Detail != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestASVS7_5_1AppPasswordsTakeSudoMode, as all does that opens the account for longer than the session.
func TestASVS7_5_1AppPasswordsTakeSudoMode(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	mine := newAppPassword(t, b, alice, "one")
	bob := b.Enroll(t, auth.NewUser{Name: "bob"})
	wantKind(t, b.RemoveAppPassword(bg, bob.Client(), bob.Session, mine.ID), auth.NotFound, "ASVS 8.2.2: revoking somebody else's")
	b.Clock.Move(auth.SudoAge)
	in := auth.NewAccessKey{Name: "two", Hosts: []string{keyHost}}
	_, err := b.NewAppPassword(bg, alice.Client(), alice.Session, in)
	wantKind(t, err, auth.StepUpNeeded, "making one with old proofs")
	wantKind(t, b.RemoveAppPassword(bg, alice.Client(), alice.Session, mine.ID), auth.StepUpNeeded, "revoking one with old proofs")
	wantAccessKey(t, b, mine.Token, true, "the first one")
	_, err = b.NewAppPassword(bg, alice.Client(), "", in)
	wantKind(t, err, auth.NotSignedIn, "making one without a session")
	alice.Sudo(t)
	newAppPassword(t, b, alice, "two")
}

// TestAccessKeyMeetsRules: a key counts for what the session had proven that made it, and never for a proof that somebody names or that is
// fresh.
func TestAccessKeyMeetsRules(t *testing.T) {
	b := authtest.New(t)
	carol := b.AddUser(t, auth.NewUser{Name: "carol", Groups: []string{"staff"}})
	carol.Keep(carol.EnterPassword(t))
	weak := newAppPassword(t, b, carol, "made with a password alone")
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Groups: []string{"staff"}})
	strong := newAppPassword(t, b, alice, "made with two factors")
	nobody := newServiceToken(t, b, auth.NewAccessKey{})
	bob := b.AddUser(t, auth.NewUser{Name: "bob"})
	for _, c := range []struct {
		token string
		rule  auth.Requirement
		want  auth.Verdict
	}{
		{weak.Token, auth.Requirement{Level: auth.LevelPassword}, auth.Pass},
		{weak.Token, auth.Requirement{Level: auth.LevelTwoFactor}, auth.ProveMore},
		{weak.Token, auth.Requirement{Level: auth.LevelPassword, Groups: []string{"staff"}}, auth.Pass},
		{strong.Token, auth.Requirement{Level: auth.LevelPassword}, auth.Pass},
		{strong.Token, auth.Requirement{Level: auth.LevelTwoFactor}, auth.Pass},
		{strong.Token, auth.Requirement{Level: auth.LevelTwoFactor, Users: []string{"alice"}}, auth.Pass},
		{strong.Token, auth.Requirement{Level: auth.LevelTwoFactor, Users: []string{bob.Name}}, auth.Forbidden},
		{strong.Token, auth.Requirement{Level: auth.LevelTwoFactor, Groups: []string{"admins"}}, auth.Forbidden},
		{strong.Token, auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 1000 * time.Hour}, auth.ProveMore},
		{strong.Token, auth.Requirement{Level: auth.LevelPassword, MaxAge: time.Hour}, auth.ProveMore},
		{strong.Token, auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TOTP}}, auth.ProveMore},
		{strong.Token, auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.AppPassword}}, auth.ProveMore},
		{strong.Token, auth.Sudo, auth.ProveMore},
		{nobody.Token, auth.Requirement{Level: auth.LevelPassword}, auth.Pass},
		{nobody.Token, auth.Requirement{Level: auth.LevelTwoFactor}, auth.Pass},
		{nobody.Token, auth.Requirement{Level: auth.LevelTwoFactor, Users: []string{"alice"}}, auth.Forbidden},
		{nobody.Token, auth.Requirement{Level: auth.LevelTwoFactor, Groups: []string{"staff"}}, auth.Forbidden},
		{nobody.Token, auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Hour}, auth.ProveMore},
		{nobody.Token, auth.Sudo, auth.ProveMore},
	} {
		s := wantAccessKey(t, b, c.token, true, "a key")
		if got := c.rule.Judge(s, b.Clock.Now()); got != c.want {
			t.Errorf("%s (%q) under %+v: got %v, want %v", s.Key, s.Name, c.rule, got, c.want)
		}
		if n := testing.AllocsPerRun(10, func() { c.rule.Judge(s, b.Clock.Now()) }); n != 0 {
			t.Errorf("%+v: %v allocations", c.rule, n)
		}
		if b.InSudo(authtest.Client, s) || b.Complete(s) {
			t.Errorf("%s (%q): a key opens an account", s.Key, s.Name)
		}
	}
	if s := wantAccessKey(t, b, weak.Token, true, "the weak key"); s.Level() != auth.LevelPassword {
		t.Errorf("the weak key is of level %s", s.Level())
	}
}

// TestMF4AKeyFromBeforeTheFactor: what was made with a password alone is not enough for an account that has a factor now, under no rule, and
// what is open with it is closed.
func TestMF4AKeyFromBeforeTheFactor(t *testing.T) {
	b := authtest.New(t)
	carol := b.AddUser(t, auth.NewUser{Name: "carol"})
	carol.Keep(carol.EnterPassword(t))
	made := newAppPassword(t, b, carol, "from before")
	s := wantAccessKey(t, b, made.Token, true, "the key")
	cut := false
	defer s.Watch(func() { cut = true })()
	pr, err := b.StepUp(bg, carol.Client(), carol.Session, twoFactor, "")
	carol.Finish(t, wantStep(t, pr, err, auth.StepEnroll, "enrolling"))
	if !cut {
		t.Error("what is open with the key goes on")
	}
	s = wantAccessKey(t, b, made.Token, true, "the key after the enrollment")
	lax := auth.Requirement{Level: auth.LevelPassword}
	if got := lax.Judge(s, b.Clock.Now()); got != auth.ProveMore || s.Level() != 0 {
		t.Errorf("under a lax rule: got %v at level %s, want that it is not enough", got, s.Level())
	}
	if s := wantAccessKey(t, b, newAppPassword(t, b, carol, "from after").Token, true, "a new one"); twoFactor.Judge(s, b.Clock.Now()) != auth.Pass {
		t.Error("a key that was made with two factors is not enough")
	}
}

// TestASVS7_4_2ASVS6_5_6WhatEndsAppPasswords: whatever makes an account safe again ends its keys, at once and what is open with them too.
// That sessions are ended does not.
func TestASVS7_4_2ASVS6_5_6WhatEndsAppPasswords(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Add(t, byMail)
	phone, _ := alice.Add(t, bySMS("+4915112345678"))
	alice.Sudo(t)
	bob := b.Enroll(t, auth.NewUser{Name: "bob"})
	theirs := newAppPassword(t, b, bob, "bob's")
	nobodys := newServiceToken(t, b, auth.NewAccessKey{})
	made := []auth.MadeAccessKey{newAppPassword(t, b, alice, "one"), newAppPassword(t, b, alice, "two")}
	restore := b.Snapshot(t)
	for name, c := range map[string]struct {
		act    func(p *authtest.Person) error
		ends   bool
		reason string
		actor  string
	}{
		"disabling": {func(*authtest.Person) error { return b.SetDisabled(bg, auth.Client{}, "alice", true) }, true, "the account was disabled", "operator"},
		"disabling and enabling": {func(*authtest.Person) error {
			if err := b.SetDisabled(bg, auth.Client{}, "alice", true); err != nil {
				return err
			}
			return b.SetDisabled(bg, auth.Client{}, "alice", false)
		}, true, "the account was disabled", "operator"},
		"deleting": {func(*authtest.Person) error { return b.DeleteUser(bg, auth.Client{}, "alice") }, true, "the account was deleted", "operator"},
		"a reset of the factors": {func(*authtest.Person) error {
			_, err := b.ResetTwoFactor(bg, auth.Client{}, "alice")
			return err
		}, true, "the second factor was reset", "operator"},
		"a change of the password": {func(p *authtest.Person) error {
			_, err := b.ChangePassword(bg, p.Client(), p.Session, p.Password, newPassword)
			return err
		}, true, "the password was changed", "alice"},
		"a reset of the password": {func(*authtest.Person) error {
			link, err := b.NewResetLink(bg, auth.Client{}, "alice")
			if err != nil {
				return err
			}
			return b.ResetPassword(bg, authtest.Client, link.Token, newPassword)
		}, true, "the password was reset", "alice"},
		"turning two factors off": {func(p *authtest.Person) error {
			pr, err := b.Service.DisableTwoFactor(bg, p.Client(), p.Session)
			if err != nil {
				return err
			}
			pr, err = b.ReenterPassword(bg, p.Client(), pr.Attempt, p.Password)
			if err != nil {
				return err
			}
			pr, err = b.Code(bg, p.Client(), pr.Attempt, auth.TOTP, p.Code())
			wantStep(t, pr, err, auth.StepDone, "turning two factors off")
			return err
		}, true, "two-factor sign-in was turned off", "alice"},
		"removing a factor": {func(p *authtest.Person) error { return b.RemoveFactor(bg, p.Client(), p.Session, phone.ID) }, true, "a second factor was removed", "alice"},
		"another address for codes": {func(p *authtest.Person) error {
			pr, err := b.ChangeEmail(bg, p.Client(), p.Session, "new@example.com")
			if err != nil {
				return err
			}
			_, err = b.ConfirmAddress(bg, p.Client(), pr.Attempt, b.Await(t, auth.MessageProve).Code)
			return err
		}, true, "the address for codes was changed", "alice"},

		"ending the other sessions": {func(p *authtest.Person) error { return b.EndOtherSessions(bg, p.Client(), p.Session) }, false, "", ""},
		"an operator ends her sessions": {func(*authtest.Person) error {
			n, err := b.RevokeSessions(bg, auth.Client{}, "alice")
			if n != 1 {
				t.Errorf("%d sessions were ended", n)
			}
			return err
		}, false, "", ""},
		"an operator ends all sessions": {func(*authtest.Person) error {
			_, err := b.RevokeAllSessions(bg, auth.Client{})
			return err
		}, false, "", ""},
		"signing out": {func(p *authtest.Person) error { return b.SignOut(bg, p.Client(), p.Session) }, false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			defer restore()
			b.Events = nil
			var open, cut [2]bool
			for i, m := range made {
				s := wantAccessKey(t, b, m.Token, true, "a key before")
				defer s.Watch(func() { cut[i] = true })()
				open[i] = s != nil
			}
			other := wantAccessKey(t, b, theirs.Token, true, "another person's")
			defer other.Watch(func() { t.Error("what is open with another person's key was closed") })()
			p := *alice
			if err := c.act(&p); err != nil {
				t.Fatal(err)
			}
			if want := [2]bool{c.ends, c.ends}; cut != want {
				t.Errorf("what was open was closed: got %v, want %v", cut, want)
			}
			for _, m := range made {
				wantAccessKey(t, b, m.Token, !c.ends, "a key after")
			}
			wantAccessKey(t, b, theirs.Token, true, "another person's")
			wantAccessKey(t, b, nobodys.Token, true, "nobody's")
			var why []string
			for _, e := range b.Events {
				if e.Type == auth.EventAccessKeyRevoked {
					why = append(why, e.Actor+" "+e.Key+" "+e.Detail)
				}
			}
			var want []string
			if c.ends {
				for _, m := range made {
					want = append(want, c.actor+" "+m.ID+" "+m.Name+": "+c.reason)
				}
			}
			if !slices.Equal(why, want) {
				t.Errorf("events: got %q, want %q", why, want)
			}
			b.Restart(t)
			for _, m := range made {
				wantAccessKey(t, b, m.Token, !c.ends, "a key after a restart")
			}
			if list, err := b.AccessKeys(bg, ""); err != nil || len(list) != 2+map[bool]int{false: 2}[c.ends] {
				t.Errorf("%d keys are listed, %v", len(list), err)
			}
		})
	}
}

// TestMF5ASVS7_2_2AccessKeyOpensNothingOfOurs: a key in the place of a session does nothing, whatever is asked for in its name.
func TestMF5ASVS7_2_2AccessKeyOpensNothingOfOurs(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com", Admin: true})
	phone, _ := alice.Add(t, bySMS("+4915112345678"))
	alice.Sudo(t)
	made := newAppPassword(t, b, alice, "one")
	s := wantAccessKey(t, b, made.Token, true, "the key")
	c := alice.Client()
	c.Host = keyHost
	before := b.Records(t, "")
	for _, value := range []string{made.Token, made.ID, made.Secret, "access key\x00" + made.Token} {
		for name, act := range map[string]func() error{
			"Session":          func() error { _, err := b.Session(bg, keyAsker, value); return err },
			"StepUp":           func() error { _, err := b.StepUp(bg, c, value, twoFactor, ""); return err },
			"AddFactor":        func() error { _, err := b.AddFactor(bg, c, value, byApp); return err },
			"RenameFactor":     func() error { return b.RenameFactor(bg, c, value, phone.ID, "x") },
			"RemoveFactor":     func() error { return b.RemoveFactor(bg, c, value, phone.ID) },
			"NewBackupCodes":   func() error { _, err := b.NewBackupCodes(bg, c, value); return err },
			"DisableTwoFactor": func() error { _, err := b.Service.DisableTwoFactor(bg, c, value); return err },
			"ChangePassword":   func() error { _, err := b.ChangePassword(bg, c, value, alice.Password, newPassword); return err },
			"ChangeEmail":      func() error { _, err := b.ChangeEmail(bg, c, value, "thief@example.com"); return err },
			"EndSession":       func() error { return b.EndSession(bg, c, value, s.ID) },
			"EndOtherSessions": func() error { return b.EndOtherSessions(bg, c, value) },
			"EndTrust":         func() error { return b.EndTrust(bg, c, value, "x") },
			"HandOver": func() error {
				_, err := b.HandOver(bg, c, value, auth.HandOver{Site: "https://wiki.example.com", Challenge: auth.Challenge("x"), ReturnTo: "/"})
				return err
			},
			"NewAppPassword": func() error {
				_, err := b.NewAppPassword(bg, c, value, auth.NewAccessKey{Name: "x"})
				return err
			},
			"RemoveAppPassword": func() error { return b.RemoveAppPassword(bg, c, value, made.ID) },
		} {
			if err := act(); auth.KindOf(err) != auth.NotSignedIn {
				t.Errorf("%s with a key for its session: %v", name, err)
			}
		}
		if err := b.SignOut(bg, c, value); err != nil {
			t.Errorf("signing out with a key: %v", err)
		}
	}
	wantKind(t, b.RevokeSession(bg, auth.Client{}, made.ID), auth.NotFound, "ending a key as a session")
	wantKind(t, b.RevokeAccessKey(bg, auth.Client{}, s.ID[3:]), auth.NotFound, "revoking by half an id")
	if after := b.Records(t, ""); !maps.Equal(before, after) {
		t.Error("something was written")
	}
	wantAccessKey(t, b, made.Token, true, "the key after all of that")
	wantSession(t, b, alice.Session, true, "the session")
	_, err := b.Bearer(bg, keyAsker, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "a cookie as a token")
}

// TestDO8ForgedAccessKeysDieBeforeTheStore, as forged cookies do: whoever makes up keys costs an HMAC each.
func TestDO8ForgedAccessKeysDieBeforeTheStore(t *testing.T) {
	b := authtest.New(t)
	made, other := newServiceToken(t, b, auth.NewAccessKey{}), newServiceToken(t, b, auth.NewAccessKey{})
	flip := func(i int) string {
		c := byte('A')
		if made.Token[i] == c {
			c = 'B'
		}
		return made.Token[:i] + string(c) + made.Token[i+1:]
	}
	forged := []string{
		"", "nlk", made.ID, made.Secret, made.Token + "A", made.Token[:len(made.Token)-1], " " + made.Token, made.Token + "=", made.Token + "\x00",
		strings.ToUpper(made.Token), strings.Replace(made.Token, "_", ".", 1), "NLK" + made.Token[3:],
		other.ID + "_" + made.Secret, made.ID + "_" + strings.Repeat("A", 43), made.ID + "_" + strings.Repeat("ä", 21) + "A",
	}
	for i := range made.Token {
		forged = append(forged, flip(i))
	}
	// The last character of the secret has two bits that nothing reads: only one spelling of it is one.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, made.Token[len(made.Token)-1])
	forged = append(forged, made.Token[:len(made.Token)-1]+string(alphabet[last^1]))
	for _, known := range []bool{false, true} {
		if known {
			wantAccessKey(t, b, made.Token, true, "the key")
		}
		views := b.Store.Views()
		for _, token := range forged {
			if token != made.Token {
				wantAccessKey(t, b, token, false, fmt.Sprintf("%q", token))
			}
		}
		if n := b.Store.Views() - views; n != 0 {
			t.Errorf("%d forged keys read the store", n)
		}
	}
	wantAccessKey(t, b, made.Token, true, "the key")
	// One that we have made, and of which the store has no record.
	b.Forget(t, "access/"+other.ID)
	wantAccessKey(t, b, other.Token, false, "a key without a record")
	// A tag is no credential: what opens is that the hash is the one that is kept.
	edit(t, b, "access/"+made.ID, made.ID, func(r map[string]any) { r["secret"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" })
	b.Restart(t)
	wantAccessKey(t, b, made.Token, false, "a key whose hash is another")
}

// TestAccessKeyInMemoryCostsNothing: no read, no write and no allocation on a request with a key of the moment.
func TestAccessKeyInMemoryCostsNothing(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	made, err := b.NewAppPassword(bg, alice.Client(), alice.Session, auth.NewAccessKey{
		Name: "x", Hosts: []string{"*.example.com"}, Paths: []string{"/dav", "/api"}, Methods: []string{"GET", "PUT"},
		Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := keyAsker
	a.Path = "/api/items"
	pass := func() {
		if _, err := b.Bearer(bg, a, made.Token); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	views, updates := b.Store.Views(), b.Store.Updates()
	if n := testing.AllocsPerRun(200, pass); n != 0 {
		t.Errorf("%v allocations", n)
	}
	b.Store.FailViews(errDisk)
	b.Store.FailUpdates(errDisk)
	for range 10 {
		b.Clock.Move(time.Hour) // a key does not end by not being used
		pass()
	}
	if v, u := b.Store.Views()-views, b.Store.Updates()-updates; v != 0 || u != 0 {
		t.Errorf("%d reads and %d writes", v, u)
	}
}

// TestST11AccessKeyErrorIsNeverAbsence: when the store cannot tell, nobody is told that the key is unknown.
func TestST11AccessKeyErrorIsNeverAbsence(t *testing.T) {
	for _, prefix := range []string{"access/", "user/", "factors/"} {
		b := authtest.New(t)
		alice := b.Enroll(t, auth.NewUser{Name: "alice"})
		made := newAppPassword(t, b, alice, "x")
		b.Store.FailReads(prefix, errDisk)
		_, err := b.Bearer(bg, keyAsker, made.Token)
		wantKind(t, err, auth.Unavailable, prefix+" cannot be read")
		if prefix == "access/" {
			wantKind(t, b.SetDisabled(bg, auth.Client{}, "alice", true), auth.Unavailable, "disabling who has keys that cannot be read")
		}
		b.Store.FailReads("", nil)
		wantAccessKey(t, b, made.Token, true, "the key after that")
	}
}

func TestAccessKeyExpires(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	in := auth.NewAccessKey{Name: "x", Hosts: []string{keyHost}, Expires: b.Clock.Now().Add(48 * time.Hour)}
	made, err := b.NewAppPassword(bg, alice.Client(), alice.Session, in)
	if err != nil {
		t.Fatal(err)
	}
	s := wantAccessKey(t, b, made.Token, true, "the key")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	defer s.Watch(cancel)()
	b.Clock.Move(48*time.Hour - time.Second)
	wantAccessKey(t, b, made.Token, true, "the key at its last second")
	restore := b.Snapshot(t)
	b.Clock.Move(time.Second)
	<-ctx.Done()
	if ctx.Err() != context.Canceled {
		t.Error("WB-9: what is open with it goes on after its end")
	}
	wantAccessKey(t, b, made.Token, false, "the key after its end")
	if list, err := b.AccessKeys(bg, ""); err != nil || len(list) != 0 {
		t.Errorf("listed after its end: %+v, %v", list, err)
	}
	wantKind(t, b.RevokeAccessKey(bg, auth.Client{}, made.ID), auth.NotFound, "revoking it after its end")
	restore()
	b.Restart(t)
	b.Clock.Move(time.Second)
	wantAccessKey(t, b, made.Token, false, "the key after its end, from the store")
	if err := b.SetDisabled(bg, auth.Client{}, "alice", true); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Events {
		if e.Type == auth.EventAccessKeyRevoked {
			t.Errorf("what has run out was ended: %+v", e)
		}
	}
}

// ST-6: what has run out stays so when the clock goes back, as a session does, until memory forgets it. Then the record counts.
func TestST6AccessKeyAfterAClockThatWasWrong(t *testing.T) {
	b := authtest.New(t)
	made := newServiceToken(t, b, auth.NewAccessKey{})
	wantAccessKey(t, b, made.Token, true, "the key")
	b.Clock.Move(2 * auth.AccessKeyLife)
	wantAccessKey(t, b, made.Token, false, "the key, by a clock that is far ahead")
	b.Clock.Move(-2*auth.AccessKeyLife + 10*time.Minute)
	wantAccessKey(t, b, made.Token, false, "the key, after the clock was set right")
	for range 2 { // what was used is saved first, and then forgotten
		if err := b.Service.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantAccessKey(t, b, made.Token, true, "the key, after a while without use")
}

// TestLastUseOfAnAccessKey is kept in memory and written coarsely; no request waits for that.
func TestLastUseOfAnAccessKey(t *testing.T) {
	b := authtest.New(t)
	made := newServiceToken(t, b, auth.NewAccessKey{})
	lastUsed := func() time.Time {
		t.Helper()
		list, err := b.AccessKeys(bg, "")
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		return list[0].LastUsed
	}
	if at := lastUsed(); !at.IsZero() {
		t.Errorf("a new key was used at %s", at)
	}
	b.Clock.Move(time.Hour)
	a := keyAsker
	a.Host = "other.example.com"
	if _, err := b.Bearer(bg, a, made.Token); err == nil {
		t.Fatal("it works elsewhere")
	}
	if at := lastUsed(); !at.IsZero() {
		t.Errorf("a request that the key is not for used it at %s", at)
	}
	wantAccessKey(t, b, made.Token, true, "the key")
	used := b.Clock.Now()
	if at := lastUsed(); !at.Equal(used) {
		t.Errorf("used at %s, want %s", at, used)
	}
	b.Restart(t)
	b.Clock.Move(time.Hour)
	if at := lastUsed(); !at.Equal(used) {
		t.Errorf("after a restart: used at %s, want %s", at, used)
	}
	// Revoked while memory still has a use of it: saving that must not bring it back.
	b.Clock.Move(time.Hour)
	wantAccessKey(t, b, made.Token, true, "the key again")
	if err := b.RevokeAccessKey(bg, auth.Client{}, made.ID); err != nil {
		t.Fatal(err)
	}
	b.Restart(t)
	wantAccessKey(t, b, made.Token, false, "a revoked key")
}

// TestID15VouchedAccessKey: what was made by somebody for whom a handler in front vouches counts only where it vouches for the same person,
// and where it vouches for anybody, nobody else gets in.
func TestID15VouchedAccessKey(t *testing.T) {
	b := authtest.New(t)
	session, _ := enrollVouched(t, b, "dora")
	c := vouchedFor("dora")
	made, err := b.NewAppPassword(bg, c, session, auth.NewAccessKey{Name: "x", Hosts: []string{keyHost}})
	if err != nil {
		t.Fatal(err)
	}
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	hers := newAppPassword(t, b, alice, "x")
	nobodys := newServiceToken(t, b, auth.NewAccessKey{})
	for _, x := range []struct {
		key     auth.MadeAccessKey
		vouched string
		works   bool
	}{
		{made, "dora", true}, {made, "DORA", true}, {made, "", false}, {made, "alice", false},
		{hers, "", true}, {hers, "alice", true}, {hers, "dora", false},
		{nobodys, "", true}, {nobodys, "alice", false},
	} {
		a := keyAsker
		a.Vouched = x.vouched
		s, err := b.Bearer(bg, a, x.key.Token)
		if (err == nil) != x.works || err != nil && auth.KindOf(err) != auth.NotSignedIn {
			t.Errorf("a key of %q where %q is named: %v", x.key.User, x.vouched, err)
		}
		if err == nil && twoFactor.Judge(s, b.Clock.Now()) != auth.Pass {
			t.Errorf("a key of %q does not meet the default rule", x.key.User)
		}
	}
}

// TestASVS8_3_2AccessKeyTellsTheNewAddress: a change of the person is seen on the next request with a key.
func TestASVS8_3_2AccessKeyTellsTheNewAddress(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	made := newAppPassword(t, b, alice, "x")
	wantAccessKey(t, b, made.Token, true, "the key")
	pr, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, b.Await(t, auth.MessageProve).Code); err != nil {
		t.Fatal(err)
	}
	if s := wantAccessKey(t, b, made.Token, true, "the key"); s.Email != "new@example.com" {
		t.Errorf("it tells %s", s.Email)
	}
}

// TestSE9RevokedAccessKeyNeverPassesAgain: no request that begins after the answer to a revocation passes, however loading the key and
// revoking it interleave.
func TestSE9RevokedAccessKeyNeverPassesAgain(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	for round := range 20 {
		b.Forget(t, "account/")
		made := newAppPassword(t, b, alice, fmt.Sprint(round))
		var revoked atomic.Bool
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range 8 {
			wg.Go(func() {
				<-begin
				for range 50 {
					late := revoked.Load()
					s, err := b.Bearer(bg, keyAsker, made.Token)
					if late && err == nil {
						t.Error("it passed after it was revoked")
						return
					}
					if err == nil {
						closed := make(chan struct{})
						stop := s.Watch(sync.OnceFunc(func() { close(closed) }))
						if revoked.Load() {
							select {
							case <-closed:
							default:
								t.Error("WB-9: what is open with it goes on")
							}
						}
						stop()
					}
				}
			})
		}
		close(begin)
		var err error
		if round%2 == 0 {
			err = b.RemoveAppPassword(bg, alice.Client(), alice.Session, made.ID)
		} else {
			err = b.RevokeAccessKey(bg, auth.Client{}, made.ID)
		}
		if err != nil {
			t.Error(err)
		}
		revoked.Store(true)
		wg.Wait()
	}
}

// TestAtMostFiftyAccessKeys of one person, also where several are made at once. What has run out or was revoked does not count.
func TestAtMostFiftyAccessKeys(t *testing.T) {
	b := authtest.New(t)
	b.AddUser(t, auth.NewUser{Name: "alice"})
	add := func(life time.Duration) (auth.MadeAccessKey, error) {
		return b.AddAccessKey(bg, auth.Client{}, "alice", auth.NewAccessKey{Name: "x", Hosts: []string{keyHost}, Expires: b.Clock.Now().Add(life)})
	}
	for range auth.MaxAccessKeys - 3 {
		if _, err := add(time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	long, err := add(100 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var made, tooMany atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			switch _, err := add(time.Hour); {
			case err == nil:
				made.Add(1)
			case auth.KindOf(err) == auth.TooManyKeys:
				tooMany.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 2 || tooMany.Load() != 8 {
		t.Errorf("of ten at once %d were made and %d were too many, want 2 and 8", made.Load(), tooMany.Load())
	}
	if err := b.RevokeAccessKey(bg, auth.Client{}, long.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := add(time.Hour); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
	_, err = add(time.Hour)
	wantKind(t, err, auth.TooManyKeys, "one more")
	b.Clock.Move(time.Hour)
	if _, err := add(time.Hour); err != nil {
		t.Errorf("after the others have run out: %v", err)
	}
	newServiceToken(t, b, auth.NewAccessKey{}) // nobody's are not counted
}

// FuzzAccessKey: no text that we did not make opens anything or reads the store.
func FuzzAccessKey(f *testing.F) {
	b := authtest.New(f)
	for _, seed := range []string{
		"", "nlk", "nlk0123456789abcdef_", "nlk0123456789abcdef_" + strings.Repeat("A", 43), "nlk0123456789abcdef_" + strings.Repeat("_", 43),
		"nlk0123456789ABCDEF_" + strings.Repeat("A", 43), "nlk0123456789abcdef." + strings.Repeat("A", 43), "a.b.c", strings.Repeat("é", 32),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		views := b.Store.Views()
		_, err := b.Bearer(bg, keyAsker, token)
		if auth.KindOf(err) != auth.NotSignedIn || b.Store.Views() != views {
			t.Errorf("%q: %v, and %d reads", token, err, b.Store.Views()-views)
		}
	})
}

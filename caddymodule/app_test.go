// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/courier"
)

// provision makes the app of a Caddyfile ready, as `caddy validate` does: nothing is opened and nothing listens.
func provision(t *testing.T, input string) (*App, error) {
	t.Helper()
	adapted := adapted(t, string(caddyfile.Format([]byte(input))))
	var cfg caddy.Config
	if err := json.Unmarshal([]byte(adapted), &cfg); err != nil {
		t.Fatalf("%v in %s", err, adapted)
	}
	ctx, err := caddy.ProvisionContext(&cfg)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		for _, name := range []string{"http", "nightlatch"} {
			if app, err := ctx.AppIfConfigured(name); err == nil {
				app.(caddy.CleanerUpper).Cleanup()
			}
		}
	})
	app, err := ctx.App("nightlatch")
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

func TestSettings(t *testing.T) {
	const sites = "\na.example.com {\n\tnightlatch {\n\t\t%s\n\t}\n}\n"
	global := func(s string) string {
		return "{\n\tnightlatch {\n\t\tdata_dir " + t.TempDir() + "\n\t\t" + s + "\n\t}\n}\n"
	}
	def := auth.DefaultSettings
	strict := def
	strict.MinPassword = 8
	with := func(s auth.Settings, change func(*auth.Settings)) auth.Settings {
		change(&s)
		return s
	}
	cases := map[string]struct {
		caddyfile string
		want      auth.Settings
	}{
		"always two factors":      {global("") + fmt.Sprintf(sites, ""), strict},
		"two factors or nobody":   {global("") + fmt.Sprintf(sites, "skip /x\ndeny /y"), strict},
		"a password in one place": {global("") + fmt.Sprintf(sites, "require /x password"), def},
		"a password in another site": {global("") + fmt.Sprintf(sites, "") +
			"b.example.com {\n\tnightlatch {\n\t\trequire password\n\t}\n}\n", def},
		"a password, deep": {global("") + "a.example.com {\n\troute {\n\t\thandle /x {\n\t\t\tnightlatch {\n\t\t\t\trequire password\n\t\t\t}\n\t\t}\n\t}\n}\n", def},
		"no site":          {global(""), def},
		"as written":       {global("password {\n min_length 20\n}") + fmt.Sprintf(sites, ""), with(def, func(s *auth.Settings) { s.MinPassword = 20 })},
		"brand": {global(`brand "Example Corp"`) + fmt.Sprintf(sites, ""),
			with(strict, func(s *auth.Settings) { s.Brand, s.Issuer = "Example Corp", "Example Corp" })},
		"brand and issuer": {global("brand Example\nissuer VPN") + fmt.Sprintf(sites, ""),
			with(strict, func(s *auth.Settings) { s.Brand, s.Issuer = "Example", "VPN" })},
		"no past steps": {global("totp {\n past_steps 0\n}") + fmt.Sprintf(sites, ""), with(strict, func(s *auth.Settings) { s.PastSteps = 0 })},
		"mail": {global("smtp localhost {\n from a@example.com\n}") + fmt.Sprintf(sites, ""),
			with(strict, func(s *auth.Settings) { s.Mail, s.Methods = true, []auth.Method{auth.TOTP, auth.Email} })},
		"webhook": {global("webhook https://sms.example.com {\n secret "+sampleSecret+"\n}") + fmt.Sprintf(sites, ""),
			with(strict, func(s *auth.Settings) {
				s.Channels, s.Methods = []string{"sms"}, []auth.Method{auth.TOTP, auth.Webhook}
			})},
		"channels and methods": {global("webhook https://sms.example.com {\n secret "+sampleSecret+"\n channels chat sms\n}\nsmtp localhost {\n from a@example.com\n}\n"+
			"methods webhook totp") + fmt.Sprintf(sites, ""),
			with(strict, func(s *auth.Settings) {
				s.Mail, s.Channels, s.Methods = true, []string{"chat", "sms"}, []auth.Method{auth.Webhook, auth.TOTP}
			})},
		"trusted browsers": {global("session {\n trust_browser 7d\n}") + fmt.Sprintf(sites, ""), with(strict, func(s *auth.Settings) { s.Trust = 7 * 24 * time.Hour })},
		"times": {global("session {\n idle 5m\n lifetime 1h\n remember 2d\n}") + fmt.Sprintf(sites, ""),
			with(strict, func(s *auth.Settings) { s.Idle, s.Lifetime, s.Remember = 5*time.Minute, time.Hour, 48*time.Hour })},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			app, err := provision(t, c.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			if got := app.settings(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			// A command that works without a server holds people to the same.
			file := filepath.Join(t.TempDir(), "Caddyfile")
			if err := os.WriteFile(file, []byte(c.caddyfile), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := (&target{config: file}).configuration()
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.app.settings(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("a command: got %+v, want %+v", got, c.want)
			}
		})
	}
}

// A missing secret must not turn into an empty one, nor a missing directory into another.
func TestPlaceholdersMustBeThere(t *testing.T) {
	good := base64.StdEncoding.EncodeToString([]byte("thirty-two bytes for a test key!"))
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NIGHTLATCH_TEST_KEY", good)
	t.Setenv("NIGHTLATCH_TEST_SHORT", "c2hvcnQ=")
	for key, want := range map[string]string{
		"{env.NIGHTLATCH_TEST_KEY}":   "",
		"{file." + file + "}":         "",
		"{env.NIGHTLATCH_TEST_UNSET}": "is empty",
		"{file." + file + ".missing}": "is empty",
		"{env.NIGHTLATCH_TEST_SHORT}": "5 bytes",
		"{nothing.known}":             "unrecognized placeholder",
	} {
		_, err := (&App{DataDir: t.TempDir(), Key: key}).storeOptions()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", key, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%s: the error shows the key: %v", key, err)
		}
	}
	if _, err := (&App{DataDir: "{env.NIGHTLATCH_TEST_UNSET}"}).storeOptions(); err == nil {
		t.Error("an unset data_dir was accepted")
	}
}

// The expanded key must not be where Caddy's API, autosave or traces print the configuration.
func TestKeyStaysOutOfTheConfiguration(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("thirty-two bytes for a test key!"))
	t.Setenv("NIGHTLATCH_TEST_KEY", key)
	app, err := provision(t, "{\n\tnightlatch {\n\t\tdata_dir "+t.TempDir()+"\n\t\tkey {env.NIGHTLATCH_TEST_KEY}\n\t}\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(app)
	if err != nil || strings.Contains(string(b), key) || !strings.Contains(string(b), "{env.NIGHTLATCH_TEST_KEY}") {
		t.Errorf("got %s, %v", b, err)
	}
}

// Provisioning is what `caddy validate` does, beside a server that holds the directory.
func TestProvisionTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := provision(t, "{\n\tnightlatch {\n\t\tdata_dir "+dir+"\n\t}\n}\na.example.com {\n\tnightlatch\n}\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("got %v, want no directory", err)
	}
}

func TestCleanupAfterFailureGivesNothingBackTwice(t *testing.T) {
	app := new(App)
	if err := app.Cleanup(); err != nil {
		t.Errorf("cleaning up what was never provisioned: %v", err)
	}
	dir := t.TempDir()
	o, err := (&App{DataDir: dir}).storeOptions()
	if err != nil {
		t.Fatal(err)
	}
	first, err := takeStore(o)
	if err != nil {
		t.Fatal(err)
	}
	other := o
	other.Key = make([]byte, 32)
	if _, err := takeStore(other); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("got %v, want that the key cannot change", err)
	}
	if refs, _ := stores.References(o.Dir); refs != 1 || first == nil {
		t.Errorf("got %d references after a refusal, want 1", refs)
	}
	app.poolKey, app.courier = o.Dir, courier.New(courier.Config{})
	for range 2 {
		if err := app.Cleanup(); err != nil {
			t.Error(err)
		}
	}
	if refs, held := stores.References(o.Dir); held {
		t.Errorf("got %d references, want none", refs)
	}
}

// Two names of one directory are one store, or the second would find the directory locked by ourselves.
func TestCanonicalDirectory(t *testing.T) {
	tmp, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(tmp, "link")
	if err := os.Symlink(tmp, link); err != nil {
		if os.Getenv("NIGHTLATCH_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: no symbolic links here, so two names of one directory were not compared:", err)
	}
	for _, name := range []string{tmp + "/a/b", tmp + "/a/./b/", link + "/a/b", tmp + "/x/../a/b"} {
		if got, err := canonical(name); err != nil || got != filepath.Join(tmp, "a", "b") {
			t.Errorf("%s: got %s, %v, want %s/a/b", name, got, err, tmp)
		}
	}
}

func TestOrigins(t *testing.T) {
	const trusting = "{\n\tservers {\n\t\ttrusted_proxies static 10.0.0.1\n\t\ttrusted_proxies_strict\n\t}\n}\n"
	cases := map[string]struct {
		caddyfile string
		want      []string
	}{
		"https":            {"app.example.com {\n\tnightlatch\n}", []string{"https://app.example.com"}},
		"a port":           {"app.example.com:8443 {\n\tnightlatch\n}", []string{"https://app.example.com:8443"}},
		"plain":            {"http://localhost:8080 {\n\tnightlatch\n}", []string{"http://localhost:8080"}},
		"plain, usual":     {"http://localhost {\n\tnightlatch\n}", []string{"http://localhost"}},
		"no host":          {":8080 {\n\tnightlatch\n}", []string{"http://localhost:8080"}},
		"IPv6":             {"http://[::1]:8080 {\n\tnightlatch\n}", []string{"http://[::1]:8080"}},
		"deep":             {"app.example.com {\n\troute {\n\t\thandle {\n\t\t\tnightlatch\n\t\t}\n\t}\n}", []string{"https://app.example.com"}},
		"one of two":       {"a.example.com {\n\trespond a\n}\nb.example.com {\n\tnightlatch\n}", []string{"https://b.example.com"}},
		"a wildcard first": {"*.example.com, b.example.com {\n\tnightlatch\n}", []string{"https://b.example.com"}},
		"two":              {"http://a.example.com:81 {\n\tnightlatch\n}\nhttp://b.example.com:82 {\n\tnightlatch\n}", []string{"http://a.example.com:81", "http://b.example.com:82"}},
		"by another proxy": {trusting + "http://:9080 {\n\tnightlatch {\n\t\tprotect *.apps.example.com\n\t\tprotect b.example.com:8443 c.example.com\n\t}\n}", []string{"https://b.example.com:8443", "https://c.example.com"}},
		"hosts not told":   {trusting + "http://:9080 {\n\tnightlatch {\n\t\tprotect *.apps.example.com\n\t}\n}", []string{"http://localhost:9080"}},
		"both":             {trusting + "a.example.com {\n\tnightlatch {\n\t\tprotect b.example.com\n\t}\n}", []string{"https://a.example.com", "https://b.example.com"}},
		"none":             {"{\n\tnightlatch\n}\nhttp://a.example.com:81 {\n\trespond a\n}", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			app, err := provision(t, c.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			got := app.origins()
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if first := app.firstOrigin(); c.want == nil && first != "http://localhost:81" || c.want != nil && !slices.Contains(c.want, first) {
				t.Errorf("got %s first", first)
			}
		})
	}
}

// Links that are printed lead to the portal, wherever it stands in the configuration.
func TestPortalComesFirst(t *testing.T) {
	app, err := provision(t, "{\n\tnightlatch {\n\t\tportal https://b.example.com\n\t}\n}\na.example.com {\n\tnightlatch\n}\nb.example.com {\n\tnightlatch\n}")
	if err != nil {
		t.Fatal(err)
	}
	if got := app.origins(); got[0] != "https://b.example.com" || !slices.Contains(got, "https://a.example.com") {
		t.Errorf("got %q, want the portal first, and the other", got)
	}
}

// LG-3: registering goes on counting over reloads, and no label comes from outside.
func TestMetricsSurviveReloads(t *testing.T) {
	app, err := provision(t, "{\n\tnightlatch {\n\t\tdata_dir "+t.TempDir()+"\n\t}\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	var counts []float64
	for range 2 {
		registry := prometheus.NewPedanticRegistry()
		for range 2 {
			if err := registerMetrics(registry); err != nil {
				t.Fatal(err)
			}
		}
		app.tell(auth.Event{Type: auth.EventSignIn, Outcome: "success", User: "alice"})
		counts = append(counts, signIns(t, registry))
	}
	if counts[1] != counts[0]+1 {
		t.Errorf("got %v, want the second one more than the first", counts)
	}
}

// signIns reads the one series that it expects.
func signIns(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "caddy_nightlatch_events_total" {
		t.Fatalf("got %v, %v", families, err)
	}
	for _, m := range families[0].GetMetric() {
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		if slices.Equal(labels, []string{"outcome=success", "type=sign_in"}) {
			return m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no count of sign-ins in %v", families)
	return 0
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package houserules

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/nightlatch/nightlatch"
)

// block is a configuration that somebody may copy.
type block struct {
	where string // file:line
	kind  string // "caddyfile" or "json"
	text  string
}

// fenced finds the code blocks of a page that are of one of the kinds.
func fenced(name, page string, kinds ...string) (blocks []block) {
	var open *block
	for i, line := range strings.Split(page, "\n") {
		word, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open != nil:
			blocks = append(blocks, *open)
			open = nil
		case isFence:
			open = &block{where: fmt.Sprintf("%s:%d", name, i+1), kind: word}
		case open != nil:
			open.text += line + "\n"
		}
	}
	var wanted []block
	for _, b := range blocks {
		for _, kind := range kinds {
			if b.kind == kind {
				wanted = append(wanted, b)
			}
		}
	}
	return wanted
}

// Every Caddyfile of the repository is one that Caddy takes: it adapts without a warning, is written as `caddy fmt` writes it, and
// comes to life as `caddy validate` has it. The last needs nothing of the machine, which TestProvisionTouchesNothing pins.
func TestCaddyfiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_DATA_HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", dir)
	const key = "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs="
	for _, name := range []string{"NIGHTLATCH_KEY", "SMTP_PASSWORD", "WEBHOOK_SECRET", "SMS_TOKEN"} {
		t.Setenv(name, key)
	}
	var all []block
	for _, name := range files(t) {
		switch base := path.Base(name); {
		case strings.HasPrefix(base, "Caddyfile"), path.Ext(base) == ".caddyfile":
			all = append(all, block{name, "caddyfile", read(t, name)})
		case path.Ext(base) == ".md":
			all = append(all, fenced(name, read(t, name), "caddyfile")...)
		}
	}
	if len(all) < 10 {
		t.Errorf("found only %d Caddyfiles", len(all))
	}
	writeLogo(t, filepath.Join(dir, "brand"))
	writeAuthority(t, filepath.Join(dir, "people-ca.pem"))
	t.Chdir(dir)
	for _, b := range all {
		t.Run(b.where, func(t *testing.T) {
			if got := string(caddyfile.Format([]byte(b.text))); got != b.text {
				t.Errorf("caddy fmt would write:\n%s", got)
			}
			adapted, err := adapt(b.text)
			if err != nil {
				t.Fatal(err)
			}
			var cfg caddy.Config
			if err := caddy.StrictUnmarshalJSON(adapted, &cfg); err != nil {
				t.Fatal(err)
			}
			cfg.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "fatal"}}}}
			if err := caddy.Validate(&cfg); err != nil {
				t.Error(err)
			}
		})
	}
}

// writeLogo makes the picture that the pages take for an example.
func writeLogo(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "logo.svg"), []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeAuthority makes the certificate of those who sign people's certificates in an example.
func writeAuthority(t *testing.T, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func adapt(text string) ([]byte, error) {
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	for _, w := range warnings {
		if !strings.Contains(w.Message, "caddy fmt") && err == nil {
			err = fmt.Errorf("warning: %s", w)
		}
	}
	return adapted, err
}

// A JSON block in docs/caddyfile.md is what the Caddyfile before it adapts to.
func TestJSONIsWhatTheCaddyfileSays(t *testing.T) {
	const page = "docs/caddyfile.md"
	var last block
	compared := 0
	for _, b := range fenced(page, read(t, page), "caddyfile", "json") {
		if b.kind == "caddyfile" {
			last = b
			continue
		}
		compared++
		adapted, err := adapt(last.text)
		if err != nil {
			t.Fatalf("%s: %v", last.where, err)
		}
		if got, want := indented(t, b.text), indented(t, string(adapted)); got != want {
			t.Errorf("%s: got:\n%s\nwant, of %s:\n%s", b.where, got, last.where, want)
		}
	}
	if compared == 0 {
		t.Errorf("%s shows no JSON", page)
	}
}

func indented(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(strings.TrimSpace(text)), "", "\t"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

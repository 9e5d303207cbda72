// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package houserules

import (
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/nightlatch/nightlatch"

// room is what a package may import of ours, and why no more. It says exactly what is so: an import that is gone is struck off too,
// or the table would allow what nobody needs.
type room struct {
	may []string
	why string
}

// rooms are all packages that are part of a program, from the outside to the inside. ARCHITECTURE.md shows the same as a picture.
var rooms = map[string]room{
	".":              {[]string{"caddymodule"}, "xcaddy imports this package by its module path, for the modules that it registers"},
	"cmd/nightlatch": {[]string{"caddymodule"}, "it is Caddy with our modules and decides nothing"},

	"caddymodule": {[]string{
		"internal/admin", "internal/auth", "internal/courier", "internal/forms", "internal/gate", "internal/identity", "internal/mail", "internal/otp",
		"internal/server", "internal/signing", "internal/store", "internal/visit", "internal/webhook", "web",
	}, "it turns a configuration into the settings of the rooms; how a request goes through them is package server's"},
	"internal/server": {[]string{
		"internal/api", "internal/auth", "internal/forms", "internal/gate", "internal/identity", "internal/portal", "internal/signing", "internal/store", "internal/store/badgerstore",
		"internal/visit", "web",
	}, "the one room that knows everybody, so that nobody else has to"},

	// The doors. They do not know each other: a question that two of them must answer alike is asked of auth.
	"internal/gate":   {[]string{"internal/auth", "internal/visit", "web"}, "a door; it asks auth who may pass and tells the sender in the words of web"},
	"internal/forms":  {[]string{"internal/auth", "internal/visit", "web"}, "it holds a form between two doors; which of them it comes to is package server's"},
	"internal/portal": {[]string{"internal/auth", "internal/identity", "internal/otp", "internal/password", "internal/signing", "internal/visit", "web"}, "a door; otp draws the QR code, password has the reasons why one is refused, signing the keys to publish, identity what else a verifier has to find"},
	"internal/api":    {[]string{"docs", "internal/auth", "internal/credential", "internal/otp", "internal/password", "internal/visit", "web"}, "a door; docs describes it, credential tells a token from a key, otp draws the QR code, password has the reasons why one is refused, web the headers of what is answered"},
	"internal/admin":  {[]string{"internal/auth"}, "a door; it never sees a visitor, so it knows neither cookies nor pages"},

	"internal/courier":  {[]string{"internal/auth", "internal/mail", "internal/visit", "internal/webhook", "web"}, "it takes what auth says to people, in the words of web, by mail or webhook"},
	"internal/identity": {[]string{"internal/auth", "internal/signing", "internal/visit"}, "it tells what a session says, and keeps our cookies apart; it asks nobody"},
	"internal/auth":     {[]string{"internal/credential", "internal/otp", "internal/password", "internal/signing", "internal/store"}, "the rules; they hold whatever asks and wherever it is kept"},
	"internal/visit":    {[]string{"internal/credential"}, "what is known of one request, for all doors alike; it tells what is ours by its shape"},
	"web":               {nil, "bytes for a browser; a page that could ask something would decide something"},

	"internal/store":             {nil, "the waist: who keeps records knows nothing of what they mean"},
	"internal/store/badgerstore": {[]string{"internal/store"}, "a backend; the next one is another folder and no other change"},
	"internal/otp":               {nil, "arithmetic"},
	"internal/password":          {nil, "arithmetic"},
	"internal/signing":           {[]string{"internal/credential"}, "keys, by the names that tell ours; what is said with them is the business of who signs"},
	"internal/credential":        {nil, "shapes of texts, for who makes them and who finds them"},
	"internal/webhook":           {nil, "it carries what it is given to the one place of the configuration"},
	"internal/mail":              {nil, "it delivers one message; who gets what is decided elsewhere"},

	"docs": {nil, "the one page that the program hands out"},

	// For people to copy.
	"docs/webhook-receiver":   {nil, "a program of its own: whoever copies it takes one file"},
	"docs/assertion-verifier": {nil, "a program of its own: whoever copies it takes one file"},

	// For tests and measurements only: no room above names them.
	"internal/auth/authtest":       {[]string{"internal/auth", "internal/otp", "internal/store", "internal/store/badgerstore", "internal/store/storetest"}, "a service on a store in memory, for the tests of the doors"},
	"internal/signing/signingtest": {[]string{"internal/signing"}, "keys with a clock of the test's, and what a verifier sees of them"},
	"internal/store/storetest":     {[]string{"internal/store"}, "the suite that every backend passes"},
	"internal/api/apitest":         {[]string{"docs"}, "it knows the API by its description alone, as those who use it do"},
	"internal/mail/mailtest":       {nil, "a mail server that runs in a test, good or bad, for every room whose acts end in a mail"},
	"internal/wiretest":            {nil, "a client and an upstream that change no byte"},
	"internal/programtest":         {[]string{"caddymodule", "internal/otp"}, "the whole program and the people who use it, for the tests that look from outside"},
	"bench":                        {[]string{"internal/auth", "internal/otp", "internal/server", "internal/visit"}, "it makes users and sessions, and measures the program from outside"},
}

// outside are imports that only some rooms may have, with the reason. No room may have one with an empty list.
var outside = map[string]struct {
	only []string
	why  string
}{
	"github.com/caddyserver":          {[]string{"caddymodule", "cmd/nightlatch", "internal/programtest"}, "Caddy's types end where our rooms begin"},
	"github.com/spf13/cobra":          {[]string{"caddymodule"}, "commands are Caddy's business"},
	"github.com/dgraph-io":            {[]string{"internal/store/badgerstore"}, "the other backends must be able to do without Badger"},
	"github.com/pquerna/otp":          {[]string{"internal/otp"}, "it draws keys and QR codes; which code is right is computed in package otp"},
	"github.com/boombuler/barcode":    {[]string{"internal/otp"}, "a secret is drawn in one place"},
	"github.com/gorilla/securecookie": {[]string{"internal/auth"}, "there is one envelope of tickets, with keys that only auth has"},
	"golang.org/x/crypto/argon2":      {[]string{"internal/password"}, "a hash outside of the bound on memory would be a way round it"},
	"github.com/wneessen/go-mail":     {[]string{"internal/mail"}, "whoever could send mail alone would do it without the checks of the address and the server"},
	"github.com/go-jose/go-jose":      {[]string{"internal/signing", "internal/signing/signingtest", "docs/assertion-verifier"}, "what we say is signed in one place, with keys that only it has; and an application checks it"},
	"github.com/coreos/go-oidc":       {nil, "a verifier is a peer of the tests, no part of the program"},
	"github.com/pb33f":                {[]string{"internal/api/apitest"}, "what holds answers to the document is a peer of the tests, no part of the program"},
	"go.yaml.in/yaml":                 {[]string{"docs"}, "the API speaks JSON; its description alone is written in YAML"},
	"go.uber.org/zap":                 {[]string{"caddymodule"}, "Caddy's logger; everybody else has log/slog"},
	"github.com/emersion":             {[]string{"internal/mail/mailtest"}, "the mail server is a peer of the tests, no part of the program"},
	"github.com/go-json-experiment":   {[]string{"internal/api", "internal/api/apitest"}, "what programs send is read strictly in one place, and what they get by its tests; records and answers are written by encoding/json"},
	"html/template":                   {[]string{"web"}, "what a browser gets is escaped in one place"},
	"net/http": {[]string{
		"bench", "caddymodule", "docs/assertion-verifier", "docs/webhook-receiver", "internal/admin", "internal/api/apitest", "internal/api", "internal/forms", "internal/gate", "internal/identity", "internal/portal", "internal/programtest", "internal/server", "internal/visit", "internal/webhook", "web",
	}, "the rules hold whatever asks: auth and all below it know no requests"},
	"os/exec": {[]string{"bench", "internal/programtest"}, "a gate starts no programs"},
	"testing": {[]string{"internal/api/apitest", "internal/auth/authtest", "internal/mail/mailtest", "internal/signing/signingtest", "internal/store/storetest", "internal/programtest", "internal/wiretest"}, "test code stays out of the program"},

	"math/rand":     {nil, "crypto/rand only: what is random here is a secret or looks like one"},
	"text/template": {nil, "it does not escape"},
	"encoding/gob":  {nil, "it decodes types that the sender chose (ASVS 1.5.2)"},
	"unsafe":        {nil, "nothing here is worth it"},
}

func TestImportsRunOneWay(t *testing.T) {
	found := importsOfRooms(t)
	for name := range rooms {
		if _, is := found[name]; !is {
			t.Errorf("there is no package %s; strike it off", name)
		}
	}
	for name, imports := range found {
		r, listed := rooms[name]
		if !listed {
			t.Errorf("package %s is not in the table: say what it may import, and why", name)
			continue
		}
		for _, imported := range imports {
			ours, is := within(imported, module)
			if is && !slices.Contains(r.may, ours) {
				t.Errorf("%s imports %s and may not: %s", name, ours, r.why)
			}
			if !is {
				mayImport(t, name, imported)
			}
		}
		for _, may := range r.may {
			if !slices.Contains(imports, path.Join(module, may)) {
				t.Errorf("%s does not import %s any more; strike it off", name, may)
			}
		}
	}
}

func mayImport(t *testing.T, name, imported string) {
	t.Helper()
	for prefix, o := range outside {
		if _, is := within(imported, prefix); is && !slices.Contains(o.only, name) {
			t.Errorf("%s imports %s and may not: %s", name, imported, o.why)
		}
	}
}

// importsOfRooms returns what each package imports, leaving out its tests.
func importsOfRooms(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string]map[string]bool)
	for _, name := range files(t) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir := path.Dir(name)
		if found[dir] == nil {
			found[dir] = make(map[string]bool)
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[dir][imported] = true
		}
	}
	sorted := make(map[string][]string)
	for dir, imports := range found {
		sorted[dir] = slices.Sorted(maps.Keys(imports))
	}
	return sorted
}

// within tells whether an import is a package or below it, and what is left of the path.
func within(imported, of string) (rest string, is bool) {
	if imported == of {
		return ".", true
	}
	return strings.CutPrefix(imported, of+"/")
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const axePath = "node_modules/axe-core/axe.min.js"

var readAxe = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile(axePath)
	return string(b), err
})

// axe is the source of axe-core, or empty where it is not installed, except where every peer must be there.
func axe(t *testing.T) string {
	t.Helper()
	source, err := readAxe()
	if err != nil && os.Getenv("NIGHTLATCH_REQUIRE") == "all" {
		t.Fatalf("axe-core is not installed, and NIGHTLATCH_REQUIRE=all wants it: %v", err)
	}
	return source
}

const noAxe = "SKIPPED: axe-core is not installed, so no page was checked by it. `npm ci --prefix internal/browsertest` installs it."

// violation is a rule of axe that a page breaks, or may break.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

func (v violation) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s", v.ID, v.Help)
	for _, n := range v.Nodes {
		fmt.Fprintf(&s, "\n\t%s\n\t\t%s", n.HTML, strings.ReplaceAll(n.Summary, "\n", "\n\t\t"))
	}
	return s.String()
}

// runAxe asks for what is wrong, and for what axe cannot judge, which is a page that is hard to read for more than axe. It has axe load
// no style sheets: what it would read there are rules that are not asked for, and our pages may not fetch.
const runAxe = `axe.run(document, {
	runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
	resultTypes: ["violations", "incomplete"],
	preload: false,
}).then((r) => [...r.violations, ...r.incomplete].map((v) => ({id: v.id, help: v.help, nodes: v.nodes.map((n) => ({html: n.html, failureSummary: n.failureSummary}))})))`

// audit runs axe over the page as it is shown now. It comes in through the devtools protocol, so the policy of the page, which keeps
// foreign scripts out, stays as it is. Where scripts are off they run for a moment, as in painted.
func (b *tab) audit(source string) []violation {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	defer call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !b.scripts})
	if !get(b, chromedp.Evaluate[bool](`"axe" in window`)) {
		b.do(chromedp.Evaluate[chromedp.Void](source))
	}
	return get(b, chromedp.Evaluate[[]violation](runAxe, chromedp.EvalAwaitPromise))
}

// audited are the pages that axe has seen, each as it looked: what is met again in another flow is not new to it.
var audited = struct {
	sync.Mutex
	looks map[string]bool
}{looks: make(map[string]bool)}

// isNewLook tells whether axe has not seen a page like this: with or without a refusal, with or without scripts, at this width and in
// these colors.
func (b *tab) isNewLook(v viewport, scheme string) bool {
	audited.Lock()
	defer audited.Unlock()
	look := fmt.Sprint(masked(b.page.Path), b.page.Headings, strings.Contains(b.page.Text, "Not accepted."), b.scripts, v.name, scheme)
	isNew := !audited.looks[look]
	audited.looks[look] = true
	return isNew
}

var (
	aToken    = regexp.MustCompile(`[0-9A-Za-z_-]{20,}`)
	aReturnTo = regexp.MustCompile(`return_to=[^&]*`)
)

// masked is the path of a page without what differs each time.
func masked(path string) string {
	return aReturnTo.ReplaceAllString(aToken.ReplaceAllString(path, "…"), "")
}

// isAccessible checks that axe finds nothing wrong with a page, wide and phone-sized, light and dark.
func (b *tab) isAccessible() {
	b.t.Helper()
	source := axe(b.t)
	if source == "" {
		b.t.Log(noAxe)
		return
	}
	defer b.scheme("light")
	defer b.resize(wide)
	for _, v := range []viewport{wide, phone} {
		for _, scheme := range []string{"light", "dark"} {
			if !b.isNewLook(v, scheme) {
				continue
			}
			b.resize(v)
			b.scheme(scheme)
			for _, found := range b.audit(source) {
				b.t.Errorf("%s, %s, %s: axe finds %s", b.page.Path, v.name, scheme, found)
			}
		}
	}
}

// What is wrong only on a phone or only in the dark is found as well as what is wrong everywhere.
func TestAxeFindsWhatIsWrong(t *testing.T) {
	chromium(t)
	source := axe(t)
	if source == "" {
		t.Skip(noAxe)
	}
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, brokenPage)
	}))
	t.Cleanup(broken.Close)
	for _, scripts := range []bool{true, false} {
		b := newTab(t, broken.URL)
		b.runScripts(scripts)
		b.open("/")
		for _, test := range []struct {
			viewport viewport
			scheme   string
			want     []string
		}{
			{wide, "light", []string{"html-has-lang"}},
			{wide, "dark", []string{"color-contrast", "html-has-lang"}},
			{phone, "light", []string{"button-name", "html-has-lang"}},
			{phone, "dark", []string{"button-name", "color-contrast", "html-has-lang"}},
		} {
			b.resize(test.viewport)
			b.scheme(test.scheme)
			got := make(map[string]bool)
			for _, v := range b.audit(source) {
				got[v.ID] = true
			}
			if got := slices.Sorted(maps.Keys(got)); !slices.Equal(got, test.want) {
				t.Errorf("scripts %t, %s, %s: axe found %q, want %q", scripts, test.viewport.name, test.scheme, got, test.want)
			}
		}
	}
}

const brokenPage = `<!doctype html><html><head><title>Broken</title><style>
	:root { color-scheme: light dark; }
	button { display: none; width: 3rem; height: 3rem; }
	@media (max-width: 40rem) { button { display: block; } }
	@media (prefers-color-scheme: dark) { p { background: #222; color: #444; } }
</style></head><body><main><h1>Broken</h1><p>Words.</p><button></button></main></body></html>`

// What npm writes into the lock file is the hash of the one package, and not the address of somebody's registry.
func TestLockFileNamesNoRegistry(t *testing.T) {
	b, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version, Resolved, Integrity string
		}
	}
	if err := json.Unmarshal(b, &lock); err != nil {
		t.Fatal(err)
	}
	delete(lock.Packages, "") // ourselves
	if got, want := slices.Collect(maps.Keys(lock.Packages)), []string{"node_modules/axe-core"}; !slices.Equal(got, want) {
		t.Errorf("npm installs %q, want %q", got, want)
	}
	for name, p := range lock.Packages {
		if p.Version == "" || !strings.HasPrefix(p.Integrity, "sha512-") || p.Resolved != "" {
			t.Errorf("%s: got version %q, hash %q and address %q, want the first two", name, p.Version, p.Integrity, p.Resolved)
		}
	}
}

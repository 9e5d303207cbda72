// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
)

// patience is how long any one step of the browser may take. It only bounds a test that hangs.
const patience = 60 * time.Second

type viewport struct {
	name          string
	width, height int
}

var (
	wide  = viewport{"wide", 1280, 800}
	phone = viewport{"phone", 390, 844}
	small = viewport{"small", 320, 640} // WCAG 2.2, 1.4.10: no sideways scrolling at 320 CSS pixels
)

// tab is a person at a browser that nobody used before: no cookies, no cache, one tab.
type tab struct {
	t        *testing.T
	ctx      context.Context
	origin   string
	others   []string // origins that it may go to as well
	scripts  bool
	past     int64 // how many earlier codes of an authenticator the site takes
	window   viewport
	status   int // of the page that is shown
	page     snapshot
	mu       sync.Mutex
	problems []string // what the browser found wrong
	expected []string // parts of those that the test wants
	received float64  // bytes of bodies and headers, as they came over the wire
}

// snapshot is what a person, or a screen reader, has before them.
type snapshot struct {
	Path       string   `json:"path"`
	Title      string   `json:"title"`
	Headings   []string `json:"headings"`
	Text       string   `json:"text"`
	Settled    bool     `json:"settled"`
	Focus      string   `json:"focus"`     // id of the field that has the focus
	Ring       bool     `json:"ring"`      // and whether that can be seen
	Invalid    bool     `json:"invalid"`   // whether it is marked as wrong
	Described  string   `json:"described"` // what is read aloud beside its label
	InView     bool     `json:"inView"`    // whether the problem can be seen without scrolling
	Unlabeled  []string `json:"unlabeled"`
	SmallAims  []string `json:"smallAims"`
	Unfinished []string `json:"unfinished"` // pictures that did not load
}

const takeSnapshot = `(() => {
	const all = (what) => [...document.querySelectorAll(what)];
	const at = document.activeElement || document.body;
	const ids = (at.getAttribute("aria-describedby") || "").split(" ").filter(Boolean);
	const seen = (e) => e.getClientRects().length > 0;
	return {
		path: location.pathname + location.search,
		title: document.title,
		headings: all("h1").map((h) => h.textContent),
		text: document.body.innerText,
		settled: !document.querySelector("[autofocus]") || at !== document.body,
		focus: at.id,
		ring: getComputedStyle(at).outlineStyle !== "none",
		invalid: at.getAttribute("aria-invalid") === "true",
		described: ids.map((id) => document.getElementById(id)?.textContent ?? "nothing has the id " + id).join(" "),
		inView: all("#problem").some((p) => { const r = p.getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight; }),
		unlabeled: all("input:not([type=hidden])").filter((i) => !i.labels.length).map((i) => i.outerHTML),
		smallAims: all("input:not([type=hidden]), button, .button").filter(seen)
			.filter((e) => { const r = (e.labels?.[0]?.contains(e) ? e.labels[0] : e).getBoundingClientRect(); return r.width < 24 || r.height < 24; })
			.map((e) => e.outerHTML),
		unfinished: all("img").filter((i) => !i.complete || !i.naturalWidth).map((i) => i.src),
	};
})()`

// newTab opens a browser window of its own on the site, which may lead to other ones.
func newTab(t *testing.T, origin string, others ...string) *tab {
	t.Helper()
	return openTab(t, chromedp.WithNewBrowserContext(), origin, others...)
}

// secondTab opens another tab of the same person, with the same cookies.
func (b *tab) secondTab() *tab {
	b.t.Helper()
	return openTab(b.t, chromedp.WithExistingBrowserContext(chromedp.FromContext(b.ctx).BrowserContextID), b.origin, b.others...)
}

func openTab(t *testing.T, window chromedp.ContextOption, origin string, others ...string) *tab {
	t.Helper()
	b := &tab{t: t, origin: origin, others: others, scripts: true, past: 1}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(chromium(t), window, chromedp.WithListener(b.listen))
	t.Cleanup(func() {
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.problems {
			if !slices.ContainsFunc(b.expected, func(part string) bool { return strings.Contains(p, part) }) {
				t.Errorf("the browser: %s", p)
			}
		}
	})
	if err := chromedp.Do(b.ctx); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	call(b, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}) // httptest signs its own
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.resize(wide)
	return b
}

// eachWay goes a way with JavaScript and without: every page has to serve both.
func eachWay(t *testing.T, way func(t *testing.T, scripts bool)) {
	t.Run("with JavaScript", func(t *testing.T) { way(t, true) })
	t.Run("without JavaScript", func(t *testing.T) { way(t, false) })
}

// runScripts says whether JavaScript runs on every page from now on, as it does at first.
func (b *tab) runScripts(on bool) {
	b.t.Helper()
	b.scripts = on
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// listen runs in the loop that reads the browser's messages.
func (b *tab) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		u := ev.Request.URL
		ours := slices.ContainsFunc(append(b.others, b.origin), func(o string) bool { return u == o || strings.HasPrefix(u, o+"/") })
		if !ours && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:"+b.origin) {
			b.problems = append(b.problems, "a request to somewhere else: "+u)
		}
	case *network.EventLoadingFinished:
		b.received += ev.EncodedDataLength
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "a script failed: "+ev.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		// A page of status 403 is an entry too, with source "network"; what breaks our policy is not.
		if ev.Entry.Source == log.EntrySourceSecurity || strings.Contains(ev.Entry.Text, "Content Security Policy") {
			b.problems = append(b.problems, ev.Entry.Text)
		}
	}
}

// do runs steps in the tab.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("at %s: %v\n%s", b.page.Path, err, b.page.Text)
	}
}

// get runs an action of the tab for its result.
func get[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("at %s: %v\n%s", b.page.Path, err, b.page.Text)
	}
	return v
}

// leads runs steps that lead to another page, and waits until that one has loaded.
func (b *tab) leads(steps ...chromedp.Action[chromedp.Void]) *tab {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	resp, err := chromedp.RunResponse(ctx, steps...)
	if err != nil || resp == nil {
		b.t.Fatalf("going on from %s: got %v, %v\n%s", b.page.Path, resp, err, b.page.Text)
	}
	b.status = int(resp.Status)
	return b.look()
}

// look takes in the page. The browser moves the focus to where the page wants it with the first frame that it paints, which may come
// after the page counts as loaded.
func (b *tab) look() *tab {
	b.t.Helper()
	deadline, tick := time.After(patience), time.Tick(10*time.Millisecond)
	for {
		b.page = get(b, chromedp.Evaluate[snapshot](takeSnapshot))
		if b.page.Settled {
			return b
		}
		select {
		case <-tick:
		case <-deadline:
			b.t.Fatalf("%s: the focus did not go to the field that has autofocus", b.page.Path)
		}
	}
}

// open goes to a path of the site, or to a whole address.
func (b *tab) open(address string) *tab {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.origin + address
	}
	return b.leads(chromedp.Navigate(address))
}

// fill types into fields, given by id, in place of what they hold.
func (b *tab) fill(fields ...string) *tab {
	b.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		typeInto(b, chromedp.CSS("#"+fields[i]), fields[i+1])
	}
	return b
}

// typeInto types over what a field holds.
func typeInto[S chromedp.Selectable](b *tab, field S, text string) {
	b.t.Helper()
	b.do(chromedp.Focus(field), chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`), chromedp.SendKeys(field, text))
}

// press presses the button or follows the link with these words.
func (b *tab) press(words string) *tab {
	b.t.Helper()
	return b.leads(chromedp.Click(named(words)))
}

func named(words string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//*[self::a or self::button][normalize-space()="%[1]s" or @aria-label="%[1]s"]`, words))
}

// sees checks which page is shown, what it says, and that it is as every page of ours must be.
func (b *tab) sees(status int, path string, texts ...string) *tab {
	b.t.Helper()
	if got, _, _ := strings.Cut(b.page.Path, "?"); b.status != status || got != path {
		b.t.Fatalf("got %d at %s, want %d at %s:\n%s", b.status, b.page.Path, status, path, b.page.Text)
	}
	for _, want := range texts {
		if !strings.Contains(b.page.Text, want) {
			b.t.Errorf("%s does not say %q:\n%s", path, want, b.page.Text)
		}
	}
	if strings.HasPrefix(path, "/_nightlatch/") {
		b.isFit(path)
	}
	return b
}

func (b *tab) saysNot(words string) *tab {
	b.t.Helper()
	if strings.Contains(b.page.Text, words) {
		b.t.Errorf("%s says %q:\n%s", b.page.Path, words, b.page.Text)
	}
	return b
}

// refused checks that a form came back with this one sentence, that the focus is where the person goes on, and that a screen reader
// reads the sentence there.
func (b *tab) refused(status int, path, sentence, field string) *tab {
	b.t.Helper()
	p := b.page // as it was loaded: sees tries other sizes
	b.sees(status, path, sentence)
	switch {
	case !p.InView:
		b.t.Errorf("%s: where the browser scrolls to, the problem is out of sight", path)
	case p.Focus != field:
		b.t.Errorf("%s: the focus is at %q, want %q", path, p.Focus, field)
	case !p.Invalid || !strings.Contains(p.Described, sentence):
		b.t.Errorf("%s: the field is marked as wrong: %t, and described by %q, want %q", path, p.Invalid, p.Described, sentence)
	}
	if n := strings.Count(b.page.Text, "Not accepted."); n != 1 {
		b.t.Errorf("%s: got %d problems on the page, want 1:\n%s", path, n, b.page.Text)
	}
	return b
}

func (b *tab) isFit(path string) {
	b.t.Helper()
	p := b.page
	if len(p.Headings) != 1 || !strings.HasPrefix(p.Title, p.Headings[0]+" · ") {
		b.t.Errorf("%s: got headings %q and title %q, want one heading that begins the title", path, p.Headings, p.Title)
	}
	if len(p.Unlabeled) > 0 {
		b.t.Errorf("%s: fields without a label: %q", path, p.Unlabeled)
	}
	if len(p.Unfinished) > 0 {
		b.t.Errorf("%s: pictures that did not load: %q", path, p.Unfinished)
	}
	if p.Focus != "" && !p.Ring {
		b.t.Errorf("%s: nobody can see that the focus is at %q", path, p.Focus)
	}
	if strings.Contains(p.Described, "nothing has the id") {
		b.t.Errorf("%s: the focused field is described by %q", path, p.Described)
	}
	for _, v := range []viewport{small, phone} {
		b.resize(v)
		if width := get(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth`)); width > v.width {
			b.t.Errorf("%s scrolls sideways: %d pixels on a screen of %d", path, width, v.width)
		}
	}
	// 2.5.8, on the phone: what fingers aim at is at least 24 pixels a side.
	if aims := b.look().page.SmallAims; len(aims) > 0 {
		b.t.Errorf("%s: too small to hit: %q", path, aims)
	}
	b.resize(wide)
	b.isAccessible()
}

func (b *tab) resize(v viewport) {
	b.t.Helper()
	b.window = v
	b.do(chromedp.EmulateViewport(int64(v.width), int64(v.height)))
}

// text is the text of an element.
func (b *tab) text(css string) string {
	b.t.Helper()
	return get(b, chromedp.TextContent(chromedp.CSS(css)))
}

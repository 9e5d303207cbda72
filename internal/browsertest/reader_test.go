// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// What a screen reader gets of the pages that people meet most: a name for everything, the sentences that say what happened, and what
// belongs to a field read with it.
func TestScreenReader(t *testing.T) {
	bench, front := newHouse(t)
	bench.WithMail()
	alice := bench.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b := newTab(t, front.URL)
	b.open("/").hears(`
		heading "Sign in" 1
		textbox "User name" focused required
		textbox "Password" required
		checkbox "Keep me signed in on this device"
		button "Sign in"
		link "Forgot your password?"`)
	b.fill("name", "alice", "password", "not the right one at all").press("Sign in").hears(`
		heading "Sign in" 1
		alert "Not accepted. This user name and password do not open an account here. Check both and try again."
		textbox "User name" invalid required (Not accepted. This user name and password do not open an account here. Check both and try again.)
		textbox "Password" invalid focused required (Not accepted. This user name and password do not open an account here. Check both and try again.)
		checkbox "Keep me signed in on this device"
		button "Sign in"
		link "Forgot your password?"`)
	b.fill("password", alice.Password).press("Sign in").hears(`
		heading "Enter your code" 1
		textbox "Code" focused required (Open your authenticator app and type the six digits that it shows now.)
		button "Continue"
		heading "Another way" 2
		link "Use a backup code instead"
		button "Start over"`)
	b.fill("code", alice.Code()).press("Continue").open("/_nightlatch/two-factor/add").hears(`
		heading "Add a second factor" 1
		DisclosureTriangle "Authenticator app" expanded:false
		DisclosureTriangle "E-mail" expanded:false
		DisclosureTriangle "Text message" expanded:false
		DisclosureTriangle "chat" expanded:false
		link "Back to your account"`)
	b.choose("Text message", "destination", "123").hears(`
		heading "Add a second factor" 1
		DisclosureTriangle "Authenticator app" expanded:false
		DisclosureTriangle "E-mail" expanded:false
		DisclosureTriangle "Text message" expanded:true
		alert "Not accepted. Codes cannot be sent there. Write a telephone number with its country, such as +49 151 23456789."
		textbox "Telephone number" invalid focused required (Not accepted. Codes cannot be sent there. Write a telephone number with its country, such as +49 151 23456789. With its country, such as +49 151 23456789. A code by phone is weaker than an authenticator app: numbers can be taken over.)
		textbox "Name (optional)" (Such as phone, or laptop at work. It tells several of them apart.)
		button "Send a code"
		DisclosureTriangle "chat" expanded:false
		link "Back to your account"`)
	b.choose("E-mail").hears(`
		heading "Add a second factor" 1
		textbox "Code" focused required (We sent a code by e-mail to alice@example.com. It works until … Type its six digits.)
		button "Turn on"
		button "Send another code"
		link "Nothing came? See whether it could be delivered"
		heading "Use another kind" 2
		DisclosureTriangle "Authenticator app" expanded:false
		DisclosureTriangle "Text message" expanded:false
		DisclosureTriangle "chat" expanded:false`)
	b.fill("code", bench.Await(t, auth.MessageEnroll).Code).press("Turn on").hears(`
		heading "Your account" 1
		status "The new second factor works from now on."
		link "Change: E-mail"
		link "Change: Password"
		link "Change: Authenticator app (Second factor)"
		link "Change: E-mail (Second factor)"
		link "Add another one"
		link "Make new ones"
		link "Manage: App passwords"
		link "See all"
		link "Go to the application"
		button "Sign out"
		link "Turn off two-factor sign-in"`)
	b.press("See all").hears(`
		heading "Where you are signed in" 1
		heading "This browser" 2
		heading "Elsewhere" 2
		button "Sign out there: Unknown device, …"
		button "Sign out everywhere else"
		link "Back to your account"`)
	b.open("/_nightlatch/app-passwords/new").fill("name", "Calendar", "path", "dav").press("Make it").hears(`
		heading "Make an app password" 1
		textbox "Name" required (Such as calendar on the phone. It tells several of them apart.)
		alert "Not accepted. This path cannot be used. Write how the address goes on after the host name, such as /dav, without a question mark and what follows it."
		textbox "Only below this path (optional)" invalid focused (Not accepted. This path cannot be used. Write how the address goes on after the host name, such as /dav, without a question mark and what follows it. Such as /dav: then the program gets in there and below, and nowhere else. Leave it empty for the whole site.)
		checkbox "Reading only (GET and HEAD)"
		combobox "Works for" expanded:false
		button "Make it"
		link "Back to your app passwords"
		link "Back to your account"`)
	b.fill("path", "/dav").press("Make it").hears(`
		heading "Your new app password" 1
		button "Copy User name"
		status ""
		button "Copy Password"
		status ""
		DisclosureTriangle "For programs that send headers" expanded:false
		heading "What it is good for" 2
		link "I have copied it"`)
	b.press("I have copied it").hears(`
		heading "App passwords" 1
		button "Revoke: Calendar"
		link "Make an app password"
		link "Back to your account"`)
	b.open("/_nightlatch/password").fill("password", "aaaaaaaaaaaaaaaaaaaa")
	b.do(says("Easy to guess."))
	b.hears(`
		heading "Change your password" 1
		textbox "User name" readonly
		textbox "Password now" required
		textbox "New password" focused required (At least 15 characters. A few random words are easy to remember and hard to guess.)
		status "Easy to guess. Add another word or two."
		textbox "The new password again" required
		button "Change the password"
		link "Back to your account"`)
}

// heard are the roles of what a screen reader leads to, or speaks of by itself. What else there is are the words of the page.
var heard = []string{"heading", "textbox", "button", "link", "checkbox", "combobox", "alert", "status", "image", "DisclosureTriangle"}

var aMoment = regexp.MustCompile(`(\d+ \pL+ \d{4}, )?\d\d:\d\d (UTC|AM|PM)`)

// hears compares the main part of the page, as a screen reader gets it, with what is wanted: a line for each thing, with its role and
// name, its states, and how it is described.
func (b *tab) hears(want string) *tab {
	b.t.Helper()
	tree := make(map[accessibility.NodeID]*accessibility.Node)
	var main *accessibility.Node
	for _, n := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		tree[n.NodeID] = n
		if value(n.Role) == "main" {
			main = n
		}
	}
	if main == nil {
		b.t.Fatalf("%s has no main part", b.page.Path)
	}
	var lines []string
	each(tree, main, func(n *accessibility.Node) {
		if slices.Contains(heard, value(n.Role)) {
			lines = append(lines, "\t\t"+aMoment.ReplaceAllString(spoken(tree, n), "…"))
		}
	})
	if got := "\n" + strings.Join(lines, "\n"); got != want {
		b.t.Errorf("of %s a screen reader gets:%s\nwant:%s", b.page.Path, got, want)
	}
	return b
}

// each visits a node and all below it, in the order in which they are read.
func each(tree map[accessibility.NodeID]*accessibility.Node, n *accessibility.Node, visit func(*accessibility.Node)) {
	if !n.Ignored {
		visit(n)
	}
	for _, id := range n.ChildIDs {
		each(tree, tree[id], visit)
	}
}

func spoken(tree map[accessibility.NodeID]*accessibility.Node, n *accessibility.Node) string {
	role, name := value(n.Role), value(n.Name)
	if role == "alert" || role == "status" { // what these hold is read out when it changes
		name = ""
		each(tree, n, func(n *accessibility.Node) {
			if value(n.Role) == "StaticText" {
				name += value(n.Name)
			}
		})
	}
	line := fmt.Sprintf("%s %q", role, name)
	for _, p := range n.Properties {
		switch v := value(p.Value); p.Name {
		case accessibility.PropertyNameLevel:
			line += " " + v
		case accessibility.PropertyNameExpanded:
			line += " expanded:" + v
		case accessibility.PropertyNameInvalid, accessibility.PropertyNameFocused, accessibility.PropertyNameRequired,
			accessibility.PropertyNameReadonly, accessibility.PropertyNameChecked:
			if v != "false" {
				line += " " + p.Name.String()
			}
		}
	}
	if about := value(n.Description); about != "" {
		line += " (" + about + ")"
	}
	return line
}

// value is what a value of the tree says; empty where there is none.
func value(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	var text string
	if json.Unmarshal(v.Value, &text) != nil {
		return string(v.Value) // a number or a truth
	}
	return text
}

// Somebody without a mouse signs in and adds a second factor. Each place that the Tab key leads to can be seen.
func TestKeyboard(t *testing.T) {
	bench, front := newHouse(t)
	bench.WithMail()
	alice := bench.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b := newTab(t, front.URL)
	b.open("/_nightlatch/account").sees(200, "/_nightlatch/sign-in")
	b.types("alice").tabTo("Password").types(alice.Password).tabTo("Keep me signed in on this device").types(" ").tabTo("Sign in").enters().
		sees(200, "/_nightlatch/second-factor")
	b.types(alice.Code()).enters().sees(200, "/_nightlatch/account") // from within the field
	b.tabTo("Add another one").enters().sees(200, "/_nightlatch/two-factor/add")
	b.tabTo("Text message").types(" ").tabTo("Telephone number").types("+49 151 2345678").tabTo("Name (optional)").types("Mobile").tabTo("Send a code").enters().
		sees(200, "/_nightlatch/two-factor/enable", "We sent a code by text message to +491512345678.")
	b.types("000000").tabTo("Turn on").enters().refused(403, "/_nightlatch/two-factor/enable", "This code is not right.", "code")
	b.types(bench.Await(t, auth.MessageEnroll).Code).enters().sees(200, "/_nightlatch/account", "The new second factor works from now on.", "Mobile")
	b.tabTo("See all").enters().sees(200, "/_nightlatch/sessions")
	b.tabTo("Back to your account").enters().sees(200, "/_nightlatch/account")
	b.tabTo("Sign out").enters().sees(200, "/_nightlatch/signed-out")
}

// types presses the keys of a text, wherever the focus is.
func (b *tab) types(text string) *tab {
	b.t.Helper()
	b.do(chromedp.KeyEvent(text))
	return b
}

// enters presses the Enter key, which leads to another page.
func (b *tab) enters() *tab {
	b.t.Helper()
	return b.leads(chromedp.KeyEvent(kb.Enter))
}

// tabTo presses the Tab key until the focus is at what has this name.
func (b *tab) tabTo(name string) *tab {
	b.t.Helper()
	const look = `(() => {
		const at = document.activeElement, r = at.getBoundingClientRect(), ring = 5
		return {
			name: at.getAttribute("aria-label") || (at.labels?.length ? at.labels[0] : at).innerText.trim(),
			seen: getComputedStyle(at).outlineStyle !== "none" && r.top >= ring && r.bottom + ring <= innerHeight,
		}
	})()`
	type stop struct {
		Name string `json:"name"`
		Seen bool   `json:"seen"`
	}
	var passed []string
	for range 30 {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := get(b, chromedp.Evaluate[stop](look))
		if at.Name == name {
			if !at.Seen {
				b.t.Errorf("%s: nobody can see that the focus is at %q", b.page.Path, name)
			}
			return b
		}
		passed = append(passed, at.Name)
	}
	b.t.Fatalf("%s: the Tab key leads to %q and not to %q", b.page.Path, passed, name)
	return b
}

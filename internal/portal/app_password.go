// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var (
	newAppPasswordForm    = purpose{name: "app-passwords/new", cookie: visit.Session}
	revokeAppPasswordForm = purpose{name: "app-passwords/revoke", page: "app-passwords", cookie: visit.Session}
)

const day = 24 * time.Hour

// usualLife is how many days an app password works where a person chooses nothing else of appPasswordLives.
const usualLife = int(auth.AccessKeyLife / day)

var appPasswordLives = []int{30, usualLife, int(auth.MaxAppPasswordLife / day)}

func showAppPasswords(q *request) {
	page, ok := q.appPasswordsPage()
	if !ok {
		return
	}
	page.Done = q.wasDone()
	q.show(http.StatusOK, page)
}

// revokeAppPassword ends one of the person's own. Somebody else's is as good as none (ASVS 8.2.2).
func revokeAppPassword(q *request) {
	err := q.auth.RemoveAppPassword(q.Context(), q.client(), q.ticket, q.id())
	if err == nil {
		q.done("app-passwords", auth.EventAccessKeyRevoked, "")
		return
	}
	page, ok := q.appPasswordsPage()
	if !ok {
		return
	}
	q.refuse(err, "", func(problem string) web.Page {
		page.Problem = problem
		return page
	})
}

// appPasswordsPage lists the app passwords of the person, the newest first. It answers when they cannot be read.
func (q *request) appPasswordsPage() (page web.AppPasswords, ok bool) {
	list, err := q.auth.AppPasswords(q.Context(), q.own.UserID)
	if err != nil {
		q.unavailable(err)
		return page, false
	}
	page = web.AppPasswords{Frame: q.frame(), Token: q.tokenFor(revokeAppPasswordForm)}
	for _, k := range slices.Backward(list) {
		page.List = append(page.List, appPassword(k))
	}
	return page, true
}

// appPassword is how one is shown. Who may only read may use GET or HEAD, which changes nothing (RFC 9110 section 9.2.1).
func appPassword(k auth.AccessKeyInfo) web.AppPassword {
	p := web.AppPassword{
		ID: k.ID, Name: k.Name, Hosts: k.Hosts, Paths: k.Paths, Methods: k.Methods, Made: k.Created, LastUsed: k.LastUsed, Until: k.Expires,
		ReadOnly: len(k.Methods) > 0 && !slices.ContainsFunc(k.Methods, func(m string) bool { return m != http.MethodGet && m != http.MethodHead }),
	}
	for _, n := range k.Networks {
		p.Networks = append(p.Networks, n.String())
	}
	return p
}

func showNewAppPassword(q *request) {
	if page, ok := q.newAppPasswordPage(); ok {
		q.show(http.StatusOK, page)
	}
}

// newAppPassword makes one and shows it.
//
// It is the one form of ours that is answered by a page of its own and not by the way to one. No other page could show the secret: what is
// stored is its hash, and an address, a cookie or a record that carried it there would keep it for longer than this answer. So a browser
// that reloads the page sends the form again, once the person agrees. There is then a newer app password than the form knows of, and no
// second one is made, also where both copies arrive at once (docs/decisions/2026-11-22-app-password-page.md).
func newAppPassword(q *request) {
	page, ok := q.newAppPasswordPage()
	if !ok {
		return
	}
	newest := q.form.Get("newest")
	q.fillIn(&page)
	host, known := q.hostOfApp(page.Site)
	refused := func(wrong, problem string) web.Page {
		page.Wrong, page.Problem = wrong, problem
		return page
	}
	switch {
	case !slices.Contains(page.Lives, page.Life):
		q.notice(http.StatusBadRequest, web.BadRequestTitle, web.BadRequest, q.page, web.OpenAgain)
		return
	case !known:
		q.show(outcomes[auth.BadKeyHost].status, refused("site", q.say(web.BadAppPasswordSite)))
		return
	}
	in := auth.NewAccessKey{Name: page.Name, Hosts: []string{host}, Expires: q.portal.now().Add(time.Duration(page.Life) * day), Newest: &newest}
	if page.Path != "" {
		in.Paths = []string{page.Path}
	}
	if page.ReadOnly {
		in.Methods = []string{http.MethodGet} // of which HEAD is a part
	}
	made, err := q.auth.NewAppPassword(q.Context(), q.client(), q.ticket, in)
	switch {
	case auth.KindOf(err) == auth.AlreadyDone:
		q.show(http.StatusConflict, refused("", q.say(web.NewAppPasswordAgain)))
		return
	case err != nil:
		q.refuse(err, "", func(problem string) web.Page { return refused(fieldOf[auth.KindOf(err)], problem) })
		return
	}
	q.show(http.StatusOK, web.AppPasswordMade{
		Frame:    web.Frame{Brand: q.portal.brand}, // another language opens in a new tab, since this page does not come again
		UserName: q.own.Name,
		Password: made.Token,
		Headers:  []web.Header{{Name: "Nightlatch-Client-Id", Value: made.ID}, {Name: "Nightlatch-Client-Secret", Value: made.Secret}},
		Made:     appPassword(made.AccessKeyInfo),
	})
}

// fieldOf is the field of the form that an error is about.
var fieldOf = map[auth.Kind]string{auth.BadKeyName: "name", auth.BadKeyHost: "site", auth.BadKeyPath: "path"}

// newAppPasswordPage asks for what one is to be good for. At a central portal that is one of the sites there, else this one. It answers
// when it cannot be shown.
func (q *request) newAppPasswordPage() (page web.NewAppPassword, ok bool) {
	list, err := q.auth.AppPasswords(q.Context(), q.own.UserID)
	if err != nil {
		q.unavailable(err)
		return page, false
	}
	page = web.NewAppPassword{
		Frame: q.frame(), Form: q.formFor(newAppPasswordForm, ""), Site: q.visit.Host, Lives: appPasswordLives, Life: usualLife,
		NoFactor: !q.own.Enrolled,
	}
	if len(list) > 0 {
		page.Newest = list[len(list)-1].ID
	}
	if q.isPortal() {
		page.Site = ""
		page.Sites, page.OtherSite = q.portal.central.Hosts()
	}
	return page, true
}

// fillIn puts into the page what was sent. A life that is no number is none that there is.
func (q *request) fillIn(page *web.NewAppPassword) {
	page.Name, page.Path, page.ReadOnly = q.form.Get("name"), q.form.Get("path"), q.form.Has("read_only")
	page.Life, _ = strconv.Atoi(q.form.Get("days"))
	if q.isPortal() {
		page.Site = q.form.Get("site")
	}
}

// hostOfApp is the host that a new app password is for. At a central portal a person may have typed it, or copied an address.
func (q *request) hostOfApp(typed string) (host string, known bool) {
	if !q.isPortal() {
		return q.visit.Host, true
	}
	host = strings.TrimSpace(typed)
	if _, rest, isAddress := strings.Cut(host, "://"); isAddress {
		host, _, _ = strings.Cut(rest, "/")
	}
	host = visit.HostName(host)
	return host, q.portal.central.HasHost(host)
}

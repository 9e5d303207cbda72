// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package forms keeps a form that met the gate until its sender has signed in. Keep reads it and has package auth seal it; the page that
// says "not sent" carries the sealed value and a button. The button sends that value to the very address that the form went to, where Take
// recognizes it and puts the form in its place. From there on it is an ordinary request: the gate judges it, and the application gets what
// the browser had sent. Nothing is stored for a stranger, and no address of ours stands between the person and the page that answers.
//
// It decides which forms are kept and how much of that goes on at once, never who may pass. The one danger is a form of another site that
// would come out of here as one of this site (CSRF), so both ways the browser itself must say that the form is of this very origin, in
// Sec-Fetch-Site, which no page can set. A browser that does not say so gets the page without the button.
package forms

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// Config is what a Keeper stands on.
type Config struct {
	Service func() (*auth.Service, error)
	Room    *Room        // shared by all sites
	Brand   web.Brand    // what the pages show
	Log     *slog.Logger // nil: nothing is logged
}

// Keeper keeps the forms of one site. A nil one keeps none. It is safe for concurrent use.
type Keeper struct{ Config }

// New makes a Keeper.
func New(cfg Config) *Keeper {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{cfg}
}

// Kept is a form in our hands.
type Kept struct {
	Sealed   string // what the page carries
	form     *auth.Form
	leave    func() // the room
	w        http.ResponseWriter
	deadline bool // the answer has one
}

const (
	// mark begins the body that the button sends: the name of the field on the page. HTML's encoding text/plain puts it there as it is.
	mark = web.KeptField + "="
	// ending is what that encoding puts at the end.
	ending = "\r\n"

	// readTime bounds how long a form may take to arrive: a megabyte in it is half a megabit a second.
	readTime = 20 * time.Second
	// writeTime bounds how long a page with a form may take to leave.
	writeTime = 30 * time.Second
)

// Keep reads the form of a request that was refused for want of proof, and seals it for the page that says so. by is whose session it came
// with, nil for a stranger. It returns nil for what is not kept; that is answered as it always was. Else Release comes after the answer, and
// Hold before it.
func (k *Keeper) Keep(w http.ResponseWriter, r *http.Request, v visit.Visit, by *auth.Session) *Kept {
	if k == nil || !keepable(r, v) {
		return nil
	}
	f := &Kept{w: w}
	if !f.enter(k.Room, r, by, 0) {
		return nil
	}
	done := false
	defer f.releaseUnless(&done)
	var err error
	if f.Sealed, err = k.seal(w, r, v, by); err != nil {
		w.Header().Set("Connection", "close") // what is left of the body is not worth reading
		return nil
	}
	done = true
	return f
}

func (k *Keeper) seal(w http.ResponseWriter, r *http.Request, v visit.Visit, by *auth.Session) (string, error) {
	body, err := visit.ReadSoon(w, r, auth.MaxForm, readTime)
	if err != nil {
		return "", err
	}
	svc, err := k.Service()
	if err != nil {
		return "", err
	}
	return svc.SealForm(place(r, v), auth.Form{
		ContentType: r.Header.Get("Content-Type"), Origin: r.Header.Get("Origin"), Referer: r.Header.Get("Referer"), Body: body,
	}, by)
}

// keepable tells whether a request is a form that a person has sent from a page of this site, as a browser sends it.
func keepable(r *http.Request, v visit.Visit) bool {
	return r.Method == http.MethodPost && fromHere(r, v) && isForm(r.Header["Content-Type"]) &&
		len(r.Header["Content-Encoding"]) == 0 && len(r.Trailer) == 0
}

// isForm knows the three types that HTML has for forms.
func isForm(types []string) bool {
	if len(types) != 1 {
		return false
	}
	t, _, err := mime.ParseMediaType(types[0])
	return err == nil && (t == "application/x-www-form-urlencoded" || t == "multipart/form-data" || t == plainText)
}

const plainText = "text/plain"

// fromHere tells whether a browser says that a page of this very origin has sent the request, in a window of its own and on a connection
// that is past TLS early data. Only Sec-Fetch-Site is believed about it: a form that says nothing is no form of this site (CS-1), and a
// missing Origin, or "null", can be arranged by whoever writes the page. An Origin that says otherwise is a contradiction.
func fromHere(r *http.Request, v visit.Visit) bool {
	site, origin := r.Header["Sec-Fetch-Site"], r.Header["Origin"]
	if len(site) != 1 || site[0] != "same-origin" || len(origin) > 1 || r.Header.Get("Sec-Fetch-Dest") != "document" || !visit.Navigates(r) {
		return false
	}
	if v.Transport == visit.Exposed || visit.Early(r) {
		return false
	}
	return len(origin) == 0 || origin[0] == "null" || visit.FromHere(r, v)
}

// place is where a form was sent to, and by whom where a handler in front names somebody. The sealed value opens there and nowhere else.
func place(r *http.Request, v visit.Visit) string {
	there := strings.ToLower(r.Host) + v.URL.RequestURI()
	if v.Vouched != "" {
		there += "\n" + strings.ToLower(v.Vouched) // no address has a line break
	}
	return there
}

// Returns tells whether a request may be a form that comes back, as far as its headers say. Only then Take is worth calling: hardly any
// application has forms of this type, and what scripts send does not navigate.
func (k *Keeper) Returns(r *http.Request) bool {
	return k != nil && r.Method == http.MethodPost && isPlain(r.Header["Content-Type"]) && visit.Navigates(r)
}

func isPlain(types []string) bool {
	if len(types) != 1 || len(types[0]) < len(plainText) || !strings.EqualFold(types[0][:len(plainText)], plainText) {
		return false
	}
	rest := types[0][len(plainText):]
	return rest == "" || rest[0] == ';' || rest[0] == ' '
}

// Take looks whether a request is a form that comes back. If so, it opens it and puts the form in its place: r is the request that met the
// gate, but for what has changed in the browser since, such as cookies. Release comes when it is answered or goes on. Another request stays
// as it is, and Take returns nil. With answered the request was neither and has its answer.
//
// The rules of the site have not been asked yet: they judge the request that this one becomes.
func (k *Keeper) Take(w http.ResponseWriter, r *http.Request, v visit.Visit) (f *Kept, answered bool) {
	head, err := visit.PeekSoon(w, r, len(mark), readTime)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		k.unread(w, r, err)
		return nil, true
	}
	if string(head) != mark {
		return nil, false
	}
	if !fromHere(r, v) {
		k.refuse(w, r, http.StatusForbidden, web.CrossOriginTitle, web.CrossOrigin)
		return nil, true
	}
	f, ok := k.open(w, r, v)
	return f, !ok
}

func (k *Keeper) open(w http.ResponseWriter, r *http.Request, v visit.Visit) (f *Kept, ok bool) {
	svc, unavailable := k.Service()
	var by *auth.Session
	if value, found := v.Cookie(r, visit.Session); found && unavailable == nil {
		by, _ = svc.Session(r.Context(), auth.Asker{Host: v.Host, Vouched: v.Vouched}, value) // says only who waits with whom
	}
	f = &Kept{w: w}
	if !f.enter(k.Room, r, by, patience) {
		web.RetryAfter(w.Header(), patience)
		k.refuse(w, r, http.StatusServiceUnavailable, web.FormNotSentTitle, web.FormBusy)
		return nil, false
	}
	defer f.releaseUnless(&ok)
	body, err := visit.ReadSoon(w, r, int64(len(mark)+auth.MaxSealedForm+len(ending)), readTime)
	if err != nil {
		k.unread(w, r, err)
		return nil, false
	}
	f.Sealed = strings.TrimSuffix(string(body[len(mark):]), ending)
	if unavailable != nil {
		k.later(w, r, f, unavailable)
		return nil, false
	}
	if f.form, err = svc.OpenForm(place(r, v), f.Sealed); err != nil {
		k.refuse(w, r, http.StatusGone, web.FormGoneTitle, web.FormGone)
		return nil, false
	}
	f.replace(r)
	return f, true
}

// replace makes a request the one that met the gate. It changes the request in place, since Caddy's placeholders read that one.
func (f *Kept) replace(r *http.Request) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(f.form.Body)), int64(len(f.form.Body))
	r.TransferEncoding, r.Trailer, r.Form, r.PostForm, r.MultipartForm = nil, nil, nil, nil, nil
	for name, value := range map[string]string{
		"Content-Type": f.form.ContentType, "Content-Length": strconv.Itoa(len(f.form.Body)), "Origin": f.form.Origin, "Referer": f.form.Referer,
	} {
		if value == "" {
			delete(r.Header, name)
		} else {
			r.Header[name] = []string{value}
		}
	}
	for _, name := range []string{"Content-Encoding", "Transfer-Encoding", "Trailer"} {
		delete(r.Header, name)
	}
}

// Pass notes that a form goes on to the application, once, in the name of whoever is signed in. When it says no, the request has its answer.
// For nobody, where a rule skips the sign-in by now, nothing is noted: there everybody may send what they like, as often as they like.
func (k *Keeper) Pass(w http.ResponseWriter, r *http.Request, v visit.Visit, f *Kept, by *auth.Session) bool {
	if by == nil {
		return true
	}
	svc, err := k.Service()
	if err == nil {
		err = svc.PassForm(r.Context(), auth.Client{Address: v.Address}, f.form, by)
	}
	switch {
	case err == nil:
		return true
	case auth.KindOf(err) == auth.FormSent:
		k.refuse(w, r, http.StatusConflict, web.FormSentTitle, web.FormSent)
	case auth.KindOf(err) == auth.FormGone:
		k.refuse(w, r, http.StatusGone, web.FormGoneTitle, web.FormGone)
	default:
		k.later(w, r, f, err)
	}
	return false
}

// later answers that a form could not be sent just now, with the form still in the page.
func (k *Keeper) later(w http.ResponseWriter, r *http.Request, f *Kept, err error) {
	status, wait := http.StatusServiceUnavailable, patience
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Kind == auth.TooManyTries {
		status, wait = http.StatusTooManyRequests, e.RetryAfter
	} else if r.Context().Err() == nil { // a visitor who left is no failure of ours
		k.Log.Error("a form that was kept cannot be sent: the store does not answer", "error", err)
	}
	web.RetryAfter(w.Header(), wait)
	f.Hold()
	web.Write(w, r, status, web.NotSent{
		Frame: web.Frame{Brand: k.Brand}, Title: web.Say(r, web.FormNotSentTitle), Text: web.Say(r, web.FormLater), Kept: f.Sealed,
	})
}

// unread answers a form that could not be read to its end.
func (k *Keeper) unread(w http.ResponseWriter, r *http.Request, err error) {
	status, text := web.Unread(err)
	k.refuse(w, r, status, web.BadRequestTitle, text)
}

func (k *Keeper) refuse(w http.ResponseWriter, r *http.Request, status int, title, text web.Message) {
	if status != http.StatusGone && status != http.StatusConflict {
		w.Header().Set("Connection", "close") // the body may not have been read
	}
	web.Write(w, r, status, web.Notice{
		Frame: web.Frame{Brand: k.Brand}, Title: web.Say(r, title), Text: web.Say(r, text), Link: "/", LinkText: web.Say(r, web.ToApplication),
	})
}

// enter takes a place in the room.
func (f *Kept) enter(m *Room, r *http.Request, by *auth.Session, wait time.Duration) (ok bool) {
	f.leave, ok = m.enter(r.Context(), by, wait)
	return ok
}

// Hold returns what the page carries, and bounds how long the answer with it may take: who does not read it would keep a place in the room.
// A nil form has nothing to carry.
func (f *Kept) Hold() (sealed string) {
	if f == nil {
		return ""
	}
	f.deadline = true
	http.NewResponseController(f.w).SetWriteDeadline(time.Now().Add(writeTime)) // fails without a connection, as in tests
	return f.Sealed
}

// Release gives the place in the room back. A nil form has none, and it may be called more than once.
func (f *Kept) Release() {
	if f == nil || f.leave == nil {
		return
	}
	f.leave()
	f.leave = nil
	if f.deadline {
		http.NewResponseController(f.w).SetWriteDeadline(time.Time{}) // the connection goes on
	}
}

// releaseUnless is for the way on which something fails, a panic included.
func (f *Kept) releaseUnless(done *bool) {
	if !*done {
		f.Release()
	}
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package admin is the operator's door: the HTTP API under /nightlatch/ on Caddy's admin endpoint, and the Client that the commands
// talk to it with. The same commands work on a store that no server has open, by giving the Client this package's Handler instead
// of a connection (see Direct), so that there is one way to do each act.
//
// It decides nothing and authenticates nobody: who reaches Caddy's admin endpoint, or may open the store's files, is the operator.
// It therefore must never be mounted on a site. No secret leaves it but the one-time link or the access key that a request just made.
// Passwords come in bodies only, since Caddy logs the address and headers of every admin request.
//
// Read wire.go for what goes over the wire, problem.go for how errors are told.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// Config is what the API needs. Service and LinkPath are required.
type Config struct {
	// Service is asked on each request. Where its error is a *Problem, that is the answer; any other is a 503.
	Service func() (*auth.Service, error)
	// LinkPath is the path on a protected site that opens a one-time link.
	LinkPath func(kind auth.LinkKind, token string) string
	// TestMail sends a letter to try the mail server out, and returns which server that is. Where its error is a *Problem, that is the
	// answer. Nil: there is no mail server.
	TestMail func(ctx context.Context, to string) (server string, err error)
	// Origins lists the protected sites as scheme://host[:port], the one to show first. Nil: not known.
	Origins func() []string
	// Log is told what went wrong inside. Nil: nobody.
	Log *slog.Logger
}

// act is one thing an operator does. What it returns is the body of the answer.
type act func(c call) (any, error)

// call is one request with what it needs, checked.
type call struct {
	*http.Request
	svc    *auth.Service
	client auth.Client
	query  url.Values
	cfg    *Config
}

// defaultEvents is how many events an answer holds when the request does not say.
const defaultEvents = 100

// routes is all that there is. Query names the parameters that a route takes, Body says whether it takes a body.
var routes = []struct {
	pattern string
	status  int
	query   []string
	body    bool
	act     act
}{
	{"GET /nightlatch/users", http.StatusOK, nil, false, listUsers},
	{"POST /nightlatch/users", http.StatusCreated, nil, true, addUser},
	{"GET /nightlatch/users/{name}", http.StatusOK, nil, false, showUser},
	{"DELETE /nightlatch/users/{name}", http.StatusNoContent, nil, false, deleteUser},
	{"POST /nightlatch/users/{name}/disable", http.StatusNoContent, nil, false, disableUser},
	{"POST /nightlatch/users/{name}/enable", http.StatusNoContent, nil, false, enableUser},
	{"POST /nightlatch/users/{name}/reset-2fa", http.StatusCreated, nil, false, resetTwoFactor},
	{"POST /nightlatch/users/{name}/reset-password", http.StatusCreated, nil, false, resetPassword},
	{"POST /nightlatch/users/{name}/unlock", http.StatusNoContent, nil, false, unlockUser},
	{"DELETE /nightlatch/users/{name}/sessions", http.StatusOK, nil, false, revokeSessions},
	{"GET /nightlatch/adoption", http.StatusOK, nil, false, adoption},
	{"GET /nightlatch/sessions", http.StatusOK, []string{"user"}, false, listSessions},
	{"DELETE /nightlatch/sessions", http.StatusOK, nil, false, revokeAllSessions},
	{"DELETE /nightlatch/sessions/{id}", http.StatusNoContent, nil, false, revokeSession},
	{"GET /nightlatch/tokens", http.StatusOK, []string{"user"}, false, listTokens},
	{"POST /nightlatch/tokens", http.StatusCreated, nil, true, addToken},
	{"DELETE /nightlatch/tokens/{id}", http.StatusNoContent, nil, false, revokeToken},
	{"GET /nightlatch/events", http.StatusOK, []string{"user", "limit"}, false, listEvents},
	{"POST /nightlatch/setup-link", http.StatusCreated, nil, false, setupLink},
	{"POST /nightlatch/mail-test", http.StatusOK, nil, true, testMail},
}

// Handler serves the operator API. It is safe for concurrent use.
func Handler(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	for _, route := range routes {
		mux.HandleFunc(route.pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := cfg.run(w, r, route.query, route.body, route.act)
			if err != nil {
				if p := problemOf(err); p.Status >= 500 {
					cfg.Log.Error("operator request failed", "method", r.Method, "path", r.URL.Path, "error", err)
				}
				writeProblem(w, err)
				return
			}
			if answer != nil {
				w.Header().Set("Content-Type", "application/json")
			}
			w.WriteHeader(route.status)
			if answer != nil {
				_ = json.NewEncoder(w).Encode(answer) // an error: the client is gone, and nobody is left to tell
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := exact(mux, r, w.Header()); err != nil {
			writeProblem(w, err)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// exact refuses what the mux would redirect or answer in its own words. A redirect is not harmless here: cleaned, an empty name in
// DELETE /nightlatch/users//sessions would delete the user called "sessions" (AD-2).
func exact(mux *http.ServeMux, r *http.Request, h http.Header) error {
	if p := r.URL.EscapedPath(); path.Clean(p) != p {
		return problem(http.StatusNotFound, KindNotFound, "there is nothing at this address")
	}
	handler, pattern := mux.Handler(r)
	if pattern != "" {
		return nil
	}
	var refused recorder
	handler.ServeHTTP(&refused, r)
	if refused.status != http.StatusMethodNotAllowed {
		return problem(http.StatusNotFound, KindNotFound, "there is nothing at this address")
	}
	h.Set("Allow", refused.Header().Get("Allow"))
	return problem(http.StatusMethodNotAllowed, KindBadRequest, "this address takes only "+refused.Header().Get("Allow"))
}

// run checks the form of a request and does the act. What names the target is the path alone: a second name in a query or a body that
// nobody reads could be the one that a filter in front of us looked at (AD-5).
func (cfg *Config) run(w http.ResponseWriter, r *http.Request, query []string, body bool, do act) (any, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, KindBadRequest, "the query cannot be read")
	}
	for name, v := range values {
		if !slices.Contains(query, name) || len(v) != 1 {
			return nil, problem(http.StatusBadRequest, KindBadRequest, "the query holds more than this address takes")
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if body {
		if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
			return nil, problem(http.StatusUnsupportedMediaType, KindBadRequest, "the body must be application/json")
		}
	} else if n, err := io.Copy(io.Discard, r.Body); err != nil || n > 0 {
		return nil, problem(http.StatusBadRequest, KindBadRequest, "this address takes no body")
	}
	svc, err := cfg.Service()
	if err != nil {
		return nil, err
	}
	client := auth.Client{Device: r.UserAgent()}
	return do(call{Request: r, svc: svc, client: client, query: values, cfg: cfg})
}

// list makes an empty list of none, since null is no list to a script.
func list[T any](items []T) []T { return append([]T{}, items...) }

func listUsers(c call) (any, error) {
	users, err := c.svc.Users(c.Context())
	slices.SortFunc(users, func(a, b auth.User) int { return strings.Compare(a.Name, b.Name) })
	for i := range users {
		users[i].Groups = list(users[i].Groups)
	}
	return list(users), err
}

func addUser(c call) (any, error) {
	in, err := readNewUser(c.Body)
	if err != nil {
		return nil, badBody(err)
	}
	ask := auth.NewUser{Name: in.Name, FullName: in.FullName, Email: in.Email, Groups: in.Groups, Admin: in.Admin}
	if in.Password != nil {
		// An empty password means an invite to auth; here it is a script whose secret was empty.
		if *in.Password == "" {
			return nil, problem(http.StatusUnprocessableEntity, KindBadInput, "the password is empty")
		}
		ask.Password = *in.Password
	}
	user, invite, err := c.svc.AddUser(c.Context(), c.client, ask)
	if err != nil {
		return nil, err
	}
	user.Groups = list(user.Groups)
	added := AddedUser{User: user}
	if invite.Token != "" {
		link := c.link(invite)
		added.Invite = &link
	}
	return added, nil
}

// badBody is why a body was not read.
func badBody(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return problem(http.StatusRequestEntityTooLarge, KindBadRequest, "the body is larger than 64 KiB")
	}
	return problem(http.StatusBadRequest, KindBadRequest, err.Error())
}

func showUser(c call) (any, error) {
	u, err := c.svc.User(c.Context(), c.PathValue("name"))
	u.Groups, u.Factors, u.Stopped = list(u.Groups), list(u.Factors), list(u.Stopped)
	u.TwoFactor.Methods = list(u.TwoFactor.Methods)
	return u, err
}

func adoption(c call) (any, error) {
	a, err := c.svc.Adoption(c.Context())
	a.Without = list(a.Without)
	return a, err
}

func deleteUser(c call) (any, error) {
	return nil, c.svc.DeleteUser(c.Context(), c.client, c.PathValue("name"))
}

func disableUser(c call) (any, error) {
	return nil, c.svc.SetDisabled(c.Context(), c.client, c.PathValue("name"), true)
}

func enableUser(c call) (any, error) {
	return nil, c.svc.SetDisabled(c.Context(), c.client, c.PathValue("name"), false)
}

func resetTwoFactor(c call) (any, error) {
	made, err := c.svc.ResetTwoFactor(c.Context(), c.client, c.PathValue("name"))
	return Reset{Reenroll: c.link(made)}, err
}

func resetPassword(c call) (any, error) {
	made, err := c.svc.NewResetLink(c.Context(), c.client, c.PathValue("name"))
	return PasswordReset{Reset: c.link(made)}, err
}

func unlockUser(c call) (any, error) {
	return nil, c.svc.Unlock(c.Context(), c.client, c.PathValue("name"))
}

func revokeSessions(c call) (any, error) {
	n, err := c.svc.RevokeSessions(c.Context(), c.client, c.PathValue("name"))
	return Revoked{Sessions: n}, err
}

func revokeAllSessions(c call) (any, error) {
	n, err := c.svc.RevokeAllSessions(c.Context(), c.client)
	return Revoked{Sessions: n}, err
}

func listSessions(c call) (any, error) {
	user, err := c.user()
	if err != nil {
		return nil, err
	}
	sessions, err := c.svc.Sessions(c.Context(), user)
	slices.SortFunc(sessions, func(a, b auth.SessionInfo) int { return b.LastSeen.Compare(a.LastSeen) })
	return list(sessions), err
}

func revokeSession(c call) (any, error) {
	return nil, c.svc.RevokeSession(c.Context(), c.client, c.PathValue("id"))
}

func listEvents(c call) (any, error) {
	user, err := c.user()
	if err != nil {
		return nil, err
	}
	limit := defaultEvents
	if c.query.Has("limit") {
		if limit, err = strconv.Atoi(c.query.Get("limit")); err != nil {
			return nil, problem(http.StatusBadRequest, KindBadRequest, "the limit is not a number")
		}
	}
	events, err := c.svc.Events(c.Context(), user, limit)
	return list(events), err
}

// user is the user name in the query, or empty for everybody. A name that is given and empty is refused, since it would mean everybody.
func (c call) user() (string, error) {
	if c.query.Has("user") && c.query.Get("user") == "" {
		return "", problem(http.StatusBadRequest, KindBadRequest, "the user name is empty")
	}
	return c.query.Get("user"), nil
}

func setupLink(c call) (any, error) {
	made, err := c.svc.NewSetupLink(c.Context())
	return c.link(made), err
}

func testMail(c call) (any, error) {
	in, err := readMailTest(c.Body)
	if err != nil {
		return nil, badBody(err)
	}
	if c.cfg.TestMail == nil {
		return nil, problem(http.StatusConflict, KindNoMail, "there is no mail server to try out")
	}
	server, err := c.cfg.TestMail(c.Context(), in.To)
	return MailTested{Server: server}, err
}

// link is where a one-time link that was just made can be opened.
func (c call) link(made auth.NewLink) Link {
	link := Link{Kind: made.Kind, Path: c.cfg.LinkPath(made.Kind, made.Token), URLs: []string{}, Expires: made.Expires}
	if c.cfg.Origins != nil {
		for _, origin := range c.cfg.Origins() {
			if u := origin + link.Path; !slices.Contains(link.URLs, u) {
				link.URLs = append(link.URLs, u)
			}
		}
	}
	return link
}

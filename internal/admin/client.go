// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// Client does the operator's acts, one method each, on a running server or straight on a store. An answer that is an error comes back
// as a *Problem; any other error is one of Do. It is safe for concurrent use if Do is.
type Client struct {
	// Do sends a request whose URL has a path and query only, and must not follow redirects.
	Do func(*http.Request) (*http.Response, error)
}

// Users lists all users.
func (c Client) Users(ctx context.Context) (users []auth.User, err error) {
	err = c.call(ctx, http.MethodGet, nil, &users, "users")
	return users, err
}

// User tells what an operator may know of one user.
func (c Client) User(ctx context.Context, name string) (user auth.UserDetail, err error) {
	err = c.call(ctx, http.MethodGet, nil, &user, "users", name)
	return user, err
}

// Adoption tells how many people have two-factor sign-in, and who has not.
func (c Client) Adoption(ctx context.Context) (a auth.Adoption, err error) {
	err = c.call(ctx, http.MethodGet, nil, &a, "adoption")
	return a, err
}

// AddUser adds a user. Without a password in it, the answer holds an invite link.
func (c Client) AddUser(ctx context.Context, in NewUser) (added AddedUser, err error) {
	err = c.call(ctx, http.MethodPost, in, &added, "users")
	return added, err
}

// DisableUser keeps a user out and ends their sessions.
func (c Client) DisableUser(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, nil, nil, "users", name, "disable")
}

// EnableUser lets a disabled user in again.
func (c Client) EnableUser(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, nil, nil, "users", name, "enable")
}

// DeleteUser removes a user with all that belongs to them.
func (c Client) DeleteUser(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, "users", name)
}

// ResetTwoFactor takes away a user's second factors and returns the link through which they enroll again.
func (c Client) ResetTwoFactor(ctx context.Context, name string) (Link, error) {
	var reset Reset
	err := c.call(ctx, http.MethodPost, nil, &reset, "users", name, "reset-2fa")
	return reset.Reenroll, err
}

// ResetPassword returns a link through which a user sets a new password.
func (c Client) ResetPassword(ctx context.Context, name string) (Link, error) {
	var reset PasswordReset
	err := c.call(ctx, http.MethodPost, nil, &reset, "users", name, "reset-password")
	return reset.Reset, err
}

// UnlockUser clears what stopped a user's factors after too many wrong tries.
func (c Client) UnlockUser(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, nil, nil, "users", name, "unlock")
}

// Sessions lists all sessions, or those of one user.
func (c Client) Sessions(ctx context.Context, user string) (sessions []auth.SessionInfo, err error) {
	target := endpoint("sessions")
	if user != "" {
		target.RawQuery = url.Values{"user": {user}}.Encode()
	}
	err = c.send(ctx, http.MethodGet, target, nil, &sessions)
	return sessions, err
}

// RevokeSession ends one session.
func (c Client) RevokeSession(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, "sessions", id)
}

// RevokeSessions ends all sessions of a user and says how many there were.
func (c Client) RevokeSessions(ctx context.Context, user string) (int, error) {
	var revoked Revoked
	err := c.call(ctx, http.MethodDelete, nil, &revoked, "users", user, "sessions")
	return revoked.Sessions, err
}

// RevokeAllSessions ends all sessions of everybody and says how many there were.
func (c Client) RevokeAllSessions(ctx context.Context) (int, error) {
	var revoked Revoked
	err := c.call(ctx, http.MethodDelete, nil, &revoked, "sessions")
	return revoked.Sessions, err
}

// Tokens lists all access keys, or those of one user, the oldest first.
func (c Client) Tokens(ctx context.Context, user string) (tokens []auth.AccessKeyInfo, err error) {
	target := endpoint("tokens")
	if user != "" {
		target.RawQuery = url.Values{"user": {user}}.Encode()
	}
	err = c.send(ctx, http.MethodGet, target, nil, &tokens)
	return tokens, err
}

// AddToken makes an access key. The answer alone holds what opens it.
func (c Client) AddToken(ctx context.Context, in NewToken) (added AddedToken, err error) {
	err = c.call(ctx, http.MethodPost, in, &added, "tokens")
	return added, err
}

// RevokeToken ends an access key.
func (c Client) RevokeToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, "tokens", id)
}

// Events lists the newest events, at most limit of them and the newest last, of everybody or of one user.
func (c Client) Events(ctx context.Context, user string, limit int) (events []auth.Event, err error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if user != "" {
		query.Set("user", user)
	}
	target := endpoint("events")
	target.RawQuery = query.Encode()
	err = c.send(ctx, http.MethodGet, target, nil, &events)
	return events, err
}

// SetupLink makes a link for the first administrator; an earlier one stops working.
func (c Client) SetupLink(ctx context.Context) (link Link, err error) {
	err = c.call(ctx, http.MethodPost, nil, &link, "setup-link")
	return link, err
}

// TestMail has the server send a letter to try its mail server out, and returns which one that is.
func (c Client) TestMail(ctx context.Context, to string) (tested MailTested, err error) {
	err = c.call(ctx, http.MethodPost, MailTest{To: to}, &tested, "mail-test")
	return tested, err
}

func (c Client) call(ctx context.Context, method string, in, out any, segments ...string) error {
	for _, s := range segments {
		// No user, session or token is called so, and a mux on the way would clean such a path into that of another act.
		if s == "" || s == "." || s == ".." {
			return problem(http.StatusNotFound, KindNotFound, fmt.Sprintf("there is no user, session or token %q", s))
		}
	}
	return c.send(ctx, method, endpoint(segments...), in, out)
}

// endpoint is the address of an act, with each segment escaped so that a name can never become a path.
func endpoint(segments ...string) *url.URL {
	u := &url.URL{Path: Prefix, RawPath: Prefix}
	for i, s := range segments {
		if i > 0 {
			u.Path, u.RawPath = u.Path+"/", u.RawPath+"/"
		}
		u.Path, u.RawPath = u.Path+s, u.RawPath+url.PathEscape(s)
	}
	return u
}

func (c Client) send(ctx context.Context, method string, target *url.URL, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "/", body)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.URL = target
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return readProblem(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// readProblem reads an answer that is no success: a Problem of ours, an error of Caddy's admin endpoint, or whatever else listens
// at the address.
func readProblem(resp *http.Response) error {
	var answer struct {
		Problem
		Caddy string `json:"error"`
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil || json.Unmarshal(data, &answer) != nil {
		answer.Problem = Problem{}
	}
	p := answer.Problem
	p.Status, p.Title = resp.StatusCode, http.StatusText(resp.StatusCode)
	switch {
	case p.Detail != "":
	case answer.Caddy != "":
		p.Detail = "the server refused: " + answer.Caddy
	case resp.StatusCode == http.StatusNotFound:
		p.Kind, p.Detail = KindNotConfigured, "the server that answers there is not one with Nightlatch"
	default:
		p.Detail = fmt.Sprintf("the server answered %d %s", p.Status, p.Title)
	}
	return &p
}

// Direct lets a Client work on a Handler in this process.
func Direct(h http.Handler) Client {
	return Client{Do: func(r *http.Request) (*http.Response, error) {
		var rec recorder
		h.ServeHTTP(&rec, r)
		if rec.status == 0 {
			return nil, errors.New("the handler did not answer")
		}
		return &http.Response{
			StatusCode: rec.status,
			Header:     rec.Header(),
			Body:       io.NopCloser(&rec.body),
			Request:    r,
		}, nil
	}}
}

// recorder keeps an answer in memory.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

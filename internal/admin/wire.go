// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// Prefix is the path under which all of the operator API lives.
const Prefix = "/nightlatch/"

// maxBody is the size in bytes of the largest request body that is read.
const maxBody = 64 << 10

// NewUser asks for a user to be added.
type NewUser struct {
	Name     string   `json:"name"`
	FullName string   `json:"display_name,omitempty"`
	Email    string   `json:"email,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	Admin    bool     `json:"admin,omitempty"`
	Password *string  `json:"password,omitempty"` // left out: the person sets one through an invite link
}

// AddedUser is the answer to NewUser.
type AddedUser struct {
	User   auth.User `json:"user"`
	Invite *Link     `json:"invite,omitempty"` // where no password was given
}

// Reset is the answer to a reset of somebody's second factor.
type Reset struct {
	Reenroll Link `json:"re_enroll"`
}

// PasswordReset is the answer to a reset of somebody's password, which stays until the link is used.
type PasswordReset struct {
	Reset Link `json:"reset"`
}

// Link is a one-time link. It and AddedToken are the secrets that this API gives out, once, to whoever just asked for them to be made.
type Link struct {
	Kind    auth.LinkKind `json:"kind"`
	Path    string        `json:"path"` // on any protected site
	URLs    []string      `json:"urls"` // the same on each protected site that is known, the one to show first
	Expires time.Time     `json:"expires"`
}

// Revoked is the answer to ending all sessions of a user.
type Revoked struct {
	Sessions int `json:"sessions"`
}

// NewToken asks for an access key.
type NewToken struct {
	Name     string         `json:"name"`
	User     *string        `json:"user,omitempty"` // whose app password it is to be; left out: a service token, which is nobody's
	Hosts    []string       `json:"hosts"`
	Paths    []string       `json:"paths,omitempty"`
	Methods  []string       `json:"methods,omitempty"`
	Networks []netip.Prefix `json:"networks,omitempty"`
	Expires  time.Time      `json:"expires,omitzero"` // left out: in auth.AccessKeyLife
}

// AddedToken is the answer to NewToken.
type AddedToken struct {
	auth.MadeAccessKey
	URLs []string `json:"urls"` // where it may be tried, the one to show first; none where all hosts have a star
}

// MailTest asks for a letter that tries the mail server out.
type MailTest struct {
	To string `json:"to"`
}

// MailTested is the answer to MailTest: the mail server has taken the letter.
type MailTested struct {
	Server string `json:"server"` // as the configuration has it
}

// Problem is every error of the API, in the form of RFC 9457 with Kind added, and every error that the Client returns for an answer
// of the server. Detail is one sentence for the operator, safe to show.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Kind   string `json:"kind,omitempty"` // for programs; the values stand in problem.go
}

func (p *Problem) Error() string { return p.Detail }

func readNewUser(body io.Reader) (NewUser, error) {
	var in NewUser
	err := readBody(body, map[string]any{
		"name": &in.Name, "display_name": &in.FullName, "email": &in.Email,
		"groups": &in.Groups, "admin": &in.Admin, "password": &in.Password,
	})
	return in, err
}

func readNewToken(body io.Reader) (NewToken, error) {
	var in NewToken
	var expires *time.Time
	err := readBody(body, map[string]any{
		"name": &in.Name, "user": &given[*string]{&in.User}, "hosts": &in.Hosts, "paths": &given[[]string]{&in.Paths},
		"methods": &given[[]string]{&in.Methods}, "networks": &given[[]netip.Prefix]{&in.Networks}, "expires": &given[*time.Time]{&expires},
	})
	if err == nil && expires != nil {
		if in.Expires = *expires; in.Expires.IsZero() {
			err = errors.New("field \"expires\" is no time") // and not as if it were left out
		}
	}
	return in, err
}

// given is what null is no value of. A script sends that for what it has lost, and to leave a limit out makes a token that is good for more
// (AD-5).
type given[T any] struct{ into *T }

func (g *given[T]) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return errors.New("null")
	}
	return json.Unmarshal(data, g.into)
}

func readMailTest(body io.Reader) (MailTest, error) {
	var in MailTest
	err := readBody(body, map[string]any{"to": &in.To})
	return in, err
}

// readBody reads the one object that a body must be. Package encoding/json alone would take a field twice, in any case and with broken
// UTF-8 replaced: two readers of such a body could disagree about who is added, and a password would not be the one typed.
func readBody(body io.Reader, fields map[string]any) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if !utf8.Valid(data) {
		return errors.New("the body is not valid UTF-8")
	}
	return readObject(data, fields)
}

// readObject reads a JSON object into the values that fields point to. None of them is itself an object.
func readObject(data []byte, fields map[string]any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("the body is not a JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return errors.New("the body is not valid JSON")
		}
		name, _ := t.(string)
		into, known := fields[name]
		switch {
		case !known:
			return fmt.Errorf("there is no field %q", name)
		case seen[name]:
			return fmt.Errorf("field %q stands there twice", name)
		}
		seen[name] = true
		if err := dec.Decode(into); err != nil {
			return fmt.Errorf("field %q cannot be read", name) // the cause could quote a password
		}
	}
	if _, err := dec.Token(); err != nil {
		return errors.New("the body is not valid JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Assertion-verifier is an application behind Nightlatch that believes a signed token and no other header. See docs/assertion.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// person is what the token says, as far as this application wants to know.
type person struct {
	jwt.Claims
	Name   string   `json:"preferred_username"`
	Groups []string `json:"groups"`
}

// verifier is for one application. The issuer and the audience are of its own configuration, and never from the request.
type verifier struct {
	issuer, audience string
	client           http.Client
	now              func() time.Time

	mu    sync.Mutex
	keys  jose.JSONWebKeySet
	asked time.Time // when the keys were last fetched, or that was tried
}

// person returns who sent a request. Any error means nobody.
func (v *verifier) person(r *http.Request) (*person, error) {
	lines := r.Header.Values("Nightlatch-Assertion")
	if len(lines) != 1 {
		return nil, fmt.Errorf("%d tokens", len(lines))
	}
	token, err := jwt.ParseSigned(lines[0], []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		return nil, err
	}
	key, err := v.key(token.Headers[0].KeyID)
	if err != nil {
		return nil, err
	}
	if header := token.Headers[0]; header.Algorithm != key.Algorithm || header.ExtraHeaders[jose.HeaderType] != "JWT" {
		return nil, errors.New("the key is for another algorithm, or the token is of another kind")
	}
	p := new(person)
	if err := token.Claims(key, p); err != nil {
		return nil, err
	}
	if p.Expiry == nil || p.Subject == "" {
		return nil, errors.New("the token has no end, or is about nobody")
	}
	if p.Name == "" {
		return nil, errors.New("the token is about a program, and this application is for people")
	}
	want := jwt.Expected{Issuer: v.issuer, AnyAudience: jwt.Audience{v.audience}, Time: v.now()}
	if err := p.ValidateWithLeeway(want, 5*time.Second); err != nil {
		return nil, err
	}
	return p, nil
}

// key finds a public key by its name. For one that is not known the keys are fetched anew, but at most once in ten seconds: the name
// comes from the request, and anybody can make up names.
func (v *verifier) key(id string) (jose.JSONWebKey, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.keys.Key(id)) == 0 && v.now().Sub(v.asked) > 10*time.Second {
		v.asked = v.now()
		if err := v.fetch(); err != nil {
			return jose.JSONWebKey{}, fmt.Errorf("fetching the keys: %w", err)
		}
	}
	for _, key := range v.keys.Key(id) {
		return key, nil
	}
	return jose.JSONWebKey{}, errors.New("the key is not one of the issuer")
}

func (v *verifier) fetch() error {
	resp, err := v.client.Get(v.issuer + "/jwks.json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&keys); err != nil {
		return err
	}
	v.keys = keys
	return nil
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, err := v.person(r)
	if err != nil {
		log.Print(err)
		http.Error(w, "this did not come through the gate", http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, "Hello, %s of %v\n", p.Name, p.Groups)
}

func main() {
	v := &verifier{issuer: os.Getenv("ISSUER"), audience: os.Getenv("AUDIENCE"), client: http.Client{Timeout: 5 * time.Second}, now: time.Now}
	if v.issuer == "" || v.audience == "" {
		log.Fatal("set ISSUER, such as https://app.example.com/_nightlatch, and AUDIENCE, such as https://app.example.com")
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", v))
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// Proxy is a program that serves an application itself and asks us about each of its requests: forward-auth. What it tells of the
// request stands in the headers of the question, in its own dialect.
type Proxy int

const (
	Caddy Proxy = iota + 1
	Traefik
	NGINX
	HAProxy
	Envoy
)

// forwardAuth is where proxies ask; the word of the proxy follows.
const forwardAuth = visit.Prefix + "forward-auth/"

// askedAtEnvoy is what Envoy puts before the target that it asks about.
const askedAtEnvoy = forwardAuth + "envoy"

// String is the word in the path.
func (p Proxy) String() string {
	switch p {
	case Caddy:
		return "caddy"
	case Traefik:
		return "traefik"
	case NGINX:
		return "nginx"
	case HAProxy:
		return "haproxy"
	case Envoy:
		return "envoy"
	}
	return fmt.Sprintf("proxy %d", int(p))
}

// AskedBy finds the proxy that asks at a path. The endpoint is told by the path alone and never guessed from the headers, since each
// proxy lets other headers of the visitor through.
func AskedBy(path string) (p Proxy, ok bool) {
	word, ok := strings.CutPrefix(path, forwardAuth)
	if !ok {
		return 0, false
	}
	for p := Caddy; p <= Envoy; p++ {
		if word == p.String() || p == Envoy && strings.HasPrefix(word, "envoy/") {
			return p, true
		}
	}
	return 0, false
}

// The headers in which proxies tell of the request, as net/http writes them.
const (
	originalURL     = "X-Original-Url"
	originalMethod  = "X-Original-Method"
	forwardedMethod = "X-Forwarded-Method"
	forwardedProto  = "X-Forwarded-Proto"
	forwardedHost   = "X-Forwarded-Host"
	forwardedURI    = "X-Forwarded-Uri"
)

// maxMethod bounds a method in bytes. The longest of the IANA registry has 17.
const maxMethod = 32

// described is what a proxy says of a request.
type described struct {
	method string
	scheme string // http or https
	host   string // as in Host
	target string // path and query as the visitor sent them
}

// Original is the request that the visitor sent to the proxy: its method, its host, its target and its headers, without the body,
// which stays with the proxy. target is the request target of the question as it was sent; only Envoy's holds something. The address
// of the visitor is not in it.
//
// Each proxy has one set of headers, the one that its own module sends or that the guides for it use: nginx X-Original-URL and
// X-Original-Method; Caddy, Traefik and HAProxy X-Forwarded-Method, -Proto, -Host and -Uri; Envoy asks with the method, the host and the
// target of the request itself, behind our prefix, and with X-Forwarded-Proto. All of a set are there, once each and well formed, or
// it is an error: a part of the set could be the visitor's (FA-7, CVE-2021-32637 and CVE-2026-35051 in peers). So is a header of
// another set that says something else. That is a visitor who tries, or a proxy that was wired to the endpoint of another one, where
// the visitor would write the whole set.
//
// Whether to believe a word of it is for the caller to know. The error names the header and never its value, which is the visitor's.
func (p Proxy) Original(question *http.Request, target string) (original *http.Request, scheme string, err error) {
	t, err := p.describe(question, target)
	if err != nil {
		return nil, "", err
	}
	u, err := t.check()
	if err != nil {
		return nil, "", err
	}
	if err := t.contradicted(question.Header); err != nil {
		return nil, "", err
	}
	original = &http.Request{
		Method: t.method, URL: u, RequestURI: t.target, Host: t.host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: visitorsHeaders(question.Header), Body: http.NoBody,
	}
	return original.WithContext(question.Context()), t.scheme, nil
}

// describe reads the proxy's own set.
func (p Proxy) describe(question *http.Request, target string) (t described, err error) {
	h := question.Header
	switch p {
	case NGINX:
		var address string
		if address, err = one(h, originalURL); err != nil {
			return t, err
		}
		if t.scheme, t.host, t.target, err = cutURL(address); err != nil {
			return t, err
		}
		t.method, err = one(h, originalMethod)
		return t, err
	case Envoy:
		rest, ok := strings.CutPrefix(target, askedAtEnvoy)
		if !ok || rest == "" {
			return t, errors.New("the address of the question holds no path after " + askedAtEnvoy)
		}
		t.method, t.host, t.target = question.Method, question.Host, rest
		t.scheme, err = one(h, forwardedProto)
		return t, err
	case Caddy, Traefik, HAProxy:
		for _, part := range [...]struct {
			name string
			to   *string
		}{{forwardedMethod, &t.method}, {forwardedProto, &t.scheme}, {forwardedHost, &t.host}, {forwardedURI, &t.target}} {
			if *part.to, err = one(h, part.name); err != nil {
				return t, err
			}
		}
		if p == Traefik {
			t.scheme = withoutWebSocket(t.scheme)
		}
		return t, nil
	}
	return t, fmt.Errorf("%s is not known", p)
}

// withoutWebSocket is the scheme of the connection that a WebSocket is opened on. Traefik has its own word for it in
// X-Forwarded-Proto, which trustForwardHeader passes on.
func withoutWebSocket(scheme string) string {
	switch scheme {
	case "wss":
		return "https"
	case "ws":
		return "http"
	}
	return scheme
}

// one is the value of a header that has to be there once.
func one(h http.Header, name string) (string, error) {
	switch lines := h[name]; {
	case len(lines) == 0:
		return "", errors.New(name + " is missing")
	case len(lines) > 1:
		return "", errors.New(name + " is there more than once")
	case lines[0] == "":
		return "", errors.New(name + " is empty")
	default:
		return lines[0], nil
	}
}

// cutURL takes an absolute address apart by hand. nginx puts it together from what the visitor sent and takes a host with a ? or a #
// in it: net/url would then find the path somewhere else than nginx does. Here such a host keeps them, and is none.
func cutURL(address string) (scheme, host, target string, err error) {
	scheme, rest, ok := strings.Cut(address, "://")
	end := strings.IndexByte(rest, '/')
	if !ok || end < 0 {
		return "", "", "", errors.New(originalURL + " is no address with a scheme, a host and a path")
	}
	return scheme, rest[:end], rest[end:], nil
}

// check finds what could not be a part of a request, or could be read in two ways, and parses the target as net/http would have done. A
// host with a name and a password before it is no host.
func (t *described) check() (*url.URL, error) {
	switch {
	case t.scheme != "https" && t.scheme != "http":
		return nil, errors.New("the scheme is neither http nor https")
	case !visit.ValidHost(t.host) || strings.HasSuffix(t.host, ":"):
		return nil, errors.New("the host is no host name")
	case len(t.method) > maxMethod || !isToken(t.method):
		return nil, errors.New("the method is none")
	case t.target[0] != '/' || strings.IndexByte(t.target, ' ') >= 0:
		return nil, errors.New("the target is no path")
	}
	u, err := url.ParseRequestURI(t.target)
	if err != nil {
		return nil, errors.New("the target is no path") // the error of net/url holds it, with all that may be secret in its query
	}
	return u, nil
}

// contradicted finds a header of any set that says another method or another address than what was told. The proxy's own agree.
func (t *described) contradicted(h http.Header) error {
	says := func(name string, same func(string) bool) error {
		for _, line := range h[name] {
			if !same(line) {
				return errors.New(name + " contradicts what the proxy says otherwise; the proxy may be asking at the address of another kind of proxy")
			}
		}
		return nil
	}
	method := func(line string) bool { return line == t.method }
	return errors.Join(
		says(originalMethod, method),
		says(forwardedMethod, method),
		says(forwardedURI, func(line string) bool { return line == t.target }),
		says(originalURL, func(line string) bool {
			scheme, host, target, err := cutURL(line)
			return err == nil && scheme == t.scheme && host == t.host && target == t.target
		}),
	)
}

// visitorsHeaders are the headers without those of forward-auth. The lines are shared: whoever changes one in place takes a copy.
func visitorsHeaders(h http.Header) http.Header {
	visitors := make(http.Header, len(h))
	for name, lines := range h {
		switch name {
		case originalURL, originalMethod, forwardedMethod, forwardedProto, forwardedHost, forwardedURI:
		default:
			visitors[name] = lines
		}
	}
	return visitors
}

// isToken tells whether s is a token of RFC 9110, section 5.6.2, as every method is.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"encoding/base64"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/credential"
)

// What programs present in these tests. None of it opens anything.
var (
	keyName    = "nlk0123456789abcdef"
	secretPart = strings.Repeat("Ab-_9", 8) + "xyz"
	wholeKey   = keyName + "_" + secretPart
	jwtHeader  = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"nightlatch-` + strings.Repeat("k", 43) + `","typ":"at+jwt"}`))
	refresh    = "nlr_" + strings.Repeat("Ab-_9", 30) + "=="
	ourJWT     = jwtHeader + ".eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
	theirJWT   = encodeURL(`{"alg":"EdDSA","kid":"`+strings.Repeat("k", 43)+`","typ":"at+jwt"}`) + ".eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
	assertion  = encodeURL(`{"alg":"EdDSA","kid":"nightlatch-`+strings.Repeat("k", 43)+`","typ":"JWT"}`) + ".eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
)

func encodeURL(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// pairOf are the lines of a pair. With no value the line is not there.
func pairOf(family, id, secret string) http.Header {
	h := http.Header{}
	for name, value := range map[string]string{"-Client-Id": id, "-Client-Secret": secret} {
		if value != "" {
			h.Set(family+name, value)
		}
	}
	return h
}

func authorization(lines ...string) http.Header { return http.Header{"Authorization": lines} }

// with is a header with the lines of others.
func with(headers ...http.Header) http.Header {
	all := http.Header{}
	for _, h := range headers {
		for name, lines := range h {
			all[name] = append(all[name], lines...)
		}
	}
	return all
}

// broken is what is ours and proves nothing.
var broken = Credential{}

// R, MF-5, SE-16: what a program presents, read in one way, or not at all.
func TestPresented(t *testing.T) {
	key, basicKey := Credential{Token: wholeKey}, Credential{Token: wholeKey, Basic: true, User: "alice"}
	const cf, own = "CF-Access", "Nightlatch"
	for name, c := range map[string]struct {
		header http.Header
		want   *Credential // nil: nothing of ours
	}{
		"a key":                             {authorization("Bearer " + wholeKey), &key},
		"a token":                           {authorization("Bearer " + ourJWT), &Credential{Token: ourJWT}},
		"a scheme in lower case":            {authorization("bearer " + wholeKey), &key},
		"a scheme in upper case":            {authorization("BEARER " + wholeKey), &key},
		"several spaces":                    {authorization("Bearer   " + wholeKey), &key},
		"a password":                        {authorization(basic("alice", wholeKey)), &basicKey},
		"a password, BASIC":                 {authorization("BASIC" + strings.TrimPrefix(basic("alice", wholeKey), "Basic")), &basicKey},
		"a password of a key":               {authorization(basic(keyName, wholeKey)), &Credential{Token: wholeKey, Basic: true, User: keyName}},
		"a password of nobody":              {authorization(basic("", wholeKey)), &Credential{Token: wholeKey, Basic: true}},
		"a pair":                            {pairOf(own, keyName, secretPart), &key},
		"a pair of Cloudflare's names":      {pairOf(cf, keyName, secretPart), &key},
		"an id with .access":                {pairOf(cf, keyName+".access", secretPart), &key},
		"an id with .access, under ours":    {pairOf(own, keyName+".access", secretPart), &key},
		"the whole key as the secret":       {pairOf(own, keyName, wholeKey), &key},
		"both":                              {pairOf(cf, keyName+".access", wholeKey), &key},
		"beside the application's own":      {with(pairOf(cf, keyName, secretPart), authorization(basic("alice", "pw"))), &key},
		"beside a token of another":         {with(pairOf(own, keyName, secretPart), authorization("Bearer "+theirJWT)), &key},
		"beside a cookie":                   {with(authorization("Bearer "+wholeKey), http.Header{"Cookie": {"__Host-nightlatch=x"}}), &key},
		"beside a pair of Cloudflare's":     {with(authorization("Bearer "+wholeKey), pairOf(cf, strings.Repeat("a", 32)+".access", strings.Repeat("f", 64))), &key},
		"a pair beside one of Cloudflare's": {with(pairOf(own, keyName, secretPart), pairOf(cf, strings.Repeat("a", 32)+".access", strings.Repeat("f", 64))), &key},

		"twice":                        {authorization("Bearer "+wholeKey, "Bearer "+wholeKey), &broken},
		"beside another line":          {authorization("Bearer "+wholeKey, basic("alice", "pw")), &broken},
		"after another line":           {authorization(basic("alice", "pw"), "Bearer "+wholeKey), &broken},
		"two kinds":                    {with(authorization("Bearer "+wholeKey), pairOf(own, keyName, secretPart)), &broken},
		"two pairs":                    {with(pairOf(cf, keyName, secretPart), pairOf(own, keyName, secretPart)), &broken},
		"a good one and a bad one":     {with(authorization("Bearer "+wholeKey+"x"), pairOf(own, keyName, secretPart)), &broken},
		"in a list":                    {authorization("Bearer " + wholeKey + ", Basic YTpi"), &broken},
		"in a list, second":            {authorization("Basic YTpi, Bearer " + wholeKey), &broken},
		"a token in a list":            {authorization("Bearer " + ourJWT + ",Bearer " + ourJWT), &broken},
		"a tab":                        {authorization("Bearer\t" + wholeKey), &broken},
		"a space after it":             {authorization("Bearer " + wholeKey + " "), &broken},
		"a tab after it":               {authorization("Bearer " + ourJWT + "\t"), &broken},
		"quoted":                       {authorization(`Bearer "` + wholeKey + `"`), &broken},
		"a parameter":                  {authorization("Bearer token=" + wholeKey), &broken},
		"a space before it":            {authorization(" Bearer " + wholeKey), &broken},
		"a space before a password":    {authorization(" " + basic("alice", wholeKey)), &broken},
		"a tab before a password":      {authorization("\t" + basic("alice", wholeKey)), &broken},
		"a password in a list":         {authorization("Basic YTpi, " + basic("alice", wholeKey)), &broken},
		"a password after a token":     {authorization("Bearer abc," + basic("alice", wholeKey)), &broken},
		"a refresh token":              {authorization("Bearer " + refresh), &broken},
		"a refresh token alone":        {authorization(refresh), &broken},
		"a refresh token in a list":    {authorization("Basic YTpi, Bearer " + refresh), &broken},
		"no scheme":                    {authorization(wholeKey), &broken},
		"another scheme":               {authorization("Token " + wholeKey), &broken},
		"a token, another scheme":      {authorization("JWT " + ourJWT), &broken},
		"cut off":                      {authorization("Bearer " + wholeKey[:60]), &broken},
		"too long":                     {authorization("Bearer " + wholeKey + "A"), &broken},
		"an id in upper case":          {authorization("Bearer " + strings.ToUpper(keyName[3:]) + "_" + keyName + "_" + secretPart), &broken},
		"a byte that no secret has":    {authorization("Bearer " + wholeKey[:62] + "+"), &broken},
		"a token with another byte":    {authorization("Bearer " + ourJWT + "="), &broken},
		"a token as a password":        {authorization(basic("alice", ourJWT)), &broken},
		"a key as a name":              {authorization(basic(wholeKey, "")), &broken},
		"a key with more":              {authorization(basic("alice", wholeKey+" ")), &broken},
		"a colon in the name":          {authorization(basic("a:b", wholeKey)), &broken},
		"a password without padding":   {authorization(strings.TrimRight(basic("bob", wholeKey), "=")), &broken},
		"a password in pieces":         {authorization("Basic " + strings.Join(strings.SplitAfter(basic("alice", wholeKey)[6:], "M"), " ")), &broken},
		"a password in the URL's way":  {authorization("Basic " + base64.URLEncoding.EncodeToString([]byte("\xff\xfe?"+":"+wholeKey))), &broken},
		"a password, after a tab":      {authorization("Basic\t" + basic("alice", wholeKey)[6:]), &broken},
		"a secret alone":               {pairOf(own, "", secretPart), &broken},
		"a key as the secret alone":    {pairOf(cf, "", wholeKey), &broken},
		"anything under our names":     {pairOf(own, "x", "y"), &broken},
		"an id twice":                  {with(pairOf(own, keyName, secretPart), pairOf(own, keyName, "")), &broken},
		"a secret twice":               {with(pairOf(cf, keyName, secretPart), pairOf(cf, "", secretPart)), &broken},
		"the whole key of another":     {pairOf(own, keyName, "nlk0000000000000000_"+secretPart), &broken},
		"a half secret":                {pairOf(cf, keyName, secretPart[1:]), &broken},
		"a pair across the names":      {http.Header{"Cf-Access-Client-Id": {keyName}, "Nightlatch-Client-Secret": {secretPart}}, &broken},
		"a pair across, the other way": {http.Header{"Nightlatch-Client-Id": {keyName}, "Cf-Access-Client-Secret": {secretPart}}, &broken},
		"a secret without its id, beside a foreign one": {with(pairOf(cf, strings.Repeat("a", 32)+".access", secretPart), pairOf(own, keyName, "")), &broken},
		"a half secret, beside a foreign id":            {with(pairOf(cf, "x", secretPart[1:]), pairOf(own, keyName+".access", "")), &broken},
		"a secret without an id, beside a pair":         {with(pairOf(cf, "", secretPart), pairOf(own, keyName, secretPart)), &broken},
		"a list of ids":                                 {pairOf(own, keyName+", "+keyName, secretPart), &broken},

		"nothing":                        {http.Header{}, nil},
		"an id alone":                    {pairOf(own, keyName, ""), nil},
		"an id alone, of Cloudflare's":   {pairOf(cf, keyName, ""), nil},
		"a cookie":                       {http.Header{"Cookie": {"__Host-nightlatch=x"}}, nil},
		"a person's password (MF-5)":     {authorization(basic("alice", "a door with two locks holds")), nil},
		"a token of another issuer":      {authorization("Bearer " + theirJWT), nil},
		"a signed token of ours":         {authorization("Bearer " + assertion), nil},
		"an opaque token":                {authorization("Bearer 0123456789abcdef"), nil},
		"Digest":                         {authorization(`Digest username="alice", realm="nlk"`), nil},
		"a scheme alone":                 {authorization("Bearer"), nil},
		"an empty line":                  {authorization(""), nil},
		"no base64":                      {authorization("Basic %%%"), nil},
		"an id, which is no secret":      {authorization("Bearer " + keyName), nil},
		"nearly an id":                   {authorization("Bearer nlk0123456789abcdeg_" + secretPart), nil},
		"two lines of the application's": {authorization(basic("alice", "pw"), "Bearer x"), nil},
		"a pair of Cloudflare Access":    {pairOf(cf, strings.Repeat("a", 32)+".access", strings.Repeat("f", 64)), nil},
		"a pair of theirs, another id":   {with(pairOf(cf, strings.Repeat("a", 32)+".access", strings.Repeat("f", 64)), pairOf(own, "x", "")), nil},
		"other spellings (ID-2)":         {http.Header{"Nightlatch_Client_Id": {keyName}, "Nightlatch_Client_Secret": {secretPart}}, nil},
		"Proxy-Authorization":            {http.Header{"Proxy-Authorization": {"Bearer " + wholeKey}}, nil},
		"another header":                 {http.Header{"X-Authorization": {"Bearer " + wholeKey}, "X-Api-Key": {wholeKey}}, nil},
	} {
		before := with(c.header)
		got, found := Presented(c.header)
		switch {
		case found != (c.want != nil):
			t.Errorf("%s: found %v, want %v", name, found, c.want != nil)
		case found && got != *c.want:
			t.Errorf("%s: got %+v, want %+v", name, got, *c.want)
		}
		if !maps.EqualFunc(c.header, before, slices.Equal) {
			t.Errorf("%s: the header was changed", name)
		}
	}
}

// theirs are what an application's own programs send: it costs each of their requests.
var theirs = map[string]http.Header{
	"nothing":          {"Cookie": {"__Host-nightlatch=x"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"x"}, "Sec-Fetch-Mode": {"navigate"}},
	"their token":      authorization("Bearer " + theirJWT),
	"their token, 1kB": authorization("Bearer " + theirJWT + noise(700)),
	"their Basic":      authorization(basic("alice", "a door with two")),
	"their Basic, 8kB": authorization(basic("alice", noise(4500))),
}

// noise is n bytes that look like chance, in base64.
func noise(n int) string {
	bytes := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(bytes)
	return base64.RawURLEncoding.EncodeToString(bytes)
}

// Whoever has a cookie pays next to nothing for those who have none, and an application's own programs little for ours.
func TestPresentedAllocatesNothing(t *testing.T) {
	for name, h := range theirs {
		if n := testing.AllocsPerRun(100, func() { Presented(h); StripAuthorization(h) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
	for name, h := range map[string]http.Header{"a key": authorization("Bearer " + wholeKey), "a token": authorization("Bearer " + ourJWT)} {
		if n := testing.AllocsPerRun(100, func() { Presented(h) }); n != 0 {
			t.Errorf("%s: %v allocations to read it, want none", name, n)
		}
	}
}

// Whatever is sent: what is read is taken away, nothing is left to be read, and what a reader of Basic would find is gone too.
func FuzzPresented(f *testing.F) {
	for _, line := range []string{"Bearer " + wholeKey, "Bearer " + ourJWT, basic("alice", wholeKey), "Basic YTpi, Bearer " + wholeKey, "", "Basic", "Bearer nlk"} {
		f.Add(line, "", "")
		f.Add(line, keyName, secretPart)
	}
	f.Add("", keyName+".access", wholeKey)
	f.Fuzz(func(t *testing.T, line, id, secret string) {
		h := with(authorization(line), pairOf("Cf-Access", id, secret))
		c, found := Presented(h)
		if !found && c != broken {
			t.Fatalf("found nothing, and got %+v", c)
		}
		if c.Token != "" && !credential.IsKey(c.Token) && !credential.IsAccessToken(c.Token) {
			t.Fatalf("got %q, which is no token", c.Token)
		}
		delete(h, "Cf-Access-Client-Id")
		delete(h, "Cf-Access-Client-Secret")
		_, before := Presented(h)
		StripAuthorization(h)
		left, stays := h["Authorization"]
		if stays == before || stays && !slices.Equal(left, []string{line}) {
			t.Fatalf("%q is ours: %v, and left %q", line, before, left)
		}
		if _, after := Presented(h); after {
			t.Fatalf("%q: something is left", line)
		}
		if _, password, ok := (&http.Request{Header: h}).BasicAuth(); ok && credential.Holds(password) {
			t.Fatalf("%q: left the password %q", line, password)
		}
	})
}

func BenchmarkPresented(b *testing.B) {
	for name, h := range map[string]http.Header{
		"key":   authorization("Bearer " + wholeKey),
		"token": authorization("Bearer " + ourJWT),
		"basic": authorization(basic("alice", wholeKey)),
		"pair":  pairOf("CF-Access", keyName, secretPart),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Presented(h)
			}
		})
	}
}

// BenchmarkTheirs is what it costs not to find anything of ours, on the way in and on the way to the application.
func BenchmarkTheirs(b *testing.B) {
	for name, h := range theirs {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Presented(h)
				StripAuthorization(h)
			}
		})
	}
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// mutation is a mistake in a configuration, and the check that has to see it (FA-22). A configuration of several files is one text here.
type mutation struct {
	name   string
	edits  []string // what is replaced, by what, and so on
	caught string
}

func TestMistakesInNginx(t *testing.T) {
	peer(t, "nginx")
	h := build(t, "nginx.md", "")
	right := nginxPage(t)
	f := open(t, h, startNginx(t, h, h.door.addr, right), quirks{plain: true})

	const (
		auth     = "auth_request      /_nightlatch/forward-auth/nginx;\n"
		location = "\tlocation / {\n"
		question = "\tproxy_pass_request_body  off;\n"
	)
	for _, m := range []mutation{
		{"the question is not internal", []string{"\tinternal;\n", "\tauth_request off;\n"}, "FA16AskedByBrowsers"},
		{"the other questions are open", []string{"\treturn 404;\n", "\tauth_request off;\n\tproxy_pass http://nightlatch;\n"}, "FA16AskedByBrowsers"},
		{"either suffices", []string{auth, auth + "satisfy any;\nallow 127.0.0.0/8;\n"}, "PC1toPC16Paths"},
		{"asked in one location only", []string{auth, "", location, "\tlocation /files/ {\n\t\tproxy_pass http://127.0.0.1:3000;\n\t}\n" + location + "\t\t" + auth}, "PC1toPC16Paths"},
		{"not asked in a location", []string{location, location + "\t\tlocation /files/ {\n\t\t\tauth_request off;\n\t\t\tproxy_pass http://127.0.0.1:3000;\n\t\t}\n"}, "PC1toPC16Paths"},
		{"a refusal goes to the application", []string{"error_page        401 = @nightlatch_sign_in;", "error_page 401 = @app;",
			location, "\tlocation @app {\n\t\tauth_request off;\n\t\tproxy_pass http://127.0.0.1:3000;\n\t}\n" + location}, "PC1toPC16Paths"},
		{"the path of the question is judged", []string{"$host$request_uri", "$host$uri"}, "PC1toPC16Paths"},
		{"the decoded path is judged", []string{"$host$request_uri", "$host$asked", location, location + "\t\tset $asked $uri;\n"}, "PC1toPC16Paths"},
		{"a rewrite after the question", []string{location, location + "\t\trewrite ^/public/(.*) /admin/$1 break;\n"}, "PC1toPC16Paths"},
		{"another path is passed on", []string{"proxy_pass http://127.0.0.1:3000;", "proxy_pass http://127.0.0.1:3000$uri;"}, "PC1toPC16Paths"},
		{"the rules of another host", []string{"$scheme://$host$request_uri", "$scheme://$http_host$request_uri"}, "PC11PC13PC14Hosts"},
		{"the visitor says the method", []string{"\tproxy_set_header         X-Original-Method  $request_method;\n", ""}, "PC20Methods"},
		{"the visitor says the address", []string{"\tproxy_set_header         X-Original-URL     $scheme://$host$request_uri;\n", ""}, "FA1FA2FA7ClaimedAddress"},
		{"the visitor says where it is", []string{"X-Forwarded-For    $remote_addr;", "X-Forwarded-For $proxy_add_x_forwarded_for;"}, "FA8LeftmostAddress"},
		{"nobody says where it is", []string{"\tproxy_set_header         X-Forwarded-For    $remote_addr;\n", ""}, "FA8LeftmostAddress"},
		{"other spellings pass", []string{"underscores_in_headers off;", "underscores_in_headers on;"}, "ID2ID6ID10OtherSpellings"},
		{"other names pass", []string{"proxy_set_header    X-Webauth-User                   \"\";\n", ""}, "ID2ID6ID10OtherSpellings"},
		{"a header is left out", []string{"proxy_set_header    Remote-Email       $nightlatch_email;\n", ""}, "ID4FA14NothingToSay"},
		{"our cookies pass", []string{"proxy_set_header    Cookie             $nightlatch_cookie;\n", ""}, "ID12OurCookiesStay"},
		{"keys of programs pass", []string{"proxy_set_header    Authorization             $nightlatch_authorization;\n", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"halves of keys pass", []string{"proxy_set_header    Nightlatch-Client-Secret  \"\";\n", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"halves of keys pass, of Cloudflare's", []string{"proxy_set_header    CF-Access-Client-Secret   \"\";\n", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"no Authorization at all", []string{"auth_request_set  $nightlatch_authorization  $upstream_http_authorization;\n", "", "$nightlatch_authorization", "\"\""}, "OwnAuthorization"},
		{"the question lacks Authorization", []string{"\tproxy_pass_request_body  off;\n", "\tproxy_pass_request_body  off;\n\tproxy_set_header Authorization \"\";\n"}, "ID12ProgramsPassAndTheirKeysStay"},
		{"a header of a location's own", []string{location, location + "\t\tproxy_set_header X-A b;\n"}, "ID12OurCookiesStay"},
		{"too small for the cookies", []string{"\tproxy_buffer_size        16k;\n", "\tproxy_buffer_size 4k;\n"}, "ID12OurCookiesStay"},
		{"the answer is cached", []string{question, question + "\tproxy_cache cache;\n\tproxy_cache_key $request_uri;\n\tproxy_cache_valid 200 1m;\n" +
			"\tproxy_ignore_headers Cache-Control Vary Expires Set-Cookie;\n"}, "FA13NothingCached"},
		{"any upgrade", []string{"$nightlatch_connection;", "upgrade;", "$nightlatch_upgrade;", "$http_upgrade;"}, "UpgradesToNothingElse"},
		{"the body is announced and not sent", []string{"\tproxy_set_header         Content-Length     \"\";\n", ""}, "OneConnectionForManyQuestions"},
		{"a connection for each question", []string{"\tkeepalive 32;\n", ""}, "OneConnectionForManyQuestions"},
		{"the pages think that it is plain", []string{"\tproxy_set_header     X-Forwarded-Proto  $scheme;\n", ""}, "Story"},
		{"nobody is led to the pages", []string{"error_page        401 = @nightlatch_sign_in;\n", ""}, "FA12Statuses"},
	} {
		t.Run(m.name, func(t *testing.T) {
			const cut = "\x00"
			text := replace(t, strings.Join([]string{right.global, right.snippet, right.headers, right.site}, cut), m.edits...)
			files := strings.Split(text, cut)
			wrong := *f
			wrong.addr = startNginx(t, h, h.door.addr, nginxFiles{global: files[0], snippet: files[1], headers: files[2], site: files[3]})
			m.wantCaught(t, &wrong)
		})
	}
}

func TestMistakesInHAProxy(t *testing.T) {
	peer(t, "haproxy")
	h := build(t, "haproxy.md", "")
	right := haproxyPage(t)
	f := open(t, h, startHAProxy(t, h, h.door.addr, right), quirks{})
	for _, m := range []mutation{
		{"not asked", []string{"unless ours || { var(txn.nightlatch) -m bool }", "if FALSE", "\thttp-request lua.nightlatch", "\t#"}, "PC1toPC16Paths"},
		{"the questions are open", []string{"\thttp-request deny deny_status 404 if", "\t#"}, "FA16AskedByBrowsers"},
		{"other spellings pass", []string{"\toption http-restrict-req-hdr-names delete\n", "\toption http-restrict-req-hdr-names preserve\n"}, "ID2ID6ID10OtherSpellings"},
		{"other names pass", []string{"\thttp-request del-header x-webauth- -m beg\n", ""}, "ID2ID6ID10OtherSpellings"},
		{"a header can be taken away", []string{"\thttp-request del-header Connection", "\t#", "\thttp-request set-header Connection", "\t#"}, "ID1ConnectionTakesNothing"},
		{"any upgrade", []string{"\thttp-request del-header Upgrade", "\t#"}, "UpgradesToNothingElse"},
		{"a header is left out", []string{"Remote-User,Remote-Name", "Remote-Name"}, "Story"},
		{"our cookies pass", []string{"\t\tset(txn, \"cookie\", answer.headers[\"cookie\"])\n", ""}, "ID12OurCookiesStay"},
		{"keys of programs pass", []string{"\t\tset(txn, \"authorization\", answer.headers[\"authorization\"])\n", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"halves of keys pass", []string{"\t\t\ttxn.http:req_del_header(name)\n", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"no Authorization at all", []string{"answer.headers[\"authorization\"]", "nil"}, "OwnAuthorization"},
		{"the visitor says what it asks for", []string{"\theaders[\"x-forwarded-uri\"] = { target }\n", "", ", [\"x-forwarded-uri\"] = true", "",
			"\thttp-request del-header x-forwarded- -m beg\n", ""}, "FA1FA2FA7ClaimedAddress"},
		{"the visitor says where it is", []string{"\theaders[\"x-forwarded-for\"] = { txn.sf:src() }\n", "", "[\"x-forwarded-for\"] = true, ", "",
			"\thttp-request del-header x-forwarded- -m beg\n", "", "\thttp-request set-header X-Forwarded-For   %[src]\n", ""}, "FA8LeftmostAddress"},
	} {
		t.Run(m.name, func(t *testing.T) {
			const cut = "\x00"
			text := replace(t, right.config+cut+right.lua, m.edits...)
			config, lua, _ := strings.Cut(text, cut)
			wrong := *f
			wrong.addr = startHAProxy(t, h, h.door.addr, haproxyFiles{config, lua})
			m.wantCaught(t, &wrong)
		})
	}
}

func TestMistakesInCaddy(t *testing.T) {
	h := build(t, "caddy.md", "")
	right := caddyPage(t)
	f := open(t, h, startCaddy(t, h, h.door.addr, right), quirks{})
	for _, m := range []mutation{
		{"the questions are open", []string{"\t\trespond 404\n", "\t\treverse_proxy 127.0.0.1:9080\n"}, "FA16AskedByBrowsers"},
		{"our cookies pass", []string{" Cookie Authorization\n", " Authorization\n"}, "ID12OurCookiesStay"},
		{"keys of programs pass", []string{" Authorization\n", "\n"}, "ID12ProgramsPassAndTheirKeysStay"},
		{"halves of keys pass", []string{"\t\t\trequest_header -Nightlatch-Client-*\n", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"halves of keys pass, of Cloudflare's", []string{"\t\t\trequest_header -Cf-Access-Client-*\n", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"no Authorization at all", []string{" Authorization\n", "\n", "\t\t\trequest_header -Nightlatch-Client-*\n", "\t\t\trequest_header -Nightlatch-Client-*\n\t\t\trequest_header -Authorization\n"}, "OwnAuthorization"},
		{"other names pass", []string{"\t\t\trequest_header -X-Webauth*\n", ""}, "ID2ID6ID10OtherSpellings"},
		{"a header can be taken away", []string{"\t\t\trequest_header @other -Connection\n", ""}, "ID1ConnectionTakesNothing"},
		{"any upgrade", []string{"\t\t\trequest_header @other -Connection\n", "", "\t\t\trequest_header @other -Upgrade\n", ""}, "UpgradesToNothingElse"},
	} {
		t.Run(m.name, func(t *testing.T) {
			wrong := *f
			wrong.addr = startCaddy(t, h, h.door.addr, replace(t, right, m.edits...))
			m.wantCaught(t, &wrong)
		})
	}
}

func TestMistakesInTraefik(t *testing.T) {
	peer(t, "traefik")
	h := build(t, "traefik.md", "")
	right := traefikPage(t)
	f := open(t, h, startTraefik(t, h, h.door.addr, right), traefikQuirks)
	const (
		middlewares = "  middlewares:\n"
		asked       = "[claims, no-upgrade, nightlatch]"
		strategy    = "    http:\n      aliasHeadersStrategy: delete\n"
		distrust    = "trustForwardHeader: false\n"
		insecure    = "    forwardedHeaders:\n      insecure: true\n"
	)
	for _, m := range []mutation{
		{"not asked", []string{asked, "[claims, no-upgrade]"}, "PC1toPC16Paths"},
		{"not asked about sockets", []string{"[claims, nightlatch]", "[claims]"}, "WB8WebSockets"},
		{"a refusal goes to the application", []string{asked, "[refused, claims, no-upgrade, nightlatch]", middlewares, middlewares +
			"    refused:\n      errors:\n        status: [\"300-499\"]\n        service: app\n        query: /\n"}, "PC1toPC16Paths"},
		{"a rewrite after the question", []string{asked, "[claims, no-upgrade, nightlatch, rewrite]", middlewares, middlewares +
			"    rewrite:\n      replacePathRegex:\n        regex: ^/public/(.*)\n        replacement: /admin/$1\n"}, "PC1toPC16Paths"},
		{"the questions are open", []string{" && !PathPrefix(`/_nightlatch/forward-auth`)", ""}, "FA16AskedByBrowsers"},
		{"other spellings pass", []string{strategy, strings.Replace(strategy, "delete", "keep", 1)}, "ID2ID6ID10OtherSpellings"},
		{"other names pass", []string{"X-Webauth|", ""}, "ID2ID6ID10OtherSpellings"},
		{"a header of another proxy is believed by some", []string{"[claims, ", "["}, "ID2ID6ID10OtherSpellings"},
		{"a header is left out", []string{"          - Remote-Email\n", "", "^(Remote|", "^("}, "ID4FA14NothingToSay"},
		{"a header can be taken away", []string{strategy, "    forwardedHeaders:\n      connection: [Remote-User]\n" + strategy}, "ID1ConnectionTakesNothing"},
		{"our cookies pass", []string{"          - Cookie\n", ""}, "ID12OurCookiesStay"},
		{"keys of programs pass", []string{"          - Authorization\n", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"halves of keys pass", []string{"|Nightlatch-Client", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"halves of keys pass, of Cloudflare's", []string{"|Cf-Access", ""}, "ID12ProgramsPassAndTheirKeysStay"},
		{"the question lacks Authorization", []string{distrust, distrust + "        authRequestHeaders: [Accept, Cookie]\n"}, "ID12ProgramsPassAndTheirKeysStay"},
		{"no Authorization at all", []string{"          Upgrade: \"\"\n", "          Upgrade: \"\"\n          Authorization: \"\"\n"}, "OwnAuthorization"},
		{"the visitor says what it asks for", []string{distrust, "trustForwardHeader: true\n", strategy, insecure + strategy}, "FA1FA2FA7ClaimedAddress"},
		{"the visitor says where it is", []string{distrust, "trustForwardHeader: true\n", strategy, insecure + strategy}, "FA8LeftmostAddress"},
		{"one address for everybody", []string{distrust, distrust + "        authSigninURL: /_nightlatch/sign-in\n"}, "FA12Statuses"},
		{"any upgrade", []string{asked, "[claims, nightlatch]"}, "UpgradesToNothingElse"},
		{"nobody is led to the pages", []string{"PathPrefix(`/_nightlatch/`)", "PathPrefix(`/elsewhere/`)"}, "Story"},
	} {
		t.Run(m.name, func(t *testing.T) {
			const cut = "\x00"
			static, dynamic, _ := strings.Cut(replace(t, right.static+cut+right.dynamic, m.edits...), cut)
			wrong := *f
			wrong.addr = startTraefik(t, h, h.door.addr, traefikFiles{static, dynamic})
			m.wantCaught(t, &wrong)
		})
	}
}

// wantCaught runs the check that has to see the mistake, which fails.
func (m mutation) wantCaught(t *testing.T, wrong *front) {
	t.Helper()
	for _, c := range checks {
		if c.name != m.caught {
			continue
		}
		found := fails(t, c, wrong)
		if len(found) == 0 {
			t.Errorf("%s sees nothing wrong", c.name)
			return
		}
		t.Logf("%s: %.300s", c.name, found[0])
		return
	}
	t.Fatalf("there is no check %s", m.caught)
}

// fails is what a check finds wrong.
func fails(t *testing.T, c check, f *front) []string {
	w := &witness{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.play(w, f)
	}()
	<-done
	return w.found
}

// witness is a test that may fail: it keeps what it is told instead.
type witness struct {
	testing.TB
	found []string
}

func (w *witness) Errorf(format string, args ...any) {
	w.found = append(w.found, fmt.Sprintf(format, args...))
}

func (w *witness) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

func (w *witness) Fatal(args ...any) { w.Fatalf("%s", fmt.Sprint(args...)) }

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// ASVS 3.3.5: browsers keep at least 4096 bytes of name, value and attributes. Each of our cookies with the longest value that is read back
// is far from that, and all of them together fit beside those of an application.
func TestASVS3_3_5CookiesAreSmall(t *testing.T) {
	all := 0
	for _, c := range []visit.Cookie{visit.Session, visit.Attempt, visit.Language, visit.Browser, visit.Trusted} {
		longest := 0
		for n := 1; n <= 4096; n++ {
			v := visit.Visit{Transport: visit.Secure}
			if _, ok := v.Cookie(request(visit.Secure.CookieName(c)+"="+strings.Repeat("a", n)), c); ok {
				longest = n
			}
		}
		w := httptest.NewRecorder()
		visit.Visit{Transport: visit.Secure}.SetCookie(w, c, strings.Repeat("a", longest), time.Date(2030, 12, 31, 23, 59, 59, 0, time.UTC))
		line := w.Header().Get("Set-Cookie")
		if longest < 100 || len(line) < longest || len(line) > 512 {
			t.Errorf("%s: %d bytes with a value of %d, want at most 512", visit.Secure.CookieName(c), len(line), longest)
		}
		all += len(line)
	}
	if all > 2048 {
		t.Errorf("all cookies together have %d bytes, want at most 2048", all)
	}
}

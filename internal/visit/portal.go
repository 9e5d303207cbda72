// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import "net/url"

// Continue is the path on the central portal that leads a signed-in browser on to a site: to the path returnTo there. The challenge is of
// the cookie that the site has given the browser, see auth.Challenge; empty where the site shares the portal's cookie.
func Continue(site, returnTo, challenge string) string {
	q := url.Values{"site": {site}, "return_to": {returnTo}}
	if challenge != "" {
		q.Set("challenge", challenge)
	}
	return Prefix + "continue?" + q.Encode()
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"net/http"
)

// Message names one sentence that people read. The words are in the catalogs below and nowhere else: not in templates, not in Go.
type Message string

// Say returns the words of a message in the language of the person who asks, with args filled in as package fmt does.
func Say(r *http.Request, m Message, args ...any) string { return language(r).say(m, args...) }

// language chooses the catalog for a request. There is one language; a second one changes this function and adds a catalog.
func language(*http.Request) *catalog { return &english }

type catalog struct {
	lang      string // for the html element (BCP 47)
	sentences map[Message]string
}

func (c *catalog) say(m Message, args ...any) string {
	s := c.sentences[m]
	if len(args) == 0 {
		return s
	}
	return fmt.Sprintf(s, args...)
}

const (
	BrokenPage Message = "broken-page"
)

var english = catalog{lang: "en", sentences: map[Message]string{
	BrokenPage: "This page could not be shown. Please tell whoever runs this site.",
}}

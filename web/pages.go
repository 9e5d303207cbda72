// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

// Notice is a plain message page: what happened, what it means, what to do next. The gate uses it too.
type Notice struct {
	Brand    string
	Title    string
	Text     string
	Link     string // a path on this host; empty: no link
	LinkText string
}

func (n Notice) title() string { return n.Title }
func (n Notice) brand() string { return n.Brand }

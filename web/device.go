// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"strings"
)

// mark is what gives a program or a system away in a User-Agent header.
type mark struct{ word, name string }

// In this order, since most programs say that they are all those before them too.
var (
	programs = []mark{
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"}, {"Vivaldi/", "Vivaldi"}, {"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	}
	systems = []mark{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
	}
)

// Device says in words what a browser calls itself in its User-Agent header: program and system, as far as we know them. It holds
// nothing of the header itself, which anybody can fill with an advertisement or a lie that would stand in a mail of ours (WB-4).
func Device(r *http.Request, userAgent string) string { return voiceFor(r).device(userAgent) }

func (v *voice) device(userAgent string) string {
	program, system := known(programs, userAgent), known(systems, userAgent)
	switch {
	case program == "" && system == "":
		return v.say(UnknownDevice)
	case program == "" || system == "":
		return program + system
	}
	return v.say(DeviceOn, program, system)
}

// holder says in words what goes on with a session: a browser, which everybody takes it for, or a program that holds it itself.
func (v *voice) holder(userAgent string, program bool) string {
	switch {
	case !program:
		return v.device(userAgent)
	case known(programs, userAgent)+known(systems, userAgent) == "":
		return v.say(Program)
	}
	return v.say(ProgramOn, v.device(userAgent))
}

func known(marks []mark, userAgent string) string {
	for _, m := range marks {
		if strings.Contains(userAgent, m.word) {
			return m.name
		}
	}
	return ""
}

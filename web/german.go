// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

var german = words{
	Tag:    "de",
	Name:   "Deutsch",
	Dir:    "ltr",
	moment: "2. January 2006, 15:04 UTC",
	months: [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
}

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

var french = words{
	Tag:    "fr",
	Name:   "Français",
	Dir:    "ltr",
	moment: "2 January 2006 à 15:04 UTC",
	months: [12]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"},
}

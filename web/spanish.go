// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

var spanish = words{
	Tag:    "es",
	Name:   "Español",
	Dir:    "ltr",
	moment: "2 de January de 2006, 15:04 UTC",
	months: [12]string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
}

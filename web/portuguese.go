// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

var portuguese = words{
	Tag:    "pt",
	Name:   "Português",
	Dir:    "ltr",
	moment: "2 de January de 2006, 15:04 UTC",
	months: [12]string{"janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro", "dezembro"},
}

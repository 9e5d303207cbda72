// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

var chinese = words{
	Tag:    "zh-Hans",
	Name:   "简体中文",
	Dir:    "ltr",
	moment: "2006年January2日 15:04 UTC",
	months: [12]string{"1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"},
}

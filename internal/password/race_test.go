// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package password

func init() { slowdown = 10 } // what the race detector costs

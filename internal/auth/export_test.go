// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

// NewDigits draws what SendCode sends, for a test that needs more of them than can be sent.
var NewDigits = newDigits

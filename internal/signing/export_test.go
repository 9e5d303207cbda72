// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package signing

// Scalar is how a key of P-256 is found among candidates.
var Scalar = scalar

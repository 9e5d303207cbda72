// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package badgerstore_test

// slowdown is what budgets of time are multiplied with.
const slowdown = 1

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Says times of the day as the clock of the reader shows them. Without it they are in UTC, and say so.
for (const t of document.querySelectorAll("time")) {
  t.textContent = new Date(t.dateTime).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
}

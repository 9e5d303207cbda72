// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Says to whoever comes back to a tab with a kept form what is left to do. Without it the page has said so before.
(() => {
  "use strict";
  const note = document.getElementById("back");
  if (!note) return;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") note.textContent = note.dataset.text;
  });
})();

// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Copies what stands beside a button. Without it people select and copy by hand; the buttons just stay away.
(() => {
  "use strict";
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const note = button.nextElementSibling;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
        note.textContent = button.dataset.done;
      } catch {
        note.textContent = button.dataset.failed;
      }
    });
    button.hidden = false;
  }
})();

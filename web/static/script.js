// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Copy, download and print for the backup codes. Without it the page says all the same; the buttons just stay away.
(() => {
  "use strict";
  const row = document.getElementById("comfort");
  const note = document.getElementById("done");
  const codes = [...document.querySelectorAll("#codes code")].map((c) => c.textContent);
  const text = [row.dataset.head, "", ...codes, ""].join("\r\n");

  const acts = {
    copy: () => navigator.clipboard.writeText(text),
    download: async () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
      link.download = row.dataset.file;
      link.click();
    },
    print: async () => window.print(),
  };

  row.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    try {
      await acts[button.dataset.does]();
      note.textContent = button.dataset.done || "";
    } catch {
      note.textContent = button.dataset.failed || "";
    }
  });
  row.hidden = false;
})();

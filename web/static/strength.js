// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Says in words how hard a new password is to guess. It only tells: the site decides what it takes, and without this the hint above the
// field says what is needed. The numbers are those of package password, by a shorter way.
(() => {
  "use strict";
  const field = document.getElementById("password");
  const note = document.getElementById("strength");
  const name = document.getElementById("name");

  // What adds nothing: a row such as aaa, abc or 987 after its second character, and three characters that stood there before.
  const plain = (text) => {
    const code = (i) => text.charCodeAt(i);
    let kept = "";
    for (let i = 0; i < text.length; i++) {
      const step = code(i) - code(i - 1);
      const row = i > 1 && Math.abs(step) < 2 && step === code(i - 1) - code(i - 2);
      if (!row && (i < 5 || text.indexOf(text.slice(i - 2, i + 1)) > i - 3)) kept += text[i];
    }
    return kept;
  };

  // Bits that a guesser needs at least: 13 for a word, which is one of some thousand, and little for each letter after its sixth.
  const bits = (text) => {
    let sum = 0;
    for (const [piece] of text.matchAll(/[a-z]+|[^a-z]/gu)) {
      const letters = 4.7 * piece.length;
      if (/^[a-z]/.test(piece)) {
        const word = /[aeiouy]/.test(piece) && !/[^aeiouy]{4}/.test(piece);
        sum += word ? Math.min(letters, 13 + 2.3 * Math.max(0, piece.length - 6)) : letters;
      } else if (/\s/.test(piece)) sum += 1;
      else sum += /\d/.test(piece) ? 3.3 : 4.7;
    }
    return sum;
  };

  const judge = () => {
    let text = field.value.normalize("NFKC").toLowerCase();
    if (!text) return "";
    if ([...text].length < note.dataset.least) return note.dataset.short;
    for (const word of `${note.dataset.words} ${name ? name.value : ""}`.toLowerCase().split(/\s+/)) {
      if (word.length > 2) text = text.replaceAll(word, "");
    }
    const found = bits(plain(text));
    return note.dataset[found < 36 ? "weak" : found < 48 ? "fair" : found < 64 ? "good" : "strong"];
  };

  field.addEventListener("input", () => {
    const words = judge();
    if (note.textContent !== words) note.textContent = words; // a screen reader hears each change once
  });
})();

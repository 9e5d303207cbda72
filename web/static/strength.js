// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Says in words how hard a new password is to guess. It only tells: the site decides what it takes, and without this the hint above the
// field says what is needed. Its numbers are rough: the bits that somebody needs who guesses words, rows of keys and repetitions first.
(() => {
  "use strict";
  const field = document.getElementById("password");
  const note = document.getElementById("strength");
  const name = document.getElementById("name");

  // Whether one character leads on to the next: the same, its neighbor in the alphabet, or on a keyboard.
  const keys = "1234567890 qwertyuiop asdfghjkl zxcvbnm qwertz azerty";
  const follows = (a, b) => Math.abs(b.charCodeAt(0) - a.charCodeAt(0)) < 2 || keys.includes(a + b) || keys.includes(b + a);

  // Whether a character adds anything. The third of a row such as abc, 987 or qwe does not, nor that of two rows woven into one another
  // such as 1q2w3e, nor the last of three that stood there before.
  const adds = (text, i) => {
    const [a, b, c, d] = text.slice(i - 3, i + 1);
    const row = i > 2 && ((follows(b, c) && follows(c, d)) || (follows(b, d) && follows(a, c)));
    return !row && !(i > 4 && text.indexOf(text.slice(i - 2, i + 1)) < i - 2);
  };

  // Bits that a guesser needs at least: 13 for a word, which is one of some thousand, less for a short one, and little for each letter
  // after the sixth.
  const bits = (text) => {
    let sum = 0;
    for (const { 0: piece, index } of text.matchAll(/[a-z]+|[^a-z]/gu)) {
      let length = 0;
      for (let i = index; i < index + piece.length; i++) length += adds(text, i) ? 1 : 0;
      const word = /[aeiouy]/.test(piece) && !/[^aeiouy]{4}/.test(piece);
      if (word && length > 3) sum += 13 + 2.3 * Math.max(0, length - 6);
      else if (word) sum += Math.min(7, 4.7 * length);
      else sum += length * (/\s/.test(piece) ? 1 : /\d/.test(piece) ? 3.3 : 4.7);
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
    const found = bits(text);
    return note.dataset[found < 36 ? "weak" : found < 48 ? "fair" : found < 64 ? "good" : "strong"];
  };

  field.addEventListener("input", () => {
    const words = judge();
    if (note.textContent !== words) note.textContent = words; // a screen reader hears each change once
  });
})();

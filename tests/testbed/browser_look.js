// SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
// SPDX-License-Identifier: GPL-3.0-or-later
// Measures the page that is shown: what is wider than the screen, what leaves its box, which lines of text lie over each other.
(depth) => {
  // What is laid out only when it comes into view is measured as it is then.
  const all = new CSSStyleSheet();
  all.replaceSync("* { content-visibility: visible !important; }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, all];
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  const hidden = (head) => head && getComputedStyle(head).position === "absolute";  // titles of columns, read aloud on a phone
  const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && !hidden(element.closest("thead"));
  const lines = [], escaped = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent.trim(), parent = node.parentElement;
    if (!text || parent.closest("style,title") || !shown(parent)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const frame = (parent.closest("svg") || parent.closest("td,th,li,section,header,footer") || document.body).getBoundingClientRect();
    for (const box of range.getClientRects()) {
      const top = box.top + window.scrollY;
      if (box.width < 1 || box.height < 1 || top > depth) continue;
      if (box.left < frame.left - 1.5 || box.right > frame.right + 1.5) escaped.push([text.slice(0, 60), box.left, box.right, frame.left, frame.right]);
      lines.push({ text: text.slice(0, 60), parent, top, bottom: top + box.height, left: box.left, right: box.right });
    }
  }
  lines.sort((one, other) => one.top - other.top);
  const over = [];
  for (let index = 0; index < lines.length; index++) {
    const one = lines[index];
    for (let next = index + 1; next < lines.length && lines[next].top < one.bottom; next++) {
      const other = lines[next];
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left), down = Math.min(one.bottom, other.bottom) - other.top;
      // Half of a small line's height is more than what letters with long strokes may share.
      if (across > 1.5 && down > 0.5 * Math.min(one.bottom - one.top, other.bottom - other.top)) over.push([one.text, other.text]);
    }
  }
  const signs = {};
  for (const chip of document.querySelectorAll(".chip")) {
    const kind = ["pass", "warn", "fail", "unknown"].find((word) => chip.classList.contains(word));
    (signs[kind] ??= new Set()).add(chip.querySelector("i").textContent);
  }
  const patterns = {};
  for (const part of document.querySelectorAll(".bar i")) patterns[part.className] = getComputedStyle(part).backgroundImage;
  return { wide, escaped, over, signs: Object.fromEntries(Object.entries(signs).map(([kind, set]) => [kind, [...set]])), patterns,
    title: document.title, foreign: document.querySelectorAll("script,img,iframe,object,embed,link").length, lines: lines.length };
}

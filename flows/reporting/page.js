"use strict";
// Sorting and filtering. Without it the page is whole, in the order of the audit.
(() => {
  const tools = document.getElementById("tools");
  if (!tools) return;
  const body = document.querySelector(".clips tbody");
  const rows = [...body.rows];
  const find = document.getElementById("find");
  const provenance = document.getElementById("provenance");
  const order = document.getElementById("order");
  const boxes = [...tools.querySelectorAll("[name=verdict]")];
  const heads = [...document.querySelectorAll(".clips th")];
  const collator = new Intl.Collator(undefined, {numeric: true});
  const text = (row, selector) => row.querySelector(selector).textContent.trim();
  const number = (row, name) => (row.dataset[name] === undefined ? null : Number(row.dataset[name]));
  const ranks = {likely_ai: 0, inconclusive: 1, likely_camera: 2, error: 3};
  const keys = {
    audit: () => 0,
    name: (row) => text(row, ".file"),
    provenance: (row) => row.dataset.r || null,
    verdict: (row) => ranks[row.dataset.v],
    p: (row) => number(row, "p"),
    peak: (row) => number(row, "t"),
    reason: (row) => text(row, ".why summary, .why"),
  };

  function sort(key, down) {
    const keyed = rows.map((row, index) => ({row, index, value: keys[key](row)}));
    keyed.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.index - b.index;
      const way = typeof a.value === "number" ? a.value - b.value : collator.compare(a.value, b.value);
      return (down ? -way : way) || a.index - b.index;
    });
    body.append(...keyed.map((one) => one.row));
    for (const head of heads) {
      if (head.dataset.key === key) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    order.value = `${key} ${down ? "down" : "up"}`;
  }

  const haystacks = new Map();
  function haystack(row) {
    if (!haystacks.has(row)) haystacks.set(row, `${text(row, ".clip")} ${text(row, ".why")}`.toLowerCase());
    return haystacks.get(row);
  }

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const from = provenance.value;
    let shown = 0;
    for (const row of rows) {
      const keep = verdicts.has(row.dataset.v) && (from === "*" || row.dataset.r === from)
        && words.every((word) => haystack(row).includes(word));
      row.hidden = !keep;
      shown += keep;
    }
    document.getElementById("count").textContent =
      `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
    document.getElementById("none").hidden = shown > 0;
  }

  for (const head of heads) {
    const button = document.createElement("button");
    const {key, down} = head.dataset;
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sort(key, now === null ? down !== undefined : now === "ascending");
    });
    head.append(button);
    for (const way of ["up", "down"]) order.add(new Option(`${button.textContent} ${way === "up" ? "↑" : "↓"}`, `${key} ${way}`));
  }
  order.addEventListener("change", () => {
    const [key, way] = order.value.split(" ");
    sort(key, way === "down");
  });
  let waiting;
  find.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  for (const control of [...boxes, provenance]) control.addEventListener("change", filter);
  tools.hidden = false;
  filter();
})();

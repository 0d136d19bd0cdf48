"use strict";
// Tables are sorted by a click on a column's name; what has no value stays last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  for (const head of table.tHead.rows[0].cells) {
    if (!head.textContent) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => {
        const cell = row.cells[head.cellIndex], text = cell.dataset.v ?? cell.textContent.trim();
        return [row, text, text === "" || text === "–" ? NaN : Number(text)];
      });
      const numeric = keyed.every(([, text, number]) => text === "" || text === "–" || !isNaN(number));
      keyed.sort(([, a, x], [, b, y]) => {
        const empty = (a === "" || a === "–") - (b === "" || b === "–");
        if (empty) return empty;
        return (down ? -1 : 1) * (numeric ? x - y || 0 : a.localeCompare(b, undefined, {numeric: true}));
      });
      body.append(...keyed.map(([row]) => row));
    });
  }
}
// Rows, and what is shown of their exposures, are filtered by words and by states.
const filter = document.querySelector(".filter");
if (filter) {
  filter.hidden = false;
  const rows = [...document.querySelectorAll("tr[data-root]")], words = filter.querySelector("input");
  const buttons = [...filter.querySelectorAll("button")];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const sections = new Map(rows.map((row) => [row, document.getElementById(row.dataset.root)]));
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = buttons.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => one.dataset.state);
    let shown = 0;
    for (const row of rows) {
      const fits = wanted.every((word) => texts.get(row).includes(word)) &&
        (!states.length || states.includes(row.dataset.state));
      row.hidden = !fits;
      sections.get(row).hidden = !fits;
      shown += fits;
    }
    filter.querySelector("span").textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
  };
  words.addEventListener("input", apply);
  for (const button of buttons) button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    apply();
  });
}
// A link to an exposure opens it.
const open = () => {
  const found = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (found instanceof HTMLDetailsElement) { found.open = true; found.scrollIntoView(); }
};
window.addEventListener("hashchange", open);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link && link.hash === location.hash) open();
});
open();

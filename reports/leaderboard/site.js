"use strict";
(() => {
  const LIMIT = 100;  // rows shown at first: a table that is sorted need not lay out hidden rows
  const order = new Intl.Collator("en", { numeric: true });

  // A row's place: comparable numbers, then those that are marked, then rows without a number, whatever the direction.
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const text = cell.textContent.trim();
    const value = cell.dataset.v === undefined ? NaN : Number(cell.dataset.v);
    const numeric = !Number.isNaN(value);
    const empty = cell.matches(".v, .n") ? !numeric : text === "–" || text === "";
    return { row, value, numeric, text, last: empty ? 2 : "off" in cell.dataset ? 1 : 0 };
  };

  const sort = (table, head, direction) => {
    const sign = direction === "descending" ? -1 : 1;
    const body = table.tBodies[0];
    const keys = Array.from(body.rows, (row) => keyOf(row, head.cellIndex));
    keys.sort((a, b) => a.last - b.last
      || sign * (a.numeric && b.numeric ? a.value - b.value : order.compare(a.text, b.text)));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    body.append(...keys.map((key) => key.row));
  };

  const next = (head) => {
    const first = head.dataset.better === "higher" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    return head.getAttribute("aria-sort") === first ? second : first;
  };

  // What the filter looks at: names, licences, training data; not the numbers.
  const words = new WeakMap();
  const textOf = (row) => {
    if (!words.has(row)) {
      words.set(row, Array.from(row.querySelectorAll(".system, .t"), (cell) => cell.textContent).join(" ").toLowerCase());
    }
    return words.get(row);
  };

  const setUp = (group) => {
    const table = group.querySelector("table");
    const tools = group.querySelector("[data-tools]");
    const rows = Array.from(table.tBodies[0].rows);
    const more = group.querySelector("[data-more]");
    let matching = new Set(rows);
    let all = rows.length <= LIMIT;

    const reveal = () => {
      let left = all ? rows.length : LIMIT;
      for (const row of table.tBodies[0].rows) row.hidden = !matching.has(row) || left-- <= 0;
      more.hidden = all || matching.size <= LIMIT;
      more.firstElementChild.textContent = `Show all ${matching.size}`;
    };

    const filter = () => {
      const terms = (tools.querySelector("[data-filter]")?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
      const hidden = Array.from(tools.querySelectorAll("[data-hide]:checked"), (box) => box.dataset.hide);
      matching = new Set(rows.filter((row) => {
        const text = textOf(row);
        return terms.every((term) => text.includes(term)) && !hidden.some((name) => name in row.dataset);
      }));
      tools.querySelector("[data-count]").textContent = `${matching.size} of ${rows.length}`;
      group.querySelector("[data-none]").hidden = matching.size > 0;
      reveal();
    };

    const pick = (changed) => {
      const picked = rows.filter((row) => row.querySelector(".pick:checked"));
      while (picked.length > 2) {  // a third one replaces the first of the two others
        const dropped = picked.find((row) => row !== changed);
        dropped.querySelector(".pick").checked = false;
        picked.splice(picked.indexOf(dropped), 1);
      }
      const go = tools.querySelector("[data-go]");
      go.hidden = picked.length < 2;
      const [a, b] = picked.map((row) => encodeURIComponent(row.dataset.key));
      go.href = picked.length < 2 ? "" : `${group.dataset.compare}#a=${a}&b=${b}`;
    };

    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("button")?.closest("th");
      if (!head) return;
      sort(table, head, next(head));
      reveal();
    });
    more.addEventListener("click", () => {
      all = true;
      reveal();
    });
    table.addEventListener("change", (event) => {
      if (event.target.matches(".pick")) pick(event.target.closest("tr"));
    });
    const first = table.querySelector("tbody td.v");
    if (first) first.tabIndex = 0;
    table.addEventListener("keydown", (event) => move(event, table));
    if (!tools) return;
    tools.hidden = false;
    tools.addEventListener("submit", (event) => event.preventDefault());
    tools.addEventListener("input", filter);
    tools.addEventListener("change", (event) => {
      const { toggle } = event.target.dataset;
      if (toggle === "intervals") table.classList.toggle("with-intervals", event.target.checked);
      if (toggle === "facts" || toggle === "all") table.classList.toggle(toggle, event.target.checked);
    });
    filter();
    if (tools.querySelector("[data-go]")) pick(null);  // boxes may be checked already: browsers keep them when they go back
  };

  // One cell of a table is a stop of the Tab key; arrow keys go on from there.
  const move = (event, table) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const from = event.target.closest("td");
    if (!step || !from || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    let row = from.parentElement;
    let column = from.cellIndex;
    do {
      if (step[0]) row = step[0] > 0 ? row.nextElementSibling : row.previousElementSibling;
      column += step[1];
    } while (row && row.cells[column] && (row.hidden || row.cells[column].offsetParent === null));
    const to = row?.cells[column];
    if (!to || to.tagName !== "TD") return;
    for (const old of table.querySelectorAll("td[tabindex]")) old.removeAttribute("tabindex");
    to.tabIndex = 0;
    to.focus();
  };

  const tip = document.createElement("div");
  tip.id = "tip";
  tip.role = "tooltip";
  tip.hidden = true;
  document.body.append(tip);
  let described = null;

  const hide = () => {
    described?.removeAttribute("aria-describedby");
    described = null;
    tip.hidden = true;
  };

  // The interval stands in the cell behind the number, its ranks in small print beside it.
  const about = (cell) => {
    const interval = cell.nextElementSibling?.matches(".iv") ? cell.nextElementSibling.textContent : "";
    const ranks = cell.querySelector("small")?.textContent ?? "";
    return [interval && `95 % interval ${interval}`, ranks && `rank ${ranks}`, cell.dataset.note].filter(Boolean).join("; ");
  };

  const show = (target) => {
    const cell = target.closest?.("td.v") ?? null;
    if (cell === described) return;
    hide();
    const text = cell && about(cell);
    if (!text) return;
    described = cell;
    tip.textContent = text;
    tip.hidden = false;
    cell.setAttribute("aria-describedby", "tip");
    put();
  };

  // The tip stands above its cell, or below it where there is no room; a cell that is scrolled out of sight has none.
  const put = () => {
    const place = described.getBoundingClientRect();
    if (place.bottom < 0 || place.top > innerHeight) return hide();
    const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const above = place.top - tip.offsetHeight - 4;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above < 4 ? place.bottom + 4 : above}px`;
  };

  for (const group of document.querySelectorAll(".group")) setUp(group);
  document.addEventListener("pointerover", (event) => show(event.target));
  document.addEventListener("focusin", (event) => show(event.target));
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", () => described && put(), { capture: true, passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
})();

"use strict";
// What the suite calls things reaches the page as text nodes alone: no name becomes markup.
const board = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function drawn(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

class Table {
  constructor(place, grid) {
    this.grid = grid;
    this.sorted = null;
    this.body = element("tbody");
    this.heads = grid.columns.map((column, index) => this.head(column, index));
    this.rows = grid.rows.map((row, index) => this.row(row, index));
    this.status = element("span", { className: "soft", role: "status" });
    const table = element("table", { className: "board" }, element("thead", {}, element("tr", {}, ...this.heads)), this.body);
    place.append(this.bar(), element("div", { className: "scroll" }, table));
    table.addEventListener("keydown", (event) => this.key(event));
    table.addEventListener("mouseover", (event) => this.hover(event));
    table.addEventListener("mouseleave", () => { tip.hidden = true; });
    this.show();
  }

  head(column, index) {
    const button = element("button", { type: "button", textContent: column.name });
    button.addEventListener("click", () => this.sort(index));
    const head = element("th", { scope: "col", className: column.kind === "text" ? "" : "n" }, button);
    head.setAttribute("aria-sort", "none");
    return head;
  }

  row(row, index) {
    const button = element("button", { type: "button", textContent: row.cells[0].text, tabIndex: -1 });
    button.setAttribute("aria-expanded", "false");
    const cells = row.cells.map((cell, at) => this.cell(cell, this.grid.columns[at], at ? null : button));
    const line = element("tr", { className: "row" }, ...cells);
    const made = { row, index, line, button, detail: null };
    line.addEventListener("click", () => { if (!String(getSelection())) this.toggle(made); });
    button.addEventListener("focus", () => this.rove(made));
    return made;
  }

  cell(cell, column, button) {
    const made = element("td", { className: column.kind === "text" ? "" : "n" }, button || cell.text);
    if (cell.between) made.append(element("small", { textContent: cell.between }));
    if (column.kind === "share" && cell.value !== null) {
      made.classList.add("share");
      made.style.setProperty("--v", cell.value + "%");
    }
    if (cell.leads) made.classList.add("lead");
    if (cell.mood) made.classList.add(cell.mood);
    return made;
  }

  bar() {
    const bar = element("div", { className: "bar" });
    this.filters = this.grid.filters.map(({ column, names }) => {
      const select = element("select", {}, element("option", { value: "", textContent: "all" }));
      names.forEach((name, index) => select.append(element("option", { value: String(index + 1), textContent: name })));
      select.addEventListener("change", () => this.show());
      bar.append(element("label", { textContent: this.grid.columns[column].name }, select));
      return { column, names, select };
    });
    this.search = element("input", { type: "search", placeholder: "part of a name" });
    this.search.addEventListener("input", () => this.show());
    bar.append(element("label", { textContent: "Find" }, this.search), this.status);
    return bar;
  }

  // Numbers fall first, texts rise first; a third click brings the board's own order back. What is missing comes last.
  sort(column) {
    const first = this.grid.columns[column].kind === "text" ? 1 : -1;
    const now = this.sorted;
    if (!now || now.column !== column) this.sorted = { column, way: first };
    else this.sorted = now.way === first ? { column, way: -first } : null;
    this.heads.forEach((head, index) => {
      const own = this.sorted && this.sorted.column === index;
      head.setAttribute("aria-sort", own ? (this.sorted.way > 0 ? "ascending" : "descending") : "none");
    });
    this.show();
  }

  order() {
    if (!this.sorted) return this.rows;
    const { column, way } = this.sorted;
    const text = this.grid.columns[column].kind === "text";
    const value = ({ row }) => (text ? row.cells[column].text : row.cells[column].value);
    return [...this.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
      const difference = text ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
      return way * difference || a.index - b.index;
    });
  }

  show() {
    const wanted = this.search.value.toLowerCase();
    const chosen = this.filters.filter(({ select }) => select.value).map(({ column, names, select }) => [column, names[select.value - 1]]);
    this.shown = this.order().filter(({ row }) =>
      chosen.every(([column, name]) => row.cells[column].text === name) &&
      (!wanted || row.cells.slice(0, 2).some((cell) => cell.text.toLowerCase().includes(wanted))));
    const lines = this.shown.flatMap(({ line, detail }) => (detail ? [line, detail] : [line]));
    this.body.replaceChildren(...lines);
    this.status.textContent = `${this.shown.length} of ${this.rows.length} rows`;
    if (this.shown.length) this.rove(this.shown.find(({ button }) => button.tabIndex === 0) || this.shown[0]);
  }

  rove(to) {
    for (const { button } of this.rows) button.tabIndex = button === to.button ? 0 : -1;
  }

  key(event) {
    const at = this.shown.findIndex(({ button }) => button === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.shown.length - 1 }[event.key];
    if (at < 0 || to === undefined || !this.shown[to]) return;
    event.preventDefault();
    this.shown[to].button.focus();
  }

  hover(event) {
    const td = event.target.closest("tr.row > td");
    const line = td && this.rows.find(({ line }) => line === td.parentNode);
    const said = line && line.row.cells[td.cellIndex].tip;
    tip.hidden = !said;
    if (!said) return;
    tip.textContent = said;
    const box = td.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = (box.bottom + tip.offsetHeight + 8 > innerHeight ? box.top - tip.offsetHeight - 4 : box.bottom + 4) + "px";
  }

  toggle(made) {
    if (made.detail) {
      made.detail.remove();
      made.detail = null;
    } else {
      const cell = element("td", { colSpan: this.grid.columns.length }, details(this.grid, made.row));
      made.detail = element("tr", { className: "detail" }, cell);
      made.line.after(made.detail);
    }
    made.button.setAttribute("aria-expanded", String(Boolean(made.detail)));
  }
}

function details(grid, row) {
  const cards = element("div", { className: "cards" });
  const card = (title, ...content) => cards.append(element("div", { className: "card" }, element("h4", { textContent: title }), ...content));
  const recipe = element("dl");
  for (const [name, text] of row.recipe) recipe.append(element("dt", { textContent: name }), element("dd", { textContent: text }));
  card("Recipe", recipe);
  for (const curve of row.curves) card(curve.title, curved(curve));
  if (row.attacks.length) card("Accuracy under each attack", tabled(["attack", "ε", "accuracy, %", "95 %"], row.attacks));
  if (row.checks.length) card("Checks", tabled(["check", "seed", "found", "numbers", "test", "power"], row.checks, false));
  card("Reproduce", element("pre", {}, element("code", { textContent: row.command })));
  const examples = board.examples[grid.name]?.[row.key] || [];
  if (examples.length) card("Adversarial examples: clean, attacked, difference (amplified)", element("div", { className: "examples" }, ...examples.map(pictured)));
  return cards;
}

function tabled(heads, lines, numbers = true) {
  const row = (cells, tag) => element("tr", {}, ...cells.map((text, at) => element(tag, { textContent: text, className: numbers && at > 1 ? "n" : "" })));
  return element("table", {}, element("thead", {}, row(heads, "th")), element("tbody", {}, ...lines.map((line) => row(line, "td"))));
}

// Accuracy over ε with 95 % intervals: this row solid, its dense row dashed.
function curved({ lines, across }) {
  const [width, height, left, bottom, top, right] = [360, 210, 38, 34, 8, 10];
  const most = Math.max(...lines.flatMap(({ points }) => points.map(([x]) => x))) || 1;
  const x = (value) => left + (value / most) * (width - left - right);
  const y = (value) => top + (1 - value / 100) * (height - top - bottom);
  const svg = drawn("svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "accuracy over ε" });
  for (const value of [0, 25, 50, 75, 100]) {
    svg.append(drawn("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), stroke: "var(--rule)" }),
      drawn("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  for (const [value, , , , label] of lines[0].points) {
    svg.append(drawn("text", { x: x(value), y: height - bottom + 14, "text-anchor": "middle" }, label));
  }
  svg.append(drawn("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, across));
  lines.forEach(({ name, points }, at) => {
    const [stroke, dash] = at ? ["var(--soft)", "4 3"] : ["var(--accent)", "none"];
    const path = points.map(([px, py]) => `${x(px)},${y(py)}`).join(" ");
    svg.append(drawn("polyline", { points: path, fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": dash }));
    for (const [px, py, low, high] of points) {
      svg.append(drawn("line", { x1: x(px), x2: x(px), y1: y(low), y2: y(high), stroke }), drawn("circle", { cx: x(px), cy: y(py), r: 3, fill: stroke }));
    }
    svg.append(drawn("text", { x: width - right - 4, y: top + 12 + 14 * at, "text-anchor": "end", style: `fill: ${stroke}` }, (at ? "– – " : "— ") + name));
  });
  return svg;
}

function pictured({ shape: [channels, height, width], clean, attacked, says }) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const [before, after] = [bytes(clean), bytes(attacked)];
  const most = before.reduce((found, value, at) => Math.max(found, Math.abs(after[at] - value)), 1);
  const canvas = (pixel) => {
    const made = element("canvas", { width, height });
    const image = new ImageData(width, height);
    for (let at = 0; at < width * height; at++) {
      for (let colour = 0; colour < 3; colour++) image.data[4 * at + colour] = pixel(at + (colour % channels) * width * height);
      image.data[4 * at + 3] = 255;
    }
    made.getContext("2d").putImageData(image, 0, 0);
    return made;
  };
  const images = [canvas((at) => before[at]), canvas((at) => after[at]), canvas((at) => 128 + (127 * (after[at] - before[at])) / most)];
  return element("figure", {}, ...images, element("figcaption", { textContent: says }));
}

board.grids.forEach((grid, index) => new Table(document.getElementById(`grid-${index}`), grid));

const board = JSON.parse(document.getElementById("data").textContent);
const collator = new Intl.Collator(undefined, { numeric: true });

// A grid's rows to sort, filter and open. To the keyboard it is one stop: arrow keys lead from cell to cell.
class Table {
  constructor(place, grid) {
    this.grid = grid;
    this.sorted = null;
    this.names = grid.columns.flatMap(({ kind }, at) => (kind === "name" ? [at] : []));
    this.body = element("tbody");
    this.heads = grid.columns.map((column, index) => this.head(column, index));
    this.rows = grid.rows.map((row, index) => this.row(row, index));
    this.lines = new Map(this.rows.map((made) => [made.line, made]));
    this.status = element("span", { className: "soft", role: "status" });
    const note = element("p", { id: `${place.id}-note`, className: "note soft", textContent: grid.note });
    note.append(element("span", { className: "keys", textContent: " By keyboard: arrow keys move between cells, Enter opens a row, Escape closes what a cell tells." }));
    const table = element("table", { className: "board" }, element("thead", {}, element("tr", {}, ...this.heads)), this.body);
    marked(table, { role: "grid", "aria-readonly": "true", "aria-label": `${grid.title}: rows`, "aria-describedby": note.id });
    this.area = marked(element("div", { className: "scroll", tabIndex: 0 }, table), { role: "region", "aria-label": `${grid.title}: board` });
    place.append(note, this.bar(), this.area);
    table.addEventListener("keydown", (event) => this.key(event));
    table.addEventListener("focusin", (event) => this.tell(event));
    table.addEventListener("focusout", () => tip.at(null));
    // not mouseover: that also comes when the board scrolls under a pointer at rest, and would take the focus' tip away
    table.addEventListener("mousemove", (event) => this.tell(event));
    table.addEventListener("mouseleave", () => { if (!tip.cell?.contains(document.activeElement)) tip.at(null); });
    this.show();
  }

  head(column, index) {
    const button = element("button", { type: "button", textContent: column.name });
    button.addEventListener("click", () => this.sort(index));
    const head = element("th", { scope: "col", className: this.look(index) }, button);
    head.setAttribute("aria-sort", "none");
    return head;
  }

  look(at) {
    if (at === this.names[0]) return "name";
    return ["name", "text"].includes(this.grid.columns[at].kind) ? "" : "n";
  }

  row(row, index) {
    const [name, training] = this.names.map((at) => row.cells[at].text);
    const button = element("button", { type: "button", textContent: name, tabIndex: -1 });
    marked(button, { "aria-expanded": "false", "aria-label": `${name}, ${training}` });
    const cells = row.cells.map((cell, at) => this.cell(cell, at, at === this.names[0] ? button : element("span", { textContent: cell.text })));
    const line = element("tr", { className: "row" }, ...cells);
    const made = { row, index, line, button, detail: null };
    line.addEventListener("click", (event) => { if (button.contains(event.target) || !selected(line)) this.toggle(made); });
    return made;
  }

  cell(cell, at, content) {
    const { kind } = this.grid.columns[at];
    const made = element(kind === "name" ? "th" : "td", { className: this.look(at) }, content);
    if (kind === "name") made.scope = "row";
    if (cell.between) made.append(element("small", { textContent: cell.between }));
    if (kind === "share" && cell.value !== null) {
      made.classList.add("share");
      made.style.setProperty("--v", cell.value + "%");
    }
    if (cell.leads) made.classList.add("lead");
    if (cell.mood) made.classList.add(cell.mood);
    return made;
  }

  bar() {
    const bar = marked(element("div", { className: "bar" }), { role: "group", "aria-label": `${this.grid.title}: which rows are shown` });
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

  // Figures fall first; ranks and texts rise first; a third click brings the board's own order back.
  sort(column) {
    const first = ["share", "number"].includes(this.grid.columns[column].kind) ? -1 : 1;
    const now = this.sorted;
    if (!now || now.column !== column) this.sorted = { column, way: first };
    else this.sorted = now.way === first ? { column, way: -first } : null;
    this.heads.forEach((head, index) => {
      const own = this.sorted && this.sorted.column === index;
      head.setAttribute("aria-sort", own ? (this.sorted.way > 0 ? "ascending" : "descending") : "none");
    });
    this.show();
  }

  // A figure that cannot be trusted never stands above one that can: verdicts go before values. What is missing comes last.
  order() {
    if (!this.sorted) return this.rows;
    const { column, way } = this.sorted;
    const text = ["name", "text"].includes(this.grid.columns[column].kind);
    const value = ({ row: { cells } }) => (text ? cells[column].text + (cells[column].between || "") : cells[column].value);
    return [...this.rows].sort((a, b) => {
      if (a.row.standing !== b.row.standing) return a.row.standing - b.row.standing;
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
      const difference = text ? collator.compare(x, y) : x - y;
      return way * difference || a.index - b.index;
    });
  }

  show() {
    const wanted = this.search.value.toLowerCase();
    const chosen = this.filters.filter(({ select }) => select.value).map(({ column, names, select }) => [column, names[select.value - 1]]);
    this.shown = this.order().filter(({ row }) =>
      chosen.every(([column, name]) => row.cells[column].text === name) &&
      (!wanted || this.names.some((at) => row.cells[at].text.toLowerCase().includes(wanted))));
    const lines = this.shown.flatMap(({ line, detail }) => (detail ? [line, detail] : [line]));
    this.body.replaceChildren(...lines);
    this.status.textContent = `${this.shown.length} of ${this.rows.length} rows`;
    if (this.shown.length) this.rove(this.shown.find(({ button }) => button.tabIndex === 0) || this.shown[0]);
  }

  rove(to) {
    for (const { button } of this.rows) button.tabIndex = button === to.button ? 0 : -1;
  }

  key(event) {
    const cell = event.target.closest("tr.row > *");
    if (!cell || event.altKey || event.ctrlKey || event.metaKey) return;
    const [made, across] = [this.lines.get(cell.parentNode), cell.cellIndex];
    if (event.target === cell && ["Enter", " "].includes(event.key)) {
      event.preventDefault();
      this.toggle(made);
      return;
    }
    const at = this.shown.indexOf(made);
    const to = {
      ArrowDown: [at + 1, across], ArrowUp: [at - 1, across], ArrowRight: [at, across + 1], ArrowLeft: [at, across - 1],
      Home: [0, across], End: [this.shown.length - 1, across],
    }[event.key];
    const next = to && this.shown[to[0]]?.line.cells[to[1]];
    if (!next) return;
    event.preventDefault();
    this.focus(next);
  }

  // What scrolls into view shall not do so below the heads and the names, which stay where they are.
  focus(cell) {
    const name = cell.parentNode.cells[this.names[0]];
    const left = getComputedStyle(name).position === "sticky" ? name.offsetWidth : 0;
    this.area.style.scrollPadding = `${this.heads[0].offsetHeight}px 0 0 ${left}px`;
    const to = cell.querySelector("button") || cell;
    if (to === cell) cell.tabIndex = -1;
    to.scrollIntoView({ block: "nearest", inline: "nearest" });
    to.focus({ preventScroll: true });
  }

  tell(event) {
    const cell = event.target.closest("tr.row > *");
    const made = cell && this.lines.get(cell.parentNode);
    if (made && event.type === "focusin") this.rove(made);
    tip.at(cell, made?.row.cells[cell.cellIndex].tip);
  }

  toggle(made) {
    if (made.detail) {
      made.detail.remove();
      made.detail = null;
    } else {
      const examples = board.examples[this.grid.name]?.[made.row.key] || [];
      const cell = element("td", { colSpan: this.grid.columns.length }, details(made.row, examples));
      made.detail = element("tr", { className: "detail" }, cell);
      made.line.after(made.detail);
    }
    made.button.setAttribute("aria-expanded", String(Boolean(made.detail)));
  }
}

// Whoever marks a row's text, to copy it, does not mean to open the row.
function selected(line) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(line, true);
}

board.grids.forEach((grid, index) => new Table(document.getElementById(`grid-${index}`), grid));

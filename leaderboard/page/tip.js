// What a cell says beyond its figures, beside it: while the pointer is over it or the focus is in it, until Escape.
const tip = {
  box: document.getElementById("tip"),
  cell: null,

  // A cell stays the one in question when its tip was dismissed, so that the next move of the pointer opens none.
  at(cell, said) {
    if (cell === this.cell) return;
    this.dismiss();
    this.cell = cell;
    if (!said) return;
    this.box.textContent = said;
    this.box.hidden = false;
    cell.setAttribute("aria-describedby", this.box.id);
    this.place();
  },

  dismiss() {
    this.box.hidden = true;
    this.cell?.removeAttribute("aria-describedby");
  },

  place() {
    if (this.box.hidden) return;
    const [cell, { offsetWidth: width, offsetHeight: height }] = [this.cell.getBoundingClientRect(), this.box];
    const below = cell.bottom + height + 8 <= innerHeight;
    this.box.style.left = Math.max(4, Math.min(cell.left, document.documentElement.clientWidth - width - 4)) + "px";
    this.box.style.top = (below ? cell.bottom + 4 : cell.top - height - 4) + "px";
  },
};

document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.dismiss(); });
for (const kind of ["scroll", "resize"]) addEventListener(kind, () => tip.place(), { capture: true, passive: true });

// Behind a row: how it was made, what it withstood, and how to make it again.
function details(row, examples) {
  const cards = element("div", { className: "cards" });
  const card = (title, ...content) => cards.append(element("div", { className: "card" }, element("h4", { textContent: title }), ...content));
  const recipe = element("dl");
  for (const [name, text] of row.recipe) recipe.append(element("dt", { textContent: name }), element("dd", { textContent: text }));
  card("Recipe", recipe);
  for (const curve of row.curves) card(curve.title, curved(curve));
  if (row.attacks.length) card("Accuracy under each attack", tabled("Accuracy under each attack", ["attack", "ε", "accuracy, %", "95 %"], row.attacks));
  if (row.checks.length) card("Checks", tabled("Checks", ["check", "seed", "found", "numbers", "test", "power"], row.checks, false));
  card("Reproduce", element("pre", {}, element("code", { textContent: row.command })));
  if (examples.length) card("Adversarial examples: clean, attacked, difference (amplified)", element("div", { className: "examples" }, ...examples.map(pictured)));
  return cards;
}

function tabled(title, heads, lines, numbers = true) {
  const cell = (tag, text, at) => element(tag, { textContent: text, className: numbers && at > 1 ? "n" : "" });
  const head = element("tr", {}, ...heads.map((text, at) => marked(cell("th", text, at), { scope: "col" })));
  const rows = lines.map(([name, ...others]) =>
    element("tr", {}, marked(cell("th", name, 0), { scope: "row" }), ...others.map((text, at) => cell("td", text, at + 1))));
  const table = marked(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)), { "aria-label": title });
  return marked(element("div", { className: "scroll", tabIndex: 0 }, table), { role: "region", "aria-label": title });
}

// Accuracy over ε with 95 % intervals: this row solid, its dense row dashed.
function curved({ title, lines, across }) {
  const [width, height, left, bottom, top, right] = [360, 210, 38, 34, 8, 10];
  const most = Math.max(...lines.flatMap(({ points }) => points.map(([x]) => x))) || 1;
  const x = (value) => left + (value / most) * (width - left - right);
  const y = (value) => top + (1 - value / 100) * (height - top - bottom);
  const svg = drawn("svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${title}, over ε` });
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
  const canvas = (what, pixel) => {
    const made = marked(element("canvas", { width, height }), { role: "img", "aria-label": what });
    const image = new ImageData(width, height);
    for (let at = 0; at < width * height; at++) {
      for (let colour = 0; colour < 3; colour++) image.data[4 * at + colour] = pixel(at + (colour % channels) * width * height);
      image.data[4 * at + 3] = 255;
    }
    made.getContext("2d").putImageData(image, 0, 0);
    return made;
  };
  const images = [canvas("clean", (at) => before[at]), canvas("attacked", (at) => after[at]), canvas("difference", (at) => 128 + (127 * (after[at] - before[at])) / most)];
  return element("figure", {}, ...images, element("figcaption", { textContent: says }));
}

// The modules with bars of what they cost; their names lead to their steps.
import { el, short, whole } from "./dom.js";

export class Table {
  constructor(parent, chosen) {
    this.chosen = chosen;
    this.rows = [];
    this.levels = el("select", { onchange: () => this.fill() }, ...[1, 2, 3, 4].map((n) => el("option", { value: `${n}`, selected: n === 2 }, `${n}`)));
    this.body = el("tbody");
    this.caption = el("caption");
    parent.append(
      el("div", { className: "bar" }, el("label", {}, "Levels ", this.levels)),
      el("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": "Table of modules" },
        el("table", {}, this.caption,
          el("thead", {}, el("tr", {}, ...["module", "operation", "output", "parameters", "multiply-adds"].map((text) => el("th", { scope: "col" }, text)))),
          this.body)));
  }

  show(table, name) {
    this.table = table;
    this.caption.textContent = `${name}: ${whole(table.params)} parameters, ${whole(table.macs)} multiply-adds for one image`;
    this.fill();
  }

  fill() {
    if (!this.table) return;
    const { rows, params, macs } = this.table;
    this.elements = new Map();
    this.body.replaceChildren(...rows.filter((row) => row.depth < Number(this.levels.value)).map((row) => {
      const name = el("button", { type: "button", className: "link", title: row.path, onclick: () => this.chosen(row.path) }, row.name);
      name.style.marginLeft = `${row.depth}em`;
      const made = el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, row.what), el("td", { className: "number" }, row.shape),
        cost(row.params, params), cost(row.macs, macs));
      this.elements.set(row.path, made);
      return made;
    }));
    this.mark(this.marked ?? [], false);
  }

  mark(names, reveal) {
    this.marked = names;
    for (const row of this.elements?.values() ?? []) row.classList.remove("marked");
    const found = names.map((name) => this.nearest(name)).filter(Boolean);
    for (const row of found) row.classList.add("marked");
    if (reveal && found.length) found[0].scrollIntoView({ block: "nearest" });
  }

  nearest(name) {
    for (let path = name; path; path = path.slice(0, Math.max(0, path.lastIndexOf("."))))
      if (this.elements?.has(path)) return this.elements.get(path);
    return null;
  }
}

function cost(count, all) {
  const bar = el("span", { className: "cost", "aria-hidden": "true" });
  bar.style.width = `${all ? (100 * count) / all : 0}%`;
  return el("td", { className: "number", title: whole(count) }, bar, el("span", {}, count ? short(count) : "0"));
}

// What differs from another network, in words, counts and a pair of pictures.
import { el, whole } from "./dom.js";
import { Picture } from "./picture.js";

const OTHER = "another spec";

export class Difference {
  constructor(parent, zoo, changed) {
    this.menu = el("select", { "aria-label": "Compare with", onchange: () => { this.name.hidden = this.menu.value !== OTHER; if (!this.name.hidden) this.name.focus(); else changed(); } },
      el("option", { value: "shortcut: none" }, "its plain twin"), el("option", { value: "as it was opened" }, "the text as it was opened"), el("option", { value: OTHER }, `${OTHER}…`));
    this.name = el("input", { type: "text", hidden: true, placeholder: "resnet34, or a file beside this one", "aria-label": "Spec to compare with", onchange: () => changed() });
    this.name.setAttribute("list", "zoo");
    const names = el("datalist", { id: "zoo" }, ...zoo.map((name) => el("option", { value: name })));
    this.words = el("div", { className: "words" });
    const pair = el("div", { className: "pair" });
    parent.append(el("div", { className: "bar" }, el("label", {}, "Compared with ", this.menu), this.name, names),
      el("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": "Differences" }, this.words, pair));
    this.picture = new Picture(pair, () => {}, true);
    this.pair = pair;
  }

  get options() {
    return { other: this.menu.value === OTHER ? this.name.value || "as it was opened" : this.menu.value };
  }

  theme(isDark) {
    this.picture.theme(isDark);
  }

  show(found) {
    const { names: [before, after], costs, lines, recipe } = found;
    const table = (head, rows) => el("table", {}, el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, ...rows));
    const parts = [el("h3", {}, found.same ? `${before} and ${after} are the same` : `From ${before} to ${after}`)];
    if (costs.length) parts.push(table(["count", "before", "after", "by"], costs.map((each) => el("tr", {}, el("th", { scope: "row" }, each.name),
      el("td", { className: "number" }, whole(each.before)), el("td", { className: "number" }, whole(each.after)),
      el("td", { className: "number" }, `${each.after > each.before ? "+" : "−"}${whole(Math.abs(each.after - each.before))}`)))));
    if (recipe.length) parts.push(table(["training", "before", "after"], recipe.map((each) => el("tr", {}, el("th", { scope: "row" }, each.key), el("td", {}, each.before), el("td", {}, each.after)))));
    if (lines.length) parts.push(el("pre", { className: "lines" }, ...lines.map((line) => el("span", { className: { "-": "gone", "+": "come", "@": "where" }[line[0]] ?? "" }, `${line}\n`))));
    this.words.replaceChildren(...parts);
    this.pair.hidden = found.same;
    this.picture.show(found.picture, `${before} beside ${after}; framed in red what the other lacks or has otherwise`);
  }
}

// The picture: SVG made of a tree of known elements, under styles of its own; boxes lead to their steps.
import { el } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const ELEMENTS = new Set(["svg", "g", "title", "rect", "path", "text", "tspan"]);
const ATTRIBUTES = new Set(["width", "height", "viewBox", "role", "class", "d", "x", "y", "dx", "rx", "text-anchor", "data-path"]);
const OWN = `
:host { display: block; } svg { display: block; }
[data-path] { cursor: pointer; } [data-path]:hover > .box { stroke: #0969da; stroke-width: 2; }
.marked > .box { stroke: #bf8700; stroke-width: 3; }
`;

const LEAST = 0.5; // of the size, at which words can just be read

export class Picture {
  // `alone` leaves the levels and the frame to what is around it.
  constructor(parent, chosen, alone = false) {
    this.chosen = chosen;
    this.scale = 0; // 0: as wide as the panel
    this.boxes = new Map();
    const depth = el("select", { "aria-label": "Levels of blocks that are opened", onchange: () => this.onDepth() },
      el("option", { value: "" }, "as fits"), ...[1, 2, 3, 4].map((n) => el("option", { value: `${n}`, selected: n === (innerWidth > 800 ? 2 : 1) }, `${n}`)));
    this.depthSelect = depth;
    this.host = el("div", { role: "img", className: "picture" });
    this.frame = alone ? el("div", {}, this.host) : el("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": "Picture; the table of modules says the same in words" }, this.host);
    parent.append(
      el("div", { className: "bar" },
        alone ? null : el("label", {}, "Levels ", depth),
        el("button", { type: "button", "aria-label": "Smaller", onclick: () => this.zoom(1 / 1.25) }, "−"),
        el("button", { type: "button", "aria-label": "Larger", onclick: () => this.zoom(1.25) }, "+"),
        el("button", { type: "button", onclick: () => this.zoom(0) }, "Fit")),
      this.frame);
    this.root = this.host.attachShadow({ mode: "open" });
    this.root.addEventListener("click", (event) => {
      const box = event.target.closest?.("[data-path]");
      if (box) this.chosen(box.dataset.path);
    });
  }

  get depth() {
    return this.depthSelect.value ? Number(this.depthSelect.value) : null;
  }

  onDepth() {}

  show({ tree, style, dark }, name) {
    this.styles = { style, dark };
    const made = this.element(tree);
    made.setAttribute("aria-hidden", "true");
    this.host.setAttribute("aria-label", `Picture of ${name}`);
    this.root.replaceChildren(made);
    this.svg = made;
    this.size = { width: Number(tree[1].width), height: Number(tree[1].height) };
    this.boxes = new Map([...made.querySelectorAll("[data-path]")].map((box) => [box.dataset.path, box]));
    this.theme(this.isDark);
    this.zoom(null);
  }

  element([name, attributes, inner]) {
    const made = document.createElementNS(SVG, ELEMENTS.has(name) ? name : "g");
    for (const [key, value] of Object.entries(attributes)) if (ATTRIBUTES.has(key)) made.setAttribute(key, value);
    for (const each of inner) made.append(typeof each === "string" ? each : this.element(each));
    return made;
  }

  theme(isDark) {
    this.isDark = isDark;
    if (!this.styles) return;
    this.root.adoptedStyleSheets = [this.styles.style, ...(isDark ? [this.styles.dark] : []), OWN].map((text) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      return sheet;
    });
  }

  zoom(factor) {
    if (!this.svg) return;
    const fit = Math.max(LEAST, Math.min(1.4, (this.frame.clientWidth - 4) / this.size.width));
    if (factor === 0) this.scale = 0;
    else if (factor) this.scale = Math.min(4, Math.max(0.1, (this.scale || fit) * factor));
    const scale = this.scale || fit;
    this.svg.setAttribute("width", this.size.width * scale);
    this.svg.setAttribute("height", this.size.height * scale);
  }

  mark(names, reveal) {
    for (const box of this.boxes.values()) box.classList.remove("marked");
    const found = names.map((name) => this.nearest(name)).filter(Boolean);
    for (const box of found) box.classList.add("marked");
    if (reveal && found.length) found[0].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  nearest(name) {
    for (let path = name; path; path = path.slice(0, Math.max(0, path.lastIndexOf("."))))
      if (this.boxes.has(path)) return this.boxes.get(path);
    return null;
  }
}

// Tabs by the pattern of the ARIA guide: arrows move between them, one panel is shown.
import { el } from "./dom.js";

let count = 0;

export class Tabs {
  // `panels` are [name, label, panel]; `shown` is told the name of the one that is chosen.
  constructor(parent, label, panels, shown) {
    this.panels = panels;
    this.shown = shown;
    this.list = el("div", { role: "tablist", "aria-label": label, className: "tabs" });
    const id = `tabs${count++}`;
    this.tabs = panels.map(([name, text, panel]) => {
      const tab = el("button", { type: "button", role: "tab", id: `${id}-${name}`, "aria-controls": `${id}-${name}-panel`,
        onclick: () => this.choose(name), onkeydown: (event) => this.key(event, name) }, text);
      panel.id = `${id}-${name}-panel`;
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      this.list.append(tab);
      return tab;
    });
    parent.append(this.list, ...panels.map(([, , panel]) => panel));
    this.choose(panels[0][0], false);
  }

  choose(name, told = true) {
    this.current = name;
    this.panels.forEach(([own, , panel], place) => {
      panel.hidden = own !== name;
      this.tabs[place].setAttribute("aria-selected", String(own === name));
      this.tabs[place].tabIndex = own === name ? 0 : -1;
    });
    if (told) this.shown(name);
  }

  key(event, name) {
    const names = this.panels.map(([own]) => own), place = names.indexOf(name);
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + names.length) % names.length;
    this.choose(names[next]);
    this.tabs[next].focus();
  }
}

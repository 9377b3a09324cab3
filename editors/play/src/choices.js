// Presets and arguments as menus and sliders: values as they would stand behind `--set`.
import { el } from "./dom.js";

export class Choices {
  constructor(form, changed) {
    this.form = form;
    this.changed = changed;
    this.preset = null;
    this.values = {};
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  take({ preset, values }) {
    this.preset = preset || null;
    this.values = { ...values };
    this.known = null;
  }

  set(name, value) {
    this.values[name] = value;
    this.changed();
  }

  // Shows what there is to choose; controls that are there already keep the focus.
  show({ presets, arguments: args, options }) {
    const known = JSON.stringify([presets, args.map(({ name, sort, words }) => [name, sort, words.length > 0])]);
    this.args = args;
    if (known !== this.known) {
      this.known = known;
      this.fill(presets, args);
    }
    for (const each of args) {
      const { box, put } = this.controls.get(each.name);
      put(each.value);
      box.classList.toggle("chosen", each.name in this.values);
    }
    if (this.menu) this.menu.value = this.preset ?? "";
    this.reset.hidden = !this.preset && !Object.keys(this.values).length;
    this.told.textContent = options.includes(" ") ? options : "";
    this.told.hidden = !this.told.textContent;
  }

  fill(presets, args) {
    const focused = this.form.contains(document.activeElement) ? document.activeElement.id : null;
    this.controls = new Map();
    this.menu = presets.length || this.preset ? el("select", { id: "preset", onchange: () => { this.preset = this.menu.value || null; this.changed(); } },
      el("option", { value: "" }, "none"), ...[...new Set([...presets, ...(this.preset ? [this.preset] : [])])].map((name) => el("option", { value: name }, name))) : null;
    this.reset = el("button", { type: "button", onclick: () => { this.preset = null; this.values = {}; this.known = null; this.changed(); } }, "Reset");
    this.told = el("code", { className: "options", "aria-label": "On the command line" });
    this.form.replaceChildren(...[
      this.menu && el("div", { className: "choice" }, el("label", { htmlFor: "preset" }, "preset"), this.menu),
      ...args.map((each) => this.control(each)), this.reset, this.told].filter(Boolean));
    for (const each of args) this.controls.get(each.name).put(each.value);
    if (focused) document.getElementById(focused)?.focus();
  }

  control(argument) {
    const { name, sort, words, low, high, value } = argument, id = `set-${name}`;
    // `put` shows a value, but not in what somebody is about to change
    const made = (put, ...inner) => {
      const box = el("div", { className: "choice" }, el("label", { htmlFor: id }, name), ...inner);
      this.controls.set(name, { box, put });
      return box;
    };
    if (sort === "flag") {
      const input = el("input", { type: "checkbox", id, onchange: () => this.set(name, String(input.checked)) });
      return made((now) => { input.checked = now; }, input);
    }
    if (sort === "word") {
      const input = words.length
        ? el("select", { id, onchange: () => this.set(name, input.value) }, ...words.map((word) => el("option", { value: word }, word)))
        : el("input", { type: "text", id, onchange: () => this.set(name, input.value) });
      return made((now) => {
        if (words.length && ![...input.options].some((each) => each.value === now)) input.append(el("option", { value: now }, now));
        if (document.activeElement !== input || words.length) input.value = now;
      }, input);
    }
    const step = Number.isInteger(value) && Number.isInteger(low) && high > 1 ? 1 : (high - low) / 100;
    const number = el("input", { type: "number", id, step: "any", onchange: () => this.set(name, number.value) });
    const slider = el("input", { type: "range", id: `${id}-slider`, min: low, max: high, step, "aria-label": `${name}, slider`,
      oninput: () => { number.value = slider.value; this.set(name, slider.value); } });
    return made((now) => {
      if (document.activeElement !== number) number.value = now;
      if (document.activeElement === slider) return;
      slider.max = Math.max(slider.max, now);
      slider.min = Math.min(slider.min, now);
      slider.value = now;
    }, slider, number);
  }
}

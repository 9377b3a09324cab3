// The page: one spec, what is said of it, and what it comes to.
import { ask, exported } from "./ask.js";
import { Choices } from "./choices.js";
import { Code } from "./code.js";
import { byId, el, markdown, short } from "./dom.js";
import { SpecEditor } from "./editor.js";
import { Difference } from "./difference.js";
import { Picture } from "./picture.js";
import { showProblems } from "./problems.js";
import { Schedule } from "./schedule.js";
import { packed, unpacked } from "./share.js";
import { Table } from "./table.js";
import { Tabs } from "./tabs.js";

const QUIET = 40; // milliseconds without a keystroke after which is asked
const CALM = 400; // and after all was answered, until the presets that are not chosen are looked at: a family of nets has many
const LABELS = { torch: "PyTorch", flax: "Flax", onnx: "ONNX" };

class Play {
  constructor(start) {
    this.begun = start;
    this.steps = [];
    this.step = null;
    this.shown = new Map(); // by view: what it was asked with
    this.saved = start.text;
    this.digest = start.digest; // of the file that the text takes the place of
    document.title = `${start.name}: archspec play`;
    byId("file").textContent = start.file ? start.file.split(/[\\/]/).pop() : start.name;
    byId("file").title = start.file ?? "it has no file";
    byId("save").hidden = !start.file;
    byId("save").addEventListener("click", () => this.save());
    byId("download").addEventListener("click", () => this.download());
    byId("share").addEventListener("click", () => this.share());
    this.theme();

    this.choices = new Choices(byId("choices"), () => this.changed());
    this.choices.take(start);
    this.editor = new SpecEditor(byId("editor"), start.text, {
      change: () => this.changed(),
      cursor: (offset) => this.at(offset),
      save: () => (start.file ? this.save() : this.download()),
      define: (offset) => this.define(offset),
      ask: (name, offset) => ask(name, { ...this.spec(), offset }).catch(() => null),
    });

    const panel = (name) => el("div", { className: `panel ${name}` });
    const panels = { picture: panel("drawn"), table: panel("listed"), difference: panel("compared"), schedule: panel("rated") };
    for (const each of Object.values(panels)) each.append(el("div", { className: "lacking", role: "status", hidden: true }));
    this.views = {
      picture: new Picture(panels.picture, (path) => this.pointAt(path)),
      table: new Table(panels.table, (path) => this.pointAt(path)),
      difference: new Difference(panels.difference, start.zoo, () => this.ask()),
      schedule: new Schedule(panels.schedule),
    };
    this.panels = panels;
    this.views.picture.onDepth = () => this.ask();
    this.networkTabs = new Tabs(byId("views"), "Network", [["picture", "Picture", panels.picture], ["table", "Modules", panels.table],
      ["difference", "Difference", panels.difference], ["schedule", "Schedule", panels.schedule]], () => this.turn());
    this.codes = {};
    const codePanels = start.backends.map((backend) => {
      const where = panel("code");
      const place = el("div", { className: "source" }), lacking = el("div", { className: "lacking", role: "status", hidden: true });
      where.append(lacking, place);
      this.codes[backend] = { code: new Code(place, `Code for ${LABELS[backend] ?? backend}`, (steps) => this.point(steps)), panel: where };
      return [backend, LABELS[backend] ?? backend, where];
    });
    this.codeTabs = codePanels.length ? new Tabs(byId("codes"), "Code", codePanels, () => this.turn()) : null;
    new ResizeObserver(() => this.views.picture.zoom(null)).observe(byId("views"));
    addEventListener("beforeunload", (event) => {
      if (start.file && this.editor.text !== this.saved) event.preventDefault();
    });
    addEventListener("hashchange", () => this.open(location.hash));
    this.ask();
  }

  // Another tab: what is not shown yet is asked for, and the step is looked for in it.
  turn() {
    this.turned = true;
    this.views.picture.zoom(null);
    this.markAll(true);
    this.ask();
  }

  spec() {
    return { text: this.editor.text, preset: this.choices.preset, values: this.choices.values };
  }

  changed() {
    clearTimeout(this.timer);
    clearTimeout(this.calm);
    this.timer = setTimeout(() => this.ask(), QUIET);
    byId("save").classList.toggle("unsaved", this.editor.text !== this.saved);
  }

  // One question at a time; what changes meanwhile is asked next.
  async ask() {
    this.due = true;
    if (this.asking) return;
    this.asking = true;
    try {
      while (this.due) {
        this.due = false;
        await this.look();
      }
    } catch (error) {
      this.due = false;
      this.notice(error instanceof TypeError ? "The playground does not answer: is `archspec play` still there?" : error.message);
    } finally {
      this.asking = false;
    }
  }

  async look() {
    const spec = this.spec(), key = JSON.stringify(spec), began = performance.now();
    if (key !== this.key) {
      const answer = await ask("look", spec);
      if (this.editor.text !== spec.text) return;
      this.key = key;
      this.said(answer);
    }
    if (this.current) this.sound = key;
    if (this.net) await this.lookAtViews(spec, key); // of the last network there was: those that are seen first during an error
    if (this.presets) {
      this.presets = false;
      clearTimeout(this.calm);
      this.calm = setTimeout(() => this.lookAtPresets(spec, key), CALM);
    }
    document.documentElement.dataset.took = Math.round(performance.now() - began);
  }

  async lookAtPresets(spec, key) {
    const diagnostics = await ask("presets", spec).catch(() => null);
    if (diagnostics && JSON.stringify(this.spec()) === key) this.problems(diagnostics);
  }

  problems(diagnostics) {
    this.editor.show({ diagnostics, hints: this.hints });
    showProblems(byId("problems"), diagnostics, (offset) => this.editor.goTo(offset), (fix) => this.editor.apply(fix), (code) => this.explain(code));
  }

  async lookAtViews(spec, key) {
    const wanted = this.wanted();
    const views = Object.fromEntries(Object.entries(wanted).filter(([name, options]) => this.shown.get(name) !== this.sound + JSON.stringify(options)));
    if (Object.keys(views).length) {
      const answer = await ask("look", { ...spec, views, views_alone: true });
      if (JSON.stringify(this.spec()) !== key) return;
      for (const [name, found] of Object.entries(answer.views ?? {})) {
        this.shown.set(name, this.sound + JSON.stringify(views[name]));
        this.showView(name, views[name], found);
      }
      this.markAll(this.turned);
      this.turned = false;
    }
  }

  // The views that can be seen, with their options.
  wanted() {
    const name = this.networkTabs.current;
    const options = { picture: { depth: this.views.picture.depth }, difference: this.views.difference.options };
    const wanted = { [name]: options[name] ?? {} };
    if (this.codeTabs) wanted.code = { backend: this.codeTabs.current };
    return wanted;
  }

  said(answer) {
    this.steps = answer.steps;
    this.current = answer.current;
    this.hints = answer.hints;
    this.net = answer.net;
    this.presets = answer.presets.length > 0; // whether there are any to look at
    this.problems(answer.diagnostics);
    this.choices.show(answer);
    document.body.classList.toggle("stale", !answer.current);
    const net = answer.net;
    byId("net").textContent = net
      ? `${net.name}: ${short(net.params)} parameters, ${short(net.macs)} multiply-adds, ${net.depth} layers, ${net.input}${answer.current ? "" : " (before the error)"}`
      : "no network yet";
    for (const each of [...Object.values(this.panels), ...Object.values(this.codes).map(({ panel }) => panel)]) {
      if (net || each.classList.contains("shown")) continue;
      const lacking = each.querySelector(".lacking");
      lacking.textContent = "It is shown as soon as the spec has a network: see the problems.";
      lacking.hidden = false;
    }
    this.at(this.editor.cursor, true);
  }

  showView(name, options, found) {
    const panel = name === "code" ? this.codes[options.backend].panel : this.panels[name];
    const lacking = panel.querySelector(".lacking");
    lacking.hidden = !found.lacking;
    panel.classList.toggle("lacks", Boolean(found.lacking));
    panel.classList.add("shown");
    if (found.lacking) lacking.replaceChildren(...found.lacking.map((each) => el("p", {}, each.message, el("br"), el("code", {}, each.help))));
    else if (name === "code") this.codes[options.backend].code.show(found);
    else this.views[name].show(found, this.net.name);
  }

  // --- which step --------------------------------------------------------------------------------------

  stepAt(offset) {
    let best = -1;
    this.steps.forEach((step, place) => {
      if (step.from <= offset && offset <= step.to && (best < 0 || step.to - step.from <= this.steps[best].to - this.steps[best].from)) best = place;
    });
    if (best >= 0) return best;
    const line = this.editor.view.state.doc.lineAt(Math.min(offset, this.editor.view.state.doc.length));
    return this.steps.findIndex((step) => line.from <= step.from && step.from <= line.to);
  }

  at(offset, again = false) {
    const step = this.stepAt(offset);
    if (step === this.step && !again) return;
    this.step = step;
    clearTimeout(this.marking);
    this.marking = setTimeout(() => this.markAll(!again), 0);
  }

  markAll(reveal) {
    const step = this.steps[this.step];
    this.editor.mark(step ?? null);
    for (const view of Object.values(this.views)) view.mark?.(step?.names ?? [], reveal);
    for (const { code } of Object.values(this.codes)) code.mark(step ? this.step : -1, reveal);
    const hint = step && this.hints?.filter((each) => each.at >= step.from).find((each) => each.at <= step.to + 1);
    byId("here").textContent = step ? `${step.names[0]}${hint ? `: ${hint.full}` : ""}` : "";
  }

  // The innermost of the steps that a line is of.
  point(steps) {
    steps = steps.filter((step) => step < this.steps.length);
    if (!steps.length) return;
    const inner = steps.reduce((a, b) => (this.steps[b].to - this.steps[b].from < this.steps[a].to - this.steps[a].from ? b : a));
    this.choose(steps.includes(this.step) ? this.step : inner);
  }

  pointAt(path) {
    for (let name = path; name; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
      const found = this.steps.findIndex((step) => step.names.includes(name));
      if (found >= 0) return this.choose(found, true);
    }
  }

  choose(step, focus = false) {
    this.editor.goTo(this.steps[step].from, focus);
    this.step = step;
    this.markAll(true);
  }

  // --- what stands elsewhere ---------------------------------------------------------------------------

  async define(offset) {
    const found = await ask("define", { ...this.spec(), offset }).catch(() => null);
    if (!found) return;
    if (found.from !== undefined) return this.editor.goTo(found.from);
    const lines = found.text.split(/\r\n|\n|\r/).map((line, place) => el("span", { className: place === found.line ? "here" : "" }, `${line}\n`));
    this.read(found.title, el("pre", { className: "lines" }, ...lines));
    lines[found.line]?.scrollIntoView({ block: "center" });
  }

  async explain(code) {
    const found = await ask("explain", { code }).catch(() => null);
    if (found) this.read(found.title, markdown(found.markdown));
  }

  read(title, text) {
    byId("reader-title").textContent = title;
    byId("reader-text").replaceChildren(text);
    byId("reader").showModal();
  }

  // --- the text elsewhere ------------------------------------------------------------------------------

  async save() {
    const { text } = this.spec();
    const answer = await ask("save", { text, digest: this.digest }).catch((error) => ({ error: error.message }));
    if (!answer.error) {
      this.saved = text;
      this.digest = answer.digest;
      this.changed();
      this.notice(`Saved ${answer.saved}`, true);
    } else if (answer.changed) {
      this.notice(answer.error, false, ["Take the file's text", () => this.reload()], ["Download mine", () => this.download()]);
    } else this.notice(answer.error);
  }

  async reload() {
    const answer = await ask("reload").catch((error) => ({ error: error.message }));
    if (answer.error) return this.notice(answer.error);
    this.saved = answer.text;
    this.digest = answer.digest;
    this.editor.replace(answer.text);
    this.notice("The editor has the file's text; undo brings yours back", true);
  }

  download() {
    const address = URL.createObjectURL(new Blob([this.editor.text], { type: "application/yaml" }));
    el("a", { href: address, download: `${this.begun.name}.yaml` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  async share() {
    const fragment = await packed(this.spec());
    history.replaceState(null, "", `#${fragment}`);
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    this.notice(`${copied ? "Copied the address; it" : "The address"} holds the spec and what is chosen. Others open ${exported ? "that address" : "it with archspec play 'ADDRESS'"}`, true);
  }

  async open(fragment) {
    const shared = await unpacked(fragment).catch(() => null);
    if (!shared) return;
    this.choices.take(shared);
    this.editor.replace(shared.text);
    this.changed();
  }

  notice(text, fades = false, ...actions) {
    const place = byId("notice");
    clearTimeout(this.fading);
    place.replaceChildren(el("span", {}, text), ...actions.map(([name, act]) => el("button", { type: "button", onclick: () => { place.hidden = true; act(); } }, name)),
      el("button", { type: "button", "aria-label": "Close", onclick: () => { place.hidden = true; } }, "×"));
    place.hidden = false;
    if (fades) this.fading = setTimeout(() => { place.hidden = true; }, 8000);
  }

  theme() {
    const menu = byId("theme"), system = matchMedia("(prefers-color-scheme: dark)");
    const apply = () => {
      if (menu.value) document.documentElement.dataset.theme = menu.value;
      else delete document.documentElement.dataset.theme;
      for (const view of Object.values(this.views ?? {})) view.theme?.(menu.value ? menu.value === "dark" : system.matches);
    };
    menu.value = localStorage.getItem("theme") ?? "";
    menu.addEventListener("change", () => { localStorage.setItem("theme", menu.value); apply(); });
    system.addEventListener("change", apply);
    queueMicrotask(apply);
  }
}

if (exported) byId("net").textContent = "Python and archspec are being loaded";

try {
  const start = await ask("start");
  const shared = await unpacked(location.hash || start.fragment).catch(() => null);
  window.play = new Play(shared ? { ...start, ...shared } : start);
  if (!shared && (location.hash.length > 1 || start.fragment)) window.play.notice("The address holds no spec that can be read");
} catch (error) {
  const place = byId("notice");
  place.textContent = error.message;
  place.hidden = false;
}

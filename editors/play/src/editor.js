// The spec's editor: mistakes with their fixes, hints, completion, hover; all of it by the service.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, indentOnInput, indentService } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, drawSelection, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, hoverTooltip, keymap, lineNumbers } from "@codemirror/view";
import { markdown } from "./dom.js";
import { look } from "./look.js";

class Hint extends WidgetType {
  constructor(text, full) {
    super();
    this.text = text;
    this.full = full;
  }
  eq(other) {
    return other.text === this.text && other.full === this.full;
  }
  toDOM() {
    const made = document.createElement("span");
    made.className = "cm-hint";
    made.textContent = this.text;
    made.setAttribute("aria-hidden", "true"); // the step at the cursor is told below the editor
    return made;
  }
}

const setHints = StateEffect.define();
const setStep = StateEffect.define();

function decorations(effect, made) {
  return StateField.define({
    create: () => Decoration.none,
    update(value, transaction) {
      value = value.map(transaction.changes);
      for (const each of transaction.effects) if (each.is(effect)) value = made(each.value, transaction.state);
      return value;
    },
    provide: (field) => EditorView.decorations.from(field),
  });
}

const hintField = decorations(setHints, (hints, state) => Decoration.set(
  hints.filter((hint) => hint.at <= state.doc.length)
    .map((hint) => Decoration.widget({ widget: new Hint(hint.text, hint.full), side: 1 }).range(hint.at)), true));

const stepField = decorations(setStep, (step, state) => {
  if (!step || step.to > state.doc.length) return Decoration.none;
  const first = state.doc.lineAt(step.from).number, last = state.doc.lineAt(step.to).number;
  const lines = Array.from({ length: last - first + 1 }, (_, place) => state.doc.line(first + place).from);
  return Decoration.set(lines.map((from) => Decoration.line({ class: "cm-step" }).range(from)));
});

// A line begins where the one before it does, so that steps come below each other, and deeper below a key without a value.
const indent = indentService.of((context, place) => {
  const { text } = context.lineAt(place, -1);
  const [start, dashes] = /^( *)((?:- +)*)/.exec(text).slice(1);
  const opened = text.match(/[[{]/g)?.length ?? 0, closed = text.match(/[\]}]/g)?.length ?? 0;
  if (opened !== closed) return undefined; // as the syntax says
  return start.length + (/:\s*(#.*)?$/.test(text) ? dashes.length + 2 : 0);
});

const KINDS = { operation: "function", block: "class", role: "keyword", argument: "property", key: "property", value: "enum", name: "variable", file: "namespace", preset: "constant" };

export class SpecEditor {
  // `on.change` is told of edits, `on.cursor` where the cursor is, `on.save` of Ctrl-S; `on.ask(name, offset)` asks the service.
  constructor(parent, text, on) {
    this.on = on;
    this.view = new EditorView({
      parent,
      state: EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(), highlightActiveLineGutter(), highlightSpecialChars(), history(), drawSelection(), indentOnInput(),
          bracketMatching(), closeBrackets(), highlightActiveLine(), highlightSelectionMatches(), indent, yaml(), lintGutter(),
          EditorState.tabSize.of(2), hintField, stepField, look,
          autocompletion({ override: [(context) => this.complete(context)] }),
          hoverTooltip((view, position) => this.hover(position)),
          keymap.of([
            { key: "Mod-s", run: () => (on.save(), true), preventDefault: true },
            { key: "Mod-.", run: () => this.fixAtCursor() },
            { key: "F12", run: () => (on.define(this.cursor), true) },
            ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap,
          ]),
          EditorView.domEventHandlers({ mousedown: (event, view) => {
            const place = (event.ctrlKey || event.metaKey) && event.button === 0 ? view.posAtCoords({ x: event.clientX, y: event.clientY }) : null;
            if (place !== null) on.define(place);
          } }),
          EditorView.contentAttributes.of({ "aria-label": "Spec, in YAML", spellcheck: "false" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) on.change();
            if (update.docChanged || update.selectionSet) on.cursor(update.state.selection.main.head);
          }),
        ],
      }),
    });
    this.diagnostics = [];
  }

  get text() {
    return this.view.state.doc.toString();
  }

  get cursor() {
    return this.view.state.selection.main.head;
  }

  replace(text) {
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
  }

  show({ diagnostics, hints }) {
    this.diagnostics = diagnostics;
    const length = this.view.state.doc.length;
    this.view.dispatch(setDiagnostics(this.view.state, diagnostics.map((each) => ({
      from: Math.min(each.from, length),
      to: Math.min(each.to, length),
      severity: each.severity,
      source: each.code,
      message: [each.where && `${each.where}: ${each.message}`, !each.where && each.message, each.help].filter(Boolean).join("\n"),
      actions: each.fix ? [{ name: each.fix.title, apply: () => this.apply(each.fix) }] : [],
    }))), { effects: setHints.of(hints) });
  }

  mark(step) {
    this.view.dispatch({ effects: setStep.of(step) });
  }

  apply(fix) {
    this.view.dispatch({ changes: fix.edits, userEvent: "input.fix" });
    this.view.focus();
  }

  fixAtCursor() {
    const line = this.view.state.doc.lineAt(this.cursor);
    const found = this.diagnostics.find((each) => each.fix && each.to >= line.from && each.from <= line.to);
    if (found) this.apply(found.fix);
    return Boolean(found);
  }

  goTo(offset, focus = true) {
    const place = Math.min(offset, this.view.state.doc.length);
    this.view.dispatch({ selection: { anchor: place }, effects: EditorView.scrollIntoView(place, { y: "nearest", yMargin: 60 }) });
    if (focus) this.view.focus();
  }

  async complete(context) {
    const word = context.matchBefore(/[\w$.]+/);
    if (!word && !context.explicit) return null;
    const found = await this.on.ask("complete", context.pos);
    if (!found || context.aborted || !found.items.length) return null;
    return {
      from: found.from,
      to: Math.max(found.to, context.pos),
      validFor: /^[\w$.]*$/,
      options: found.items.map((item, place) => ({
        label: item.label,
        type: KINDS[item.sort],
        detail: item.detail,
        apply: item.insert,
        boost: -place / 1000,
        info: item.doc ? () => markdown(item.doc) : undefined,
      })),
    };
  }

  async hover(position) {
    const found = await this.on.ask("hover", position);
    if (!found) return null;
    return { pos: found.from, end: found.to, above: true, create: () => ({ dom: markdown(found.text) }) };
  }
}

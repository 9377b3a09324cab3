// Code to be read, with the lines marked that are of a step.
import { python } from "@codemirror/lang-python";
import { Compartment, EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { defaultKeymap } from "@codemirror/commands";
import { search, searchKeymap } from "@codemirror/search";
import { look } from "./look.js";

const setMarks = StateEffect.define();
const marks = StateField.define({
  create: () => Decoration.none,
  update(value, transaction) {
    if (transaction.docChanged) value = Decoration.none;
    for (const each of transaction.effects)
      if (each.is(setMarks)) value = Decoration.set(each.value.map(([from, name]) => Decoration.line({ class: name }).range(from)), true);
    return value;
  },
  provide: (field) => EditorView.decorations.from(field),
});

export class Code {
  // `chosen` is told which step the line is of that somebody points at.
  constructor(parent, label, chosen) {
    this.chosen = chosen;
    this.language = new Compartment();
    this.lines = new Map();
    this.classes = [];
    this.view = new EditorView({
      parent,
      state: EditorState.create({
        extensions: [
          lineNumbers(), drawSelection(), highlightActiveLine(), search({ top: true }), keymap.of([...searchKeymap, ...defaultKeymap]),
          EditorState.readOnly.of(true), this.language.of([]), marks, look,
          EditorView.contentAttributes.of({ "aria-label": label, "aria-readonly": "true" }),
          EditorView.updateListener.of((update) => {
            if (update.selectionSet && !update.docChanged && update.transactions.some((each) => each.isUserEvent("select")))
              this.point(update.state.doc.lineAt(update.state.selection.main.head).number - 1);
          }),
        ],
      }),
    });
  }

  show({ file, text, lines, classes }) {
    this.lines = new Map(Object.entries(lines).map(([line, steps]) => [Number(line), steps]));
    this.classes = classes;
    if (text === this.view.state.doc.toString()) return;
    const top = this.view.scrollDOM.scrollTop;
    this.view.dispatch({
      changes: { from: 0, to: this.view.state.doc.length, insert: text },
      effects: this.language.reconfigure(file.endsWith(".py") ? python() : []),
    });
    this.view.scrollDOM.scrollTop = top;
  }

  // Marks the lines of a step, and beside them the classes whose blocks it makes.
  mark(step, reveal) {
    const doc = this.view.state.doc, found = [];
    for (const [first, last, steps] of this.classes)
      if (steps.includes(step)) for (let line = first; line <= last; line++) found.push([line, "cm-class"]);
    const own = [...this.lines].filter(([, steps]) => steps.includes(step)).map(([line]) => line).sort((a, b) => a - b);
    for (const line of own) found.push([line, "cm-step"]);
    const there = found.filter(([line]) => line < doc.lines).map(([line, name]) => [doc.line(line + 1).from, name]);
    const effects = [setMarks.of(there.sort((a, b) => a[0] - b[0]))];
    const first = own[0] ?? found[0]?.[0];
    if (reveal && first !== undefined && first < doc.lines)
      effects.push(EditorView.scrollIntoView(doc.line(first + 1).from, { y: "nearest", yMargin: 60 }));
    this.view.dispatch({ effects });
  }

  point(line) {
    const steps = this.lines.get(line) ?? this.classes.find(([first, last]) => first <= line && line <= last)?.[2] ?? [];
    if (steps.length) this.chosen(steps);
  }
}

// How text looks, in the spec and in code; colours are those of the page.
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags as t } from "@lezer/highlight";

const style = HighlightStyle.define([
  { tag: [t.keyword, t.bool, t.null, t.atom, t.operatorKeyword, t.modifier], color: "var(--keyword)" },
  { tag: [t.propertyName, t.definition(t.propertyName)], color: "var(--key)" },
  { tag: [t.string, t.special(t.string), t.docString], color: "var(--string)" },
  { tag: [t.number, t.integer, t.float], color: "var(--number)" },
  { tag: [t.comment, t.lineComment], color: "var(--muted)", fontStyle: "italic" },
  { tag: [t.className, t.definition(t.className), t.function(t.definition(t.variableName))], color: "var(--name)" },
  { tag: [t.meta, t.separator, t.punctuation], color: "var(--soft)" },
]);

export const nonce = EditorView.cspNonce.of(document.documentElement.dataset.nonce);

export const look = [nonce, syntaxHighlighting(style), EditorView.theme({
  "&": { height: "100%", fontSize: "13px", backgroundColor: "var(--field)", color: "var(--text)" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--field)", color: "var(--muted)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--line)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--selection)" },
  ".cm-selectionMatch": { backgroundColor: "var(--match)" },
  ".cm-matchingBracket": { backgroundColor: "var(--match)", outline: "1px solid var(--border)" },
  ".cm-tooltip": { backgroundColor: "var(--pane)", color: "var(--text)", border: "1px solid var(--border)", borderRadius: "6px", maxWidth: "min(40rem, 92vw)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionInfo": { padding: "6px 10px", maxWidth: "22rem" },
  ".cm-panels": { backgroundColor: "var(--pane)", color: "var(--text)" },
  ".cm-hint": { color: "var(--muted)", fontSize: "11px", marginLeft: "1.2em", fontStyle: "normal", userSelect: "none", pointerEvents: "none" },
  ".cm-step": { backgroundColor: "var(--mark)" },
  ".cm-class": { boxShadow: "inset 3px 0 0 var(--mark-edge)" },
})];

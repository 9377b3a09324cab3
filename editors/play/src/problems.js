// The mistakes as a list, which leads to their places and has their fixes.
import { el } from "./dom.js";

export function showProblems(parent, diagnostics, goTo, apply, explain) {
  const errors = diagnostics.filter((each) => each.severity === "error").length;
  const warnings = diagnostics.length - errors;
  const count = (number, word) => (number ? `${number} ${word}${number > 1 ? "s" : ""}` : "");
  const told = [count(errors, "error"), count(warnings, "warning")].filter(Boolean).join(", ") || "No problems";
  parent.replaceChildren(
    el("h2", {}, told),
    el("ul", {}, ...diagnostics.map((each) => el("li", { className: each.severity },
      el("button", { type: "button", className: "link", onclick: () => goTo(each.from) }, each.where || `line ${each.line}`),
      el("button", { type: "button", className: "link severity", title: "What this means", onclick: () => explain(each.code) }, `${each.severity} ${each.code}`),
      el("span", {}, each.message),
      each.help ? el("span", { className: "help" }, each.help) : null,
      each.fix ? el("button", { type: "button", className: "fix", onclick: () => apply(each.fix) }, each.fix.title) : null))));
}

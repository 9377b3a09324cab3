// Elements made of names, attributes and texts: no text ever becomes markup.
export function el(name, attributes = {}, ...inner) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && key !== "list" && key !== "form") made[key] = value;
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...inner.filter((each) => each !== null && each !== undefined));
  return made;
}

export const byId = (id) => document.getElementById(id);

export const whole = (number) => number.toLocaleString("en-US");

export function short(count) {
  for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "K"]])
    if (count >= unit) return `${(count / unit).toPrecision(3)}${letter}`;
  return `${count}`;
}

// The Markdown that the service writes: paragraphs, lists, rules, fences, bold and code.
export function markdown(text) {
  const made = el("div", { className: "markdown" });
  const fences = text.split(/^```.*$/m);
  fences.forEach((part, place) => {
    if (place % 2) {
      made.append(el("pre", {}, part.replace(/^\n|\n$/g, "")));
      return;
    }
    for (const paragraph of part.split(/\n\s*\n/)) {
      const lines = paragraph.split("\n").filter((line) => line.trim());
      if (!lines.length) continue;
      const heading = /^#+ (.*)$/.exec(lines[0]);
      if (heading) made.append(el("h3", {}, ...inline(heading[1])));
      else if (lines[0].trim() === "---") made.append(el("hr"));
      else if (lines.every((line) => line.startsWith("- ")))
        made.append(el("ul", {}, ...lines.map((line) => el("li", {}, ...inline(line.slice(2))))));
      else made.append(el("p", {}, ...inline(lines.join(" "))));
    }
  });
  return made;
}

function inline(text) {
  return text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
    if (/^\*\*.+\*\*$/.test(part)) return el("strong", {}, part.slice(2, -2));
    if (/^`.+`$/.test(part)) return el("code", {}, part.slice(1, -1));
    return part;
  });
}

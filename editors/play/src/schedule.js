// The curve of the learning rate, and its phases in words.
import { el, whole } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640, HEIGHT = 260, LEFT = 64, RIGHT = 14, TOP = 12, BOTTOM = 34;

function svg(name, attributes, ...inner) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inner);
  return made;
}

export class Schedule {
  constructor(parent) {
    this.logarithmic = el("input", { type: "checkbox", onchange: () => this.draw() });
    this.place = el("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": "Learning rate" });
    parent.append(el("div", { className: "bar" }, el("label", {}, this.logarithmic, " logarithmic")), this.place);
  }

  show(found) {
    this.found = found;
    this.draw();
  }

  draw() {
    if (!this.found) return;
    const { steps, rates, total, epochs, guessed, batch, phases } = this.found;
    const top = Math.max(...rates), least = Math.min(...rates.filter((rate) => rate > 0));
    const log = this.logarithmic.checked && least < top;
    const y = (rate) => TOP + (HEIGHT - TOP - BOTTOM) * (log ? (rate > 0 ? Math.log(top / rate) / Math.log(top / least) : 1) : top ? 1 - rate / top : 1);
    const x = (step) => LEFT + (WIDTH - LEFT - RIGHT) * (total > 1 ? step / (total - 1) : 0);
    const marks = log ? [top, Math.sqrt(top * least), least] : [top, top / 2, 0];
    const said = `Learning rate over ${whole(total)} steps, from ${rates[0].toPrecision(3)} to ${rates.at(-1).toPrecision(3)}, at most ${top.toPrecision(3)}`;
    const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "chart", "aria-label": said },
      ...marks.flatMap((rate) => [
        svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(rate), y2: y(rate) }),
        svg("text", { x: LEFT - 6, y: y(rate) + 4, "text-anchor": "end" }, Number(rate.toPrecision(3)).toString())]),
      ...[0, 0.5, 1].map((part) => svg("text", { x: x(part * (total - 1)), y: HEIGHT - 12, "text-anchor": ["start", "middle", "end"][part * 2] },
        epochs ? `epoch ${Math.round(part * epochs)}` : `step ${whole(Math.round(part * total))}`)),
      svg("polyline", { class: "rate", points: steps.map((step, place) => `${x(step).toFixed(1)},${y(rates[place]).toFixed(1)}`).join(" ") }));
    this.place.replaceChildren(chart,
      el("p", { className: "said" }, `${whole(total)} steps of ${whole(batch)} images${guessed ? "; ends that are measured are drawn evenly" : ""}`),
      el("pre", { className: "lines" }, phases.join("\n")));
  }
}

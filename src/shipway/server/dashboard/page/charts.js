// One metric of an analysis as a small chart: its measurements in order, its bounds as lines, and the same as a table.
import { badge, h, lookOf } from "./dom.js";

const WIDTH = 240, HEIGHT = 60, EDGE = 6;

export function metric(one) {
  return h("section", { class: "metric", "data-key": one.name },
    h("h4", {}, one.name, " ", badge(one.phase)),
    one.successCondition && h("p", {}, "passes when ", h("code", {}, one.successCondition)),
    one.failureCondition && h("p", {}, "fails when ", h("code", {}, one.failureCondition)),
    one.message && h("p", { class: "message" }, one.message),
    h("p", {}, `${one.successful} passed, ${one.failed} failed of ${one.failureLimit} allowed`,
      one.inconclusive ? `, ${one.inconclusive} inconclusive` : "", one.error ? `, ${one.error} errors` : ""),
    chart(one),
    one.points.length > 0 && h("details", {}, h("summary", {}, `${one.points.length} measurements`), table(one.points)));
}

function chart(one) {
  const drawn = one.points.filter((point) => point.number !== null);
  if (!drawn.length) return null;
  const values = [...drawn.map((point) => point.number), ...one.bounds.map((bound) => bound.number)];
  const low = Math.min(...values), high = Math.max(...values), span = high - low || Math.abs(high) || 1;
  const x = (at) => EDGE + (drawn.length > 1 ? at / (drawn.length - 1) : 0.5) * (WIDTH - 2 * EDGE);
  const y = (value) => HEIGHT - EDGE - ((value - (high === low ? low - span / 2 : low)) / span) * (HEIGHT - 2 * EDGE);
  const last = drawn[drawn.length - 1];
  const label = `${one.name}: ${drawn.length} measurements, the last ${last.number}; ` +
    one.bounds.map((bound) => `${bound.kind} at ${bound.operator} ${bound.number}`).join(", ");
  return h("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    one.bounds.map((bound) => h("line", { class: `bound ${bound.kind}`, x1: 0, x2: WIDTH, y1: y(bound.number), y2: y(bound.number) })),
    h("polyline", { points: drawn.map((point, at) => `${x(at)},${y(point.number)}`).join(" ") }),
    drawn.map((point, at) => mark(point, x(at), y(point.number))));
}

/** Round when it passed, a square when it did not. */
function mark(point, x, y) {
  const { look } = lookOf(point.phase);
  const title = h("title", {}, `${point.at} ${point.value} ${point.phase}`);
  return look === "good" ? h("circle", { class: look, cx: x, cy: y, r: 3 }, title)
    : h("rect", { class: look, x: x - 3, y: y - 3, width: 6, height: 6 }, title);
}

function table(points) {
  return h("table", {},
    h("thead", {}, h("tr", {}, ["At", "Value", "Verdict"].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, points.map((point) => h("tr", {}, h("td", {}, point.at), h("td", {}, point.value), h("td", {}, badge(point.phase))))));
}

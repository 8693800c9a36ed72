// Elements from data. Every text becomes a text node, so nothing that a cluster says is read as markup.
// A page is made anew with every change and laid over the one that stands (`lay`), so that focus and scrolling stay.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "polyline", "line", "circle", "rect", "path", "title", "g"]);

/** h("p", {class: "x"}, "text", [child, …]); false and null children are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === false || child === null || child === undefined || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Makes the children of `standing` those of `made`, keeping what is the same. */
export function lay(standing, made) {
  const wanted = [...made.childNodes];
  wanted.forEach((next, at) => {
    const now = standing.childNodes[at];
    if (!now) standing.append(next);
    else if (!isLike(now, next)) now.replaceWith(next);
    else merge(now, next);
  });
  while (standing.childNodes.length > wanted.length) standing.lastChild.remove();
}

/** A function that lays what `make` gives over `standing` before the next picture, however often it is called until then. */
export function drawing(standing, make) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      lay(standing, h(standing.nodeName.toLowerCase(), {}, make()));
    });
  };
}

function isLike(now, next) {
  return now.nodeName === next.nodeName && (now.dataset?.key ?? "") === (next.dataset?.key ?? "");
}

function merge(now, next) {
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name) && name !== "open") now.removeAttribute(name);
  for (const { name, value } of [...next.attributes]) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  lay(now, next);
}

/** Words and a shape for a state, so that colour is never all there is. */
const LOOKS = {
  good: ["✔", ["Healthy", "Running", "Simulated", "Completed", "Successful", "Succeeded", "Synced"]],
  busy: ["◌", ["Progressing", "Pending", "ContainerCreating", "PodInitializing", "Terminating"]],
  paused: ["‖", ["Paused", "Suspended"]],
  bad: ["✖", ["Degraded", "Failed", "CrashLoopBackOff", "OOMKilled", "Evicted"]],
  warning: ["⚠", ["Error", "ErrImagePull", "ImagePullBackOff", "NotReady", "OutOfSync", "Missing"]],
  unknown: ["?", ["Inconclusive", "Unknown"]],
};

export function lookOf(state) {
  const found = Object.entries(LOOKS).find(([, [, states]]) => states.includes(state));
  if (found) return { look: found[0], shape: found[1][0] };
  return /Err|BackOff|Invalid|ExitCode|Signal/.test(state) ? { look: "warning", shape: "⚠" } : { look: "neutral", shape: "•" };
}

export function badge(state) {
  const { look, shape } = lookOf(state);
  return h("span", { class: `badge ${look}` }, h("span", { "aria-hidden": "true" }, shape), " ", state);
}

/** A time as its age, "3h ago"; the time itself stands behind it. */
export function when(time) {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  if (Number.isNaN(seconds)) return null;
  const [unit, size] = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]].find(([, size]) => seconds >= size) ?? ["s", 1];
  return h("time", { datetime: time, title: time }, `${Math.max(0, Math.floor(seconds / size))}${unit} ago`);
}

/** The share of the new version as a bar. */
export function weights(asked, actual) {
  if (actual === "") return null;
  const share = Math.max(0, Math.min(100, Number(actual)));
  return h("div", { class: "weights" },
    h("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": `${actual} of traffic on the new version` },
      h("rect", { class: "stable", x: 0, y: 0, width: 100, height: 6 }),
      h("rect", { class: "canary", x: 0, y: 0, width: share, height: 6 }),
      h("rect", { class: "asked", x: Math.max(0, Math.min(99, Number(asked) - 0.5)), y: 0, width: 1, height: 6 })),
    h("span", {}, `weight ${actual}, asked ${asked}`));
}

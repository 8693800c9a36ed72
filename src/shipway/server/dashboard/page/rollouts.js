// The page: the address says what is looked at (#/ the list, #/NAMESPACE/NAME one Rollout), one stream keeps it live.
import { act, say } from "./acting.js";
import { drawing, h, lay } from "./dom.js";
import { list } from "./list.js";
import { ask, follow, freshness } from "./live.js";
import { rollout } from "./rollout.js";

const main = document.getElementById("main");
const chooser = document.getElementById("namespace");
const seen = { namespace: "", rollouts: new Map(), isListed: false, query: "", attention: false, info: null };
let stop = () => {};
const redraw = drawing(main, () => seen.info ? rollout(seen.info)
  : list([...seen.rollouts.values()].sort((a, b) => a.objectMeta.name.localeCompare(b.objectMeta.name)), seen));

function lookAt(namespace, name) {
  stop();
  say("");
  seen.info = null;
  const base = `api/v1/rollouts/${encodeURIComponent(namespace)}`;
  document.title = name ? `${name} · Rollouts` : "Rollouts";
  if (name) {
    lay(main, h("main", {}, h("p", {}, "Loading…")));
    stop = follow(`${base}/${encodeURIComponent(name)}/info/watch`, {
      freshness,
      data: (info) => { seen.info = info; document.title = `${info.status} · ${name} · Rollouts`; redraw(); },
      gone: () => { freshness("it is gone"); say(`${name} is not there any more.`, true); },
    });
    return;
  }
  seen.rollouts = new Map();
  seen.isListed = false;
  let told = new Set();
  stop = follow(`${base}/info/watch`, {
    freshness,
    began: () => { told = new Set(); },
    data: ({ type, rolloutInfo }) => {
      const key = rolloutInfo.objectMeta.name;
      told.add(key);
      if (type === "Deleted") seen.rollouts.delete(key);
      else seen.rollouts.set(key, rolloutInfo);
      if (seen.isListed) redraw();
    },
    listed: () => {
      if (told) for (const key of [...seen.rollouts.keys()]) if (!told.has(key)) seen.rollouts.delete(key);
      seen.isListed = true;
      redraw();
    },
  });
  redraw();
}

function route() {
  const [, namespace, name] = location.hash.slice(1).split("/").map(decodeURIComponent);
  if (namespace) seen.namespace = namespace;
  if (chooser.value !== seen.namespace) offer([seen.namespace, ...[...chooser.options].map((one) => one.value)]);
  lookAt(seen.namespace, namespace ? name : "");
}

function offer(namespaces) {
  chooser.replaceChildren(...[...new Set(namespaces)].sort().map((name) => h("option", { value: name }, name)));
  chooser.value = seen.namespace;
}

main.addEventListener("input", (event) => {
  if (event.target.id === "query") seen.query = event.target.value;
  if (event.target.id === "attention") seen.attention = event.target.checked;
  redraw();
});
main.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-verb]");
  if (button && seen.info) act(button, seen.info);
});
chooser.addEventListener("change", () => {
  seen.namespace = chooser.value;
  location.hash === "#/" || location.hash === "" ? route() : (location.hash = "#/");
});
document.addEventListener("keydown", (event) => {
  const isTyping = /INPUT|SELECT|TEXTAREA/.test(event.target.tagName) || document.querySelector("dialog[open]");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.getElementById("query")?.focus();
});
window.addEventListener("hashchange", route);

document.getElementById("where").hidden = false;
ask("api/v1/namespace").then(({ namespace, availableNamespaces }) => {
  seen.namespace = namespace;
  offer([namespace, ...availableNamespaces]);
  route();
}).catch((error) => say(error.message, true));

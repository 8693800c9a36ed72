// The page: the address says what is looked at (#/ all, #/NAMESPACE/NAME one Application, …/logs/GROUP/KIND/NAMESPACE/NAME the logs
// of an object of it), one stream keeps it live.
import { agreed, say, send } from "./acting.js";
import { application } from "./application.js";
import { drawing, h } from "./dom.js";
import { follow, freshness } from "./live.js";
import { closeLogs, offerLogs, openLogs } from "./logs.js";
import { address as hashOf, overview } from "./overview.js";

const API = "api/v1/applications";
const main = document.getElementById("main");
const seen = { rows: new Map(), isListed: false, query: "", attention: false, health: "", way: "parent", name: "", info: null, place: null };
let stop = () => {};
const redraw = drawing(main, () => seen.info ? application(seen.info)
  : seen.name ? h("p", {}, "Loading…") : overview([...seen.rows.values()], seen));

function lookAtOne(namespace, name) {
  redraw();
  stop = follow(`${address(namespace, name)}/watch`, {
    freshness,
    data: (info) => { seen.info = info; document.title = `${info.row.health} · ${name} · Applications`; redraw(); offerLogs(info.resources); },
    gone: () => { freshness("it is gone"); say(`${name} is not there any more.`, true); },
  });
}

function lookAtAll() {
  let told = new Set();
  seen.rows = new Map();
  seen.isListed = false;
  stop = follow(`${API}/watch`, {
    freshness,
    began: () => { told = new Set(); },
    data: ({ key, application: row }) => {
      told.add(key);
      if (row) seen.rows.set(key, row);
      else seen.rows.delete(key);
      if (seen.isListed) redraw();
    },
    listed: () => {
      if (!seen.isListed) for (const key of [...seen.rows.keys()]) if (!told.has(key)) seen.rows.delete(key);
      seen.isListed = true;
      redraw();
    },
  });
  redraw();
}

function route() {
  const [, namespace, name = "", panel, ...named] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const place = name && `${namespace}/${name}`;
  if (place !== seen.place) look(place, namespace, name);
  if (name && panel === "logs") openLogs({ hash: hashOf({ namespace, name }), api: address(namespace, name) }, named, seen.info?.resources);
  else closeLogs();
}

function look(place, namespace, name) {
  stop();
  say("");
  Object.assign(seen, { place, name, info: null });
  document.title = name ? `${name} · Applications` : "Applications";
  if (name) lookAtOne(namespace, name);
  else lookAtAll();
}

function address(namespace, name) {
  return `${API}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

async function act(verb) {
  const { row, choices } = seen.info;
  const wanted = await agreed(choices.find((one) => one.verb === verb));
  if (wanted) await send(wanted, address(row.namespace, row.name));
}

main.addEventListener("input", (event) => {
  const { id, value, checked } = event.target;
  if (id === "query") seen.query = value;
  if (id === "attention") seen.attention = checked;
  if (id === "way") seen.way = value;
  redraw();
});
main.addEventListener("click", (event) => {
  const share = event.target.closest("button[data-health]");
  if (share) {
    seen.health = seen.health === share.dataset.health ? "" : share.dataset.health;
    redraw();
  }
  const button = event.target.closest("button[data-verb]");
  if (button && seen.info) act(button.dataset.verb);
});
document.addEventListener("keydown", (event) => {
  const isTyping = /INPUT|SELECT|TEXTAREA/.test(event.target.tagName) || document.querySelector("dialog[open]");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.getElementById("query")?.focus();
});
window.addEventListener("hashchange", route);
route();

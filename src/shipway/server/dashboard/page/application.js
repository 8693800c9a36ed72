// One Application: the sentence and the buttons on top, what it is made of left (trouble first), its deployments right.
import { badge, h, when } from "./dom.js";
import { hashOfLogs, voicesAt } from "./logs.js";
import { address } from "./overview.js";

const BUTTONS = ["sync", "refresh", "terminate", "resume"];

export function application({ row, message, conditions, resources, history, choices }) {
  return h("article", {},
    h("div", { class: "head" }, h("h2", {}, row.name), badge(row.health), badge(row.sync), row.isHeld && h("span", { class: "role" }, "held")),
    h("p", { class: "why", id: "why", role: "status" }, row.why),
    h("div", { class: "buttons", role: "group", "aria-label": "What can be done" },
      choices.filter((one) => BUTTONS.includes(one.verb)).map((one) =>
        h("button", { "data-key": one.verb, "data-verb": one.verb, disabled: !one.possible, class: one.verb === "sync" ? "main" : "" }, one.label))),
    h("dl", { class: "facts" }, facts(row, message).map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    conditions.length > 0 && h("section", { "aria-labelledby": "conditions" }, h("h3", { id: "conditions" }, "Conditions"),
      h("ul", {}, conditions.map((one) => h("li", { "data-key": one.type }, h("b", {}, one.type), " ", one.message)))),
    h("div", { class: "halves" },
      h("section", { "aria-labelledby": "resources" }, h("h3", { id: "resources" }, `${resources.length} ${resources.length === 1 ? "object" : "objects"}`), objects(resources, address(row))),
      h("section", { "aria-labelledby": "history" }, h("h3", { id: "history" }, "Deployments"), deployments(history, choices))));
}

function facts(row, message) {
  return [
    ["Project", row.project],
    ["Cluster", row.target ? `${row.cluster}, namespace ${row.target}` : row.cluster],
    ["Made by", row.parent ? `${row.parent.kind} ${row.parent.name}` : ""],
    ["Source", row.sources.join("; ")],
    ["Revision", row.revision],
    ["Images", row.images.join(", ")],
    ["Last sync", [row.phase, message].filter(Boolean).join(": ")],
  ].filter(([, text]) => text);
}

function objects(resources, hash) {
  return h("table", {},
    h("thead", {}, h("tr", {}, ["Kind", "Name", "Sync", "Health"].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, resources.map((one, at) => h("tr", { "data-key": [one.group, one.kind, one.namespace, one.name].join("/") },
      h("td", { class: `depth-${Math.min(one.depth, 5)}` }, one.kind), h("td", {}, one.name, logs(resources, at, hash), one.message && h("p", { class: "note" }, one.message)), h("td", {}, one.sync && badge(one.sync)), h("td", {}, one.health && badge(one.health))))));
}

/** A link, so that it can be opened beside and sent to somebody. */
function logs(resources, at, hash) {
  const one = resources[at];
  return voicesAt(resources, at).length > 0 && [" ",
    h("a", { class: "button logs", href: hashOfLogs(hash, one), "aria-label": `Logs of ${one.kind} ${one.name}` }, "Logs")];
}

function deployments(history, choices) {
  if (!history.length) return h("p", {}, "Nothing has been deployed yet.");
  return h("ol", { class: "deployments" }, history.map((one, at) => {
    const back = choices.find((choice) => choice.verb === `rollback-${one.id}`);
    return h("li", { "data-key": String(one.id) },
      h("b", {}, `${one.id}`), " ", h("code", {}, one.revision), " ", when(one.deployedAt), ` by ${one.by || "automated sync"} `,
      at === 0 && h("span", { class: "role" }, "now"),
      back && h("button", { "data-verb": back.verb, disabled: !back.possible }, back.label));
  }));
}

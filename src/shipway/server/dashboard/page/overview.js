// All Applications: what share of them is well, then group by group, the worst first and its reason beside the group's name.
import { badge, h, lookOf, when } from "./dom.js";
import { groups, matches, needsSomebody, shares, WAYS } from "./groups.js";

export function overview(rows, seen) {
  const shown = rows.filter((one) => matches(one, seen.query) && (!seen.attention || needsSomebody(one)) && (!seen.health || one.health === seen.health));
  return h("div", {},
    rows.length > 0 && share(rows, seen.health),
    h("div", { class: "tools", role: "search" },
      h("label", {}, "Search ", h("input", { id: "query", type: "search", value: seen.query, placeholder: 'shop, "shop", label:team=a, !prod' })),
      h("label", {}, "Group by ", h("select", { id: "way" },
        Object.entries(WAYS).map(([way, { title }]) => h("option", { value: way, selected: way === seen.way }, title)))),
      h("label", {}, h("input", { id: "attention", type: "checkbox", checked: seen.attention }), " only what needs somebody"),
      h("span", { role: "status", id: "count" }, seen.isListed ? `${shown.length} of ${rows.length}` : "loading")),
    seen.isListed && !rows.length && h("p", {}, "There are no Applications here. `shipway app create` makes one."),
    groups(shown, seen.way).map(group));
}

/** One bar of all; each share is a button that shows only those. */
function share(rows, chosen) {
  let at = 0;
  const parts = shares(rows);
  return h("div", { class: "shares" },
    h("svg", { viewBox: `0 0 ${rows.length} 1`, preserveAspectRatio: "none", role: "img", "aria-label": parts.map(([health, count]) => `${count} ${health}`).join(", ") },
      parts.map(([health, count]) => h("rect", { class: lookOf(health).look, x: (at += count) - count, y: 0, width: count, height: 1 }))),
    parts.map(([health, count]) => h("button", { "data-key": health, "data-health": health, "aria-pressed": String(health === chosen) }, badge(health), ` ${count}`)));
}

function group({ name, members, worst }) {
  const well = members.filter((one) => one.health === "Healthy" && one.sync === "Synced").length;
  return h("section", { class: "group", "data-key": name },
    name && h("h2", {}, name, " ", badge(worst.health), " ", h("span", { class: "facts" }, `${well} of ${members.length} as Git says and healthy`)),
    name && well < members.length && h("p", { class: "why reason" }, worst.why),
    h("table", { class: "applications" },
      h("thead", {}, h("tr", {}, ["Application", "Health", "Sync", "Revision", "Cluster", "Namespace", "Deployed"].map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, members.map(row))));
}

function row(one) {
  return h("tr", { "data-key": `${one.namespace}/${one.name}` },
    h("th", { scope: "row" }, h("a", { href: address(one) }, one.name), one.isHeld && h("span", { class: "role" }, "held")),
    h("td", {}, badge(one.health)),
    h("td", {}, badge(one.sync), one.phase === "Running" && h("span", { class: "role" }, "syncing")),
    h("td", {}, h("code", {}, one.revision)),
    h("td", {}, one.cluster),
    h("td", {}, one.target),
    h("td", {}, when(one.deployedAt)));
}

export function address(one) {
  return `#/${encodeURIComponent(one.namespace)}/${encodeURIComponent(one.name)}`;
}

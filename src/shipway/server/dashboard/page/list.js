// All Rollouts of a namespace as cards. The search knows words, "exact names", label:key or label:key=value, and ! for not.
import { badge, h, weights } from "./dom.js";

export function list(rollouts, { query, attention, isListed, namespace }) {
  const shown = rollouts.filter((one) => matches(one, query) && (!attention || needsSomebody(one)));
  return h("div", {},
    h("div", { class: "tools", role: "search" },
      h("label", {}, "Search ", h("input", { id: "query", type: "search", value: query, placeholder: 'web, "web", label:team=shop, !old' })),
      h("label", {}, h("input", { id: "attention", type: "checkbox", checked: attention }), " only what needs somebody"),
      h("span", { role: "status" }, isListed ? `${shown.length} of ${rollouts.length}` : "loading")),
    isListed && !rollouts.length && h("p", {}, `There are no Rollouts in namespace ${namespace}.`),
    h("ul", { class: "cards" }, shown.map((one) => card(one))));
}

function card(one) {
  const { name, namespace } = one.objectMeta;
  const images = [...new Set(one.containers.map((container) => container.image))];
  return h("li", { "data-key": name, class: "card" },
    h("h2", {}, h("a", { href: address(namespace, name) }, name)),
    badge(one.status),
    h("p", { class: "facts" }, one.strategy, one.step && `, step ${one.step}`, `, ${one.ready} of ${one.desired} pods ready`),
    weights(one.setWeight, one.actualWeight),
    h("p", { class: "images" }, images.join(", ")),
    h("p", { class: "why" }, one.shipway.why));
}

export function address(namespace, name) {
  return `#/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

/** Paused other than by a step that ends by itself, degraded, or unknown. */
export function needsSomebody(one) {
  return ["Degraded", "Paused", "Unknown", "Error", "InvalidSpec"].includes(one.status);
}

export function matches(one, query) {
  return (query.match(/!?"[^"]*"|\S+/g) ?? []).every((word) => {
    const isNot = word.startsWith("!"), bare = isNot ? word.slice(1) : word;
    return isNot !== has(one, bare);
  });
}

function has(one, word) {
  const { name, labels } = one.objectMeta;
  if (word.startsWith('"')) return name === word.slice(1, -1);
  if (word.startsWith("label:")) {
    const [key, ...value] = word.slice(6).split("=");
    return key in labels && (!value.length || labels[key] === value.join("="));
  }
  return `${name} ${one.status} ${one.containers.map((container) => container.image).join(" ")}`.toLowerCase().includes(word.toLowerCase());
}

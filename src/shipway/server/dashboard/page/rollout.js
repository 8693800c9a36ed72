// One Rollout: the sentence and the buttons on top, the versions left (stable first), the steps right, the analyses below.
import { metric } from "./charts.js";
import { badge, h, lookOf, weights } from "./dom.js";

const BUTTONS = ["promote", "promote-full", "abort", "retry", "restart"];

export function rollout(info) {
  const { choices, steps, runs, why } = info.shipway;
  return h("article", {},
    h("div", { class: "head" },
      h("h2", {}, info.objectMeta.name), badge(info.status),
      info.message && h("span", { class: "message" }, info.message)),
    h("p", { class: "why", id: "why", role: "status" }, why),
    h("div", { class: "buttons", role: "group", "aria-label": "What can be done" },
      choices.filter((one) => BUTTONS.includes(one.verb)).map((one) =>
        h("button", { "data-key": one.verb, "data-verb": one.verb, disabled: !one.possible, class: one.verb === "promote" ? "main" : "" }, one.label))),
    h("p", { class: "facts" }, info.strategy, info.step && `, step ${info.step}`,
      `, ${info.available} of ${info.desired} pods available, ${info.updated} of the new version`),
    weights(info.setWeight, info.actualWeight),
    h("div", { class: "halves" },
      h("section", { "aria-labelledby": "versions" }, h("h3", { id: "versions" }, "Versions"), versions(info)),
      steps.length > 0 && h("section", { "aria-labelledby": "steps" }, h("h3", { id: "steps" }, "Steps"), rail(steps))),
    h("section", { "aria-labelledby": "containers" }, h("h3", { id: "containers" }, "Containers"),
      h("ul", { class: "containers" }, info.containers.map((one) => h("li", { "data-key": one.name },
        h("b", {}, one.name), " ", h("code", {}, one.image), " ",
        h("button", { "data-verb": "set-image", "data-container": one.name, "data-image": one.image }, "Set image"))))),
    runs.length > 0 && h("section", { "aria-labelledby": "analyses" }, h("h3", { id: "analyses" }, "Analyses"), runs.map(analysis)));
}

/** What serves now stands first; revisions without pods are folded. */
function versions(info) {
  const rank = (one) => (one.stable || one.active ? 0 : one.canary || one.preview ? 1 : 2);
  const sets = [...info.replicaSets].sort((a, b) => rank(a) - rank(b) || b.revision - a.revision);
  const running = sets.filter((one) => one.replicas || one.pods.length || rank(one) < 2);
  const old = sets.filter((one) => !running.includes(one));
  return [running.map((one) => version(one, info)),
    old.length > 0 && h("details", { "data-key": "old" }, h("summary", {}, `${old.length} earlier revisions`), old.map((one) => version(one, info)))];
}

function version(one, info) {
  const roles = ["stable", "canary", "active", "preview"].filter((role) => one[role]);
  const undo = info.shipway.choices.find((choice) => choice.verb === `undo-${one.revision}`);
  return h("section", { class: `version ${roles.join(" ")}`, "data-key": one.objectMeta.name },
    h("h4", {}, `Revision ${one.revision}`, roles.map((role) => h("span", { class: `role ${role}` }, role)), " ", badge(one.status)),
    h("p", { class: "images" }, one.images.join(", ")),
    h("p", { class: "facts" }, one.objectMeta.name, `: ${one.available} of ${one.replicas} available`,
      one.scaleDownDeadline && `, kept until ${one.scaleDownDeadline}`),
    h("ul", { class: "pods", "aria-label": "Pods" }, one.pods.map(pod)),
    undo && h("button", { "data-verb": undo.verb }, undo.label));
}

function pod(one) {
  const { look, shape } = lookOf(one.status);
  const text = `${one.objectMeta.name}: ${one.status}, ${one.ready} ready` + (one.restarts ? `, ${one.restarts} restarts` : "");
  return h("li", { "data-key": one.objectMeta.name, class: `pod ${look}`, title: text },
    h("span", { "aria-hidden": "true" }, shape), h("span", { class: "unseen" }, text));
}

function rail(steps) {
  return h("ol", { class: "steps" }, steps.map((step, at) =>
    h("li", { class: step.state, "data-key": `${at}`, "aria-current": step.state === "current" && "step" },
      h("span", { class: "shape", "aria-hidden": "true" }, { done: "✔", current: "▶", ahead: "○" }[step.state]), " ",
      h("span", {}, step.text), h("span", { class: "unseen" }, ` (${step.state})`),
      step.note && h("span", { class: "note" }, step.note))));
}

function analysis(run) {
  return h("section", { class: "run", "data-key": run.name },
    h("h4", {}, run.name, " ", badge(run.phase)),
    run.message && h("p", { class: "message" }, run.message),
    h("div", { class: "metrics" }, run.metrics.map(metric)));
}

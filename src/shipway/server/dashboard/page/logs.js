// The log of a container in a panel over the page: its last lines, and each new one as it is said. What is held here is bounded:
// older lines go as new ones come.
import { h } from "./dom.js";
import { asked } from "./live.js";

const MOST = 5000, HEAVIEST = 4 << 20, LONGEST = 16384; // lines and characters of all, characters of one
const COLOURS = /\x1b\[[0-9;?]*[A-Za-z]/g;

const dialog = document.body.appendChild(h("dialog", { id: "logs", "aria-labelledby": "logs-title" },
  h("div", { class: "head" }, h("h2", { id: "logs-title" }), h("span", { id: "logs-state", role: "status" }), h("button", { id: "logs-close" }, "Close")),
  h("div", { class: "tools" },
    h("label", {}, "Container ", h("select", { id: "logs-voice" })),
    h("label", {}, h("input", { id: "logs-previous", type: "checkbox" }), " previous run"),
    h("label", {}, "Filter ", h("input", { id: "logs-filter", type: "search", autocomplete: "off", spellcheck: "false" })),
    h("span", { id: "logs-count", class: "facts" }),
    h("button", { id: "logs-again" }, "Read again"),
    h("button", { id: "logs-copy" }, "Copy"),
    h("a", { id: "logs-whole", class: "button" }, "Download all")),
  h("div", { id: "logs-lines", role: "log", "aria-live": "off", "aria-label": "Lines", tabindex: 0, autofocus: true })));
const [state, select, previous, filter, count, whole, lines] = ["state", "voice", "previous", "filter", "count", "whole", "lines"]
  .map((id) => dialog.querySelector(`#logs-${id}`));

let shown = null; // {page: {hash, api}, object, voice, isPrevious, isChosen, hasFailed, voices}
let reading = null, pending = [], weight = 0, isDue = false;

/** Where the logs of an object of the tree are on the page of its Application. */
export function hashOfLogs(hash, { group, kind, namespace, name }, more = []) {
  return [hash, "logs", ...[group, kind, namespace, name, ...more].map(encodeURIComponent)].join("/");
}

/** The containers at and below the object at `at` of a tree: [{namespace, pod, container}]. */
export function voicesAt(resources, at) {
  let end = at + 1;
  while (end < resources.length && resources[end].depth > resources[at].depth) end += 1;
  return resources.slice(at, end)
    .flatMap(({ namespace, name, containers }) => containers.map((container) => ({ namespace, pod: name, container })));
}

/** Opens the panel of what an address names: an object, and perhaps one of its containers and "previous". */
export function openLogs(page, [group = "", kind = "", namespace = "", name = "", podNamespace, pod, container, run], resources) {
  const voice = container ? { namespace: podNamespace, pod, container } : null;
  shown = { page, object: { group, kind, namespace, name }, voice, isPrevious: run === "previous", isChosen: !!voice, voices: [] };
  dialog.querySelector("#logs-title").textContent = `${kind} ${name}`;
  filter.value = "";
  previous.checked = shown.isPrevious;
  select.replaceChildren();
  forget();
  if (!dialog.open) dialog.showModal();
  if (voice) {
    choices();
    read();
  } else tell("Looking for its pods…");
  offerLogs(resources);
}

/** What may be chosen now; without a choice the first is read, and another where that one turns out to have gone. */
export function offerLogs(resources) {
  if (!shown || !resources) return;
  const at = resources.findIndex((one) => ["group", "kind", "namespace", "name"].every((key) => one[key] === shown.object[key]));
  shown.voices = at < 0 ? [] : voicesAt(resources, at);
  const hasGone = shown.hasFailed && !shown.isChosen && !lines.childElementCount && !shown.voices.some((one) => isSame(one, shown.voice));
  if ((!shown.voice || hasGone) && shown.voices.length) {
    shown.voice = shown.voices[0];
    read();
  }
  if (!shown.voice) tell(at < 0 ? "It is not part of this Application any more." : "There is no pod here yet.", at < 0);
  else choices();
}

export function closeLogs() {
  shown = null;
  dialog.close();
}

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

function choices() {
  const wanted = JSON.stringify(shown.voice);
  const all = [...new Set([...shown.voices.map((one) => JSON.stringify(one)), wanted])];
  if (all.join() !== [...select.options].map((one) => one.value).join()) {
    select.replaceChildren(...all.map((value) => {
      const { pod, container } = JSON.parse(value);
      return h("option", { value }, shown.object.kind === "Pod" ? container : `${pod} / ${container}`);
    }));
  }
  select.value = wanted;
}

/** Another choice stands in the address at once, and in no history of its own. */
function choose(voice, isPrevious) {
  Object.assign(shown, { voice, isPrevious, isChosen: true });
  const more = [voice.namespace, voice.pod, voice.container, ...(isPrevious ? ["previous"] : [])];
  history.replaceState(null, "", hashOfLogs(shown.page.hash, shown.object, more));
  read();
}

function forget() {
  reading?.abort();
  reading = null;
  pending = [];
  weight = 0;
  lines.replaceChildren();
  whole.removeAttribute("href");
  tally();
}

async function read() {
  forget();
  const { voice, isPrevious, page } = shown;
  shown.hasFailed = false;
  const mine = reading = new AbortController();
  const path = `${page.api}/log?${new URLSearchParams({ ...voice, ...(isPrevious && { previous: "true" }) })}`;
  whole.href = `${path}&whole=true`;
  whole.download = `${voice.pod}-${voice.container}${isPrevious ? "-previous" : ""}.log`;
  tell("Waiting for what it says…");
  try {
    const answer = await asked(path, { signal: mine.signal });
    if (reading !== mine) return;
    tell("live");
    await takeAll(answer.body.pipeThrough(new TextDecoderStream()).getReader(), mine);
    if (reading === mine) tell(isPrevious ? "That was the previous run." : "The log has ended: the container does not run any more.");
  } catch (error) {
    if (mine.signal.aborted) return;
    shown.hasFailed = true;
    tell(error instanceof TypeError ? "The log broke off: the dashboard or the cluster has gone. Read it again." : error.message, true);
  }
}

async function takeAll(reader, mine) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (reading !== mine) return;
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    if (rest.length > LONGEST) {
      parts.push(rest);
      rest = "";
    }
    take(parts);
  }
  if (rest) take([rest]);
}

function take(parts) {
  pending = pending.concat(parts.map(plain)).slice(-MOST);
  if (isDue) return;
  isDue = true;
  setTimeout(() => { isDue = false; draw(); }, 50); // a page in the background draws no frames
}

function plain(line) {
  const text = line.replace(COLOURS, "");
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function draw() {
  const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 8;
  lines.append(...pending.map((text) => h("div", { hidden: !fits(text) }, text)));
  for (const text of pending) weight += text.length;
  pending = [];
  while (lines.childElementCount > MOST || weight > HEAVIEST) {
    weight -= lines.firstChild.textContent.length;
    lines.firstChild.remove();
  }
  tally();
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

function fits(text) {
  return text.toLowerCase().includes(filter.value.toLowerCase());
}

function visible() {
  return [...lines.children].filter((one) => !one.hidden);
}

function tally() {
  const all = lines.childElementCount;
  count.textContent = filter.value ? `${visible().length} of ${all} lines` : `${all} ${all === 1 ? "line" : "lines"}`;
}

function tell(text, isWrong = false) {
  state.textContent = text;
  state.className = isWrong ? "wrong" : text === "live" ? "live" : "";
}

select.addEventListener("change", () => choose(JSON.parse(select.value), shown.isPrevious));
previous.addEventListener("change", () => shown.voice && choose(shown.voice, previous.checked));
filter.addEventListener("input", () => {
  for (const one of lines.children) one.hidden = !fits(one.textContent);
  tally();
  lines.scrollTop = lines.scrollHeight;
});
dialog.addEventListener("click", ({ target }) => {
  if (target.id === "logs-close") dialog.close();
  if (target.id === "logs-again" && shown.voice) read();
  if (target.id === "logs-copy") {
    navigator.clipboard.writeText(visible().map((one) => one.textContent).join("\n"))
      .then(() => { state.textContent = `${state.textContent.replace(/, copied$/, "")}, copied`; }, () => tell("The browser does not let this page copy.", true));
  }
});
dialog.addEventListener("close", () => {
  if (dialog.open) return;
  forget();
  if (shown) location.hash = shown.page.hash;
  shown = null;
});

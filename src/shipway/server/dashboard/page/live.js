// Streams of server-sent events, and the few questions that are asked once.

/** The answer; throws an Error with what the dashboard says where it refuses. */
export async function asked(path, options = {}) {
  const answer = await fetch(path, { cache: "no-store", ...options });
  if (answer.ok) return answer;
  const { message } = await answer.json().catch(() => ({}));
  throw new Error(message || `the dashboard answered ${answer.status}`);
}

export async function ask(path, options = {}) {
  return (await asked(path, options)).json().catch(() => ({}));
}

const token = document.querySelector('meta[name="shipway-token"]').content;

export function put(path, body = {}) {
  return ask(path, {
    method: "PUT",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", "X-Shipway-Token": token },
  });
}

/**
 * Follows `path` until the returned function is called. `on.data(result)`, `on.began()`, `on.listed()`, `on.gone()`,
 * `on.freshness(text)`. A stream that ends is begun again, after 1, 2, 4 … 30 seconds.
 */
export function follow(path, on) {
  let source, timer, pause = 1, isOver = false;
  const fresh = () => on.freshness("");
  function begin() {
    source = new EventSource(path);
    source.onopen = () => { pause = 1; fresh(); on.began?.(); };
    source.onmessage = (event) => { fresh(); on.data(JSON.parse(event.data).result); };
    source.addEventListener("listed", () => on.listed?.());
    source.addEventListener("gone", () => { stop(); on.gone?.(); });
    source.addEventListener("stale", () => on.freshness(`the cluster does not answer: as of ${clock()}`));
    source.onerror = again;
  }
  function again() {
    source.close();
    if (isOver) return;
    const since = clock();
    ask(path.replace(/\/watch$/, "")).then(() => on.freshness(`connecting again: as of ${since}`))
      .catch((error) => on.freshness(`${error.message}: as of ${since}`));
    timer = setTimeout(begin, pause * 1000);
    pause = Math.min(30, pause * 2);
  }
  function stop() {
    isOver = true;
    clearTimeout(timer);
    source.close();
  }
  begin();
  return stop;
}

/** Says above the page how fresh it is; "" is live. */
export function freshness(text) {
  const chip = document.getElementById("freshness");
  chip.textContent = text || "live";
  chip.className = text ? "late" : "live";
}

function clock() {
  return new Date().toLocaleTimeString();
}

// Applications in groups: by who made them, where they live, or whose they are. The worst of a group speaks for it.

const WORST_FIRST = ["Unknown", "Degraded", "Missing", "Progressing", "Suspended", "Healthy"];

export const WAYS = {
  parent: { title: "who made them", of: (one) => (one.parent ? `${one.parent.kind} ${one.parent.name}` : "on their own") },
  cluster: { title: "cluster", of: (one) => one.cluster || "no cluster" },
  project: { title: "project", of: (one) => one.project },
  namespace: { title: "namespace", of: (one) => one.target || "no namespace" },
  nothing: { title: "nothing", of: () => "" },
};

export function rank(one) {
  const at = WORST_FIRST.indexOf(one.health);
  return (at < 0 ? 0 : at) * 2 + (one.sync === "Synced" ? 1 : 0);
}

/** [{name, members, worst}], those in trouble first; members likewise. */
export function groups(rows, way) {
  const found = new Map();
  for (const one of rows) {
    const name = WAYS[way].of(one);
    found.set(name, [...(found.get(name) ?? []), one]);
  }
  return [...found].map(([name, members]) => {
    members.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name) || a.namespace.localeCompare(b.namespace));
    return { name, members, worst: members[0] };
  }).sort((a, b) => rank(a.worst) - rank(b.worst) || a.name.localeCompare(b.name));
}

/** [[health, count]], worst first; every Application is in one. */
export function shares(rows) {
  const counts = new Map(WORST_FIRST.map((health) => [health, 0]));
  for (const { health } of rows) counts.set(health, (counts.get(health) ?? 0) + 1);
  return [...counts].filter(([, count]) => count);
}

/** Out of sync, or neither healthy nor on its way, or held back. */
export function needsSomebody(one) {
  return one.isHeld || one.sync !== "Synced" || !["Healthy", "Progressing"].includes(one.health);
}

/** The search knows words, "exact names", label:key or label:key=value, and ! for not. */
export function matches(one, query) {
  return (query.match(/!?"[^"]*"|\S+/g) ?? []).every((word) => {
    const isNot = word.startsWith("!"), bare = isNot ? word.slice(1) : word;
    return isNot !== has(one, bare);
  });
}

function has(one, word) {
  if (word.startsWith('"')) return one.name === word.slice(1, -1);
  if (word.startsWith("label:")) {
    const [key, ...value] = word.slice(6).split("=");
    return key in one.labels && (!value.length || one.labels[key] === value.join("="));
  }
  const told = [one.name, one.namespace, one.project, one.cluster, one.target, one.sync, one.health, one.revision, ...one.sources, ...one.images];
  return told.join(" ").toLowerCase().includes(word.toLowerCase());
}

"""AppProject: which repositories, destinations and kinds an application of the project may use.

Every refusal says which rule refused. Patterns are globs in which `*` does not cross a `/` in repository URLs; a pattern
that starts with `!` denies, and a denial wins.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from shipway.api.application import ApplicationSpec, Destination, ProjectDestination, ProjectKind, ProjectSpec
from shipway.kube.objects.resource import Obj, Ref

DEFAULT = "default"


def default_project(namespace: str) -> Obj:
    """The project of applications that name none: allows everything, as Argo CD creates it."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": DEFAULT, "namespace": namespace},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }


def refusals(project: ProjectSpec, name: str, spec: ApplicationSpec) -> tuple[str, ...]:
    """Why the project does not allow this application; empty when it does."""
    found: list[str] = []
    sources = [source for source in (spec.source, *(spec.sources or ())) if source]
    for source in sources:
        if not _permits_text(source.repo_url, project.source_repos or (), "/"):
            found.append(f"application repo {source.repo_url} is not permitted in project '{name}'")
    if not _permits_destination(spec.destination, project.destinations or (), spec.destination.namespace):
        found.append(
            f"application destination server '{spec.destination.server or spec.destination.name}' and namespace "
            f"'{spec.destination.namespace}' do not match any of the allowed destinations in project '{name}'"
        )
    if project.sync_windows:
        found.append(f"spec.syncWindows of project '{name}' is not supported yet: remove it or keep syncs manual")
    return tuple(found)


def refusal_of(project: ProjectSpec, name: str, ref: Ref, is_namespaced: bool, destination: Destination) -> str:
    """Why the project does not allow this object; "" when it does."""
    if is_namespaced:
        allowed = project.namespace_resource_whitelist is None or _any_kind(project.namespace_resource_whitelist, ref)
        denied = _any_kind(project.namespace_resource_blacklist or (), ref)
    else:
        allowed = _any_kind(project.cluster_resource_whitelist or (), ref)
        denied = _any_kind(project.cluster_resource_blacklist or (), ref)
    if denied or not allowed:
        return f"resource {ref.group}:{ref.kind} is not permitted in project {name}"
    if is_namespaced and not _permits_destination(destination, project.destinations or (), ref.namespace):
        return f"namespace {ref.namespace} is not permitted in project '{name}'"
    return ""


def _permits_destination(destination: Destination, rules: Sequence[ProjectDestination], namespace: str) -> bool:
    def fits(rule: ProjectDestination, *, denial: bool) -> bool:
        server, name, where = rule.server, rule.name, rule.namespace
        if denial:
            parts = [(part[1:], value) for part, value in _pairs(rule, destination, namespace) if part.startswith("!")]
            rest = [(part, value) for part, value in _pairs(rule, destination, namespace) if part and not part.startswith("!")]
            return bool(parts) and all(_matches(part, value) for part, value in parts + rest)
        if any(part.startswith("!") for part in (server, name, where)):
            return False
        place = _is_here(server, name, destination)
        return place and _matches(where, namespace)

    if any(fits(rule, denial=True) for rule in rules):
        return False
    return any(fits(rule, denial=False) for rule in rules)


def _pairs(rule: ProjectDestination, destination: Destination, namespace: str) -> list[tuple[str, str]]:
    return [
        (rule.server, destination.server or "https://kubernetes.default.svc"),
        (rule.name, destination.name or "in-cluster"),
        (rule.namespace, namespace),
    ]


def _is_here(server: str, name: str, destination: Destination) -> bool:
    """A rule names the cluster by server or by name; both spellings mean the cluster we run on."""
    if server:
        return _matches(server, destination.server or "https://kubernetes.default.svc")
    return bool(name) and _matches(name, destination.name or "in-cluster")


def _any_kind(rules: Iterable[ProjectKind], ref: Ref) -> bool:
    return any(
        _matches(rule.group, ref.group) and _matches(rule.kind, ref.kind) and (not rule.name or _matches(rule.name, ref.name))
        for rule in rules
    )


def _permits_text(text: str, patterns: Sequence[str], separator: str) -> bool:
    text = text.removesuffix(".git").lower()
    denied = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    allowed = [pattern for pattern in patterns if not pattern.startswith("!")]

    def fits(pattern: str) -> bool:
        return pattern == "*" or _matches(pattern.removesuffix(".git").lower(), text, separator)

    return any(map(fits, allowed)) and not any(map(fits, denied))


def _matches(pattern: str, text: str, separator: str = "") -> bool:
    return bool(_compiled(pattern, separator).fullmatch(text))


@lru_cache(maxsize=1024)
def _compiled(pattern: str, separator: str) -> re.Pattern[str]:
    """A glob: `**` anything, `*` anything but the separator, `?` one character."""
    one = f"[^{re.escape(separator)}]" if separator else "."
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    special = {"**": ".*", "*": f"{one}*", "?": one}
    return re.compile("".join(special.get(part, re.escape(part)) for part in parts), re.DOTALL)

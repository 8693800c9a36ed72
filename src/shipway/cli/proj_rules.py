"""What a project allows, changed: from one spec of an AppProject to the next. Pure.

Every rule gives the whole spec again; one that is there already, or is not, changes nothing.
"""

from collections.abc import Callable, Sequence

from shipway.base.errors import InvalidInput, NotFound
from shipway.kube.objects.resource import Obj

Edit = Callable[[Obj], Obj]
CLUSTER, NAMESPACED = "clusterResource", "namespaceResource"


def with_source(url: str) -> Edit:
    return lambda spec: _with(spec, "sourceRepos", url)


def without_source(url: str) -> Edit:
    return lambda spec: _without(spec, "sourceRepos", url, f"source {url}")


def with_source_namespace(namespace: str) -> Edit:
    return lambda spec: _with(spec, "sourceNamespaces", namespace)


def without_source_namespace(namespace: str) -> Edit:
    return lambda spec: _without(spec, "sourceNamespaces", namespace, f"source namespace {namespace}")


def with_destination(destination: Obj) -> Edit:
    return lambda spec: _with(spec, "destinations", destination)


def without_destination(place: str, namespace: str) -> Edit:
    """The destination whose server or name is `place`."""

    def edit(spec: Obj) -> Obj:
        there: list[Obj] = spec.get("destinations") or []
        fits = [one for one in there if place in (one.get("server"), one.get("name")) and one.get("namespace") == namespace]
        if not fits:
            raise NotFound(f"the project has no destination {place} with namespace {namespace}")
        return {**spec, "destinations": [one for one in there if one not in fits]}

    return edit


def allowing(level: str, group: str, kind: str) -> Edit:
    """Off the list of what is denied. Cluster-scoped kinds, and namespaced ones where only some are allowed, are then allowed
    by name."""

    def edit(spec: Obj) -> Obj:
        rule, allowed, denied = {"group": group, "kind": kind}, f"{level}Whitelist", f"{level}Blacklist"
        spec = _dropped(spec, denied, rule)
        return _with(spec, allowed, rule) if level == CLUSTER or spec.get(allowed) is not None else spec

    return edit


def denying(level: str, group: str, kind: str) -> Edit:
    """Onto the list of what is denied, and off the other."""

    def edit(spec: Obj) -> Obj:
        rule = {"group": group, "kind": kind}
        return _with(_dropped(spec, f"{level}Whitelist", rule), f"{level}Blacklist", rule)

    return edit


def with_window(window: Obj) -> Edit:
    return lambda spec: {**spec, "syncWindows": [*(spec.get("syncWindows") or []), window]}


def without_window(number: int) -> Edit:
    """`number` as `windows list` counts them, from 0."""

    def edit(spec: Obj) -> Obj:
        there: list[Obj] = spec.get("syncWindows") or []
        if not 0 <= number < len(there):
            raise NotFound(f"the project has no window {number}: it has {len(there)}")
        return {**spec, "syncWindows": [*there[:number], *there[number + 1 :]]}

    return edit


def stating(fields: Obj) -> Edit:
    """These fields as they are given, the others as they are."""
    return lambda spec: {**spec, **fields}


def read_destination(written: str) -> Obj:
    """`https://server,namespace`, as argocd takes it. Raises InvalidInput."""
    server, comma, namespace = written.rpartition(",")
    if not comma or not server or not namespace:
        raise InvalidInput(f'--dest {written}: write it like "https://kubernetes.default.svc,shop"')
    return {"server": server, "namespace": namespace}


def read_kinds(flag: str, written: Sequence[str]) -> list[Obj]:
    """`group/Kind`, or `Kind` of the core group. Raises InvalidInput."""
    found: list[Obj] = []
    for one in written:
        group, _, kind = one.rpartition("/")
        if not kind:
            raise InvalidInput(f'{flag} {one}: write it like "apps/Deployment"')
        found.append({"group": group, "kind": kind})
    return found


def _with(spec: Obj, field: str, value: str | Obj) -> Obj:
    there: list[str | Obj] = spec.get(field) or []
    return spec if value in there else {**spec, field: [*there, value]}


def _without(spec: Obj, field: str, value: str, what: str) -> Obj:
    if value not in (spec.get(field) or []):
        raise NotFound(f"the project has no {what}")
    return {**spec, field: [one for one in spec[field] if one != value]}


def _dropped(spec: Obj, field: str, rule: Obj) -> Obj:
    there: list[Obj] = spec.get(field) or []
    left = [one for one in there if (one.get("group"), one.get("kind")) != (rule["group"], rule["kind"])]
    return spec if len(left) == len(there) else {**spec, field: left}

"""AWS load balancers: the split is a forward action, written as JSON into an annotation of the user's Ingress.

The Ingress leads to the root service (the stable one where none is named) with the port `use-annotation`; the annotation
`<prefix>/actions.<root service>` says how the traffic is shared. A header route is an action and its conditions under the
managed route's name, and a path on top of every rule that leads to it. Which annotations are ours, of all Rollouts that
share the Ingress, stands in one more annotation.

An Application Load Balancer compares header values with `*` and `?` as wildcards and knows no regular expressions: a prefix
becomes `prefix*`, a regular expression is refused.
"""

import json
from collections.abc import Iterator, Sequence

import orjson
from msgspec import Struct

from shipway.api.rollout import HeaderMatch, SetHeaderRoute, Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of, copy_obj, dig, spec_of
from shipway.rollouts.traffic.router import Edit, Look, Problem, Seen, Split, difference, read_as

GROUP, KIND = "networking.k8s.io", "Ingress"
PREFIX = "alb.ingress.kubernetes.io"
MANAGED_KEY = "rollouts.argoproj.io/managed-alb-annotations"
LONGEST_STICKINESS = 604800
"""Seconds; the limit is AWS'."""


class Stickiness(Wire, frozen=True):
    enabled: bool = False
    duration_seconds: int = 0


class Block(Wire, frozen=True):
    ingress: str = ""
    ingresses: tuple[str, ...] = ()
    service_port: int = 0
    root_service: str = ""
    annotation_prefix: str = ""
    stickiness_config: Stickiness | None = None


class Alb(Struct, frozen=True):
    """The router. `many`: the ingresses were given as a list. `stickiness`: seconds, 0 for none."""

    ingresses: tuple[str, ...]
    port: int
    root_service: str = ""
    prefix: str = PREFIX
    stickiness: int = 0
    many: bool = False

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        return tuple(Ref(GROUP, KIND, namespace, name) for name in self.ingresses)

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        root = self.root_service or split.stable_service
        for index, ref in enumerate(seen.objs):
            field = f"alb.ingresses[{index}]" if self.many else "alb.ingress"
            if (absent := seen.absence(ref, field)) is not None:
                return absent
            if not any(_service(path) == root for path in _paths(seen.get(ref) or {})):
                return Problem(field, ref.name, f"ingress `{ref.name}` has no rules using service {root} backend")
            if _owned(seen.get(ref) or {}) is None:
                return Problem(field, ref.name, f"the annotation {MANAGED_KEY} of ingress `{ref.name}` cannot be read")
        for route in split.header_routes:
            if any(match.header_value and match.header_value.regex for match in route.match or ()):
                return Problem(
                    "alb", route.name, "an ALB cannot compare headers with a regular expression: use exact or prefix"
                )
        return None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        made: list[Edit] = []
        for ref, live in seen.objs.items():
            if live is None:
                continue
            ops = list(difference(_ours(live), self._wanted(live, split)))
            bare: list[Obj] = [] if annotations_of(live) else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
            text = f"Updating Ingress `{ref.name}` to desiredWeight '{split.canary}'"
            made += [Edit(ref, [*bare, *ops], told=("PatchingALBIngress", text))] if ops else []
        return tuple(made)

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        return None

    def _wanted(self, live: Obj, split: Split) -> Obj:
        wanted = copy_obj(_ours(live))
        actions = self._actions(split)
        annotations, owned = wanted["metadata"]["annotations"], _owned(live) or {}
        managed = {f"{self.prefix}/{kind}.{name}" for name in split.managed for kind in ("actions", "conditions")}
        for key in ({*owned.get(split.rollout, ()), *managed}) - actions.keys():
            annotations.pop(key, None)
        annotations |= actions
        every = {**owned, split.rollout: list(actions)}
        if split.leaving:  # the action stays, for the Ingress leads to it; it is the user's again
            del every[split.rollout]
        annotations[MANAGED_KEY] = _json(every, is_sorted=True)
        if not every:
            del annotations[MANAGED_KEY]
        for rule in wanted["spec"].get("rules") or []:
            if rule.get("http"):
                own = [path for path in rule["http"].get("paths") or [] if _service(path) not in split.managed]
                rule["http"]["paths"] = [*(_path_to(route.name) for route in split.header_routes), *own]
        return wanted

    def _actions(self, split: Split) -> dict[str, str]:
        """The annotations that say the split and the header routes."""
        root = self.root_service or split.stable_service
        actions = {f"{self.prefix}/actions.{root}": self._forward(*split.shares)}
        for route in split.header_routes:
            actions[f"{self.prefix}/actions.{route.name}"] = self._forward((split.canary_service, 100))
            actions[f"{self.prefix}/conditions.{route.name}"] = _json(list(_conditions(route)))
        return actions

    def _forward(self, *shares: tuple[str, int]) -> str:
        groups = [{"ServiceName": name, "ServicePort": str(self.port), "Weight": weight} for name, weight in shares]
        config: Obj = {"TargetGroups": groups}
        if self.stickiness:
            config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": self.stickiness}
        return _json({"Type": "forward", "ForwardConfig": config})


def read_config(raw: object) -> Alb | str:
    """The router of an `alb` block, or what is wrong with it."""
    block = read_as(raw, Block)
    if isinstance(block, str):
        return block
    if bool(block.ingress) == bool(block.ingresses):
        return "Invalid value: exactly one of ingress and ingresses is needed"
    if not block.service_port:
        return "Required value: alb needs servicePort"
    sticky = block.stickiness_config
    seconds = sticky.duration_seconds if sticky is not None and sticky.enabled else 0
    if sticky is not None and sticky.enabled and not 1 <= seconds <= LONGEST_STICKINESS:
        return "Invalid value: TargetGroupStickinessConfig's duration must be between 1 and 604800 seconds (7 days)!"
    ingresses = block.ingresses or (block.ingress,)
    prefix = block.annotation_prefix or PREFIX
    return Alb(ingresses, block.service_port, block.root_service, prefix, seconds, bool(block.ingresses))


def _ours(ingress: Obj) -> Obj:
    return {"metadata": {"annotations": annotations_of(ingress)}, "spec": spec_of(ingress)}


def _owned(ingress: Obj) -> dict[str, list[str]] | None:
    """The annotations of each Rollout on this Ingress; None when what stands there cannot be read."""
    try:
        found = orjson.loads(annotations_of(ingress).get(MANAGED_KEY) or "{}")
    except orjson.JSONDecodeError:
        return None
    is_readable = isinstance(found, dict) and all(isinstance(keys, list) for keys in found.values())
    return found if is_readable else None


def _paths(ingress: Obj) -> Iterator[Obj]:
    for rule in spec_of(ingress).get("rules") or []:
        yield from dig(rule, "http", "paths", default=[])


def _service(path: Obj) -> str:
    return dig(path, "backend", "service", "name", default="")


def _path_to(action: str) -> Obj:
    backend = {"service": {"name": action, "port": {"name": "use-annotation"}}}
    return {"path": "/*", "pathType": "ImplementationSpecific", "backend": backend}


def _conditions(route: SetHeaderRoute) -> Iterator[Obj]:
    for match in route.match or ():
        config = {"httpHeaderName": match.header_name, "values": [_value(match)]}
        yield {"field": "http-header", "httpHeaderConfig": config}


def _value(match: HeaderMatch) -> str:
    value = match.header_value
    if value is None:
        return ""
    return value.exact or f"{value.prefix}*"


def _json(value: object, *, is_sorted: bool = False) -> str:
    """As Go prints it, without spaces: other tools compare the text."""
    return json.dumps(value, separators=(",", ":"), sort_keys=is_sorted, ensure_ascii=False)

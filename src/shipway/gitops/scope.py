"""What `argocd-cm` says of the objects themselves: which kinds are left out, and how objects are marked as tracked.

    resource.exclusions / resource.inclusions    lists of {apiGroups, kinds, clusters}, all globs; an exclusion wins
    application.resourceTrackingMethod           annotation (the default), annotation+label, label
    application.instanceLabelKey                 which label, app.kubernetes.io/instance by default

Objects are always found by the annotation, whatever the method: a label that some controller copied makes no object ours.
So a method can be changed at any time, and nothing is pruned for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from shipway.api.application import IN_CLUSTER_SERVER
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob
from shipway.kube.objects import yaml

LABEL = "app.kubernetes.io/instance"
METHODS = ("annotation", "annotation+label", "label")
_ALWAYS_OUT = (("events.k8s.io", ""), ("metrics.k8s.io", ""), ("", "Event"), ("coordination.k8s.io", "Lease"))
"""Kinds that change all the time and belong to nobody's Git; "" stands for every kind of the group."""


class KindRule(Struct, frozen=True, rename="camel"):
    """Fits a kind if every list that is there has a pattern for it."""

    api_groups: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    clusters: tuple[str, ...] | None = None

    def fits(self, group: str, kind: str, server: str) -> bool:
        checks = ((self.api_groups, group), (self.kinds, kind), (self.clusters, server))
        return all(any(compile_glob(one)(text) for one in patterns) for patterns, text in checks if patterns)


class Scope(Struct, frozen=True):
    """`label`: the label that objects get besides the annotation, "" for none. `problems`: what could not be read."""

    exclusions: tuple[KindRule, ...] = ()
    inclusions: tuple[KindRule, ...] = ()
    label: str = ""
    problems: tuple[str, ...] = ()

    def leaves_out(self, group: str, kind: str, cluster: str = "") -> bool:
        """`cluster` as `Resource.cluster` names it."""
        server = cluster or IN_CLUSTER_SERVER
        if any((group, one) in _ALWAYS_OUT for one in ("", kind)) or any(
            rule.fits(group, kind, server) for rule in self.exclusions
        ):
            return True
        return bool(self.inclusions) and not any(rule.fits(group, kind, server) for rule in self.inclusions)


def read_scope(settings: Mapping[str, str]) -> Scope:
    """`settings` is the data of `argocd-cm`. What cannot be read leaves nothing out and is told."""
    problems: list[str] = []
    exclusions = _rules(settings, "resource.exclusions", problems)
    inclusions = _rules(settings, "resource.inclusions", problems)
    method = settings.get("application.resourceTrackingMethod") or "annotation"
    if method not in METHODS:
        problems.append(f"argocd-cm: application.resourceTrackingMethod: {method} is none of {', '.join(METHODS)}")
    label = (settings.get("application.instanceLabelKey") or LABEL) if method in METHODS[1:] else ""
    return Scope(exclusions, inclusions, label, tuple(problems))


def _rules(settings: Mapping[str, str], key: str, problems: list[str]) -> tuple[KindRule, ...]:
    try:
        written: Any = yaml.load(settings.get(key) or "[]") or []
        rules = msgspec.convert(written, tuple[KindRule, ...])
        _check(rules)
    except (InvalidInput, msgspec.ValidationError) as error:
        problems.append(f"argocd-cm: {key}: {error}")
        return ()
    return rules


def _check(rules: Sequence[KindRule]) -> None:
    for rule in rules:
        for pattern in (*(rule.api_groups or ()), *(rule.kinds or ()), *(rule.clusters or ())):
            compile_glob(pattern)

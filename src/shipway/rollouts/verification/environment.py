"""What a new version was judged beside: the other workloads of its namespace, and how they differ from what runs now. Pure.

    deployment/catalog: shop/catalog:1 -> shop/catalog:2

A workload is its images and a digest of its pod template; a Rollout in the middle of an update is not what it is at the end
of one. How many pods there are is no part of it: an autoscaler must not void a verdict.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from shipway.api.kinds import DAEMON_SETS, DEPLOYMENTS, ROLLOUTS, STATEFUL_SETS
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, status_of

KINDS: tuple[Resource, ...] = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, ROLLOUTS)
MOST_LISTED, LONGEST = 60, 200
"""Workloads that an annotation lists, and characters of each: the digest knows them all."""
MOST_TOLD = 5

Environment = Mapping[str, str]
"""What runs, by `kind/name`."""


class Fingerprint(Struct, frozen=True, rename="camel"):
    """The annotation on an AnalysisRun. `of`: how many workloads there were, of which `workloads` lists the first."""

    digest: str = ""
    pod_template_hash: str = ""
    of: int = 0
    workloads: dict[str, str] = {}


def key_of_workload(kind: Resource, name: str) -> str:
    """How a workload is named in an environment."""
    return f"{kind.kind.lower()}/{name}"


def environment_of(workloads: Mapping[str, Obj]) -> Environment:
    """What runs, of objects by `kind/name`."""
    return {key: _told(obj) for key, obj in sorted(workloads.items())}


def fingerprint(environment: Environment, pod_hash: str) -> str:
    """The annotation of a run that begins now."""
    listed = dict(list(environment.items())[:MOST_LISTED])
    return msgspec.json.encode(Fingerprint(_digest(environment), pod_hash, len(environment), listed)).decode()


def difference(before: str, environment: Environment) -> str:
    """What changed since the annotation was written; "" when nothing did, or when there is none that can be read."""
    try:
        then = msgspec.json.decode(before, type=Fingerprint)
    except msgspec.DecodeError:
        return ""
    if then.digest == _digest(environment):
        return ""
    whole = then.of <= len(then.workloads)
    names = sorted(set(then.workloads) | set(environment if whole else ()))
    told = [
        f"{name}: {_pair(then.workloads.get(name, ''), environment.get(name, ''))}"
        for name in names
        if then.workloads.get(name, "") != environment.get(name, "")
    ]
    if not told:
        return f"one of the {then.of} workloads beyond the first {len(then.workloads)} changed, came or went"
    more = f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return "; ".join(told[:MOST_TOLD]) + more


def _pair(before: str, after: str) -> str:
    """Both sides; the digest of the template only where the rest is the same."""
    one, other = before.rpartition("#")[0], after.rpartition("#")[0]
    if one == other:
        one, other = (text.replace("#", " with template ") for text in (before, after))
    return f"{one or 'nothing'} -> {other or 'nothing'}"


def _digest(environment: Environment) -> str:
    return hashlib.sha256(orjson.dumps(dict(environment), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _told(obj: Obj) -> str:
    template = dig(obj, "spec", "template", default={})
    pods: dict[str, Any] = template.get("spec") or {}
    images = ", ".join(str(one.get("image") or "") for part in ("initContainers", "containers") for one in pods.get(part) or [])
    status = status_of(obj)
    stable, current = status.get("stableRS"), status.get("currentPodHash")
    beside = f" beside {stable}" if stable and current and stable != current else ""
    return f"{images[:LONGEST]}{beside}#{_template_digest(orjson.dumps(template, option=orjson.OPT_SORT_KEYS))}"


def _template_digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:8]

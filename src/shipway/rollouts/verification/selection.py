"""Which verification rules are meant for a Rollout, and how an update remembers those that it began with. Pure."""

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from msgspec import Struct

from shipway.api.verification import Rule, read_rule
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import annotations_of, labels_of, name_of, namespace_of
from shipway.rollouts.rollout.names import EXEMPT


class Pinned(Struct, frozen=True, omit_defaults=True):
    """The version that is judged, by its hash, and the rules that its update began with."""

    hash: str = ""
    rules: tuple[Rule, ...] = ()


def exemption(obj: Obj) -> str:
    """Why a Rollout or Deployment may go out unjudged; "" where no reason is given."""
    return str(annotations_of(obj).get(EXEMPT) or "").strip()


def rules_for(rules: Iterable[Obj], rollout: Obj) -> tuple[Rule, ...]:
    """The rules that select a Rollout, by name; none for one that is exempt. Those that cannot be read select nobody."""
    if exemption(rollout):
        return ()
    meant = (rule for rule in map(_readable, rules) if rule is not None and selects(rule, rollout))
    return tuple(sorted(meant, key=lambda rule: rule.name))


def problem_of(rule: Obj) -> str:
    """Why a rule cannot be read; "" when it can."""
    try:
        read = read_rule(rule)
        label_selector_of(read.selector or {})
        for pattern in read.namespaces:
            compile_glob(pattern)
    except InvalidInput as error:
        return error.message
    except ValueError as error:
        return str(error)
    return ""


def selects(rule: Rule, rollout: Obj) -> bool:
    """By the labels and the namespace of the Rollout."""
    if not label_selector_of(rule.selector or {}).matches(labels_of(rollout)):
        return False
    return not rule.namespaces or any(_glob(pattern)(namespace_of(rollout)) for pattern in rule.namespaces)


_glob = lru_cache(maxsize=512)(compile_glob)


def _readable(obj: Obj) -> Rule | None:
    return read_rule(obj) if name_of(obj) and not problem_of(obj) else None


def pinned_text(pod_hash: str, rules: Iterable[Rule]) -> str:
    """The annotation; "" where no rule judges the version."""
    kept = tuple(msgspec.structs.replace(rule, selector=None, namespaces=()) for rule in rules)
    return msgspec.json.encode(Pinned(pod_hash, kept)).decode() if kept else ""


def read_pinned(text: str) -> Pinned:
    """What the annotation says; one that somebody has broken says nothing."""
    try:
        return msgspec.json.decode(text, type=Pinned)
    except msgspec.DecodeError:
        return Pinned()

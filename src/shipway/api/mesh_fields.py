"""Where the objects of meshes and ingress controllers keep what a canary moves, and how Git's text and the live one merge.

Weights stand in lists of entries (backends, destinations, services), some of them inside rules. `Weighted` says where; the
rest is the same for all kinds: an entry is found again by its names, a rule by its name, its place, or what it leads to.
These are the bodies of rows in the table of handed-over fields; nothing here knows who claims what.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj, dig


class Weighted(Struct, frozen=True):
    """`path` leads to a list: of rules that hold entries under `entries`, or of the entries themselves when that is "".

    `is_named`: whether rules of this list have names, so that a claim on some of them can tell them apart.
    """

    path: tuple[str, ...]
    entries: str = ""
    is_named: bool = True


class Part(Struct, frozen=True):
    """What of an object is claimed: entries that lead to `services` (names or subsets), in `rules` (all when empty).

    `managed` are the names of rules that the claimant added, `variants` those of entries and subsets.
    """

    services: frozenset[str]
    managed: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    variants: frozenset[str] = frozenset()


def keep_weights(place: Weighted, desired: Obj, live: Obj, part: Part) -> Obj:
    """Git's object with the live weights of claimed entries, and on top of its rules the live ones that the claimant added."""
    if not isinstance(dig(desired, *place.path), list):
        return desired
    merged = copy_obj(desired)
    wanted: list[Obj] = dig(merged, *place.path)
    there: list[Obj] = dig(live, *place.path, default=[])
    if not place.entries:
        _take_weights(wanted, there, part)
        return merged
    ordinary = [rule for rule in there if rule.get("name") not in part.managed]
    for index, rule in enumerate(wanted):
        twin = _twin(rule, index, ordinary, place, part) if _is_claimed(rule, place, part) else None
        if twin is not None:
            rule[place.entries] = _take_weights(rule[place.entries], twin.get(place.entries) or [], part)
    names = {rule.get("name") for rule in wanted}
    added = [rule for rule in there if rule.get("name") in part.managed and rule.get("name") not in names]
    wanted[:0] = copy_obj({"added": added})["added"]
    return merged


def strip_weights(place: Weighted, desired: Obj, part: Part) -> Obj:
    """Git's object without the weights of claimed entries."""
    if not isinstance(dig(desired, *place.path), list):
        return desired
    stripped = copy_obj(desired)
    found: list[Obj] = dig(stripped, *place.path)
    rules = [rule for rule in found if _is_claimed(rule, place, part)] if place.entries else []
    entries = [entry for rule in rules for entry in rule[place.entries]] if place.entries else found
    for entry in entries:
        if _names(entry) & part.services:
            entry.pop("weight", None)
    return stripped


def keep_added_paths(desired: Obj, live: Obj, part: Part) -> Obj:
    """Git's Ingress with the live paths to managed routes on top of its rules, rule by rule."""
    there: list[Obj] = dig(live, "spec", "rules", default=[])
    merged = copy_obj(desired)
    rules: list[Obj] = dig(merged, "spec", "rules", default=[])
    for rule, twin in zip(rules, there, strict=False):
        paths: list[Obj] = dig(twin, "http", "paths", default=[])
        added = [path for path in paths if dig(path, "backend", "service", "name") in part.managed]
        if added and rule.get("http") and twin.get("host") == rule.get("host"):
            rule["http"]["paths"] = [*copy_obj({"added": added})["added"], *(rule["http"].get("paths") or [])]
    return merged


def keep_subset_labels(desired: Obj, live: Obj, part: Part, label: str) -> Obj:
    """Git's DestinationRule with the live value of `label` in the claimed subsets, and the subsets that the claimant added."""
    subsets: list[Obj] = dig(live, "spec", "subsets", default=[])
    there = {subset.get("name"): dig(subset, "labels", label) for subset in subsets}
    merged = copy_obj(desired)
    wanted: list[Obj] = dig(merged, "spec", "subsets", default=[])
    for subset in wanted:
        kept = there.get(subset.get("name")) if subset.get("name") in part.services else None
        if kept:
            subset["labels"] = {**(subset.get("labels") or {}), label: kept}
    names = {subset.get("name") for subset in wanted}
    wanted += copy_obj({"added": [one for one in subsets if one.get("name") in part.variants - names]})["added"]
    return merged


def strip_subset_labels(desired: Obj, part: Part, label: str) -> Obj:
    """Git's DestinationRule without `label` in the claimed subsets."""
    stripped = copy_obj(desired)
    for subset in dig(stripped, "spec", "subsets", default=[]):
        if subset.get("name") in part.services and label in (subset.get("labels") or {}):
            del subset["labels"][label]
    return stripped


def _names(entry: Obj) -> frozenset[str]:
    """The names by which an entry may be claimed: a service's, short, or a subset's."""
    host: str = dig(entry, "destination", "host", default="")
    names: tuple[Any, ...] = (
        host.partition(".")[0],
        dig(entry, "destination", "subset"),
        entry.get("serviceName"),
        entry.get("service"),
        entry.get("name"),
    )
    return frozenset(name for name in names if isinstance(name, str) and name)


def _claimed_names(rule: Obj, place: Weighted, part: Part) -> set[frozenset[str]]:
    entries: Sequence[Obj] = rule.get(place.entries) or []
    return {_names(entry) for entry in entries if _names(entry) & part.services}


def _is_claimed(rule: Obj, place: Weighted, part: Part) -> bool:
    if rule.get("name") in part.managed or (place.is_named and part.rules and rule.get("name") not in part.rules):
        return False
    return len(_claimed_names(rule, place, part)) > 1


def _twin(rule: Obj, index: int, there: Sequence[Obj], place: Weighted, part: Part) -> Obj | None:
    """The live rule that `rule` is: of the same name, else at its place, else any that leads to the same."""
    wanted = _claimed_names(rule, place, part)
    fitting = [other for other in there if wanted <= _claimed_names(other, place, part)]
    if rule.get("name"):
        return next((other for other in fitting if other.get("name") == rule["name"]), None)
    return there[index] if index < len(there) and there[index] in fitting else next(iter(fitting), None)


def _take_weights(wanted: list[Obj], there: Sequence[Obj], part: Part) -> list[Obj]:
    """The entries with live weights, and after them the live ones that the claimant added.

    One that has a share in Git and is not there has been taken out by the claimant."""
    live = {_names(entry): entry for entry in there}
    kept: list[Obj] = []
    for entry in wanted:
        twin = live.get(_names(entry))
        if _names(entry) & part.services:
            if twin is not None and "weight" in twin:
                entry["weight"] = twin["weight"]
            elif twin is not None:
                entry.pop("weight", None)
        elif twin is None and "destination" in entry and entry.get("weight"):
            continue
        kept.append(entry)
    present = {_names(entry) for entry in kept}
    added = [entry for entry in there if _names(entry) & part.variants and _names(entry) not in present]
    return [*kept, *copy_obj({"added": added})["added"]]

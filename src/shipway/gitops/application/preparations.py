"""Remembers what a render was prepared to, so that an event about one object does not prepare all the others again.

Only a memory: it can be dropped at any moment. Two renders per application are kept, the tracked one and that of a running
operation; an entry counts only for the very same render and while its kinds are served as they were.
"""

from collections import OrderedDict

from msgspec import Struct

from shipway.api.sources import Rendered
from shipway.gitops.desired import Prepared, ResourceFor, Terms, prepare
from shipway.kube.objects.resource import Resource, split_api_version

PER_APPLICATION = 2
APPLICATIONS = 20_000


class _Entry(Struct, frozen=True):
    renders: tuple[Rendered, ...]
    terms: Terms
    kinds: dict[tuple[str, str], Resource | None]
    prepared: Prepared


class Preparations:
    """`prepare` with a memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[_Entry, ...]] = OrderedDict()

    def prepare(self, renders: tuple[Rendered, ...], terms: Terms, resource_for: ResourceFor) -> Prepared:
        """The objects of all sources in order. As `desired.prepare`, which raises InvalidInput."""
        kept = self._kept.get(terms.instance, ())
        for entry in kept:
            if _are_same(entry.renders, renders) and entry.terms == terms and _is_served(entry, resource_for):
                self._kept.move_to_end(terms.instance)
                return entry.prepared
        objects = [obj for rendered in renders for obj in rendered.objects]
        origins = [origin for rendered in renders for origin in _origins(rendered)]
        prepared = prepare(objects, terms, resource_for, origins)
        kinds = {_kind(obj): resource_for(*_kind(obj)) for obj in objects}
        newest = _Entry(renders, terms, kinds, prepared)
        others = (entry for entry in kept if not _are_same(entry.renders, renders))
        self._kept[terms.instance] = (newest, *others)[:PER_APPLICATION]
        if len(self._kept) > APPLICATIONS:
            self._kept.popitem(last=False)
        return prepared


def _origins(rendered: Rendered) -> tuple[str, ...]:
    known = len(rendered.origins) == len(rendered.objects)
    return rendered.origins if known else ("",) * len(rendered.objects)


def _are_same(left: tuple[Rendered, ...], right: tuple[Rendered, ...]) -> bool:
    return len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))


def _kind(obj: dict[str, object]) -> tuple[str, str]:
    group, _ = split_api_version(str(obj.get("apiVersion", "")))
    return group, str(obj.get("kind", ""))


def _is_served(entry: _Entry, resource_for: ResourceFor) -> bool:
    return all(resource_for(group, kind) == resource for (group, kind), resource in entry.kinds.items())

"""Ambassador (Emissary-ingress): beside each Mapping of the user a canary Mapping of our own, which carries the weight.

The canary Mapping `<mapping>-canary` is a copy that leads to the canary service where the user's leads to the stable one. It is
there only while the canary has a share; the Rollout owns it, and it is written anew whenever it differs. The user's Mapping is
only read. One that Argo Rollouts made, which has no owner, is taken over.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from shipway.api.rollout import Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import controller_of, copy_obj, labels_of, metadata, spec_of
from shipway.rollouts.traffic.router import Edit, Look, Problem, Seen, Split, difference, is_owned, read_as

GROUP, KIND = "getambassador.io", "Mapping"
SUFFIX = "-canary"
LONGEST_NAME = 253
TRACKING = ("app.kubernetes.io/instance", "argocd.argoproj.io/instance")
"""Labels that say to which Application the user's Mapping belongs; its copy belongs to none."""
FIELD = "ambassador.mappings"
_SERVICE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?(?P<name>[^.:/]+)(?P<rest>.*)")
"""`[scheme://]name[.namespace…][:port]`, as a Mapping writes a service."""


class Block(Wire, frozen=True):
    mappings: tuple[str, ...] = ()


class Ambassador(Struct, frozen=True):
    """The router."""

    mappings: tuple[str, ...]

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        names = [name for mapping in self.mappings for name in (mapping, canary_name(mapping))]
        return tuple(Ref(GROUP, KIND, namespace, name) for name in names)

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        for base, canary in self._pairs(seen):
            if (absent := seen.absence(base, FIELD)) is not None:
                return absent
            spec, live = spec_of(seen.get(base) or {}), seen.get(canary)
            if spec.get("weight"):
                return Problem(FIELD, base.name, f'Ambassador mapping "{base.name}" can not define weight')
            if _turned(spec, split) is None:
                detail = f'Ambassador mapping "{base.name}" does not lead to the stable service {split.stable_service}'
                return Problem(FIELD, base.name, f'{detail}: its service is "{spec.get("service", "")}"')
            if live is not None and not _is_ours(live, split):
                return Problem(FIELD, base.name, f"canary mapping `{canary.name}` controlled by different object")
        return None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        made: list[Edit] = []
        told = ("CanaryMappingWeightUpdate", f"Set canary mapping weight to {split.canary}")
        for base, canary in self._pairs(seen):
            mapping, live = seen.get(base), seen.get(canary)
            if split.leaving or not split.canary:
                made += [Edit(canary, gone=True, told=told)] if live is not None and _is_ours(live, split) else []
            elif mapping is not None and (wanted := _canary_mapping(mapping, live or {}, split)) is not None:
                if live is None:
                    made.append(Edit(canary, obj=wanted, told=told))
                elif ops := list(difference(_ours(live), wanted)):
                    made.append(Edit(canary, ops, told=told))
        return tuple(made)

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        return None

    def _pairs(self, seen: Seen) -> Iterator[tuple[Ref, Ref]]:
        refs = {ref.name: ref for ref in seen.objs}
        yield from ((refs[name], refs[canary_name(name)]) for name in self.mappings)


def read_config(raw: object) -> Ambassador | str:
    """The router of an `ambassador` block, or what is wrong with it."""
    block = read_as(raw, Block)
    if isinstance(block, str):
        return block
    if not block.mappings or not all(block.mappings):
        return "Invalid value: null: must provide at least one mapping"
    return Ambassador(tuple(dict.fromkeys(block.mappings)))


def canary_name(mapping: str) -> str:
    """The name of the canary Mapping; a long one is cut before the suffix."""
    return mapping[: LONGEST_NAME - len(SUFFIX)] + SUFFIX


def _is_ours(live: Obj, split: Split) -> bool:
    """Argo Rollouts gives its canary Mappings no owner: one that nobody owns and that leads to our canary is taken for such."""
    if is_owned(live, split):
        return True
    match = _SERVICE.fullmatch(str(spec_of(live).get("service") or ""))
    return controller_of(live) is None and match is not None and match["name"] == split.canary_service


def _canary_mapping(mapping: Obj, live: Obj, split: Split) -> Obj | None:
    """The copy, with the labels that others gave it; None where the user's Mapping does not lead to the stable service."""
    service = _turned(spec_of(mapping), split)
    if service is None:
        return None
    copied = {key: value for key, value in labels_of(mapping).items() if key not in TRACKING}
    labels = {**labels_of(live), **copied}
    owners: list[Obj] = metadata(live).get("ownerReferences") or []
    owned = owners if is_owned(live, split) else [*owners, dict(split.owner)]
    meta: Obj = {**({"labels": labels} if labels else {}), "ownerReferences": owned}
    return {"metadata": meta, "spec": {**copy_obj(spec_of(mapping)), "service": service, "weight": split.canary}}


def _turned(spec: Obj, split: Split) -> str | None:
    """The service of a Mapping with the canary in the place of stable; None where it is another one."""
    match = _SERVICE.fullmatch(str(spec.get("service") or ""))
    if match is None or match["name"] != split.stable_service:
        return None
    return f"{match['scheme'] or ''}{split.canary_service}{match['rest']}"


def _ours(mapping: Obj) -> Obj:
    meta = {key: metadata(mapping)[key] for key in ("labels", "ownerReferences") if key in metadata(mapping)}
    return {"metadata": meta, "spec": spec_of(mapping)}

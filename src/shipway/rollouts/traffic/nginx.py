"""NGINX ingresses: beside each stable Ingress a canary Ingress of our own, whose annotations carry the weight.

The canary Ingress `<rollout>-<ingress>-canary` is a copy of the rules that lead to the stable service, leading to the canary
service; the Rollout owns it, and it is written anew whenever it differs. The stable Ingress is only read. `canary-by-header`
and the like are set as additional annotations, with the prefix where the user left it out.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from shipway.api.rollout import Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of, copy_obj, dig, spec_of
from shipway.rollouts.traffic.router import Edit, Look, Problem, Seen, Split, difference, is_owned, read_as

GROUP, KIND = "networking.k8s.io", "Ingress"
PREFIX = "nginx.ingress.kubernetes.io"
CLASS_KEY = "kubernetes.io/ingress.class"
SUFFIX = "-canary"
LONGEST_NAME = 253


class Block(Wire, frozen=True):
    stable_ingress: str = ""
    stable_ingresses: tuple[str, ...] = ()
    annotation_prefix: str = ""
    additional_ingress_annotations: dict[str, str] = field(default_factory=dict)
    canary_ingress_annotations: dict[str, str] = field(default_factory=dict)


class Nginx(Struct, frozen=True):
    """The router. `many`: the ingresses were given as a list. `annotations` stand on the canary Ingress as they are."""

    ingresses: tuple[str, ...]
    many: bool = False
    prefix: str = PREFIX
    annotations: tuple[tuple[str, str], ...] = ()

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        names = [name for ingress in self.ingresses for name in (ingress, canary_name(rollout, ingress))]
        return tuple(Ref(GROUP, KIND, namespace, name) for name in names)

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        for index, (stable, canary) in enumerate(_pairs(seen)):
            field = f"nginx.stableIngresses[{index}]" if self.many else "nginx.stableIngress"
            if (absent := seen.absence(stable, field)) is not None:
                return absent
            if not _canary_rules(seen.get(stable) or {}, split):
                detail = f"ingress `{stable.name}` has no rules using service {split.stable_service} backend"
                return Problem(field, stable.name, detail)
            live = seen.get(canary)
            if live is not None and not is_owned(live, split):
                return Problem(field, stable.name, f"canary ingress `{canary.name}` controlled by different object")
        return None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        made: list[Edit] = []
        for stable, canary in _pairs(seen):
            ingress, live = seen.get(stable), seen.get(canary)
            if split.leaving:
                made += [Edit(canary, gone=True)] if live is not None and is_owned(live, split) else []
                continue
            if ingress is None:
                continue
            wanted = self._canary_ingress(ingress, split)
            if live is None:
                text = f"Creating canary ingress `{canary.name}` with weight `{split.canary}`"
                made.append(Edit(canary, obj=wanted, told=("CreatingCanaryIngress", text)))
            elif ops := list(difference(_ours(live), _ours(_over(live, wanted)))):
                text = f"Updating Ingress `{canary.name}` to desiredWeight '{split.canary}'"
                made.append(Edit(canary, [*_missing_maps(live), *ops], told=("PatchingCanaryIngress", text)))
        return tuple(made)

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        return None

    def _canary_ingress(self, stable: Obj, split: Split) -> Obj:
        annotations = {CLASS_KEY: annotations_of(stable)[CLASS_KEY]} if CLASS_KEY in annotations_of(stable) else {}
        annotations |= dict(self.annotations)
        annotations |= {f"{self.prefix}/canary": "true", f"{self.prefix}/canary-weight": str(split.canary)}
        if split.canary + split.stable != 100:
            annotations[f"{self.prefix}/canary-weight-total"] = str(split.canary + split.stable)
        kept = {key: spec_of(stable)[key] for key in ("ingressClassName", "tls") if key in spec_of(stable)}
        spec = copy_obj({**kept, "rules": _canary_rules(stable, split)})
        return {"metadata": {"annotations": annotations, "ownerReferences": [dict(split.owner)]}, "spec": spec}


def read_config(raw: object) -> Nginx | str:
    """The router of an `nginx` block, or what is wrong with it."""
    block = read_as(raw, Block)
    if isinstance(block, str):
        return block
    if bool(block.stable_ingress) == bool(block.stable_ingresses):
        return "Invalid value: exactly one of stableIngress and stableIngresses is needed"
    prefix = block.annotation_prefix or PREFIX
    given = block.additional_ingress_annotations
    prefixed = {key if key.startswith(prefix) else f"{prefix}/{key}": value for key, value in given.items()}
    annotations = tuple({**block.canary_ingress_annotations, **prefixed}.items())
    return Nginx(block.stable_ingresses or (block.stable_ingress,), bool(block.stable_ingresses), prefix, annotations)


def canary_name(rollout: str, ingress: str) -> str:
    """The name of the canary Ingress; a long one is cut before the suffix."""
    return f"{rollout}-{ingress}"[: LONGEST_NAME - len(SUFFIX)] + SUFFIX


def _pairs(seen: Seen) -> Iterator[tuple[Ref, Ref]]:
    refs = tuple(seen.objs)
    yield from zip(refs[::2], refs[1::2], strict=True)


def _canary_rules(stable: Obj, split: Split) -> list[Obj]:
    """The rules with a path to the stable service, those paths leading to the canary service."""
    rules: list[Obj] = []
    for rule in spec_of(stable).get("rules") or []:
        paths: list[Obj] = dig(rule, "http", "paths", default=[])
        if any(_service(path) == split.stable_service for path in paths):
            turned = [_turned(path, split) for path in paths]
            rules.append({**rule, "http": {**rule["http"], "paths": turned}})
    return rules


def _service(path: Obj) -> str:
    return dig(path, "backend", "service", "name", default="")


def _turned(path: Obj, split: Split) -> Obj:
    if _service(path) != split.stable_service:
        return path
    service = {**path["backend"]["service"], "name": split.canary_service}
    return {**path, "backend": {**path["backend"], "service": service}}


def _over(live: Obj, wanted: Obj) -> Obj:
    """`wanted` with what the server and others keep in the object."""
    return {**live, "metadata": {**live["metadata"], "annotations": wanted["metadata"]["annotations"]}, "spec": wanted["spec"]}


def _ours(obj: Obj) -> Obj:
    return {"metadata": {"annotations": annotations_of(obj)}, "spec": spec_of(obj)}


def _missing_maps(live: Obj) -> list[Obj]:
    """A JSON patch cannot add a key to a map that is not there."""
    return [] if annotations_of(live) else [{"op": "add", "path": "/metadata/annotations", "value": {}}]

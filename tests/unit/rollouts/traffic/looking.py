"""What the tests of routers share: a look at objects, and the objects after a router's edits."""

from typing import Any

from msgspec.structs import replace

from shipway.api.rollout import Destination
from shipway.kube.objects.patches import json_patch
from shipway.kube.objects.resource import Obj, Ref, ref_of
from shipway.rollouts.traffic.router import Router, Seen, Split

NS = "shop"
OWNER = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "u1", "controller": True}


def made(api_version: str, kind: str, name: str, spec: Obj, **meta: Any) -> Obj:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NS, **meta}, "spec": spec}


def split(canary: int, most: int = 100, **more: Any) -> Split:
    return Split("canary", "stable", canary, most - canary, rollout="web", owner=OWNER, **more)


def shared(canary: int, variant: int) -> Split:
    """A split in which the variant `trial-new` of an Experiment has its share."""
    others = (Destination(variant, "trial-new", "abc"),)
    return replace(split(canary), stable=100 - canary - variant, others=others, former=frozenset({"trial-new"}))


def look(router: Router, *objs: Obj, managed: tuple[str, ...] = (), version: str = "") -> Seen:
    """`version`: the apiVersion in which the cluster serves the router's kinds."""
    found = {ref_of(obj): obj for obj in objs}
    refs = router.targets("web", NS, managed, found.get)
    versions = {(ref.group, ref.kind): version or f"{ref.group}/v1" for ref in refs}
    return Seen({ref: found.get(ref) for ref in refs}, versions=versions)


def after(router: Router, wanted: Split, *objs: Obj, version: str = "") -> dict[str, Obj]:
    """The objects by name once the edits are done; a second look edits nothing."""
    seen = look(router, *objs, managed=wanted.managed, version=version)
    patched: dict[Ref, Obj | None] = dict(seen.objs)
    for edit in router.edits(seen, wanted):
        ref, live = edit.target, patched[edit.target]
        if edit.obj is not None:
            assert live is None
            meta = {"name": ref.name, "namespace": ref.namespace, **edit.obj["metadata"]}
            patched[ref] = {"apiVersion": seen.versions[ref.group, ref.kind], "kind": ref.kind, **edit.obj, "metadata": meta}
        else:
            patched[ref] = None if edit.gone else json_patch(live or {}, list(edit.ops))
    assert router.edits(Seen(patched, versions=seen.versions), wanted) == ()
    return {ref.name: obj for ref, obj in patched.items() if obj is not None}

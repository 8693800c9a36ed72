"""Owner references: what makes the garbage collector delete a thing with its owner, and a controller know its own."""

from typing import Any

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, name_of, uid_of


def owner_ref(obj: Obj) -> dict[str, Any]:
    """A plain reference to `obj` (it must have been read from a server: it needs a uid)."""
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": name_of(obj), "uid": uid_of(obj)}


def controller_ref(obj: Obj) -> dict[str, Any]:
    """The reference of the one controller of an object; foreground deletion of the owner waits for the dependent."""
    return {**owner_ref(obj), "controller": True, "blockOwnerDeletion": True}


def is_owned_by(obj: Obj, owner: Obj) -> bool:
    """Whether any owner reference of `obj` names `owner` by uid."""
    uid = uid_of(owner)
    refs: list[dict[str, Any]] = metadata(obj).get("ownerReferences") or []
    return bool(uid) and any(ref.get("uid") == uid for ref in refs)


def is_controlled_by(obj: Obj, owner: Obj) -> bool:
    """Whether `owner` is the controller of `obj` (metav1.IsControlledBy)."""
    uid = uid_of(owner)
    refs: list[dict[str, Any]] = metadata(obj).get("ownerReferences") or []
    return bool(uid) and any(ref.get("uid") == uid and ref.get("controller") for ref in refs)

"""What Git does not hold, as one file: Applications with their holds and histories, projects, sets, settings and logins.

    Backup          first, what it is of, when, and how many objects follow
    the objects     as they would be applied, in the order in which they are put back
    SealedSecrets   last, all Secrets together, sealed to age keys

All but the Secrets can be read, compared and kept in Git. A file that was cut off is refused before anything is put back.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, SECRETS
from shipway.api.repositories import SECRET_TYPE
from shipway.base.errors import InvalidInput
from shipway.gitops.annotations import HOLD, REFRESH, REFRESHING
from shipway.gitops.desired import SERVERS_OWN
from shipway.gitops.operation import is_over
from shipway.gitops.settings import KEY_SECRET
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, labels_of, metadata, name_of, status_of

API_VERSION = "shipway.dev/v1alpha1"
ORDER: tuple[Resource, ...] = (SECRETS, CONFIG_MAPS, APP_PROJECTS, APPLICATIONS, APPLICATION_SETS)
"""An Application comes after what it needs, a set after what it would make anew without its history."""
PART_OF, ARGO_CD = "app.kubernetes.io/part-of", "argocd"
OURS = ("argocd-secret", KEY_SECRET)
SETTINGS = ("argocd-cm", "argocd-cmd-params-cm", "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm", "argocd-gpg-keys-cm")
_LEFT_OUT = (*SERVERS_OWN, "deletionGracePeriodSeconds", "ownerReferences")
_OF_THE_MOMENT = (REFRESH, REFRESHING)


class Backup(Struct, frozen=True):
    """`taken`: RFC 3339. `sealed`: the Secrets, "" where there are none or nobody was named who may read them."""

    namespace: str
    taken: str
    objects: tuple[Obj, ...]
    sealed: str = ""

    @property
    def holds(self) -> tuple[str, ...]:
        return tuple(name_of(one) for one in self.objects if HOLD in annotations_of(one))


def is_login(secret: Obj) -> bool:
    """Whether a Secret of the control-plane namespace is one that the engines need."""
    labels = labels_of(secret)
    return SECRET_TYPE in labels or labels.get(PART_OF) == ARGO_CD or name_of(secret) in OURS


def is_setting(config_map: Obj) -> bool:
    return labels_of(config_map).get(PART_OF) == ARGO_CD or name_of(config_map) in SETTINGS


def kept(obj: Obj, resource: Resource) -> Obj:
    """An object as it can be created again: without what the server gives, owners (others by then) and what was under way."""
    meta = {key: value for key, value in metadata(obj).items() if key not in _LEFT_OUT}
    annotations = {key: value for key, value in annotations_of(obj).items() if key not in _OF_THE_MOMENT}
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    rest = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "operation", "status")}
    found: Obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, **rest}
    if resource == APPLICATIONS and (status := _settled(status_of(obj))):
        found["status"] = status
    return found


def _settled(status: Obj) -> Obj:
    """A sync that was under way is no sync any more: what is live is found out anew."""
    if is_over(status.get("operationState") or {}):
        return status
    return {key: value for key, value in status.items() if key != "operationState"}


def written(backup: Backup) -> str:
    """The file."""
    head = {
        "apiVersion": API_VERSION,
        "kind": "Backup",
        "metadata": {"name": backup.namespace},
        "spec": {"takenAt": backup.taken, "objects": len(backup.objects), "holds": list(backup.holds)},
    }
    tail = {"apiVersion": API_VERSION, "kind": "SealedSecrets", "spec": {"age": backup.sealed}}
    return "---\n".join(yaml.dump(one) for one in (head, *backup.objects, tail))


def written_secrets(secrets: Sequence[Obj]) -> str:
    """The text that is sealed."""
    return "---\n".join(yaml.dump(one) for one in secrets)


def read(text: str) -> Backup:
    """Raises InvalidInput for what is no backup, was cut off, or holds what no backup holds."""
    documents = [one for one in yaml.load_all(text) if one is not None]
    if not documents or not isinstance(documents[0], dict) or documents[0].get("kind") != "Backup":
        raise InvalidInput("this is no file of `shipway backup`: its first document has to be a Backup")
    head, *objects = documents
    spec: dict[str, Any] = head.get("spec") or {}
    tail = objects.pop() if objects and objects[-1].get("kind") == "SealedSecrets" else None
    if tail is None or len(objects) != spec.get("objects"):
        raise InvalidInput(f"the file was cut off: {len(objects)} of {spec.get('objects')} objects, nothing was touched")
    allowed = {(one.api_version, one.kind) for one in ORDER[1:]}
    for one in objects:
        if (one.get("apiVersion"), one.get("kind")) not in allowed:
            raise InvalidInput(f"a backup holds no {one.get('kind')}: the file was changed, nothing was touched")
    return Backup(name_of(head), spec.get("takenAt") or "", tuple(objects), (tail.get("spec") or {}).get("age") or "")


def read_secrets(text: str) -> list[Obj]:
    """The Secrets of an opened seal. Raises InvalidInput for anything else."""
    found = [one for one in yaml.load_all(text) if one is not None]
    if any(one.get("kind") != SECRETS.kind for one in found):
        raise InvalidInput("the seal holds something that is no Secret, nothing was touched")
    return found

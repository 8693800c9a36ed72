"""What Git does not hold, as one file: Applications with their holds and histories, projects, sets, settings and logins.

    Backup          first, what it is of, when, and how many objects follow
    the objects     as they would be applied, in the order in which they are put back
    SealedHistory   what past deployments applied and the rows of the ledger, sealed to age keys
    SealedSecrets   last, all Secrets together, sealed to age keys, with the digest of all that stands before

The objects can be read, compared and kept in Git. A file that was cut off or changed is refused before anything is put back.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, SECRETS
from shipway.api.ledger import Row
from shipway.api.repositories import SECRET_TYPE
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import InvalidInput
from shipway.base.ids import digest
from shipway.gitops.annotations import HOLD, REFRESH, REFRESHING
from shipway.gitops.desired import SERVERS_OWN
from shipway.gitops.hold import hold_of
from shipway.gitops.ledger import breaks, full_name
from shipway.gitops.operation import is_over
from shipway.gitops.pinned import pinned_in
from shipway.gitops.settings import KEY_SECRET
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, labels_of, metadata, name_of, status_of, uid_of

API_VERSION = "shipway.dev/v1alpha1"
ORDER: tuple[Resource, ...] = (SECRETS, CONFIG_MAPS, APP_PROJECTS, APPLICATIONS, APPLICATION_SETS)
"""An Application comes after what it needs, a set after what it would make anew without its history."""
PART_OF, ARGO_CD = "app.kubernetes.io/part-of", "argocd"
OURS = ("argocd-secret", KEY_SECRET)
SETTINGS = ("argocd-cm", "argocd-cmd-params-cm", "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm", "argocd-gpg-keys-cm")
_LEFT_OUT = (*SERVERS_OWN, "deletionGracePeriodSeconds", "ownerReferences")
_OF_THE_MOMENT = (REFRESH, REFRESHING)
_BETWEEN = "---\n"


class KeptApplication(Struct, frozen=True):
    """What the history and the ledger hold of `namespace/name`, which had this uid.

    `deployments`: what each applied, packed as the history keeps it, by the identity of its sources at their revisions;
    `missing`: how many that its status names, or its hold, are not kept. `fits`: its rows did when they were read."""

    application: str
    uid: str
    deployments: dict[str, bytes] = {}
    missing: int = 0
    rows: tuple[Row, ...] = ()
    fits: bool = True


class Wanted(Struct, frozen=True, tag="read"):
    """What is to be backed up of the Application `namespace/name` with this uid: the identities of its past deployments."""

    application: str
    uid: str
    deployments: tuple[str, ...]


def wanted_of(app: Obj) -> Wanted:
    """What its status names, and its hold."""
    identities = [pinned_in(entry).identity for entry in status_of(app).get("history") or ()]
    with suppress(InvalidInput):
        if (hold := hold_of(app)) is not None:
            identities.append(hold.pinned.identity)
    return Wanted(full_name(app), uid_of(app), tuple(dict.fromkeys(identities)))


def fits(one: KeptApplication, app: Obj, now: Instant) -> bool:
    """Whether its rows fit one another and the Application."""
    return not breaks(one.rows, app, now)


class Backup(Struct, frozen=True):
    """`taken`: RFC 3339. `history` and `sealed` (the Secrets): armored, "" where nobody was named who may read them.
    `digest`: of all that stands before the Secrets."""

    namespace: str
    taken: str
    objects: tuple[Obj, ...]
    history: str = ""
    sealed: str = ""
    digest: str = ""

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
    """The file up to the sealed Secrets."""
    head = {
        "apiVersion": API_VERSION,
        "kind": "Backup",
        "metadata": {"name": backup.namespace},
        "spec": {"takenAt": backup.taken, "objects": len(backup.objects), "holds": list(backup.holds)},
    }
    history = [{"apiVersion": API_VERSION, "kind": "SealedHistory", "spec": {"age": backup.history}}] if backup.history else []
    return _BETWEEN.join(yaml.dump(one) for one in (head, *backup.objects, *history))


def finished(text: str, sealed: str) -> str:
    """The file: what `written` gave, and the sealed Secrets."""
    return text + _BETWEEN + yaml.dump({"apiVersion": API_VERSION, "kind": "SealedSecrets", "spec": {"age": sealed}})


def written_secrets(secrets: Sequence[Obj], text: str) -> str:
    """The text that is sealed. It vouches for `text`, which stands before it."""
    contents = {"apiVersion": API_VERSION, "kind": "Contents", "spec": {"sha256": digest(text, length=64)}}
    return _BETWEEN.join(yaml.dump(one) for one in (contents, *secrets))


def written_history(applications: Sequence[KeptApplication]) -> bytes:
    """The bytes that are sealed."""
    return msgspec.msgpack.encode(applications)


def read(text: str) -> Backup:
    """Raises InvalidInput for what is no backup, was cut off, or holds what no backup holds."""
    documents = [one for one in yaml.load_all(text) if one is not None]
    if not documents or not isinstance(documents[0], dict) or documents[0].get("kind") != "Backup":
        raise InvalidInput("this is no file of `shipway backup`: its first document has to be a Backup")
    head, *objects = documents
    spec: dict[str, Any] = head.get("spec") or {}
    tail = objects.pop() if objects and objects[-1].get("kind") == "SealedSecrets" else None
    history = objects.pop() if objects and objects[-1].get("kind") == "SealedHistory" else {}
    if tail is None or len(objects) != spec.get("objects"):
        raise InvalidInput(f"the file was cut off: {len(objects)} of {spec.get('objects')} objects, nothing was touched")
    allowed = {(one.api_version, one.kind) for one in ORDER[1:]}
    for one in objects:
        if (one.get("apiVersion"), one.get("kind")) not in allowed:
            raise InvalidInput(f"a backup holds no {one.get('kind')}: the file was changed, nothing was touched")
    sealed_history, sealed = ((one.get("spec") or {}).get("age") or "" for one in (history, tail))
    told = digest(text.rpartition(f"\n{_BETWEEN}")[0] + "\n", length=64)
    return Backup(name_of(head), spec.get("takenAt") or "", tuple(objects), sealed_history, sealed, told)


def read_secrets(opened: bytes, found: Backup) -> list[Obj]:
    """The Secrets of an opened seal. Raises InvalidInput for anything else, and where what stands before them is not what they
    vouch for."""
    documents = [one for one in yaml.load_all(opened.decode(errors="replace")) if one is not None]
    secrets = [one for one in documents if one.get("kind") == SECRETS.kind]
    contents = [one for one in documents if one.get("kind") == "Contents"]
    if len(secrets) + len(contents) != len(documents):
        raise InvalidInput("the seal holds something that is no Secret, nothing was touched")
    if any((one.get("spec") or {}).get("sha256") != found.digest for one in contents) or (found.history and not contents):
        raise InvalidInput("the file was changed after the backup was taken, nothing was touched")
    return secrets


def read_history(packed: bytes, found: Backup) -> list[KeptApplication]:
    """Raises InvalidInput for bytes that are none, and for rows of the ledger that fitted when the backup was taken and do not
    any more."""
    try:
        kept = msgspec.msgpack.decode(packed, type=list[KeptApplication])
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"the history cannot be read, nothing was touched: {error}") from None
    apps = {full_name(one): one for one in found.objects if one["kind"] == APPLICATIONS.kind}
    taken = parse_rfc3339(found.taken)
    for one in kept:
        app = apps.get(one.application) or {}
        as_it_was = {**app, "metadata": {**metadata(app), "uid": one.uid}}
        if one.fits and not fits(one, as_it_was, taken):
            raise InvalidInput(f"the ledger of {one.application} was changed after the backup was taken, nothing was touched")
    return kept

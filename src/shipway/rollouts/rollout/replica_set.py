"""What the engine looks at in a ReplicaSet, read once."""

from msgspec import Struct

from shipway.base.clock import Instant, read_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, labels_of, metadata, name_of, uid_of
from shipway.rollouts.rollout.names import DESIRED_REPLICAS, HASH_LABEL, REVISION, SCALE_DOWN_DEADLINE


class ReplicaSet(Struct, frozen=True):
    """`replicas` is what its spec asks for; `current`, `ready` and `available` are what its status reports."""

    name: str
    uid: str
    hash: str
    revision: int
    replicas: int
    current: int
    ready: int
    available: int
    created: str
    desired_replicas: str | None
    deadline: str | None
    deleting: bool
    obj: Obj

    @property
    def serving(self) -> int:
        """Pods that answer and go on answering: those that have been told to go do not count."""
        return min(self.replicas, self.available)

    @property
    def deadline_at(self) -> Instant | None:
        """When it may be scaled down; None without a (readable) deadline."""
        return read_rfc3339(self.deadline)


def read_replica_set(obj: Obj) -> ReplicaSet:
    annotations = annotations_of(obj)
    revision = annotations.get(REVISION, "0")
    return ReplicaSet(
        name=name_of(obj),
        uid=uid_of(obj),
        hash=labels_of(obj).get(HASH_LABEL, ""),
        revision=int(revision) if revision.isdigit() else 0,
        replicas=dig(obj, "spec", "replicas", default=1),
        current=dig(obj, "status", "replicas", default=0),
        ready=dig(obj, "status", "readyReplicas", default=0),
        available=dig(obj, "status", "availableReplicas", default=0),
        created=metadata(obj).get("creationTimestamp") or "",
        desired_replicas=annotations.get(DESIRED_REPLICAS),
        deadline=annotations.get(SCALE_DOWN_DEADLINE),
        deleting=bool(metadata(obj).get("deletionTimestamp")),
        obj=obj,
    )

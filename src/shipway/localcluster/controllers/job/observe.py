"""What a Job's pass looks at: the job (None: it is gone and left pods behind) and the pods made in its name."""

from collections.abc import Iterable

from msgspec import Struct

from shipway.api.kinds import JOBS, PODS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import controller_of, metadata, namespace_of
from shipway.kube.runtime.controller import ObjectKey, World

TRACKING = "batch.kubernetes.io/job-tracking"
"""Finalizer of a job's pods: a pod stays until its end has been counted."""


class Observed(Struct, frozen=True):
    """`strays` are pods that still wait to be counted by a job that is gone."""

    job: Obj | None
    pods: tuple[Obj, ...] = ()
    strays: tuple[Obj, ...] = ()


def by_job(pod: Obj) -> Iterable[str]:
    """Index of pods: namespace/name of the job that controls them."""
    owner = controller_of(pod)
    return (f"{namespace_of(pod)}/{owner['name']}",) if owner and owner.get("kind") == "Job" else ()


def is_tracked(pod: Obj) -> bool:
    return TRACKING in (metadata(pod).get("finalizers") or ())


def observe(key: ObjectKey, world: World) -> Observed | None:
    job = world.get(JOBS, key.namespace, key.name)
    uid = metadata(job).get("uid") if job else None
    pods, strays = list[Obj](), list[Obj]()
    for pod in world.indexed(PODS, "job", f"{key.namespace}/{key.name}"):
        if (controller_of(pod) or {}).get("uid") == uid:
            pods.append(pod)
        elif is_tracked(pod):
            strays.append(pod)
    return Observed(job, tuple(pods), tuple(strays)) if job or strays else None

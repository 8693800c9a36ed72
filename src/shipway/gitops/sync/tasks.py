"""The tasks of one sync, in order: what is applied, pruned or created, in which phase and wave.

Order: phase, wave, kind, name; then each Namespace and each CRD is pulled ahead of the first object that needs it. Prunes run
first inside a wave, and their waves are mirrored, so that what was built up first is torn down last.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from shipway.api.application import SyncResource
from shipway.gitops.annotations import SYNC_OPTIONS, comma_list
from shipway.gitops.comparison import Item
from shipway.gitops.order import PHASES, Phase, defines, is_hook, kind_rank, must_precede, phases_of, wave_of
from shipway.gitops.ownership import Context, takes_back
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.views import annotations_of, dig

TaskKind = Literal["apply", "prune", "hook", "namespace"]


class Task(Struct, frozen=True):
    """One object in one phase. `takes_back`: it is written although it is in sync, for what is ignored when it is compared."""

    kind: TaskKind
    item: Item
    phase: Phase
    wave: int
    takes_back: bool = False

    @property
    def ref(self) -> Ref:
        return self.item.ref

    @property
    def resource(self) -> Resource | None:
        return self.item.resource

    @property
    def obj(self) -> Obj:
        return self.item.obj

    @property
    def is_hook(self) -> bool:
        return self.kind == "hook"

    @property
    def row_key(self) -> tuple[str, str, str, str, str]:
        return (self.ref.group, self.ref.kind, self.ref.namespace, self.ref.name, self.phase)

    @property
    def writes(self) -> bool:
        """Whether it has anything to write."""
        is_in_sync = self.item.state == "Synced" and not self.item.is_pending
        return self.kind != "apply" or self.takes_back or not is_in_sync


def option_of(obj: Obj, options: dict[str, str], name: str) -> str:
    """A sync option of one object: its own annotation beats the application's."""
    for own in comma_list(annotations_of(obj), SYNC_OPTIONS):
        key, _, value = own.partition("=")
        if key == name:
            return value
    return options.get(name, "")


def build_tasks(
    items: Sequence[Item], options: dict[str, str], selected: Sequence[SyncResource] = (), namespace: Item | None = None
) -> tuple[Task, ...]:
    """`selected` limits the sync to these objects and leaves hooks out; `namespace` is created before everything else."""
    wanted = [item for item in items if not selected or _is_selected(item.ref, selected)]
    tasks = [Task("namespace", namespace, "PreSync", -(10**6))] if namespace else []
    for item in wanted:
        if item.desired is not None and item.is_hook:
            tasks += () if selected else [Task("hook", item, phase, wave_of(item.obj)) for phase in phases_of(item.obj)]
        elif item.desired is not None:
            tasks.append(Task("apply", item, "Sync", wave_of(item.obj)))
        elif item.requires_pruning:
            tasks.append(Task("prune", item, "Sync", wave_of(item.obj)))
    tasks = _pull_ahead(sorted(_mirror_prunes(tasks, options), key=_sort_key))
    return tuple(sorted(tasks, key=lambda task: (PHASES.index(task.phase), task.wave, task.kind != "prune")))


def taking_back(tasks: Sequence[Task], context: Context) -> tuple[Task, ...]:
    """The tasks of a sync that is not only of what is out of sync: it writes what others changed of ignored fields, too."""
    return tuple(msgspec.structs.replace(task, takes_back=True) if _takes_back(task, context) else task for task in tasks)


def _takes_back(task: Task, context: Context) -> bool:
    desired, live = task.item.desired, task.item.live_obj
    if desired is None or live is None or task.kind != "apply" or task.writes:
        return False
    return takes_back(desired, live, task.item.claims, context)


def waves(tasks: Iterable[Task]) -> list[tuple[tuple[Phase, int], list[Task]]]:
    """The tasks grouped by phase and wave, in order. SyncFail is left out: it runs only after a failure."""
    grouped: dict[tuple[Phase, int], list[Task]] = {}
    for task in tasks:
        if task.phase != "SyncFail":
            grouped.setdefault((task.phase, task.wave), []).append(task)
    return list(grouped.items())


def kind_groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """Consecutive tasks of one kind: each group is applied in parallel."""
    groups: list[list[Task]] = []
    for task in tasks:
        if groups and groups[-1][0].ref.kind == task.ref.kind and groups[-1][0].kind == task.kind:
            groups[-1].append(task)
        else:
            groups.append([task])
    return groups


def is_multi_step(tasks: Sequence[Task]) -> bool:
    """More than one phase or wave, not counting the creation of the namespace: then each waits for the one before."""
    return len({(task.phase, task.wave) for task in tasks if task.kind != "namespace"}) > 1


def crd_of(task: Task, tasks: Sequence[Task]) -> Task | None:
    """The task that creates the definition of this task's kind."""
    return next((other for other in tasks if other.kind != "prune" and defines(other.obj, task.obj)), None)


def _is_selected(ref: Ref, selected: Sequence[SyncResource]) -> bool:
    return any(
        (one.group, one.kind, one.name) == (ref.group, ref.kind, ref.name) and one.namespace in ("", ref.namespace)
        for one in selected
    )


def _sort_key(task: Task) -> tuple[int, int, int, str, str]:
    return (
        PHASES.index(task.phase),
        task.wave,
        kind_rank(task.ref.kind),
        task.ref.kind,
        f"{task.ref.namespace}/{task.ref.name}",
    )


def _pull_ahead(tasks: list[Task]) -> list[Task]:
    """Each Namespace and CRD before the first object that needs it, in that object's phase and wave."""
    for leader in [
        task for task in tasks if task.ref.kind in ("Namespace", "CustomResourceDefinition") and task.kind != "prune"
    ]:
        here = tasks.index(leader)
        first = next((index for index, task in enumerate(tasks) if task is not leader and _leads(leader, task)), None)
        if first is not None and first < here:
            moved = msgspec.structs.replace(leader, phase=tasks[first].phase, wave=tasks[first].wave)
            tasks = [*tasks[:first], moved, *[task for task in tasks[first:] if task is not leader]]
    return tasks


def _leads(leader: Task, task: Task) -> bool:
    return task.kind in ("apply", "hook") and must_precede(leader.obj, task.obj)


def _mirror_prunes(tasks: list[Task], options: dict[str, str]) -> list[Task]:
    """The lowest prune wave takes the place of the highest and so on; PruneLast moves them behind the last Sync wave."""
    prunes = [task for task in tasks if task.kind == "prune"]
    ordered = sorted({task.wave for task in prunes})
    mirrored = dict(zip(ordered, reversed(ordered), strict=True))
    last = max((task.wave for task in tasks if task.phase == "Sync" and task.kind != "namespace"), default=0) + 1

    def placed(task: Task) -> Task:
        if task.kind != "prune":
            return task
        is_last = option_of(task.obj, options, "PruneLast") == "true"
        return msgspec.structs.replace(task, wave=last if is_last else mirrored[task.wave])

    return [placed(task) for task in tasks]


def images_of(obj: Obj) -> tuple[str, ...]:
    """The container images of a workload or pod, init containers included."""
    spec = obj.get("spec") or {}
    pod = dig(spec, "jobTemplate", "spec", "template", "spec") or dig(spec, "template", "spec") or spec
    found = [
        container["image"]
        for field in ("initContainers", "containers")
        for container in (pod.get(field) or [] if isinstance(pod, dict) else [])
        if isinstance(container, dict) and isinstance(container.get("image"), str)
    ]
    return tuple(dict.fromkeys(found))


def has_no_kind(task: Task) -> bool:
    """Whether the cluster does not know the kind of what is to be applied (yet)."""
    return task.resource is None and task.kind in ("apply", "hook")


def is_live_hook(item: Item) -> bool:
    return item.live is not None and is_hook(item.live.obj)

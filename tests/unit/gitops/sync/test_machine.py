"""Where a sync stands: a table over rows and live objects."""

from typing import Any

import pytest

from shipway.base.clock import Instant, rfc3339_micro
from shipway.gitops.comparison import Item, Live, SyncState
from shipway.gitops.desired import Desired
from shipway.gitops.sync.machine import Done, Pause, Run, Step, Terms, Wait, advance
from shipway.gitops.sync.rows import Rows, failed_row, new_row
from shipway.gitops.sync.tasks import Task, build_tasks
from shipway.kube.objects.resource import Obj, Ref, Resource, ref_of

CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")


def obj(name: str, wave: int = 0, phase: str = "", **annotations: str) -> Obj:
    hook = {"argocd.argoproj.io/hook": phase} if phase else {}
    waved = {"argocd.argoproj.io/sync-wave": str(wave)} if wave else {}
    meta = {"name": name, "namespace": "shop", "annotations": {**hook, **waved, **annotations}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta}


def item(
    name: str, wave: int = 0, *, live: str | None = None, state: SyncState = "OutOfSync", wanted: bool = True, **more: Any
) -> Item:
    """`live`: the phase of the live claim (Bound is healthy, Lost is degraded)."""
    found = obj(name, wave, **more)
    there = Live(found | {"status": {"phase": live}}, CLAIMS) if live is not None else None
    desired = Desired(ref_of(found), found, CLAIMS) if wanted else None
    return Item(Ref("", "PersistentVolumeClaim", "shop", name), desired, there, (), state, is_hook="phase" in more)


def done(tasks: tuple[Task, ...], *names: str, **statuses: str) -> Rows:
    statuses = dict.fromkeys(names, "Synced") | statuses
    return {task.row_key: new_row(task, statuses[task.ref.name], "told") for task in tasks if task.ref.name in statuses}


def step(*items: Item, rows: Any = (), prune: bool = True, **statuses: str) -> tuple[Step, dict[str, str]]:
    tasks = build_tasks(items, {})
    found, result = advance(tasks, done(tasks, *rows, **statuses), Terms(prune))
    return result, {row["name"]: f"{row['status']}/{row['hookPhase']}" for row in found.values()}


def names(result: Step) -> list[str]:
    return [task.ref.name for task in result.tasks] if isinstance(result, Run) else []


def test_the_first_wave_runs_first_prunes_before_applies() -> None:
    result, _ = step(item("late", 1), item("b"), item("a"), item("old", live="Bound", wanted=False))
    assert names(result) == ["old", "a", "b"]


def test_a_wave_that_is_not_healthy_holds_up_the_next() -> None:
    result, _ = step(item("first", live="Pending"), item("late", 1), rows=["first"])
    assert result == Wait("waiting for healthy state of /PersistentVolumeClaim/first")
    result, rows = step(item("first", live="Bound"), item("late", 1), rows=["first"])
    assert (names(result), rows) == (["late"], {"first": "Synced/Succeeded"})


@pytest.mark.compat("argocd:wave.failure")
def test_a_wave_that_degrades_fails_the_sync() -> None:
    result, _ = step(item("first", live="Lost"), item("late", 1), rows=["first"])
    assert isinstance(result, Done)
    assert (result.phase, result.message.split(",")[0]) == (
        "Failed",
        "one or more synchronization tasks completed unsuccessfully",
    )


def test_a_single_wave_succeeds_right_after_its_applies_whatever_its_health() -> None:
    result, rows = step(item("a", live="Lost"), item("b", live="Pending"), rows=["a", "b"])
    assert result == Done("Succeeded", "successfully synced (all tasks run)")
    assert rows == {"a": "Synced/Running", "b": "Synced/Running"}


@pytest.mark.compat("argocd:option.ApplyOutOfSyncOnly")
def test_what_is_in_sync_needs_no_write() -> None:
    result, rows = step(item("a", live="Bound", state="Synced"))
    assert (result, rows) == (Done("Succeeded", "successfully synced (all tasks run)"), {"a": "Synced/Running"})


@pytest.mark.parametrize(
    ("prune", "keeps", "row"), [(False, False, "PruneSkipped"), (True, True, "PruneSkipped"), (True, False, "")]
)
def test_prunes_happen_only_where_they_may(prune: bool, keeps: bool, row: str) -> None:
    annotations: dict[str, Any] = {"argocd.argoproj.io/sync-options": "Prune=false"} if keeps else {}
    result, rows = step(item("old", live="Bound", wanted=False, **annotations), prune=prune)
    assert names(result) == ([] if row else ["old"])
    assert rows == ({"old": f"{row}/Succeeded"} if row else {})


@pytest.mark.parametrize(("confirmed", "waits"), [(False, True), (True, False)])
@pytest.mark.compat("argocd:option.Prune=confirm")
def test_a_prune_that_wants_confirmation_holds_its_wave(confirmed: bool, waits: bool) -> None:
    asked: dict[str, Any] = {"argocd.argoproj.io/sync-options": "Prune=confirm"}
    tasks = build_tasks(
        [item("old", live="Bound", wanted=False, **asked), item("older", live="Bound", wanted=False, **asked), item("a")], {}
    )
    _, result = advance(tasks, {}, Terms(True, confirmed=confirmed))
    told = "Waiting for pruning confirmation of /PersistentVolumeClaim/old and 1 more resources"
    assert result == Wait(told) if waits else names(result) == ["old", "older", "a"]
    _, unpruned = advance(tasks, {}, Terms(False))
    assert names(unpruned) == ["a"], "what is not to be pruned needs no confirmation"


@pytest.mark.parametrize(("written", "due"), [(995.0, None), (998.5, 1000.5), (999.0, 1001.0), (900.0, None), (1003.0, None)])
def test_the_next_wave_comes_a_pause_after_the_last_write(written: float, due: float | None) -> None:
    first = item("first", live="Bound")
    assert first.live is not None
    entry = {"manager": "me", "operation": "Apply", "time": rfc3339_micro(Instant(written))}
    first.live.obj["metadata"]["managedFields"] = [entry]
    tasks = build_tasks([first, item("late", 1)], {})
    pause = Pause(Instant(1000.0), Instant(950.0), 2.0, "me")
    _, result = advance(tasks, done(tasks, "first"), Terms(pause=pause))
    assert result == Wait("one or more tasks are running", Instant(due)) if due else names(result) == ["late"]


@pytest.mark.compat("argocd:wave.prune")
def test_the_next_wave_waits_until_what_was_pruned_is_gone() -> None:
    result, _ = step(item("old", live="Bound", wanted=False), item("late", 1), old="Pruned")
    assert result == Wait("waiting for deletion of /PersistentVolumeClaim/old")
    result, _ = step(item("late", 1), old="Pruned")
    assert names(result) == ["late"]


@pytest.mark.compat("argocd:wave.failure")
def test_one_failure_does_not_stop_its_wave_but_the_next() -> None:
    result, _ = step(item("bad"), item("good"), item("late", 1), rows=["good"], bad="SyncFailed")
    assert result == Done("Failed", "one or more objects failed to apply, reason: PersistentVolumeClaim/bad: told")


@pytest.mark.compat("argocd:hook.SyncFail")
def test_after_a_failure_the_sync_fail_hooks_run() -> None:
    hook = item("mourn", phase="SyncFail")
    result, _ = step(item("bad"), hook, bad="SyncFailed")
    assert names(result) == ["mourn"]
    ended = item("mourn", phase="SyncFail", live="Bound")
    result, _ = step(item("bad"), ended, bad="SyncFailed", mourn="Synced")
    assert isinstance(result, Done) and result.phase == "Failed"


def test_a_hook_is_waited_for_even_in_a_single_wave() -> None:
    result, _ = step(item("migrate", phase="PreSync", live="Pending"), item("a"), rows=["migrate"])
    assert result == Wait("waiting for completion of hook /PersistentVolumeClaim/migrate")
    result, _ = step(item("migrate", phase="PreSync", live="Bound"), item("a"), rows=["migrate"])
    assert names(result) == ["a"]


@pytest.mark.parametrize(("phase", "told"), [("Succeeded", "told"), ("Failed", 'container "main" failed with exit code 1')])
def test_the_row_of_a_hook_that_has_ended_says_how_by_its_phase_alone(phase: str, told: str) -> None:
    containers = [{"name": "main", "state": {"terminated": {"exitCode": 1}}}]
    pod = obj("migrate", phase="PreSync") | {"kind": "Pod", "status": {"phase": phase, "containerStatuses": containers}}
    pods = Resource("", "v1", "Pod", "pods")
    tasks = build_tasks([Item(ref_of(pod), Desired(ref_of(pod), pod, pods), Live(pod, pods), is_hook=True)], {})
    rows, _ = advance(tasks, done(tasks, "migrate"), Terms())
    row = rows[tasks[0].row_key]
    assert (row["status"], row["hookPhase"], row["message"]) == ("", phase, told)


def test_a_refused_secret_does_not_show_its_values() -> None:
    secret: Obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "shop"}}
    ref = ref_of(secret)
    desired = Desired(ref, secret, Resource("", "v1", "Secret", "secrets"), origin="deploy/key.yaml:3")
    (task,) = build_tasks([Item(ref, desired)], {})
    row = failed_row(task, 'Secret "key" is invalid: data[a]: Invalid value: "hun\\"ter2": must be base64')
    assert row["message"] == ('Secret "key" is invalid: data[a]: Invalid value: "++++++++": must be base64 (deploy/key.yaml:3)')
    typed = "failed to create typed patch object: .data.a: expected string, got &value.valueUnstructured{Value:12345}"
    said = failed_row(task, typed)["message"]
    assert said == "failed to create typed patch object: .data.a: expected string, got ++++++++ (deploy/key.yaml:3)"

"""What the plugin of a step is asked next, as the stored status says it: nothing that is not written there is ever run.

    Run          begun (executions 0), Running or Error, its backoff over       the current step, nobody paused it
    Terminate    Running while all is promoted                                  once
    Abort        Running or Successful while the update is thrown out           once, the last that ran first

A call is an ask: its request names everything that the answer depends on, and holds an id that stays the same when a process
dies between running the plugin and writing down what it said. So a plugin may see one id twice, never two for one execution.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from msgspec import Struct

from shipway.api.rollout import PluginStep, RolloutSpec, RolloutStatus, Step, StepPluginStatus, read_status
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import parse_duration
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, uid_of
from shipway.kube.runtime.decision import Ask

API_VERSION = "shipway.dev/v1alpha1"
RUN, TERMINATE, ABORT = "Run", "Terminate", "Abort"


class StepAsk(Ask, frozen=True):
    """One operation of the plugin of this name; `request` is the JSON document that it is given."""

    acts: ClassVar[bool] = True
    plugin: str
    op: str
    request: bytes

    @property
    def lane(self) -> str:
        return f"step plugin {self.plugin}"


class Call(Struct, frozen=True):
    """What is asked, and about which Run of the status."""

    ask: StepAsk
    operation: str
    run: StepPluginStatus

    def is_due(self, now: Instant) -> bool:
        return self.operation != RUN or now >= run_at(self.run)


def next_call(rollout: Obj, spec: RolloutSpec) -> Call | None:
    """The one call that the status waits for, due or not."""
    steps = spec.strategy.canary.steps if spec.strategy.canary is not None else ()
    if not any(step.plugin is not None for step in steps):
        return None
    try:
        status = read_status(rollout)
    except ValueError:
        return None
    operation, run = _wanted(steps, status, is_paused=spec.paused)
    plugin = _plugin_of(steps, run)
    if run is None or plugin is None:
        return None
    execution = run.executions + 1 if operation == RUN else 1
    request = _request(rollout, status, run, {"op": operation.lower(), "execution": execution})
    request |= {"step": {"index": run.index, "of": len(steps)}, "config": plugin.config, "status": run.status}
    return Call(StepAsk(plugin.name, operation.lower(), orjson.dumps(request, option=orjson.OPT_SORT_KEYS)), operation, run)


def run_at(run: StepPluginStatus) -> Instant:
    """When a Run that is not over may be executed (again); what cannot be read is at once."""
    try:
        return Instant(parse_rfc3339(run.updated_at) + parse_duration(run.backoff)) if run.executions else Instant(0.0)
    except ValueError:
        return Instant(0.0)


def _wanted(steps: tuple[Step, ...], status: RolloutStatus, *, is_paused: bool) -> tuple[str, StepPluginStatus | None]:
    """The operation that is wanted, and the Run that it is about."""
    every = status.canary.step_plugin_statuses
    is_promoted = status.stable_rs == status.current_pod_hash
    if status.abort and not is_promoted:
        return ABORT, _last(every, ABORT, ("Running", "Successful"))
    if status.aborted_at is not None:
        return RUN, None  # a retry, which begins with a clean status
    if status.promote_full or is_promoted:
        return TERMINATE, _last(every, TERMINATE, ("Running",))
    if is_paused or status.pause_conditions:
        return RUN, None
    index = status.current_step_index or 0
    return RUN, next((one for one in every if is_run_of(one, index, steps) and one.phase in ("Running", "Error")), None)


def is_run_of(one: StepPluginStatus, index: int, steps: tuple[Step, ...]) -> bool:
    """Whether this is the Run of the step with this index, done by the plugin that the step names."""
    return (one.operation, one.index) == (RUN, index) and _plugin_of(steps, one) is not None


def _last(every: tuple[StepPluginStatus, ...], operation: str, phases: tuple[str, ...]) -> StepPluginStatus | None:
    over = {one.index for one in every if one.operation == operation}
    ran = (one for one in reversed(every) if one.operation == RUN and one.phase in phases and not one.disabled)
    return next((one for one in ran if one.index not in over), None)


def _plugin_of(steps: tuple[Step, ...], run: StepPluginStatus | None) -> PluginStep | None:
    if run is None or not 0 <= run.index < len(steps):
        return None
    plugin = steps[run.index].plugin
    return plugin if plugin is not None and plugin.name == run.name else None


def _request(rollout: Obj, status: RolloutStatus, run: StepPluginStatus, what: Mapping[str, Any]) -> dict[str, Any]:
    """Without what changes while a version goes out (generation, counts): another request would be another call."""
    began = "".join(char for char in run.started_at if char.isalnum())
    versions = (uid_of(rollout), status.current_pod_hash, status.current_step_hash)
    return {
        "apiVersion": API_VERSION,
        "kind": "StepPlugin",
        **what,
        "id": ".".join((*versions, began, str(run.index), str(what["op"]), str(what["execution"]))),
        "rollout": {
            "namespace": namespace_of(rollout),
            "name": name_of(rollout),
            "uid": uid_of(rollout),
            "podHash": status.current_pod_hash,
            "stableHash": status.stable_rs,
        },
    }

"""What a step or metric plugin printed, read strictly: a lie is an `InvalidInput` (PluginLies) that says what is wrong with it.

step     {phase, message?, requeueAfter?, status?}
metric   {value?, phase?, message?, metadata?, resumeAfter?}
"""

from collections.abc import Sequence
from typing import Any, cast, get_args

import orjson

from shipway.api.measured import shortened
from shipway.api.metrics import Sample
from shipway.api.plugins import StepPhase, StepReply
from shipway.base.durations import format_duration, parse_duration
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj

MAX_STATUS = 16 << 10
"""Bytes of the notes that a step plugin keeps in the Rollout's status."""
LONGEST_WAIT = 86_400.0
RESUME_AFTER = 10.0
"""Seconds after which a running measurement is resumed that does not say when."""
MOST_METADATA = 32
_BEGINNING = 120
_STEP_PHASES: Sequence[str] = get_args(StepPhase)
_METRIC_PHASES = ("Running", "Successful", "Failed", "Inconclusive", "Error")


def read_step_answer(printed: bytes, op: str) -> StepReply:
    """`op`: run, or terminate or abort, which cannot go on. Raises `InvalidInput`."""
    said = _object(printed, ("phase", "message", "requeueAfter", "status"))
    phase, message = _phase(said, _STEP_PHASES), shortened(_text(said, "message"))
    wait = _seconds(said, "requeueAfter")
    if not phase and op == "run":
        raise _lie(f"phase is missing: say {_listed(_STEP_PHASES)}")
    if wait is not None and phase != "Running":
        raise _lie("requeueAfter goes with Running only: leave it out")
    if phase == "Running" and op != "run":
        return StepReply("Failed", _no_second_time(op, message))
    return StepReply(cast(StepPhase, phase or "Successful"), message, wait, _status(said))


def read_metric_answer(printed: bytes, op: str) -> Sample:
    """`op`: run, resume or terminate. Raises `InvalidInput`."""
    said = _object(printed, ("value", "phase", "message", "metadata", "resumeAfter"))
    phase, message, wait = _phase(said, _METRIC_PHASES), _text(said, "message"), _seconds(said, "resumeAfter")
    if wait is not None and phase != "Running":
        raise _lie("resumeAfter goes with Running only: leave it out")
    if phase == "Running" and op == "terminate":
        phase, message = "Error", _no_second_time(op, message)
    if not phase and op == "terminate":
        phase = "Successful"
    if not phase and "value" not in said:
        raise _lie("neither value nor phase is there: print the value that the conditions are to judge")
    running = phase == "Running"
    resume_after = (RESUME_AFTER if wait is None else max(1.0, wait)) if running else 0.0
    return Sample(said.get("value"), _shown(said), _metadata(said), phase, message, resume_after)


def _object(printed: bytes, fields: Sequence[str]) -> Obj:
    if not printed.strip():
        raise _lie("printed nothing: print one JSON document")
    beginning = printed[:_BEGINNING].decode("utf-8", "replace")
    try:
        said = orjson.loads(printed)
    except orjson.JSONDecodeError as error:
        raise _lie(f"what it printed is not one JSON document ({str(error)[:100]}): {beginning!r}") from None
    if not isinstance(said, dict):
        raise _lie(f"what it printed is not a JSON object: {beginning!r}")
    for field in said:
        if field not in fields:
            raise _lie(f"{field[:_BEGINNING]} is unknown: there are {', '.join(fields)}")
    return said


def _phase(said: Obj, phases: Sequence[str]) -> str:
    phase = said.get("phase")
    if phase is not None and phase not in phases:
        raise _lie(f"phase {str(phase)[:_BEGINNING]!r} is unknown: say {_listed(phases)}")
    return phase or ""


def _text(said: Obj, field: str) -> str:
    text = said.get(field)
    if text is not None and not isinstance(text, str):
        raise _lie(f"{field} is not a text: print it in quotes")
    return text or ""


def _seconds(said: Obj, field: str) -> float | None:
    text = said.get(field)
    if text is None:
        return None
    if not isinstance(text, str):
        raise _lie(f"{field} is not a text: print it like 30s")
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise _lie(f"{field}: {str(error)[:_BEGINNING]}") from None
    if not 0 <= seconds <= LONGEST_WAIT:
        raise _lie(f"{field} is {text[:_BEGINNING]}: between 0s and {format_duration(LONGEST_WAIT)}")
    return seconds


def _status(said: Obj) -> Obj | None:
    status = said.get("status")
    if status is None:
        return None
    if not isinstance(status, dict):
        raise _lie("status is not an object: print a map, or leave it out")
    size = len(orjson.dumps(status))
    if size > MAX_STATUS:
        raise _lie(f"status has {size} bytes: at most {MAX_STATUS} are kept in a Rollout")
    return cast(Obj, status)


def _metadata(said: Obj) -> dict[str, str]:
    metadata = said.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _lie("metadata is not a map of texts: print its values in quotes")
    if len(metadata) > MOST_METADATA:
        raise _lie(f"metadata has {len(metadata)} entries: at most {MOST_METADATA} are kept in a run")
    return metadata


def _shown(said: Obj) -> str:
    """The value as it stands in the measurement."""
    if "value" not in said:
        return ""
    value: Any = said["value"]
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _no_second_time(op: str, message: str) -> str:
    return f"{op} answered Running, and is not called a second time" + (f": {message}" if message else "")


def _listed(phases: Sequence[str]) -> str:
    return f"{', '.join(phases[:-1])} or {phases[-1]}"


def _lie(problem: str) -> InvalidInput:
    return InvalidInput(problem, reason="PluginLies")

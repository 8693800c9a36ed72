"""What a container's image means on this node: an allow-list, read by a pure function.

`builtin/echo:<version>` is the only image that becomes a process. A tag that spells a failure (`missing`, `does-not-exist`,
`error`, also at its end: `1.27-error`) cannot be pulled, so that failures can be shown. Everything else is simulated: no
process, only the state machine of one, which becomes ready after a moment; `sleep N` and `exit M` in its command are honoured,
`sleep N` in its hooks and the initial delay of its probes as well. A command that begins with a failure (`/bad-command`,
`missing`, `does-not-exist`) cannot be started. A container that must end for its pod to make sense (a Job's, an init
container's) ends by itself.
"""

import re
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from shipway.base.durations import parse_duration
from shipway.base.ids import digest
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, controller_of, spec_of, uid_of

ECHO = "builtin/echo"
UNPULLABLE_TAGS = ("missing", "does-not-exist", "error")
UNSTARTABLE_COMMANDS = ("bad-command", "missing", "does-not-exist")
READY_AFTER = "shipway.dev/simulate-ready-after"
"""Annotation of a pod: seconds (or a Go duration) until its simulated containers are ready."""

_SLEEP = re.compile(r"\bsleep\s+(infinity|\d+(?:\.\d+)?)([smh]?)\b")
_EXIT = re.compile(r"\bexit\s+(\d{1,3})\b")
_UNIT_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Echo(Struct, frozen=True):
    """A real local process: `shipway.localcluster.node.echo` at a version, with the tag's own behaviour as environment."""

    version: str
    environment: tuple[tuple[str, str], ...] = ()


class Simulated(Struct, frozen=True):
    """No process. `run_seconds` None: runs until it is stopped.

    It runs after `ready_after_seconds`, and serves after another `probed_after_seconds` (its probes wait as long);
    asked to stop, it takes `stop_seconds` (its preStop hook).
    """

    ready_after_seconds: float
    run_seconds: float | None = None
    exit_code: int = 0
    probed_after_seconds: float = 0.0
    stop_seconds: float = 0.0


class Unpullable(Struct, frozen=True):
    """An image that cannot be had; the container waits with ImagePullBackOff."""

    message: str


class Unstartable(Struct, frozen=True):
    """A command that is not in its image; the container waits with RunContainerError."""

    message: str


Recipe = Echo | Simulated | Unpullable | Unstartable

# Version 3 is the demo's bad one: three of every ten requests fail.
_ECHO_BEHAVIOUR = {"v3": (("ERROR_PER_TEN", "3"),)}


def split_image(image: str) -> tuple[str, str]:
    """Repository and tag ("latest" when none is given) of an image name; a digest counts as the tag."""
    name, _, sha = image.partition("@")
    if sha:
        return name, sha
    head, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return f"{head}{slash}{repository}", tag or "latest"


def recipe(pod: Obj, container: Obj, *, is_init: bool = False) -> Recipe:
    """What to do for one container of a pod."""
    image = container.get("image") or ""
    repository, tag = split_image(image)
    if any(tag == word or tag.endswith(f"-{word}") for word in UNPULLABLE_TAGS):
        return Unpullable(f'Failed to pull image "{image}": not found (the tag {tag} asks this local node to fail)')
    if repository == ECHO and not container.get("command") and not is_init:
        return Echo(tag, _ECHO_BEHAVIOUR.get(tag, ()))
    command = [*(container.get("command") or ()), *(container.get("args") or ())]
    if command and command[0].rpartition("/")[2].startswith(UNSTARTABLE_COMMANDS):
        return Unstartable(f'exec: "{command[0]}": no such file or directory (its name asks this local node to fail)')
    simulated = _simulated(command, _ready_after(pod), must_end=is_init or _must_end(pod))
    hooks = container.get("lifecycle") or {}
    return replace(
        simulated,
        ready_after_seconds=simulated.ready_after_seconds + _hook_seconds(hooks.get("postStart")),
        probed_after_seconds=max(_initial_delay(container, "startupProbe"), _initial_delay(container, "readinessProbe")),
        stop_seconds=_hook_seconds(hooks.get("preStop")),
    )


def _initial_delay(container: Obj, probe: str) -> float:
    return float((container.get(probe) or {}).get("initialDelaySeconds") or 0)


def _hook_seconds(hook: Obj | None) -> float:
    """How long a hook takes: what it sleeps."""
    command = " ".join(((hook or {}).get("exec") or {}).get("command") or ())
    return _slept(command) + float(((hook or {}).get("sleep") or {}).get("seconds") or 0)


def _slept(text: str) -> float:
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _SLEEP.findall(text) if number != "infinity")


def _simulated(command: Sequence[str], ready_after: float, *, must_end: bool) -> Simulated:
    text = " ".join(command)
    sleeps = _SLEEP.findall(text)
    exit_code = _EXIT.search(text)
    code = int(exit_code[1]) if exit_code else 1 if command and command[0].rpartition("/")[2] == "false" else 0
    if any(number == "infinity" for number, _ in sleeps):
        return Simulated(ready_after)
    if sleeps or exit_code or (command and command[0].rpartition("/")[2] in ("true", "false")):
        return Simulated(ready_after, _slept(text), code)
    return Simulated(ready_after, ready_after if must_end else None)


def is_simulated(pod: Obj) -> bool:
    """Whether nothing of a pod is a process."""
    return all(isinstance(recipe(pod, container), Simulated) for container in containers_of(pod))


def _must_end(pod: Obj) -> bool:
    owner = controller_of(pod)
    return owner is not None and owner.get("kind") == "Job"


def _ready_after(pod: Obj) -> float:
    """0.1 to 0.3 s, the same for the same pod, unless its annotation says otherwise."""
    text = annotations_of(pod).get(READY_AFTER, "")
    with suppress(ValueError):
        return max(0.0, parse_duration(text if not text.replace(".", "").isdigit() else f"{text}s"))
    return 0.1 + int(digest(uid_of(pod), length=4), 16) % 200 / 1000


def containers_of(pod: Obj) -> list[Obj]:
    return spec_of(pod).get("containers") or []


def init_containers_of(pod: Obj) -> list[Obj]:
    return spec_of(pod).get("initContainers") or []

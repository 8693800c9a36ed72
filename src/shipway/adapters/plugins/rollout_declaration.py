"""`StepPlugin` and `MetricPlugin` files: which command stands behind a name that Rollouts and AnalysisTemplates use.

Argo Rollouts names Go programs in a ConfigMap; here a command that speaks JSON is declared by whoever runs the process, so that
nobody who may only write objects of the cluster can have one run.
"""

import re
from pathlib import Path
from typing import Any

from msgspec import Struct

from shipway.adapters.plugins.folder import declared_in, kind_of, map_at, words_at
from shipway.base.durations import format_duration, parse_duration
from shipway.base.errors import InvalidInput
from shipway.kube.objects.quantities import parse_quantity

SHORTEST, LONGEST = 1.0, 600.0
LEAST_MEMORY, MOST_MEMORY = 32 << 20, 4 << 30
_FIELDS = ("command", "args", "timeout", "memory", "environment", "disabled")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN = ("PATH", "LANG", "HOME", "TMPDIR")
_RESERVED = "shipway.dev/"


class RolloutPlugin(Struct, frozen=True):
    """One declaration. `environment`: the variables of this process that the command is given, where they are set.

    `memory`: bytes of address space of each of its processes. `is_disabled`: its steps are passed over, as Argo Rollouts does.
    """

    kind: str
    name: str
    command: tuple[str, ...]
    seconds: float = 30.0
    memory: int = 512 << 20
    environment: tuple[str, ...] = ()
    is_disabled: bool = False


def load_rollout_plugins(folder: Path) -> tuple[RolloutPlugin, ...]:
    """The step and metric plugins of a folder. Raises `InvalidInput` with file and field."""
    found: dict[tuple[str, str], RolloutPlugin] = {}
    for declared in declared_in(folder, "StepPlugin", "MetricPlugin"):
        try:
            plugin = rollout_plugin_of(declared.document, folder)
        except InvalidInput as error:
            raise InvalidInput(f"{declared.file}: {error.message}") from None
        key = (plugin.kind, plugin.name)
        if key in found:
            raise InvalidInput(f"{declared.file}: the {plugin.kind} {plugin.name} is declared twice: take one away")
        found[key] = plugin
    return tuple(found.values())


def rollout_plugin_of(document: Any, folder: Path) -> RolloutPlugin:
    """One declaration; a command that begins with `./` is a file of `folder`. Raises `InvalidInput` with the field."""
    kind = kind_of(document) or ""
    metadata, spec = map_at(document.get("metadata"), "metadata"), map_at(document.get("spec"), "spec")
    for field in spec:
        if field not in _FIELDS:
            raise InvalidInput(f"spec.{field} is not known: mind the spelling; there are {', '.join(_FIELDS)}")
    return RolloutPlugin(
        kind,
        _name(metadata.get("name")),
        _command(spec, folder),
        seconds=_seconds(spec.get("timeout", "30s")),
        memory=_memory(spec.get("memory", "512Mi")),
        environment=_environment(spec.get("environment") or []),
        is_disabled=_disabled(spec, kind),
    )


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise InvalidInput("metadata.name is missing: it is what manifests call the plugin")
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"metadata.name {name!r} is not ORGANISATION/NAME, as plugins of Argo Rollouts are called")
    if name.startswith(_RESERVED):
        raise InvalidInput(f"metadata.name {name!r}: names below {_RESERVED} belong to Shipway itself: choose another one")
    return name


def _command(spec: dict[str, Any], folder: Path) -> tuple[str, ...]:
    words = words_at(spec, "spec")
    if not words:
        raise InvalidInput("spec.command is missing: say which command is run")
    if any("\0" in word for word in words):
        raise InvalidInput("spec.command holds a NUL character, which no program can be given")
    program, *rest = words
    if program.startswith("./"):
        program = str(folder.absolute() / program[2:])
    elif "/" in program and not program.startswith("/"):
        raise InvalidInput(
            f"spec.command: {program!r} is neither a name on PATH nor an absolute path: begin it with ./ for one of the folder"
        )
    return (program, *rest)


def _seconds(timeout: Any) -> float:
    if not isinstance(timeout, str):
        raise InvalidInput("spec.timeout is not a text: write it like 30s")
    try:
        seconds = parse_duration(timeout)
    except ValueError as error:
        raise InvalidInput(f"spec.timeout: {error}") from None
    if not SHORTEST <= seconds <= LONGEST:
        between = f"between {format_duration(SHORTEST)} and {format_duration(LONGEST)}"
        raise InvalidInput(
            f"spec.timeout is {timeout}: {between}, for a plugin that takes longer says Running and is asked again"
        )
    return seconds


def _memory(memory: Any) -> int:
    try:
        size = int(parse_quantity(memory))
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"spec.memory: {error}") from None
    if not LEAST_MEMORY <= size <= MOST_MEMORY:
        raise InvalidInput(
            f"spec.memory is {memory}: between {LEAST_MEMORY >> 20}Mi and {MOST_MEMORY >> 30}Gi of address space"
        )
    return size


def _environment(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput("spec.environment is not a list of names: list the variables that the plugin is given")
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise InvalidInput(f"spec.environment: {name!r} is no name of a variable: values are taken from this process")
        if name in _OWN:
            raise InvalidInput(f"spec.environment: {name} is the plugin's own: leave it out")
    return tuple(names)


def _disabled(spec: dict[str, Any], kind: str) -> bool:
    disabled = spec.get("disabled", False)
    if not isinstance(disabled, bool):
        raise InvalidInput("spec.disabled is neither true nor false: correct it")
    if disabled and kind != "StepPlugin":
        raise InvalidInput("spec.disabled is only for a StepPlugin: a metric that is not measured would pass unseen")
    return disabled

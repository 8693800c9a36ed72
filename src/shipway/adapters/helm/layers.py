"""Where the values of a chart come from: its own file, the value files in the order of the spec, its values, its parameters.

What comes later wins, and a map is merged into the map below it. `said` tells what each layer says of one value, the winner
last.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from shipway.adapters.helm.setting import escape_commas, set_value
from shipway.adapters.helm.sources import gather
from shipway.api.snapshot import RenderJob, Snapshot
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class Layer(Struct, frozen=True):
    """One place that says values: a file of the repository, or a field of the Application."""

    name: str
    values: dict[str, Any]


def layers(snapshot: Snapshot, job: RenderJob) -> tuple[Layer, ...]:
    """From the weakest to the strongest. Raises what a render would: InvalidInput naming the file or the field."""
    return tuple(_layers(snapshot, job))


def _layers(snapshot: Snapshot, job: RenderJob) -> Iterator[Layer]:
    sources = gather(snapshot, job)
    own = posixpath.join(job.path, "values.yaml")
    texts = [(own, snapshot.read(own).decode("utf-8-sig"))] if snapshot.kind(own) == "file" else []
    for name, text in (*texts, *sources.values):
        try:
            values = yaml.load(text)
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error.message}", reason=error.reason) from None
        yield Layer(name, values if isinstance(values, dict) else {})
    for name, value, is_text in sources.sets:
        set_to: dict[str, Any] = {}
        set_value(set_to, f"{name}={escape_commas(value)}", force_string=is_text)
        yield Layer(f"spec.source.helm.parameters ({name})", set_to)
    for name, content in sources.files:
        filled: dict[str, Any] = {}
        set_value(filled, f"{name}=x", force_string=True)
        yield Layer(f"spec.source.helm.fileParameters ({name})", _replaced(filled, content))


def said(found: Sequence[Layer], path: str) -> tuple[tuple[str, Any], ...]:
    """(layer, what it says) of every layer that says something of `path` (`image.tag`, `hosts[0].name`), the winner last."""
    steps = [match[1] if match[1] is not None else int(match[2]) for match in _STEP.finditer(path)]
    told = [(layer.name, *_step_down(layer.values, steps)) for layer in found]
    return tuple((name, value) for name, is_there, value in told if is_there)


def _step_down(values: Any, steps: Sequence[str | int]) -> tuple[bool, Any]:
    if not steps:
        return True, values
    step, below = steps[0], steps[1:]
    if isinstance(values, dict):
        return _step_down(values[step], below) if step in values else (False, None)
    if isinstance(values, list) and isinstance(step, int) and step < len(values):
        return _step_down(values[step], below)
    return False, None


def _replaced(values: Any, content: str) -> Any:
    if isinstance(values, dict):
        return {key: _replaced(below, content) for key, below in values.items()}
    return [_replaced(one, content) for one in values] if isinstance(values, list) else content

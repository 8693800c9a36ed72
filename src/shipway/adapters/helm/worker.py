"""The worker's side of Helm: one chart on disk in, objects out. Two ways to the same result, the program and the SDK.

Hooks stay, as annotated objects; test hooks and NOTES are dropped. The chart brings all its dependencies along (see
`dependencies`).
"""

import re
from collections.abc import Iterator
from typing import Any

from shipway.adapters.helm import program, sdk
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.kube.objects.manifests import Origin, objects_in_output, warnings_of

_RELEASE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TESTS = frozenset({"test", "test-success", "test-failure"})


def render(job: dict[str, Any]) -> dict[str, Any]:
    """See `HelmEngine`. Raises `InvalidInput` (RenderFailed, InvalidParameter, InvalidYAML)."""
    _check_release(job["release"])
    _check_value_files(job["values"])
    tool, texts = program.render(job) if job["program"] else sdk.render(job)
    found = [(name, origin) for name, text in texts for origin in _objects(name, text) if not _is_test(origin)]
    objects, warnings = [origin.obj for _, origin in found], warnings_of([origin for _, origin in found])
    return {"objects": objects, "origins": [name for name, _ in found], "warnings": warnings, "tool": tool}


def _check_release(name: str) -> None:
    if len(name) > 53 or not _RELEASE.fullmatch(name):
        raise InvalidInput(
            f"release name {name!r} is not allowed: at most 53 lower-case letters, digits, '-' and '.': set "
            "spec.source.helm.releaseName",
            reason="InvalidSource",
        )


def _check_value_files(files: list[tuple[str, str]]) -> None:
    for name, text in files:
        values = _values(name, text)
        if values is not None and not isinstance(values, dict):
            raise InvalidInput(f"{name}: a value file holds a map, this one does not: correct it", reason="InvalidYAML")


def _values(name: str, text: str) -> Any:
    try:
        return yaml.load(text)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error.message}", reason=error.reason) from None


def _objects(name: str, text: str) -> Iterator[Origin]:
    yield from objects_in_output(text, f"{name} (rendered)")


def _is_test(origin: Origin) -> bool:
    hooks = (origin.obj["metadata"].get("annotations") or {}).get("helm.sh/hook") or ""
    kinds = {kind.strip() for kind in hooks.split(",") if kind.strip()}
    return bool(kinds) and kinds <= _TESTS

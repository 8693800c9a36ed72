"""Jsonnet files in a folder of manifests: what they import, gathered on our side; evaluated by go-jsonnet in a worker.

Imports are literals in Jsonnet, so all that a file may import is known before it runs, and what was looked for counts as read.
A file is looked for beside the one that imports it, then in `libs` (from the repository's root; the last one wins), then in the
source's folder. A program gives one object or a list of them, as in Argo CD.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from shipway.api.build_env import substitute
from shipway.api.snapshot import RenderJob, Snapshot
from shipway.base.errors import InvalidInput
from shipway.kube.objects.manifests import Origin, objects_in_output

ENDING = ".jsonnet"
MAX_IMPORTS = 2000
MAX_IMPORTED_BYTES = 20 << 20
_IMPORT = re.compile(r"""\bimport(?:str|bin)?\s*@?(?:"([^"\n]+)"|'([^'\n]+)')""")


def gathered(snapshot: Snapshot, job: RenderJob, programs: Mapping[str, str]) -> dict[str, Any]:
    """What the worker needs for `programs` (name -> text): their imports, and their variables with the build's replaced."""
    options, env = job.options.get("jsonnet") or {}, dict(job.build_env)
    if not isinstance(options, dict):
        raise InvalidInput("spec.source.directory.jsonnet is not a map: correct it", reason="InvalidSource")
    folders = [*(_inside(str(lib)) for lib in reversed(options.get("libs") or ())), _inside(job.path)]
    return {
        "folders": folders,
        "imports": _imports(snapshot, programs, folders),
        "ext": [_variable(one, env, "extVars") for one in options.get("extVars") or ()],
        "tla": [_variable(one, env, "tlas") for one in options.get("tlas") or ()],
    }


def objects_of(name: str, text: str, job: Mapping[str, Any]) -> list[Origin]:
    """In the worker: what a program gives. Raises `InvalidInput` (RenderFailed, InvalidManifest)."""
    import _gojsonnet

    missing: list[str] = []

    def found(folder: str, wanted: str) -> tuple[str, bytes]:
        for place in _places(folder, wanted, job["folders"]):
            if place in job["imports"]:
                return place, job["imports"][place].encode()
        missing.append(wanted)
        raise RuntimeError("not found")

    variables = {
        f"{kind}_{'codes' if code else 'vars'}": {n: value for n, value, is_code in job[kind] if is_code == code}
        for kind in ("ext", "tla")
        for code in (False, True)
    }
    try:
        said = _gojsonnet.evaluate_snippet(name, text, import_callback=found, **variables)
    except (RuntimeError, UnicodeDecodeError) as error:
        if missing:
            # Never the binding's own words here: it hands on what a callback raised without an end, and what follows in
            # memory with it, which may not even be text.
            raise _no_import(name, missing[0]) from None
        raise InvalidInput(f"{name}: jsonnet: {' '.join(str(error).split())[:2000]}", reason="RenderFailed") from None
    made = orjson.loads(said)
    listed = made if isinstance(made, list) else [made]
    return [origin for one in listed for origin in objects_in_output(orjson.dumps(one).decode(), f"{name} (evaluated)")]


def _no_import(name: str, wanted: str) -> InvalidInput:
    places = "beside it, in the source's folder or in spec.source.directory.jsonnet.libs"
    return InvalidInput(f"{name}: jsonnet: there is no {wanted} {places}: add it or correct the import", reason="RenderFailed")


def _imports(snapshot: Snapshot, programs: Mapping[str, str], folders: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting, size = list(programs.items()), 0
    while waiting:
        name, text = waiting.pop()
        for wanted in _wanted(text):
            place = _first(snapshot, posixpath.dirname(name), wanted, folders)
            if place is None or place in found:
                continue
            content = snapshot.read(place)
            size += len(content)
            if len(found) >= MAX_IMPORTS or size > MAX_IMPORTED_BYTES:
                raise InvalidInput(f"{name}: imports more than {MAX_IMPORTED_BYTES >> 20} MiB", reason="SourceTooLarge")
            found[place] = content.decode("utf-8", "replace")
            waiting.append((place, found[place]))
    return found


def _wanted(text: str) -> Iterator[str]:
    for match in _IMPORT.finditer(text):
        yield match[1] or match[2]


def _first(snapshot: Snapshot, folder: str, wanted: str, folders: list[str]) -> str | None:
    return next((place for place in _places(folder, wanted, folders) if snapshot.kind(place) == "file"), None)


def _places(folder: str, wanted: str, folders: list[str]) -> Iterator[str]:
    """Where an import may lie, inside of the repository."""
    for base in (folder, *folders):
        place = posixpath.normpath(posixpath.join(base.rstrip("/"), wanted))
        if not place.startswith(("/", "../")) and place != "..":
            yield place


def _inside(path: str) -> str:
    clean = posixpath.normpath(path.strip("/") or ".")
    if clean == ".." or clean.startswith("../"):
        raise InvalidInput(f"{path!r} leaves the repository: correct spec.source.directory.jsonnet.libs", reason="PathEscapes")
    return "" if clean == "." else clean


def _variable(one: Any, env: Mapping[str, str], field: str) -> tuple[str, str, bool]:
    if not isinstance(one, dict) or not one.get("name"):
        raise InvalidInput(f"spec.source.directory.jsonnet.{field}: each has a name and a value", reason="InvalidSource")
    return str(one["name"]), substitute(str(one.get("value") or ""), env), bool(one.get("code"))

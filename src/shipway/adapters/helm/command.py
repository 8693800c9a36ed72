"""`helm template` for others that call it: Kustomize asks it to inflate charts, and gets what our Helm makes of them.

    python -m shipway.adapters.helm.command PROGRAM template [NAME] CHART [flags]

PROGRAM is the path of a helm, "" for the SDK. A chart without a name is rendered as Helm's own `release-name`: a name that is
another one at each render would replace every object each time. A flag that is not known is refused by name.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import orjson

from shipway.adapters.helm.worker import render
from shipway.base.errors import InvalidInput, ShipwayError

UNNAMED = "release-name"
_SWITCHES = ("--generate-name", "--include-crds", "--skip-tests", "--no-hooks", "--debug", "--devel")
_WITH_VALUE = ("--namespace", "-f", "--values", "--api-versions", "--kube-version")


def main(words: Sequence[str]) -> int:
    """Prints the objects of a chart, or says on standard error why there are none."""
    program, *rest = words
    scratch = tempfile.mkdtemp(prefix="shipway-helm-")
    try:
        job, switches = job_of(rest, program, scratch)
        shutil.copytree(job["source"], job["chart"])  # rendering may write into it
        for obj in render(job)["objects"]:
            if "--no-hooks" not in switches or "helm.sh/hook" not in (obj["metadata"].get("annotations") or {}):
                sys.stdout.write(f"---\n{orjson.dumps(obj).decode()}\n")
    except (ShipwayError, OSError) as error:
        sys.stderr.write(f"{error.message if isinstance(error, ShipwayError) else error}\n")
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def job_of(words: Sequence[str], program: str, scratch: str) -> tuple[dict[str, Any], set[str]]:
    """What is to be rendered (see `worker.render`), and the switches. Raises `InvalidInput` for what is not known."""
    command, *rest = words
    if command != "template":
        raise InvalidInput(f"helm {command} is not run for a kustomization: commit the chart, or name its repo and version")
    places: list[str] = []
    switches: set[str] = set()
    said: dict[str, list[str]] = {name: [] for name in _WITH_VALUE}
    while rest:
        word = rest.pop(0)
        if word in _SWITCHES:
            switches.add(word)
        elif word in _WITH_VALUE and rest:
            said[word].append(rest.pop(0))
        elif word.startswith("-"):
            raise InvalidInput(f"helm template {word} is not known here: take it out of the kustomization's chart")
        else:
            places.append(word)
    name, chart = (UNNAMED, *places)[-2:]
    job = {
        "program": program,
        "scratch": scratch,
        "path": os.path.basename(chart),
        "source": chart,
        "chart": os.path.join(scratch, "chart"),
        "release": name,
        "namespace": (said["--namespace"] or ["default"])[-1],
        "kube_version": (said["--kube-version"] or [""])[-1],
        "api_versions": said["--api-versions"],
        "values": [(os.path.basename(file), _text(file)) for file in (*said["-f"], *said["--values"])],
        "sets": [],
        "files": [],
        "skip_crds": "--include-crds" not in switches,
        "skip_schema": False,
    }
    return job, switches


def _text(file: str) -> str:
    with open(file, encoding="utf-8") as opened:
        return opened.read()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

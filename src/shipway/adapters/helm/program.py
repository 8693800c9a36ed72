"""The `helm` program, in the version that the user chose: `helm template`."""

import os
import re
from typing import Any

from shipway.adapters.helm.failure import failed
from shipway.adapters.helm.setting import escape_commas
from shipway.workers.programs import Finished, run_program

_SOURCE = re.compile(r"(?m)^---\n# Source: (.*)\n")


def render(job: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """The tool's name, and (template, text) pairs in Helm's order."""
    done = _helm(job, *_arguments(job))
    if done.status:
        raise failed(job, done.stderr)
    parts = _SOURCE.split("\n" + done.stdout.decode("utf-8", "replace"))
    version = _helm(job, "version", "--short").stdout.decode().strip()
    return f"helm {version.partition('+')[0]}", list(zip(parts[1::2], parts[2::2], strict=True))


def _arguments(job: dict[str, Any]) -> list[str]:
    arguments = ["template", job["release"], job["chart"], "--namespace", job["namespace"]]
    if not job["skip_crds"]:
        arguments.append("--include-crds")
    if job["skip_schema"]:
        arguments.append("--skip-schema-validation")
    if job["kube_version"]:
        arguments += ["--kube-version", job["kube_version"]]
    for version in job["api_versions"]:
        arguments += ["--api-versions", version]
    for index, (_, text) in enumerate(job["values"]):
        arguments += ["--values", _written(job, f"values-{index}.yaml", text)]
    for name, value, force in job["sets"]:
        arguments += ["--set-string" if force else "--set", f"{name}={escape_commas(value)}"]
    for index, (name, content) in enumerate(job["files"]):
        arguments += ["--set-file", f"{name}={_written(job, f'file-{index}', content)}"]
    return arguments


def _written(job: dict[str, Any], name: str, content: str) -> str:
    path = os.path.join(job["scratch"], name)
    with open(path, "w", encoding="utf-8", newline="") as out:
        out.write(content)
    return path


def _helm(job: dict[str, Any], *arguments: str) -> Finished:
    home = os.path.join(job["scratch"], "home")
    environment = {"HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home}
    return run_program([job["program"], *arguments], cwd=job["scratch"], environment=environment)

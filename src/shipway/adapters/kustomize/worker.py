"""The worker's side of Kustomize: one folder on disk in, objects out."""

import functools
import json
import os
import re
import shlex
from typing import Any

from shipway.base.errors import InvalidInput
from shipway.kube.objects.manifests import objects_in_output
from shipway.workers.programs import run_program

_NO_PLUGINS = "external plugins disabled"
_HELM_CALL = re.compile(r"\n?: unable to run: '.*", re.DOTALL)
"""What Kustomize adds to what Helm said: the command with its paths."""


def build(job: dict[str, Any]) -> dict[str, Any]:
    """See `KustomizeEngine`. Raises `InvalidInput` (RenderFailed, RenderOutOfMemory, UnsupportedSource)."""
    _check_version(job)
    environment = {"HOME": job["scratch"], "KUBECONFIG": "/dev/null"}
    done = run_program([job["program"], "kustomize", job["folder"], *_flags(job)], cwd=job["scratch"], environment=environment)
    if done.status:
        said = done.stderr.replace(f"{job['scratch']}/copy/", "").replace(job["scratch"], "")
        plain = _HELM_CALL.sub("", said).strip().removeprefix("error: ")
        if job["programs"] and _NO_PLUGINS in plain:
            plain += (
                f": {', '.join(job['programs'])} of kustomize.buildOptions would run programs that Git names, which nobody may "
                "here: declare a config-management plugin for this source"
            )
        raise InvalidInput(f"{job['path'] or '.'}: kustomize: {plain or 'failed without a message'}", reason="RenderFailed")
    found = objects_in_output(done.stdout.decode("utf-8", "replace"), f"{job['path'] or '.'} (built)")
    return {"objects": [origin.obj for origin in found], "tool": f"kustomize {_version(job['program'])}"}


def _check_version(job: dict[str, Any]) -> None:
    wanted, ours = job["version"], _version(job["program"])
    if wanted and wanted.removeprefix("v") != ours.removeprefix("v"):
        raise InvalidInput(
            f"spec.source.kustomize.version {wanted!r} is not known here: {ours} runs: say that, or leave it out",
            reason="UnsupportedSource",
        )


def _flags(job: dict[str, Any]) -> list[str]:
    flags = ["--load-restrictor=LoadRestrictionsNone"] if job["unrestricted"] else []
    if not job["helm"]:
        return flags
    command = os.path.join(job["scratch"], "helm")
    with open(command, "w", encoding="utf-8") as script:
        # Kustomize asks for the version of Helm first, and takes one program as its command.
        script.write(f'#!/bin/sh\n[ "$1" = version ] && echo v4.0.0 && exit\nexec {shlex.join(job["helm"])} "$@"\n')
    os.chmod(command, 0o700)
    flags += ["--enable-helm", "--helm-command", command]
    flags += ["--helm-kube-version", job["kube_version"]] if job["kube_version"] else []
    return [*flags, *(word for version in job["api_versions"] for word in ("--helm-api-versions", version))]


@functools.cache
def _version(program: str) -> str:
    """Kustomize's version inside a kubectl."""
    done = run_program([program, "version", "--client", "-o", "json"], cwd="/", environment={"KUBECONFIG": "/dev/null"})
    try:
        return str(json.loads(done.stdout)["kustomizeVersion"])
    except (ValueError, KeyError):
        return "of an unknown version"

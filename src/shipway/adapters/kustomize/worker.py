"""The worker's side of Kustomize: one folder on disk in, objects out."""

import functools
import json
from typing import Any

from shipway.base.errors import InvalidInput
from shipway.kube.objects.manifests import objects_in_output
from shipway.workers.programs import run_program


def build(job: dict[str, Any]) -> dict[str, Any]:
    """See `KustomizeEngine`. Raises `InvalidInput` (RenderFailed, RenderOutOfMemory)."""
    environment = {"HOME": job["scratch"], "KUBECONFIG": "/dev/null"}
    done = run_program([job["program"], "kustomize", job["folder"]], cwd=job["scratch"], environment=environment)
    if done.status:
        said = done.stderr.replace(f"{job['scratch']}/copy/", "").replace(job["scratch"], "")
        plain = said.strip().removeprefix("error: ")
        raise InvalidInput(f"{job['path'] or '.'}: kustomize: {plain or 'failed without a message'}", reason="RenderFailed")
    found = objects_in_output(done.stdout.decode("utf-8", "replace"), f"{job['path'] or '.'} (built)")
    return {"objects": [origin.obj for origin in found], "tool": f"kustomize {_version(job['program'])}"}


@functools.cache
def _version(program: str) -> str:
    """Kustomize's version inside a kubectl."""
    done = run_program([program, "version", "--client", "-o", "json"], cwd="/", environment={"KUBECONFIG": "/dev/null"})
    try:
        return str(json.loads(done.stdout)["kustomizeVersion"])
    except (ValueError, KeyError):
        return "of an unknown version"

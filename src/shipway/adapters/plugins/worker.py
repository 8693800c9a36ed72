"""In the worker: a config-management plugin's commands in a copy of the repository, behind walls (`walls.py`).

Where the kernel builds no walls, a warning says what the plugin could reach.
"""

import os
from typing import Any

from shipway.adapters.plugins.walls import Command, Reach, ended_well, run_walled, walls
from shipway.kube.objects.manifests import objects_in_output, warnings_of
from shipway.workers.programs import Finished


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Init, then generate; what generate prints, as objects."""
    if job["init"]:
        _run(job, "init")
    printed = _run(job, "generate").stdout.decode("utf-8", "replace")
    found = objects_in_output(printed, f"{job['plugin']} (generated)")
    return {
        "objects": [origin.obj for origin in found],
        "origins": [origin.place for origin in found],
        "warnings": [*_warnings(job), *warnings_of(found)],
    }


def discover(job: dict[str, Any]) -> bool:
    """Whether its find command prints something and ends well."""
    done = run_walled(_command(job, "find"), _reach(job))
    return done.status == 0 and bool(done.stdout.strip())


def _run(job: dict[str, Any], step: str) -> Finished:
    command = _command(job, step)
    return ended_well(run_walled(command, _reach(job)), command)


def _command(job: dict[str, Any], step: str) -> Command:
    what, folder = f"plugin {job['plugin']}: {step}", os.path.join(job["scratch"], "tree", job["path"])
    return Command(what, job[step], folder, job["env"], job["seconds"], secrets=job["secrets"])


def _reach(job: dict[str, Any]) -> Reach:
    return Reach(job["scratch"], job["hidden"], job["network"])


def _warnings(job: dict[str, Any]) -> list[str]:
    """What has to be said of a plugin that runs without walls."""
    if walls(_reach(job)):
        return []
    return [
        f"plugin {job['plugin']} could reach the network and the files of this process: the kernel allows no user namespaces "
        "here. Allow them (unshare, setpriv and prlimit of util-linux), or declare only plugins that you trust"
    ]

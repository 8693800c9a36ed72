"""In the worker: a step or metric plugin is given one JSON document and prints another, behind walls (`walls.py`)."""

import os
from typing import Any

from shipway.adapters.plugins.walls import Command, Reach, ended_well, masked, run_walled, walls
from shipway.base.errors import InvalidInput

MAX_ANSWER = 1 << 20


def exchange(job: dict[str, Any]) -> dict[str, Any]:
    """What the command printed, secrets blotted out, and whether it stood behind walls. Raises what `walls.py` does."""
    scratch = job["scratch"]
    given = os.path.join(scratch, "request.json")
    with open(given, "w", encoding="utf-8") as file:
        file.write(job["request"])
    reach = Reach(scratch, job["hidden"], network=True)
    folder = os.path.join(scratch, "work")
    command = Command(
        job["what"],
        job["command"],
        folder,
        job["env"],
        job["seconds"],
        given=given,
        memory=job["memory"],
        printed=MAX_ANSWER,
        secrets=job["secrets"],
    )
    done = ended_well(run_walled(command, reach), command)
    try:
        printed = done.stdout.decode()
    except UnicodeDecodeError:
        raise InvalidInput("what it printed is not one JSON document: it is not UTF-8", reason="PluginLies") from None
    return {"printed": masked(printed, job["secrets"]), "walled": bool(walls(reach))}

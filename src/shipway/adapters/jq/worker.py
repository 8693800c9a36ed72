"""The worker's side of jq: which fields of one object do these expressions select?

jq reaches for the environment of its process in two ways, `env` and `$ENV`; both are shadowed. It has no time limit of its own:
the pool ends a process whose expression never does.
"""

import re
from typing import Any

import jq

from shipway.base.errors import InvalidInput

MOST_PATHS = 10_000
_PROGRAM = "def env: {{}}; {{}} as $ENV | [limit({most}; path({expression}\n))]"
_COMPLAINT = re.compile(r"jq: error: (.*?)(?: at <top-level>.*)?$", re.MULTILINE)


def paths(job: dict[str, Any]) -> list[list[str | int]]:
    """The paths (keys and indexes) that `expressions` select in `obj` (JSON text).

    An expression that fits the object badly (it iterates over what is not there) selects nothing, as in Argo CD. Raises
    `InvalidInput` for one that is no jq, and for one that selects more than anybody would mean.
    """
    found: list[list[str | int]] = []
    for expression in job["expressions"]:
        try:
            selected = _compiled(expression).input_text(job["obj"]).first()
        except (ValueError, StopIteration):  # it fits badly, or it halts
            continue
        if len(selected) >= MOST_PATHS:
            raise InvalidInput(f"jq expression {expression!r} selects {MOST_PATHS} fields or more", reason="JqFailed")
        found += [path for path in selected if all(isinstance(step, str | int) for step in path)]
    return found


def _compiled(expression: str) -> Any:
    try:
        return jq.compile(_PROGRAM.format(most=MOST_PATHS, expression=expression))
    except ValueError as error:
        complaint = _COMPLAINT.search(str(error))
        told = complaint[1] if complaint else "it does not compile"
        raise InvalidInput(f"jq expression {expression!r}: {told}", reason="JqFailed") from None

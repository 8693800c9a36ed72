#!/usr/bin/env python3
"""A step plugin to begin with. One JSON document comes in, one goes out, exit code 0; what goes to stderr is told on failure.

The same `id` may come twice, when the controller died before it wrote the answer down: do nothing a second time for it.
"""

import json
import sys


def run(request):
    """Begin or look after the work. Say Running to be asked again, Failed to throw the version out."""
    known = request["status"] or {"executions": []}
    known["executions"].append(request["id"])
    return {"phase": "Successful", "message": f"did nothing for {request['rollout']['name']}", "status": known}


def end(request):
    """`abort` (the version is thrown out) or `terminate` (it was promoted before the work was done): undo it, at once."""
    return {"phase": "Successful", "message": f"nothing to {request['op']}"}


OPERATIONS = {"run": run, "abort": end, "terminate": end}
request = json.load(sys.stdin)
json.dump(OPERATIONS[request["op"]](request), sys.stdout)

#!/usr/bin/env python3
"""A metric plugin to begin with: one JSON document comes in, one goes out, exit code 0; stderr is told on failure."""

import json
import sys


def run(request):
    """Measure. Without a phase the conditions of the AnalysisTemplate judge the value."""
    return {"value": len(request["config"] or {}), "metadata": {"id": request["id"]}}


def resume(request):
    """Only after an answer with the phase Running: `measurement` is what stands in the AnalysisRun."""
    return run(request)


def terminate(request):
    """The run is over before the measurement: end it, at once."""
    return {"phase": "Successful", "message": "nothing to end"}


OPERATIONS = {"run": run, "resume": resume, "terminate": terminate}
request = json.load(sys.stdin)
json.dump(OPERATIONS[request["op"]](request), sys.stdout)

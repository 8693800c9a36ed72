"""What Helm said, as one of our errors, and what both ways of rendering share."""

import os
import re
from pathlib import Path
from typing import Any

from shipway.base.errors import InvalidInput


def failed(job: dict[str, Any], message: str) -> InvalidInput:
    """Helm's message, its temporary paths taken out."""
    plain = message.replace(os.path.join(job["scratch"], "chart") + "/", "").replace(job["scratch"] + "/", "")
    plain = re.sub(r"(?m)^(level=\S+.*|Use --debug flag.*|walk\.go:.*)$\n?", "", plain).strip()
    plain = plain.removeprefix("Error: ").removeprefix("INSTALLATION FAILED: ")
    return InvalidInput(f"{job['path'] or '.'}: helm: {plain or 'failed without a message'}", reason="RenderFailed")


def without_schemas(job: dict[str, Any]) -> None:
    """Take the schemas out of the chart's copy, for the ways of rendering that have no switch for it."""
    for schema in Path(job["chart"]).rglob("values.schema.json"):
        schema.unlink()

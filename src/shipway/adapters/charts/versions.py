"""Which version of a chart a `targetRevision` means: an exact one, a range, or the latest release."""

from collections.abc import Iterable

from shipway.base.errors import NotFound
from shipway.base.semver import highest_tag, parse_version

LATEST = ("", "HEAD", "latest")
_SHOWN = 5


def chosen(versions: Iterable[str], wanted: str, what: str) -> str:
    """The version that fits. Raises `NotFound` (RevisionNotFound) naming some that there are; `what` names the chart."""
    there = list(versions)
    found = _exact(there, wanted) or highest_tag(there, "*" if wanted in LATEST else wanted)
    if found is None:
        known = ", ".join(there[:_SHOWN]) or "none"
        raise NotFound(
            f"{what}: no version fits {wanted or 'the latest release'!r} (there are: {known}): correct "
            "spec.source.targetRevision, or publish it",
            reason="RevisionNotFound",
        )
    return found


def _exact(versions: list[str], wanted: str) -> str | None:
    if wanted in versions:
        return wanted
    version = parse_version(wanted)
    return next((one for one in versions if version is not None and parse_version(one) == version), None)

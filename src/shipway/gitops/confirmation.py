"""Deletions that a person has to confirm: the options `Prune=confirm` and `Delete=confirm`.

The approval is an annotation of the Application that holds a time. It counts for what was asked before that time: the sync that
began, or the deletion that was asked for. An older approval does not count again.
"""

from shipway.base.clock import parse_rfc3339
from shipway.gitops.annotations import DELETION_APPROVED
from shipway.gitops.sync.tasks import option_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of


def needs_confirmation(obj: Obj, options: dict[str, str], option: str) -> bool:
    """`option` is `Prune` or `Delete`."""
    return option_of(obj, options, option).lower() == "confirm"


def is_confirmed(app: Obj, since: str) -> bool:
    """Whether somebody approved what was asked for at `since` (RFC 3339)."""
    approved = annotations_of(app).get(DELETION_APPROVED, "")
    try:
        return parse_rfc3339(approved) >= parse_rfc3339(since)
    except ValueError:
        return False

"""A hold: the lasting intent to stay at an earlier deployment, whatever Git says, until it is lifted or its time is over.

A rollback that automated sync undoes a moment later is none. So a rollback writes the deployment it goes back to on the
Application, in one annotation that says everything: where to, until when, by whom and why. While it stands it takes the place
of what Git wants: the application is compared with it, drift is healed to it, and everybody is told.
"""

from typing import Any

import msgspec
from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import InvalidInput
from shipway.gitops.annotations import HOLD
from shipway.gitops.pinned import Pinned, pinned_in, short, spec_sources
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, name_of

CONDITION = "HeldWarning"
"""The condition of a held Application; what Argo CD's clients show of a type that ends so is a warning."""


class Hold(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """`id`: the entry of `status.history` that it goes back to; -1: none, another revision is followed for a while.

    Revisions and sources are that entry's own, so that the hold outlives the history's limit. `until` and `since` are RFC 3339;
    `until` "": until it is lifted.
    """

    id: int
    since: str
    revision: str = ""
    revisions: tuple[str, ...] = ()
    source: dict[str, Any] = {}
    sources: tuple[dict[str, Any], ...] = ()
    until: str = ""
    by: str = ""
    reason: str = ""

    @property
    def pinned(self) -> Pinned:
        """What the application is to be instead of what Git says."""
        return pinned_in(
            {"revision": self.revision, "revisions": self.revisions, "source": self.source, "sources": self.sources}
        )

    def is_over(self, now: Instant) -> bool:
        return bool(self.until) and now >= parse_rfc3339(self.until)

    @property
    def ends_at(self) -> Instant | None:
        return parse_rfc3339(self.until) if self.until else None


def hold_of(app: Obj) -> Hold | None:
    """The hold on an Application, None where there is none. Raises InvalidInput for an annotation that cannot be read."""
    text = annotations_of(app).get(HOLD)
    if not text:
        return None
    try:
        hold = msgspec.json.decode(text, type=Hold)
        if hold.until:
            parse_rfc3339(hold.until)
        if not hold.pinned.revisions or len(hold.pinned.revisions) != len(hold.pinned.sources):
            raise ValueError("it does not say which revision of every source")
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidInput(f"annotation {HOLD}: {error}. Lift the hold: `shipway app resume {name_of(app)}`") from None
    return hold


def hold_at(entry: Obj, *, since: str, until: str = "", by: str = "", reason: str = "") -> Hold:
    """The hold that goes back to one entry of an Application's `status.history`."""
    return Hold(
        id=int(entry.get("id") or 0),
        since=since,
        revision=entry.get("revision") or "",
        revisions=tuple(entry.get("revisions") or ()),
        source=entry.get("source") or {},
        sources=tuple(entry.get("sources") or ()),
        until=until,
        by=by,
        reason=reason,
    )


def hold_on(app: Obj, revision: str, *, since: str, until: str, by: str = "", reason: str = "") -> Hold:
    """The hold that follows another revision of an Application's one source: a branch, tag, range or commit."""
    source = {**spec_sources(app)[0][0], "targetRevision": revision}
    return Hold(id=-1, since=since, revision=revision, source=source, until=until, by=by, reason=reason)


def annotation(hold: Hold) -> str:
    """The hold as its annotation spells it."""
    return msgspec.json.encode(hold).decode()


def sentence(app: Obj, hold: Hold) -> str:
    """`held at 1a2b3c4 (deployment 3) by ada until …: checkout is slow`, for conditions and for `why`."""
    where = ",".join(short(one) for one in hold.pinned.revisions)
    by = f" by {hold.by}" if hold.by else ""
    until = f" until {hold.until}" if hold.until else ""
    why = f": {hold.reason}" if hold.reason else ""
    deployment = f" (deployment {hold.id})" if hold.id >= 0 else ""
    return f"held at {where}{deployment}{by}{until}{why}. `shipway app resume {name_of(app)}` lifts the hold"

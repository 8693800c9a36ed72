"""Sources at revisions, and the two ways Argo CD spells them.

An Application has one source (`spec.source`) or a list (`spec.sources`, which wins); where a `spec.sourceHydrator` wins over
both, its one source is the branch that it syncs from. Whatever tells of revisions has a field
for either: `revision` and `source`, or `revisions` and `sources` in the order of the spec. Everything that reads or writes
such a pair goes through here.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from msgspec import Struct

from shipway.base.ids import digest
from shipway.kube.objects.resource import Obj


class Pinned(Struct, frozen=True):
    """Sources as the user wrote them and, for each, a revision: the one wanted, or the one it was resolved to."""

    sources: tuple[Obj, ...] = ()
    revisions: tuple[str, ...] = ()
    is_plural: bool = False

    @property
    def shown(self) -> str:
        """For messages: one revision as it is, several as Go prints a list."""
        return shown(self.revisions, is_plural=self.is_plural)

    @property
    def identity(self) -> str:
        """The same for the same sources at the same revisions, and for nothing else."""
        return digest(orjson.dumps([self.sources, self.revisions], option=orjson.OPT_SORT_KEYS))

    @property
    def revision_fields(self) -> Obj:
        """`revision` or `revisions`."""
        if self.is_plural:
            return {"revisions": list(self.revisions)}
        return {"revision": self.revisions[0] if self.revisions else ""}

    @property
    def source_fields(self) -> Obj:
        """`source` or `sources`; neither where none is known: the CRD of Argo CD takes no source without repository."""
        if self.is_plural:
            return {"sources": list(self.sources)}
        return {"source": self.sources[0]} if self.sources else {}


def pinned_in(told: Mapping[str, Any]) -> Pinned:
    """What a history entry says that was deployed."""
    return Pinned(sources_in(told), revisions_in(told), is_plural=bool(told.get("sources")))


def spec_sources(app: Obj) -> tuple[tuple[Obj, ...], bool]:
    """The sources as the user wrote them, and whether they are a list."""
    spec = app.get("spec") or {}
    if spec.get("sourceHydrator"):
        return (_synced_by(spec["sourceHydrator"]),), False
    listed: list[Obj] = spec.get("sources") or []
    return (tuple(listed), True) if listed else ((spec.get("source") or {},), False)


def _synced_by(hydrator: Obj) -> Obj:
    """The source that an Application with a hydrator is synced from."""
    dry, synced = hydrator.get("drySource") or {}, hydrator.get("syncSource") or {}
    return {
        "repoURL": synced.get("repoURL") or dry.get("repoURL") or "",
        "path": synced.get("path") or "",
        "targetRevision": synced.get("targetBranch") or "",
    }


def revisions_in(told: Mapping[str, Any]) -> tuple[str, ...]:
    """The revisions that a status, a result or a history entry tells of; () when it tells of none."""
    several = told.get("revisions")
    if several:
        return tuple(str(revision or "") for revision in several)
    return (str(told["revision"]),) if told.get("revision") else ()


def sources_in(told: Mapping[str, Any]) -> tuple[Obj, ...]:
    several = told.get("sources")
    if several:
        return tuple(several)
    return (told["source"],) if told.get("source") else ()


def shown(revisions: tuple[str, ...], *, is_plural: bool) -> str:
    return f"[{' '.join(revisions)}]" if is_plural else "".join(revisions[:1])


def target_of(source: Obj) -> str:
    """What a source follows."""
    return source.get("targetRevision") or "HEAD"


def path_of(source: Obj) -> str:
    """Its folder, or the name of its chart."""
    return source.get("path") or source.get("chart") or "."


def short(revision: str) -> str:
    """The first seven letters of a commit; anything else as it is."""
    is_commit = len(revision) in (40, 64) and all(letter in "0123456789abcdef" for letter in revision)
    return revision[:7] if is_commit else revision


def revision_of(told: Mapping[str, Any]) -> str:
    """The revision of a sync state or a history entry, short; of several sources all of them."""
    return ",".join(short(one) for one in told.get("revisions") or [told.get("revision") or ""] if one)

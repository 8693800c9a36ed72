"""The repository with everybody's configuration: by its URL, or a working copy that stands for it."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from shipway.adapters.git.urls import parse_remote, place_of, redact
from shipway.adapters.git.working_copy import WorkingCopy, read_working_copy
from shipway.base.errors import InvalidInput
from shipway.gitops.pinned import spec_sources, target_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of


class Central(Struct, frozen=True):
    """`place` is what `urls.place_of` says of its URL. With `copy` it is read from there, whatever revision is named."""

    url: str
    place: str
    copy: WorkingCopy | None = None

    def holds(self, source: Obj) -> bool:
        """Whether a source is taken from it."""
        return not source.get("chart") and place_of(str(source.get("repoURL") or "")) == self.place

    def concerns(self, app: Obj) -> bool:
        return any(map(self.holds, _sources(app)))


async def central_repository(named: str, apps: Sequence[Obj], cache: Path) -> Central:
    """`named`: a URL in any spelling, or a folder. A working copy stands for the repository that it was cloned from, or for the
    only one that there is. Raises InvalidInput where that is none or several, or where the Applications follow several
    revisions of it, of which a working copy can be only one."""
    if not Path(named).is_dir():
        return Central(redact(parse_remote(named).address), place_of(named))
    copy = await read_working_copy(Path(named), cache / "working-copies")
    urls = {place_of(url): url for app in apps for source in _sources(app) if (url := str(source.get("repoURL") or ""))}
    meant = [place for place in urls if place in copy.remotes] or list(urls)
    if len(meant) != 1:
        told = ", ".join(sorted(redact(url) for url in urls.values())) or "no Application names a repository"
        raise InvalidInput(
            f"{copy.root} could be a working copy of several repositories, or of none: {told}: name the URL instead"
        )
    central = Central(redact(urls[meant[0]]), meant[0], copy)
    followed = {target_of(source) for app in apps for source in _sources(app) if central.holds(source)}
    if len(followed) > 1:
        shown = ", ".join(sorted(followed))
        raise InvalidInput(
            f"Applications follow several revisions of {central.url} ({shown}): name the URL instead of a folder"
        )
    return central


def at_revision(app: Obj, central: Central, revision: str) -> Obj:
    """The Application with another revision of its sources there; itself for ""."""
    if not revision:
        return app

    def pinned(source: Obj) -> Obj:
        return {**source, "targetRevision": revision} if central.holds(source) else source

    spec = spec_of(app)
    said = {"source": pinned(spec["source"])} if spec.get("source") else {}
    said |= {"sources": [pinned(source) for source in spec["sources"]]} if spec.get("sources") else {}
    return {**app, "spec": {**spec, **said}}


def _sources(app: Obj) -> tuple[Obj, ...]:
    """Also where it comes from that a hydrator renders."""
    dry = (spec_of(app).get("sourceHydrator") or {}).get("drySource")
    return (*spec_sources(app)[0], *([dry] if dry else []))

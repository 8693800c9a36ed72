"""One service moves: its Applications are rendered as they are, laid out anew, rendered again, and written if that is alike.

All of it is rendered by what the engine renders with. What is laid out is rendered from a repository that holds exactly what
would be committed: what a .gitignore of the service would leave out is missed here, and not on its first sync.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from shipway.adapters.git.urls import place_of
from shipway.adapters.git.working_copy import as_repository
from shipway.api.application import control_namespace_of, default_project, parse_spec
from shipway.api.kinds import APP_PROJECTS
from shipway.api.sources import ProjectFacts
from shipway.assembly.central import Central
from shipway.assembly.clusters import Clusters
from shipway.assembly.destinations import place_of as destination_of
from shipway.assembly.placing import Draft
from shipway.assembly.projects import in_force
from shipway.assembly.read_sources import Rendering, read_of
from shipway.assembly.rendered_now import rendered_now
from shipway.assembly.resource_tree import settings_of
from shipway.assembly.sources import Sources
from shipway.assembly.working_copies import WorkingCopySources
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, NotFound, ShipwayError
from shipway.gitops.application.installation import facts_of
from shipway.gitops.application.target import Surroundings, Target
from shipway.gitops.asks import ClusterAsk
from shipway.gitops.hydration.files import manifest_of
from shipway.gitops.kustomize import read_kustomize
from shipway.gitops.pinned import spec_sources
from shipway.gitops.project import DEFAULT
from shipway.gitops.relocation.application import check_movable, check_objects, moved, notes
from shipway.gitops.relocation.layout import HOME, Home, Member, Read, layout, value_notes
from shipway.gitops.relocation.services import Belongs, Labels
from shipway.gitops.source import check_spec
from shipway.gitops.tools import read_schemes, read_switched_off
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.yaml import dump
from shipway.kube.runtime.controller import Resolver, key_of
from shipway.kube.runtime.decision import Ask

APPLICATIONS = "applications"
"""The folder beside `charts` with the new Applications."""
_MARK = b"apiVersion: argoproj.io/v1alpha1\nkind: Application\n"


class Wish(Struct, frozen=True):
    """`central`: a URL, or a folder of a working copy. `template`: the URL of a service's repository, with {app} in it.
    `revision`: what the new Applications follow; `at`: what is read of the central repository, "" for what they follow now.
    `replaces`: what is there may go; `anyway`: what renders otherwise is written too."""

    central: str
    into: Path
    template: str
    revision: str = "HEAD"
    at: str = ""
    labels: Labels = Labels()
    replaces: bool = False
    anyway: bool = False


class Given(Struct, frozen=True):
    """What an Application gives, in its order. `error`: why it gives nothing."""

    objects: tuple[Obj, ...] = ()
    error: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the objects as one YAML text, "" where there are none to be had."""
        return "" if self.error else hashlib.sha256(manifest_of(self.objects)).hexdigest()


class Moved(Struct, frozen=True):
    """One Application. `problem`: why it was not moved; else `before` and `after` say whether it gives the same."""

    application: str
    belongs: Belongs | None
    problem: str = ""
    before: Given = Given()
    after: Given = Given()
    notes: tuple[str, ...] = ()
    is_written: bool = False

    @property
    def is_same(self) -> bool:
        return not (self.problem or self.after.error) and self.before.digest == self.after.digest


class Means(Struct, frozen=True):
    """`sources` reads everything; `here` too, with a working copy in the place of the central repository where there is one."""

    client: Client
    clock: Clock
    sources: Sources
    here: Sources | WorkingCopySources
    clusters: Clusters
    cache: Path


class _Seen(Struct, frozen=True):
    """An Application as it is now."""

    belongs: Belongs
    member: Member
    before: Given
    around: Surroundings


class Mover:
    """Moves services one by one; several may be under way at once."""

    def __init__(self, means: Means, central: Central, wish: Wish) -> None:
        self._means = means
        self._central = central
        self._wish = wish

    async def move(self, service: str, pairs: Sequence[tuple[Belongs, Obj]], others: frozenset[str]) -> list[Moved]:
        """`others`: value files that other services name. Raises nothing that is expected: it is told in the answer."""
        found = await asyncio.gather(*(self._seen(one, app, pairs) for one, app in pairs))
        seen = [one for one in found if isinstance(one, _Seen)]
        if len(seen) < len(found):
            return [_left(one, service) if isinstance(one, _Seen) else one for one in found]
        draft = Draft((self._wish.into / service).absolute())
        try:
            return await self._moved(service, seen, others, draft)
        except ShipwayError as error:
            return [Moved(called(one.member.app), one.belongs, error.message) for one in seen]
        finally:
            await asyncio.to_thread(draft.drop)

    async def _moved(self, service: str, seen: Sequence[_Seen], others: frozenset[str], draft: Draft) -> list[Moved]:
        home = Home(self._wish.template.replace("{app}", service), self._wish.revision)
        if place_of(home.repo_url) == self._central.place:
            raise InvalidInput(f"{self._central.url} is where it lies now: say where the services' own repositories are")
        laid = layout(service, [one.member for one in seen], home, others)
        apps = [moved(one.member.app, sources) for one, sources in zip(seen, laid.sources, strict=True)]
        texts = {
            f"{APPLICATIONS}/{one.belongs.environment}.yaml": dump(app).encode() for one, app in zip(seen, apps, strict=True)
        }
        folders = (*_folders(laid.files), APPLICATIONS)
        draft.check(folders, replaces=self._wish.replaces, marks={APPLICATIONS: _MARK})
        await asyncio.to_thread(draft.write, {**laid.files, **texts})
        copy = await as_repository(draft.folder, self._means.cache / "relocated")
        there = WorkingCopySources(self._means.sources, copy, place_of(home.repo_url))
        after = await asyncio.gather(
            *(self._given(app, one.around, there.resolvers) for one, app in zip(seen, apps, strict=True))
        )
        told = [
            Moved(
                called(one.member.app),
                one.belongs,
                before=one.before,
                after=given,
                notes=(*notes(one.member.app, one.around.project, home.repo_url), *value_notes(one.member.reads)),
                is_written=self._wish.anyway or all(a.digest == b.before.digest for a, b in zip(after, seen, strict=True)),
            )
            for one, given in zip(seen, after, strict=True)
        ]
        if all(one.is_written for one in told):
            await asyncio.to_thread(draft.finish, folders)
        return told

    async def _seen(self, one: Belongs, app: Obj, pairs: Sequence[tuple[Belongs, Obj]]) -> _Seen | Moved:
        """What it reads and gives now, or why it cannot be moved."""
        try:
            twin = next((other for who, other in pairs if who == one and other is not app), None)
            if twin is not None:
                raise InvalidInput(
                    f"{called(twin)} is {one.environment} of {one.service} as well: tell them apart with --environment-label"
                )
            check_movable(app)
            check_spec(parse_spec(app))
            around = await self._around(app)
            target = await self._target(app, around, self._means.here.resolvers)
            given = _given(target)
            check_objects(given.objects)
            reads = await asyncio.to_thread(self._reads, app, target)
        except ShipwayError as error:
            return Moved(called(app), one, error.message)
        return _Seen(one, Member(app, one.environment, reads), given, around)

    def _reads(self, app: Obj, target: Target) -> tuple[Read, ...]:
        sources = spec_sources(app)[0]
        lenders = frozenset(str(one["ref"]) for one in sources if one.get("ref") and self._central.holds(one))
        found: list[Read] = []
        for source, request, part in zip(sources, target.requests, target.parts, strict=True):
            is_central = self._central.holds(source)
            if request is None or part.rendered is None:
                found.append(Read("", is_central))
            else:
                found.append(read_of(Rendering(source, request, part.rendered, is_central, lenders), self._means.here.snapshot))
        return tuple(found)

    async def _given(self, app: Obj, around: Surroundings, resolvers: Mapping[type[Ask], Resolver]) -> Given:
        try:
            return _given(await self._target(app, around, resolvers))
        except ShipwayError as error:
            return Given(error=error.message)

    async def _target(self, app: Obj, around: Surroundings, resolvers: Mapping[type[Ask], Resolver]) -> Target:
        return await rendered_now(app, around, {**resolvers, ClusterAsk: self._means.clusters.facts}, self._means.clock)

    async def _around(self, app: Obj) -> Surroundings:
        settings = await settings_of(self._means.client, app)
        place = await destination_of(self._means.client, app)
        return Surroundings(
            await self._facts(app), place.key, read_kustomize(settings), read_switched_off(settings), read_schemes(settings)
        )

    async def _facts(self, app: Obj) -> ProjectFacts:
        spec = parse_spec(app)
        name, namespace = spec.project or DEFAULT, control_namespace_of(app)
        try:
            project = await self._means.client.get(APP_PROJECTS, namespace, name)
        except NotFound:
            if name != DEFAULT:
                raise NotFound(f"its AppProject {name} is not in namespace {namespace}") from None
            project = default_project(namespace)
        return facts_of(spec, (await in_force(self._means.client, project)).spec)


def called(app: Obj) -> str:
    """Namespace and name."""
    return str(key_of(app))


def _given(target: Target) -> Given:
    return Given(tuple(obj for rendered in target.renders for obj in rendered.objects))


def _left(one: _Seen, service: str) -> Moved:
    return Moved(called(one.member.app), one.belongs, f"service {service} moves as one, and another Application of it cannot")


def _folders(files: Mapping[str, bytes]) -> list[str]:
    """The folders that belong to the import: each one in `charts`, and whatever else lies at the root."""
    found = (path.split("/") for path in files)
    return sorted({"/".join(parts[:2]) if parts[0] == HOME else parts[0] for parts in found})

"""A frozen snapshot of one group: its Applications, where their source stands, and what each of them renders to there.

All of them are rendered at one commit: that of the group's own question where the branch stands, to which every commit is news.
What an Application reads at that commit is asked for it alone, so what the commit did not touch is not rendered again.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import ApplicationSpec
from shipway.api.hydration import FolderRequest, HydrationRequest
from shipway.api.kinds import APPLICATIONS
from shipway.api.sources import HeadRequest
from shipway.gitops.annotations import HYDRATE
from shipway.gitops.application.destinations import Places, cluster_of
from shipway.gitops.application.installation import Installation, facts_of
from shipway.gitops.application.target import Surroundings, Target, target_of
from shipway.gitops.application.written import written_on
from shipway.gitops.asks import HeadAsk, HydrateAsk, canonical
from shipway.gitops.handover import Stance, live_argo_cd, stance_towards
from shipway.gitops.hydration.commands import commands_of
from shipway.gitops.hydration.group import BY_BRANCH, Claim, GroupKey, clean, disputes, group_of, problem_of
from shipway.gitops.pinned import Pinned
from shipway.gitops.project import DEFAULT, refusals
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, is_deleting, namespace_of, spec_of
from shipway.kube.runtime.controller import ObjectKey, World, key_of
from shipway.kube.runtime.decision import Answer, Ask

_LOOKING = Stance("report")
"""A project `default` that nobody has made yet counts as made."""


class Member(Struct, frozen=True):
    """One Application. `problem`: why it may not be rendered; `target`: what it renders to, where that had to be asked."""

    app: Obj
    spec: ApplicationSpec | None
    problem: str = ""
    target: Target | None = None

    @property
    def key(self) -> ObjectKey:
        return key_of(self.app)

    @property
    def hydrator(self) -> Obj:
        return spec_of(self.app)["sourceHydrator"]

    @property
    def wishes(self) -> bool:
        """Somebody wants it rendered now."""
        return HYDRATE in annotations_of(self.app)

    @property
    def told(self) -> Obj:
        """`status.sourceHydrator`."""
        return dig(self.app, "status", "sourceHydrator", default={})

    @property
    def operation(self) -> Obj:
        return self.told.get("currentOperation") or {}

    @property
    def has_begun(self) -> bool:
        """An operation for what it says now is under way."""
        return self.operation.get("phase") == "Hydrating" and self._speaks_of_it and "startedAt" in self.operation

    def is_settled(self, dry_sha: str) -> bool:
        """What it renders to at a commit is in the branch, and nobody wants to know that anew. `dry_sha` "": at the last one
        that was known."""
        return self._ended("Hydrated", dry_sha)

    def has_failed(self, dry_sha: str) -> bool:
        """The same of a failure."""
        return self._ended("Failed", dry_sha)

    def _ended(self, phase: str, dry_sha: str) -> bool:
        is_of_it = not dry_sha or self.operation.get("drySHA") == dry_sha
        return not self.wishes and self.operation.get("phase") == phase and self._speaks_of_it and is_of_it

    @property
    def _speaks_of_it(self) -> bool:
        return self.operation.get("sourceHydrator") == self.hydrator


class Observed(Struct, frozen=True):
    key: GroupKey
    members: tuple[Member, ...]
    head_ask: HeadAsk
    head: Answer | None
    ask: HydrateAsk | None
    """None while something is not rendered, or nothing is to be done."""
    answer: Answer | None

    @property
    def dry_sha(self) -> str:
        """The commit to render, "" while it is not known."""
        return self.head.value.commit if self.head and self.head.value else ""

    @property
    def asks(self) -> tuple[Ask, ...]:
        asks: list[Ask] = [self.head_ask]
        for member in self.members:
            asks += member.target.asks if member.target else ()
        return tuple(dict.fromkeys([*asks, *([self.ask] if self.ask else [])]))


class Observer:
    """Holds memories that may be dropped at any moment."""

    def __init__(self, settings: GitOpsSettings) -> None:
        self._settings = settings
        self._installation = Installation(settings)
        self._places = Places()

    def observe(self, key: GroupKey, world: World) -> Observed | None:
        argo_cd = live_argo_cd(world)
        writers = [app for app in world.indexed(APPLICATIONS, BY_BRANCH, key.place) if self._is_ours(app, argo_cd)]
        writers.sort(key=key_of)
        members = tuple(Member(app, None) for app in writers if group_of(app) == key)
        if not members:
            return None
        observed = _looked_up(key, members, world)
        if all(member.is_settled(observed.dry_sha) for member in members):
            return observed  # as nearly always: whatever else happens to one of many costs a glance at each
        disputed = disputes([_claim(app, key) for app in writers])
        return self._asked(observed, [self._read(member.app, world, disputed) for member in members], world)

    def _is_ours(self, app: Obj, argo_cd: str) -> bool:
        if is_deleting(app) or not self._settings.serves(namespace_of(app)):
            return False
        return stance_towards(app, self._settings, argo_cd).kind == "reconcile"

    def _read(self, app: Obj, world: World, disputed: dict[ObjectKey, str]) -> "_Read":
        said = written_on(app)
        member = Member(app, said.spec, said.spec_error)
        if said.spec is None or said.spec.source_hydrator is None:
            return _Read(member)
        project, _ = self._installation.project(world, member.key, said.spec, _LOOKING)
        if project.spec is None:
            return _Read(replace(member, problem=project.error))
        installed = self._installation.said(world)
        place = self._places.of(app, world, has_home=installed.has_home)
        spec, name = place.told_in(said.spec), said.spec.project or DEFAULT
        hydrator = said.spec.source_hydrator
        refused = refusals(project.spec, name, spec, place.owner)
        problem = problem_of(hydrator.sync_source.path, hydrator.branch) or disputed.get(member.key, "")
        facts = facts_of(spec, project.spec)
        around = Surroundings(facts, cluster_of(spec), installed.kustomize, installed.without, installed.schemes)
        return _Read(replace(member, problem=refused[0] if refused else problem), around)

    def _asked(self, observed: Observed, read: Sequence["_Read"], world: World) -> Observed:
        observed = replace(observed, members=tuple(one.member for one in read))
        if not observed.dry_sha or any(member.problem for member in observed.members):
            return observed
        observed = replace(observed, members=tuple(_rendered(one, observed.dry_sha, world) for one in read))
        if not all(member.target and member.target.is_known for member in observed.members):
            return observed
        ask = HydrateAsk(self._request(observed, world))
        return replace(observed, ask=ask, answer=world.answer(ask))

    def _request(self, observed: Observed, world: World) -> HydrationRequest:
        members, asked = observed.members, observed.head_ask.request
        synced = [one.spec.source_hydrator for one in members if one.spec and one.spec.source_hydrator]
        bases = {one.sync_source.target_branch for one in synced}
        return HydrationRequest(
            dry_repo_url=asked.repo_url,
            dry_sha=observed.dry_sha,
            repo_url=synced[0].repo_url,
            branch=observed.key.branch,
            base=bases.pop() if len(bases) == 1 else "",
            project=asked.project,
            folders=tuple(sorted((_folder(one) for one in members), key=lambda folder: folder.path)),
            settings=self._installation.said(world).commits,
        )


class _Read(Struct, frozen=True):
    """An Application and what its source may be told of; None where it may not be rendered."""

    member: Member
    around: Surroundings | None = None


def _looked_up(key: GroupKey, members: tuple[Member, ...], world: World) -> Observed:
    """The group, and where its source stands."""
    projects = {spec_of(one.app).get("project") or DEFAULT for one in members}
    project = projects.pop() if len(projects) == 1 else ""
    dry_repo = str(members[0].hydrator["drySource"]["repoURL"])
    head_ask = HeadAsk(HeadRequest(dry_repo, key.dry_revision, canonical({"hydrates": key.branch}), project))
    return Observed(key, members, head_ask, world.answer(head_ask), None, None)


def _rendered(read: _Read, dry_sha: str, world: World) -> Member:
    member, around = read.member, read.around
    assert around is not None
    wanted = Pinned((member.hydrator["drySource"],), (dry_sha,))
    return replace(member, target=target_of(world, member.app, wanted, around))


def _folder(member: Member) -> FolderRequest:
    assert member.target is not None
    (request,), (rendered,) = member.target.requests, member.target.renders
    assert request is not None
    dry, synced = member.hydrator["drySource"], member.hydrator["syncSource"]
    commands = commands_of(dry, rendered.source_type, request.app_name, request.namespace)
    return FolderRequest(clean(synced["path"]), request, commands)


def _claim(app: Obj, key: GroupKey) -> Claim:
    return Claim(
        key_of(app), clean(str(dig(app, "spec", "sourceHydrator", "syncSource", "path", default=""))), group_of(app) == key
    )

"""A frozen snapshot of everything one application's pass needs, from memory only.

What Git wants comes from answers (where the branch stands, what it renders to), what is live from watches of exactly the
kinds that Git wants or that the application applied before. Those watches and questions are part of the snapshot: the
decision hands them to the shell, which keeps them up for as long as this application needs them.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import ApplicationSpec, IgnoreDifference, Operation, ProjectSpec
from shipway.api.clusters import HERE
from shipway.api.handed_over import CLAIMANT_KINDS, CLAIMS, Claim, claim_key, claim_keys, claims_of, places_of
from shipway.api.kinds import APPLICATIONS, NAMESPACES
from shipway.api.sources import PathTree
from shipway.gitops.adoption import FORMER
from shipway.gitops.annotations import DEPENDS_ON, MIGRATION_MANAGER
from shipway.gitops.application.checks import checks_of, unproven
from shipway.gitops.application.destinations import Place, Places, cluster_of, namespace_problem
from shipway.gitops.application.installation import Installation, facts_of
from shipway.gitops.application.judgements import Judgements
from shipway.gitops.application.orphaned import OrphanCounts, Orphaned
from shipway.gitops.application.preparations import Preparations
from shipway.gitops.application.projects import ReadProject
from shipway.gitops.application.target import Checks, Surroundings, Target, prepared, recalled, sent, target_of
from shipway.gitops.application.written import Written, written_on
from shipway.gitops.asks import DryRunAsk, KeepAsk, RecallAsk
from shipway.gitops.comparison import Comparison, Judge, Live, compare
from shipway.gitops.customizations import Customizations
from shipway.gitops.dependencies import Dependencies, look_at
from shipway.gitops.desired import Desired, Terms
from shipway.gitops.family import Family, ancestors, circle, ref_of_application
from shipway.gitops.handover import OURS, Stance, live_argo_cd, stance_towards
from shipway.gitops.health.scripted import scripted_health
from shipway.gitops.hold import Hold
from shipway.gitops.impersonation import Acting, acting_for, unknown_for
from shipway.gitops.kinds import known_kinds, wanted_kinds
from shipway.gitops.ledger import Ledger, ask_of, ledger_of
from shipway.gitops.operation import belongs, operation_wants
from shipway.gitops.order import is_hook
from shipway.gitops.ownership import Context, dry_run_of, judge
from shipway.gitops.pinned import Pinned, pinned_in, revisions_in
from shipway.gitops.project import DEFAULT, permits_everything, refusal_of
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.source import sync_options, wanted_of
from shipway.gitops.sync.tasks import option_of
from shipway.gitops.tracking import INDEX, instance_key, instance_name, keys_of_tracked, tracked_by
from shipway.kube.objects.resource import Obj, Ref, Resource, ref_of
from shipway.kube.objects.views import annotations_of, dig, namespace_of, status_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World, key_of
from shipway.kube.runtime.decision import Answer, Ask, Watch


class Observed(Struct, frozen=True):
    """`comparison` is None while something is not known yet (a render under way, a kind not listed)."""

    key: ObjectKey
    app: Obj
    settings: GitOpsSettings
    spec: ApplicationSpec | None
    spec_error: str
    hold: Hold | None
    """The earlier deployment that takes the place of what Git says."""
    project: ProjectSpec | None
    project_error: str
    has_project: bool
    target: Target | None
    comparison: Comparison | None
    customizations: Customizations
    operation: Operation | None
    operation_error: str
    sync_target: Target | None
    """What the running operation applies; often the same as `target`."""
    sync_comparison: Comparison | None
    is_kept: bool
    """The manifests that the running operation applies are in the history (or cannot be put there)."""
    context: Context
    live: tuple[Live, ...]
    asks: tuple[Ask, ...]
    watches: tuple[Watch, ...]
    is_listed: bool
    """Every kind this needs has been listed, so absence means absence."""
    namespace: Obj | None
    """The destination's namespace, if it exists."""
    place: Place = Place(HERE)
    """The cluster that everything but the application itself lives in."""
    family: Family = Family()
    stance: Stance = OURS
    orphaned: Orphaned = Orphaned()
    acting: Acting = Acting()
    """As whom it is synced and deleted."""
    ledger: Ledger = Ledger()
    needs_reason: bool = False
    """A person who syncs it has to say why."""

    @property
    def status(self) -> Obj:
        return status_of(self.app)

    @property
    def state(self) -> Obj:
        """`status.operationState`."""
        return self.status.get("operationState") or {}


class _Subject(Struct, frozen=True):
    """Whose sources are looked at, and on what terms."""

    app: Obj
    spec: ApplicationSpec
    project: ReadProject
    terms: Terms
    acting: Acting

    @property
    def no_account(self) -> str:
        """Why nobody is found to sync it as; "" too where the project itself is what is wrong."""
        return self.acting.problem if self.project.spec else ""


class Observer:
    """Looks at the world for one installation. Holds settings, and memories that may be dropped at any moment."""

    def __init__(self, settings: GitOpsSettings) -> None:
        self._settings = settings
        self._installation = Installation(settings)
        self._preparations = Preparations()
        self._places = Places()
        self._orphan_counts = OrphanCounts()
        self._trees: dict[ObjectKey, tuple[tuple[PathTree, ...], ...]] = {}
        self._judgements: defaultdict[ObjectKey, Judgements] = defaultdict(Judgements)
        self._keys = keys_of_tracked(settings.namespace)

    def lends(self, project: str) -> bool:
        """Whether other projects may inherit from this one, by the settings that were read last."""
        return self._installation.lends(project)

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        app = world.get(APPLICATIONS, key.namespace, key.name) if self._settings.serves(key.namespace) else None
        if app is None:
            return self._forget(key)
        said = written_on(app)
        spec, operation, hold = said.spec, said.operation, said.hold
        stance = stance_towards(app, self._settings, live_argo_cd(world))
        read, has_project = self._installation.project(world, key, spec, stance)
        place = self._places.of(app, world, has_home=self._installation.said(world).has_home)
        spec = place.told_in(spec) if spec and not (said.hold_error or place.problem) else None
        acting = self._acting(world, app, said, place, read)
        subject = _Subject(app, spec, read, self._terms(world, app, spec, place), acting) if spec else None
        target = self._target(world, subject, hold.pinned if hold else wanted_of(app), hold) if subject else None
        target = self._tracked(key, target, app) if target else None
        sync_target = self._sync_target(world, subject, operation, target) if subject else None
        kinds = self._kinds(world, app, place, target, sync_target)
        place, is_listed = place.seen(world, kinds)
        answers: dict[DryRunAsk, Answer | None] = {}
        context = self._context(key, app, spec, operation, lambda ask: answers.setdefault(ask, world.answer(ask)))
        context = self._overlooking(world, spec, replace(context, as_user=acting.user))
        found = self._live(world, place, kinds, context.instance, target, sync_target) if is_listed else ()
        live = _permitted(found, read.spec, spec)
        comparison = self._judged(key, world, target, live, context) if is_listed else None
        is_other = is_listed and sync_target is not target
        sync_comparison = self._compare(world, sync_target, live, context, judge) if is_other else comparison
        _look_up_dry_runs(sync_comparison if operation else None, context, operation_options(spec, operation), app)
        keeping = keeping_of(app, operation, sync_target) if stance.kind == "reconcile" else None
        orphaned = self._orphan_counts.look(world, place, spec, read, self._installation.said(world).scope)
        asks = _asks((target, sync_target, comparison, sync_comparison), live, keeping, place.ask, orphaned.ask)
        observed = Observed(
            key=key,
            app=app,
            settings=self._settings,
            spec=spec,
            spec_error=said.spec_error or said.hold_error or place.problem,
            hold=hold,
            project=read.spec,
            project_error=read.error,
            has_project=has_project,
            target=target,
            comparison=comparison,
            customizations=self._installation.said(world).said,
            operation=operation,
            operation_error=said.operation_error,
            sync_target=sync_target,
            sync_comparison=sync_comparison,
            is_kept=keeping is None or world.answer(keeping) is not None,
            context=replace(context, answer=answers.get),
            live=live,
            asks=asks,
            watches=tuple(self._watch(resource) for resource in kinds),
            is_listed=is_listed,
            namespace=_destination_namespace(world, place, spec),
            place=place,
            family=self._family(world, key, app, kinds, (target, sync_target)),
            stance=stance,
            orphaned=orphaned,
            acting=acting,
        )
        return _explained(world, observed, read) if stance.kind == "reconcile" else observed

    def _family(
        self, world: World, key: ObjectKey, app: Obj, kinds: Sequence[Resource], targets: Sequence[Target | None]
    ) -> Family:
        """Who manages the application and what it depends on, where it has to do with other Applications of this cluster."""
        depends = DEPENDS_ON in annotations_of(app)
        manages = any(resource.group_kind == APPLICATIONS.group_kind and not resource.cluster for resource in kinds)
        if not (depends or manages):
            return Family()

        def find(one: ObjectKey) -> Obj | None:
            return world.get(APPLICATIONS, one.namespace, one.name)

        above = ancestors(app, find, self._settings.namespace)
        wanted = [one.ref for target in targets if target for one in target.prepared.objects] if manages else []
        dependencies = look_at(app, find, above) if depends else Dependencies()
        return Family(above, circle(key, above, wanted) or dependencies.problem, dependencies)

    def _forget(self, key: ObjectKey) -> None:
        self._trees.pop(key, None)
        self._judgements.pop(key, None)

    def _target(self, world: World, of: _Subject, wanted: Pinned, hold: Hold | None = None) -> Target:
        said = self._installation.said(world)
        around = Surroundings(facts_of(of.spec, of.project.spec), of.terms.cluster, said.kustomize, said.without, said.schemes)
        target = target_of(world, of.app, wanted, around)
        if hold is not None and target.error:
            ask = RecallAsk(uid_of(of.app), hold.pinned.identity)
            target = recalled(target, ask, world.answer(ask))
        target = prepared(target, self._preparations, world, of.terms, self._ignore_rules(world, of.spec))
        checks = checks_of(world, target, of.project, of.app, of.spec.destination)
        target = replace(target, problem=target.problem or namespace_problem(of.spec, of.terms.reach))
        return replace(target, checks=checks.with_problem("ComparisonError", of.no_account))

    def _sent(self, world: World, of: _Subject, manifests: tuple[str, ...], tracked: Target) -> Target:
        """What a client sent. Nobody can tell who signed or changed that."""
        target = sent(manifests, tracked)
        target = prepared(target, self._preparations, world, of.terms, self._ignore_rules(world, of.spec))
        problem = of.no_account or unproven(of.project, tracked)
        return replace(target, checks=Checks().with_problem("ComparisonError", problem))

    def _terms(self, world: World, app: Obj, spec: ApplicationSpec, place: Place) -> Terms:
        options = sync_options(spec)
        return Terms(
            instance_name(key_of(app), self._settings.namespace),
            spec.destination.namespace,
            validates=options.get("Validate") != "false",
            server_side=options.get("ServerSideApply") != "false",
            scope=self._installation.said(world).scope,
            keeps_namespace=bool(spec.sync_policy and spec.sync_policy.managed_namespace_metadata),
            cluster=cluster_of(spec),
            reach=place.reach,
        )

    def _acting(self, world: World, app: Obj, said: Written, place: Place, project: ReadProject) -> Acting:
        """As whom the application is synced and deleted."""
        impersonation = self._installation.said(world).impersonation
        if said.spec is None or project.spec is None:
            return unknown_for(impersonation, said.spec_error or project.error)
        destination = place.told_in(said.spec).destination
        return acting_for(impersonation, project.spec, said.spec.project or DEFAULT, destination, namespace_of(app))

    def _overlooking(self, world: World, spec: ApplicationSpec | None, context: Context) -> Context:
        """With the differences that are none."""
        known_types = self._installation.said(world).known_types
        return replace(context, ignored=self._ignore_rules(world, spec), known_types=known_types)

    def _ignore_rules(self, world: World, spec: ApplicationSpec | None) -> tuple[IgnoreDifference, ...]:
        """What the application leaves to others, and what the team does for whole kinds."""
        return (*((spec.ignore_differences or ()) if spec else ()), *self._installation.said(world).ignored)

    def _tracked(self, key: ObjectKey, target: Target, app: Obj) -> Target:
        """Remembers what the sources read at the revisions that the status names, to tell a commit that changed it."""
        at = target.at
        if at is None:
            return target
        trees = tuple(head.trees for head in target.heads)
        if revisions_in(dig(app, "status", "sync", default={})) == at.revisions:
            self._trees[key] = trees
        return replace(target, is_news=key in self._trees and self._trees[key] != trees)

    def _sync_target(self, world: World, of: _Subject, operation: Operation | None, target: Target | None) -> Target | None:
        """What the operation applies: what it sends, else the revisions it has begun with, else those it names, else the
        tracked ones."""
        if operation is None or operation.sync is None or target is None:
            return None
        if operation.sync.manifests:
            return self._sent(world, of, operation.sync.manifests, target)
        state = status_of(of.app).get("operationState") or {}
        begun = belongs(state, of.app.get("operation"))
        wanted = operation_wants(target.wanted, operation.sync, (state.get("syncResult") or {}) if begun else {})
        revisions = target.at.revisions if target.at else ()
        is_tracked = wanted == target.wanted or (wanted.sources == target.wanted.sources and wanted.revisions == revisions)
        return target if is_tracked else self._target(world, of, wanted)

    def _context(
        self,
        key: ObjectKey,
        app: Obj,
        spec: ApplicationSpec | None,
        operation: Operation | None,
        answer: Callable[[DryRunAsk], Answer | None],
    ) -> Context:
        keeps = operation_options(spec, operation).get("RespectIgnoreDifferences") == "true"
        return Context(
            instance_name(key, self._settings.namespace),
            self._settings,
            answer,
            keeps_ignored=keeps,
            former=_former_managers(app),
        )

    def _kinds(self, world: World, app: Obj, place: Place, *targets: Target | None) -> tuple[Resource, ...]:
        """The kinds to watch: wanted, applied before, and those whose objects may claim what is wanted."""
        if place.cluster is None:
            return ()
        wanted = known_kinds(app)
        for target in targets:
            wanted |= wanted_kinds(target.prepared.everything) if target else set()
        scope = self._installation.said(world).scope
        find = partial(world.resource_for, cluster=place.key)
        served = [find(group, kind) for group, kind in sorted(wanted) if not scope.leaves_out(group, kind, place.key)]
        claimants = [find(group, kind) for group, kind in CLAIMANT_KINDS]
        # What is watched of a cluster keeps it open: its namespaces always are.
        always = [NAMESPACES.on(place.key)] if place.key else []
        return tuple(dict.fromkeys(resource for resource in [*always, *served, *claimants] if resource))

    def _watch(self, resource: Resource) -> Watch:
        indexes: dict[str, Any] = {INDEX: tracked_by}
        if resource.group_kind in CLAIMANT_KINDS:
            indexes[CLAIMS] = claim_keys
        return Watch(resource, self._keys, indexes, keep_managed_fields=True)

    def _live(
        self, world: World, place: Place, kinds: Sequence[Resource], instance: str, *targets: Target | None
    ) -> tuple[Live, ...]:
        """What the application tracks, and what is there under a name that Git wants, as far as it is managed there."""
        found: dict[Ref, Live] = {}
        for resource in kinds:
            for obj in world.indexed(resource, INDEX, instance):
                if place.reach.includes(namespace_of(obj)):
                    found.setdefault(ref_of(obj), Live(obj, resource))
        served = {resource.group_kind: resource for resource in kinds}
        wanted = {desired.ref for target in targets if target for desired in target.prepared.everything}
        for ref in wanted - found.keys():
            resource = served.get((ref.group, ref.kind))
            obj = world.get(resource, ref.namespace, ref.name) if resource and ref.name else None
            if resource and obj is not None and place.reach.includes(ref.namespace):
                found[ref] = Live(obj, resource)
        me = ref_of_application(instance_key(instance, self._settings.namespace))
        is_here = me in found and not found[me].resource.cluster
        itself = (replace(found.pop(me), own_health=None, is_judged=False),) if is_here else ()
        said = self._installation.said(world).said
        return (*(_scripted(one, said, world) for one in found.values()), *(one for one in itself if me in wanted))

    def _judged(
        self, key: ObjectKey, world: World, target: Target | None, live: Sequence[Live], context: Context
    ) -> Comparison | None:
        """As `_compare`, with what is remembered of the judgements of earlier passes."""
        judgements = self._judgements[key]
        comparison = self._compare(world, target, live, context, judgements.judge)
        judgements.forget_all_but({item.ref for item in comparison.items} if comparison else set())
        return comparison

    def _compare(
        self,
        world: World,
        target: Target | None,
        live: Sequence[Live],
        context: Context,
        judged: Judge,
    ) -> Comparison | None:
        """Against a target that is not known, every live object counts as it is: nothing is wanted, nothing pruned."""
        if target is None or not target.is_known:
            return None
        desired = target.prepared.objects
        wanted = {one.ref for one in desired}
        mine = [one for one in live if ref_of(one.obj) in wanted or context.instance in tracked_by(one.obj)]
        claims = {one.ref: _claims(world, one) for one in desired if not is_hook(one.obj)}
        return compare(desired, mine, claims, context, judged, target.prepared.skipped)


def _explained(world: World, observed: Observed, project: ReadProject) -> Observed:
    """With what is to be recorded of it, and whether a person has to say why."""
    ask = ask_of(observed.app)
    if ask is None and not project.needs_reason:
        return observed
    ledger, asks = (ledger_of(ask, world.answer(ask)), (ask,)) if ask else (Ledger(), ())
    return replace(observed, ledger=ledger, asks=(*observed.asks, *asks), needs_reason=project.needs_reason)


def _permitted(live: tuple[Live, ...], project: ProjectSpec | None, spec: ApplicationSpec | None) -> tuple[Live, ...]:
    """What the project prohibits is as if it were not there: not shown, not pruned, not deleted (Argo CD's rule)."""
    if project is None or spec is None or permits_everything(project):
        return live
    name, where = spec.project or DEFAULT, spec.destination
    return tuple(one for one in live if not refusal_of(project, name, ref_of(one.obj), one.resource.namespaced, where))


def _asks(parts: Sequence[Target | Comparison | None], live: Sequence[Live], *others: Ask | None) -> tuple[Ask, ...]:
    """Everything that is asked, each once."""
    asks = [ask for one in parts if one for ask in one.asks]
    asks += [one.scripted.ask for one in live if one.scripted]
    return tuple(dict.fromkeys([*asks, *(one for one in others if one)]))


def _scripted(live: Live, customizations: Customizations, world: World) -> Live:
    """With what a script of the team says of it."""
    scripted = scripted_health(live.obj, customizations, world.answer)
    return replace(live, scripted=scripted) if scripted else live


def keeping_of(app: Obj, operation: Operation | None, target: Target | None) -> KeepAsk | None:
    """The question that keeps what a running sync deploys. A part of it, or a dry run, is no deployment."""
    sync = operation.sync if operation else None
    if sync is None or sync.resources or sync.dry_run:
        return None
    if target is None or target.at is None or not target.is_known or target.recalled:
        return None
    history: list[Obj] = status_of(app).get("history") or []
    remembered = tuple(pinned_in(entry).identity for entry in history)
    return KeepAsk(uid_of(app), target.at.identity, target.requests, remembered)


def _look_up_dry_runs(comparison: Comparison | None, context: Context, options: dict[str, str], app: Obj) -> None:
    """Takes the answers into the snapshot that a sync asks for before its first action, and before it deletes an object that
    cannot be changed."""
    has_begun = bool(dig(app, "status", "operationState", "syncResult", "resources"))
    for item in comparison.items if comparison else ():
        if has_begun and option_of(item.obj, options, "Force") != "true":
            continue
        if item.desired and not item.is_hook and (ask := dry_run_of(item.desired, item.live_obj, item.claims, context)):
            context.answer(ask)


def _former_managers(app: Obj) -> frozenset[str]:
    """Whose fields become ours: the tools that people come from, and the one that the user names."""
    named = annotations_of(app).get(MIGRATION_MANAGER)
    return FORMER | {named} if named else FORMER


def operation_options(spec: ApplicationSpec | None, operation: Operation | None) -> dict[str, str]:
    """Sync options: the application's, and those of the running operation over them."""
    options = sync_options(spec) if spec else {}
    sync = operation.sync if operation else None
    for option in (sync.sync_options or ()) if sync else ():
        name, _, value = option.partition("=")
        options[name.strip()] = value.strip()
    strategy = (sync.sync_strategy or {}) if sync else {}
    if any((strategy.get(name) or {}).get("force") for name in ("apply", "hook")):
        options["Force"] = "true"
    return options


def _claims(world: World, desired: Desired) -> tuple[Claim, ...]:
    cluster, places = desired.resource.cluster if desired.resource else "", sorted(places_of(desired.obj))
    found: list[Claim] = []
    for group, kind in CLAIMANT_KINDS:
        resource = world.resource_for(group, kind, cluster)
        for place in places:
            for claimant in world.indexed(resource, CLAIMS, claim_key(place)) if resource else ():
                found += [claim for claim in claims_of(claimant) if claim.target == place]
    return tuple(found)


def _destination_namespace(world: World, place: Place, spec: ApplicationSpec | None) -> Obj | None:
    name = spec.destination.namespace if spec else ""
    return world.get(NAMESPACES.on(place.key), "", name) if name else None

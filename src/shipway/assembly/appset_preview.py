"""What would a set change? Its generators and templates are asked once, read-only, and the plan of the engine is shown.

`shipway appset preview` uses it, for a set that is there and for one in a file. Nothing is decided here that the engine does
not decide; only the waiting between tombstone and deletion is left out, so what would go is shown as going.
"""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from shipway.adapters.git.github_app import InstallationTokens
from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.http.fetch import HttpFetch, http_session
from shipway.api.application import DEFAULT_PROJECT, default_project
from shipway.api.applicationset import ApplicationSetSpec, parse_set
from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS
from shipway.appsets.evaluation import Evaluation, evaluate
from shipway.appsets.names import GENERATED, TOMBSTONE
from shipway.appsets.plan import Existing, alterations, is_anothers, keeping
from shipway.appsets.scene import Dialect, Scene, Surroundings
from shipway.appsets.terms import terms_of, under
from shipway.assembly.answering import answered
from shipway.assembly.cmd_params import cmd_params
from shipway.assembly.destinations import cluster_secrets
from shipway.assembly.difference import ObjectChange
from shipway.assembly.factories import Factories, ForgeAccess
from shipway.assembly.repositories import repositories_now
from shipway.base.clock import Clock, SystemClock
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.kube.client.client import Client
from shipway.kube.objects.owners import is_controlled_by
from shipway.kube.objects.resource import Obj, ref_of
from shipway.kube.objects.views import annotations_of, labels_of, metadata, name_of, namespace_of, spec_of
from shipway.kube.runtime.decision import Answer, Ask

ROUNDS = 20
"""Questions lead to questions: a matrix fills its second generator with what the first one found."""


class Preview(Struct, frozen=True):
    """Applications that would be created, altered or deleted, by name; and what went wrong."""

    changes: tuple[ObjectChange, ...]
    problems: tuple[str, ...]


async def preview(client: Client, appset: Obj, cache: Path, namespace: str) -> Preview:
    """What the engine would do for `appset`, which need not be in the cluster. `namespace`: where Shipway lives.

    Raises InvalidInput for a set that cannot be read."""
    clock = SystemClock()
    around = await _around(client, namespace)
    spec = under(parse_set(appset), around.terms)
    appset = await _as_if_there(client, appset)
    async with AsyncExitStack() as stack:
        repositories = await stack.enter_async_context(repositories_now(client, clock, namespace))
        mirrors = Mirrors(cache / "mirrors", clock=clock, credentials=repositories.credentials)
        session = await stack.enter_async_context(http_session())
        forges = ForgeAccess(client, namespace, HttpFetch(session), InstallationTokens(clock))
        async with Factories.open(mirrors, repositories, clock, forges) as factories:
            wanted = await _evaluated(appset, spec, around, factories, clock)
    live = (await client.list(APPLICATIONS, namespace_of(appset))).items
    owned = {name_of(app): app for app in live if is_controlled_by(app, appset)}
    others = {name_of(app): app for app in live if name_of(app) in wanted.applications and name_of(app) not in owned}
    problems = [one.message for one in (*wanted.problems, *wanted.doubts)]
    problems += [f"application {name!r} belongs to somebody else" for name, app in others.items() if is_anothers(app, appset)]
    if wanted.duplicates:
        return Preview((), tuple(problems))
    changes = list(_changes(appset, spec, wanted, Existing(owned, others)))
    return Preview(tuple(sorted(changes, key=lambda one: one.ref)), tuple(problems))


async def _around(client: Client, namespace: str) -> Surroundings:
    """What the installation says of its sets. Raises InvalidInput for terms that cannot be meant."""
    projects = {name_of(one): one for one in (await client.list(APP_PROJECTS, namespace)).items}
    projects.setdefault(DEFAULT_PROJECT, default_project(namespace))  # the engine makes it first
    terms = terms_of(await cmd_params(client, namespace))
    if terms.problem:
        raise InvalidInput(terms.problem)
    return Surroundings(namespace, await cluster_secrets(client, namespace), projects.get, terms)


async def _as_if_there(client: Client, appset: Obj) -> Obj:
    """The set with the identity of the one that is there under its name, if there is one."""
    try:
        there = await client.get(APPLICATION_SETS, namespace_of(appset), name_of(appset))
    except NotFound:
        return {**appset, "metadata": {**metadata(appset), "uid": ""}}
    return {**appset, "metadata": {**metadata(appset), "uid": metadata(there)["uid"]}}


async def _evaluated(
    appset: Obj, spec: ApplicationSetSpec, around: Surroundings, factories: Factories, clock: Clock
) -> Evaluation:
    answers: dict[Ask, Answer] = {}
    dialect = Dialect(spec.go_template, spec.go_template_options or ())
    for _ in range(ROUNDS):
        scene = Scene(dialect, around, answers.get, namespace_of(appset), name_of(appset))
        wanted = evaluate(appset, spec, scene)
        if not wanted.is_pending:
            return wanted
        missing = [ask for ask, answer in wanted.asks.items() if answer is None]
        found = await asyncio.gather(*(answered(factories.resolvers, ask, clock) for ask in missing))
        answers |= dict(zip(missing, found, strict=True))
    raise Unavailable(f"the generators are not known after {ROUNDS} rounds of questions")


def _changes(appset: Obj, spec: ApplicationSetSpec, wanted: Evaluation, existing: Existing) -> Iterable[ObjectChange]:
    for name, app in wanted.applications.items():
        live = existing.owned.get(name) or existing.others.get(name)
        if live is None:
            yield ObjectChange(ref_of(app), None, _shown(app))
        elif spec.may_update and not is_anothers(live, appset):
            kept = keeping(app, live, spec)
            change = ObjectChange(ref_of(app), _shown(live), _shown(_over(live, kept)))
            if alterations(live, kept) and change.live != change.desired:
                yield change
    if spec.may_delete and wanted.is_complete:
        for name, app in existing.owned.items():
            if name not in wanted.applications:
                yield ObjectChange(ref_of(app), _shown(app), None)


def _over(live: Obj, wanted: Obj) -> Obj:
    """The live Application after it was altered."""
    meta = {
        **metadata(live),
        **metadata(wanted),
        "labels": {**labels_of(live), **labels_of(wanted)},
        "annotations": {**annotations_of(live), **annotations_of(wanted)},
    }
    return {**live, "metadata": meta, "spec": spec_of(wanted)}


def _shown(app: Obj) -> Obj:
    """Without status and without the engine's own notes."""
    annotations = {key: value for key, value in annotations_of(app).items() if key not in (GENERATED, TOMBSTONE)}
    meta = {key: value for key, value in metadata(app).items() if key in ("name", "namespace", "finalizers")}
    for key, value in (("labels", labels_of(app)), ("annotations", annotations)):
        if value:
            meta[key] = value
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": meta, "spec": spec_of(app)}

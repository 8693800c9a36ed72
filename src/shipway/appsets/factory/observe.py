"""A frozen snapshot of everything one set's pass needs, from memory only: the set, what it wants, what is there.

What a set wants is worked out once for each picture of the world and remembered until the set, a cluster Secret, an AppProject
that it names, the terms of the installation or an answer changes; the memory may be dropped at any moment.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import default_project
from shipway.api.applicationset import ApplicationSetSpec, parse_set
from shipway.api.cmd_params import CMD_PARAMS
from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, SECRETS
from shipway.appsets.asks import PathsAsk, canonical
from shipway.appsets.evaluation import Evaluation, evaluate
from shipway.appsets.plan import Existing, Paths
from shipway.appsets.scene import Dialect, Scene, Surroundings, version_of
from shipway.appsets.settings import AppSetSettings
from shipway.appsets.terms import Terms, terms_of, under
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    controller_of,
    generation_of,
    is_deleting,
    labels_of,
    name_of,
    spec_of,
    uid_of,
)
from shipway.kube.runtime.controller import ObjectKey, World, key_of
from shipway.kube.runtime.decision import Answer, Ask

BY_SET = "applicationset"


class Observed(Struct, frozen=True):
    """`spec` is None, and `spec_error` says why, for a set that cannot be read."""

    key: ObjectKey
    appset: Obj
    spec: ApplicationSetSpec | None
    spec_error: str
    wanted: Evaluation | None
    existing: Existing
    asks: tuple[Ask, ...] = ()
    refused: tuple[str, ...] = ()
    """Expressions of ignoreApplicationDifferences that jq cannot use: what they concern is not altered."""
    missing_project: Obj | None = None
    """The AppProject `default` as it is made, where the set needs it and it is not there."""

    @property
    def status(self) -> Obj:
        return self.appset.get("status") or {}


class Picture(Struct, frozen=True):
    """Of the world, as far as every set depends on it: the set itself, versions of the Secrets of clusters, and the terms."""

    uid: str
    generation: int
    clusters: tuple[str, ...]
    terms: Terms


class _Known(Struct, frozen=True):
    """An evaluation, and what it is right for: a picture of the world, and versions of AppProjects."""

    picture: Picture
    projects: Mapping[str, str]
    spec: ApplicationSetSpec
    wanted: Evaluation


class Observer:
    """Looks at the world for one installation. Holds settings and a memory."""

    def __init__(self, settings: AppSetSettings) -> None:
        self._settings = settings
        self._known: dict[ObjectKey, _Known] = {}
        self.evaluations = 0
        """How often a set was worked out anew, for tests."""

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        terms = self._terms(world)
        appset = world.get(APPLICATION_SETS, key.namespace, key.name) if self._serves(key.namespace, terms) else None
        if appset is None:
            self._known.pop(key, None)
            return None
        owned = {name_of(app): app for app in world.indexed(APPLICATIONS, BY_SET, uid_of(appset))}
        if is_deleting(appset):
            return Observed(key, appset, _lenient(appset, terms), "", None, Existing(owned, {}))
        try:
            spec, wanted = self._evaluated(appset, terms, world)
        except InvalidInput as error:
            return Observed(key, appset, None, error.message, None, Existing(owned, {}))
        missing = (name for name in wanted.applications if name not in owned)
        others = {name: app for name in missing if (app := world.get(APPLICATIONS, key.namespace, name))}
        selected = {name: ask for name, app in owned.items() if (ask := _paths_ask(app, spec))}
        left = {name: _selected(world.answer(ask)) for name, ask in selected.items()}
        asks = tuple(dict.fromkeys((*wanted.asks, *selected.values())))
        errors = dict.fromkeys(
            answer.error.message for ask in selected.values() if (answer := world.answer(ask)) and answer.error
        )
        missing_project = default_project(self._settings.namespace) if wanted.lacks_default else None
        return Observed(key, appset, spec, "", wanted, Existing(owned, others, left), asks, tuple(errors), missing_project)

    def _terms(self, world: World) -> Terms:
        said = world.get(CONFIG_MAPS, self._settings.namespace, CMD_PARAMS)
        return terms_of((said or {}).get("data") or {})

    def _serves(self, namespace: str, terms: Terms) -> bool:
        return self._settings.serves(namespace) and (namespace == self._settings.namespace or terms.serves(namespace))

    def _evaluated(self, appset: Obj, terms: Terms, world: World) -> tuple[ApplicationSetSpec, Evaluation]:
        key, home = key_of(appset), self._settings.namespace
        clusters = sorted(world.list(SECRETS, home), key=name_of)

        def project(name: str) -> Obj | None:
            return world.get(APP_PROJECTS, home, name)

        picture = Picture(uid_of(appset), generation_of(appset), tuple(map(version_of, clusters)), terms)
        known = self._known.get(key)
        if (
            known
            and known.picture == picture
            and all(version_of(project(name)) == version for name, version in known.projects.items())
        ):
            answers = {ask: world.answer(ask) for ask in known.wanted.asks}
            if _same_answers(known.wanted.asks, answers):
                return known.spec, replace(known.wanted, asks=answers)
        self.evaluations += 1
        if terms.problem:
            raise InvalidInput(terms.problem)
        spec = under(parse_set(appset), terms)
        dialect = Dialect(spec.go_template, spec.go_template_options or ())
        around = Surroundings(home, clusters, project, terms)
        scene = Scene(dialect, around, world.answer, key.namespace, key.name)
        wanted = evaluate(appset, spec, scene)
        self._known[key] = _Known(picture, scene.seen_projects, spec, wanted)
        return spec, wanted


def _paths_ask(app: Obj, spec: ApplicationSetSpec) -> PathsAsk | None:
    """Which fields of an Application the set leaves to others by jq; None when it names none."""
    rules = [one for one in spec.ignore_application_differences or () if one.name in ("", name_of(app))]
    expressions = tuple(each for one in rules for each in one.jq_path_expressions or ())
    if not expressions:
        return None
    looked_at = {"metadata": {"labels": labels_of(app), "annotations": annotations_of(app)}, "spec": spec_of(app)}
    return PathsAsk(expressions, canonical(looked_at))


def _selected(answer: Answer | None) -> Paths | None:
    """None while it is not known, and for expressions that jq refuses: nothing is altered then."""
    if answer is None or answer.value is None:
        return None
    return tuple(tuple(path) for path in answer.value)


def _same_answers(before: Mapping[Ask, Answer | None], now: Mapping[Ask, Answer | None]) -> bool:
    """Whether the answers say the same, whenever they were given."""
    return all(_said(before[ask]) == _said(answer) for ask, answer in now.items())


def _said(answer: Answer | None) -> object:
    if answer is None:
        return None
    return getattr(answer.value, "identity", answer.value), str(answer.error or "")


def _lenient(appset: Obj, terms: Terms) -> ApplicationSetSpec | None:
    try:
        return under(parse_set(appset), terms)
    except InvalidInput:
        return None


def sets_of(app: Obj) -> Iterable[str]:
    """The uid of the set that controls an Application."""
    owner = controller_of(app)
    return (owner["uid"],) if owner and owner.get("kind") == "ApplicationSet" else ()

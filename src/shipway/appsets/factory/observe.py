"""A frozen snapshot of everything one set's pass needs, from memory only: the set, what it wants, what is there.

What a set wants is worked out once for each picture of the world and remembered until the set, a cluster Secret or an answer
changes; the memory may be dropped at any moment.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.applicationset import ApplicationSetSpec, parse_set
from shipway.api.kinds import APPLICATION_SETS, APPLICATIONS, SECRETS
from shipway.appsets.asks import PathsAsk, canonical
from shipway.appsets.evaluation import Evaluation, evaluate
from shipway.appsets.plan import Existing, Paths
from shipway.appsets.scene import Dialect, Scene
from shipway.appsets.settings import AppSetSettings
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    controller_of,
    generation_of,
    is_deleting,
    labels_of,
    name_of,
    resource_version_of,
    spec_of,
    uid_of,
)
from shipway.kube.runtime.controller import ObjectKey, World
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

    @property
    def status(self) -> Obj:
        return self.appset.get("status") or {}


class _Known(Struct, frozen=True):
    """An evaluation, and the picture of the world that it is right for."""

    uid: str
    generation: int
    clusters: tuple[str, ...]
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
        appset = world.get(APPLICATION_SETS, key.namespace, key.name) if self._settings.serves(key.namespace) else None
        if appset is None:
            self._known.pop(key, None)
            return None
        owned = {name_of(app): app for app in world.indexed(APPLICATIONS, BY_SET, uid_of(appset))}
        if is_deleting(appset):
            return Observed(key, appset, _lenient(appset), "", None, Existing(owned, {}))
        try:
            spec, wanted = self._evaluated(key, appset, world)
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
        return Observed(key, appset, spec, "", wanted, Existing(owned, others, left), asks, tuple(errors))

    def _evaluated(self, key: ObjectKey, appset: Obj, world: World) -> tuple[ApplicationSetSpec, Evaluation]:
        clusters = sorted(world.list(SECRETS, self._settings.namespace), key=name_of)
        versions = tuple(f"{uid_of(one)} {resource_version_of(one)}" for one in clusters)
        known = self._known.get(key)
        if known and (known.uid, known.generation, known.clusters) == (uid_of(appset), generation_of(appset), versions):
            answers = {ask: world.answer(ask) for ask in known.wanted.asks}
            if _same_answers(known.wanted.asks, answers):
                return known.spec, replace(known.wanted, asks=answers)
        self.evaluations += 1
        spec = parse_set(appset)
        dialect = Dialect(spec.go_template, spec.go_template_options or ())
        scene = Scene(dialect, clusters, world.answer, key.namespace, key.name)
        wanted = evaluate(appset, spec, scene)
        self._known[key] = _Known(uid_of(appset), generation_of(appset), versions, spec, wanted)
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


def _lenient(appset: Obj) -> ApplicationSetSpec | None:
    try:
        return parse_set(appset)
    except InvalidInput:
        return None


def sets_of(app: Obj) -> Iterable[str]:
    """The uid of the set that controls an Application."""
    owner = controller_of(app)
    return (owner["uid"],) if owner and owner.get("kind") == "ApplicationSet" else ()

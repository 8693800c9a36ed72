"""From a set to the Applications that it wants. Pure but for what the scene looks up; errors are named, not raised.

One generator that fails costs its own entries, one entry that cannot be filled costs that entry. Two entries under one name
make it unknowable what is meant: nothing is changed then.
"""

from collections import Counter
from typing import Any

from msgspec import Struct

from shipway.api.application import DEFAULT_PROJECT, parse_spec
from shipway.api.applicationset import ApplicationSetSpec, parse_generator
from shipway.appsets.asks import canonical
from shipway.appsets.generators.expand import expand
from shipway.appsets.names import RESOURCES_FINALIZER
from shipway.appsets.parameters import overlaid
from shipway.appsets.references import doubts
from shipway.appsets.rolling import steps_of, without_automation
from shipway.appsets.scene import FROM_PARAMS, VALIDATION, PassedOver, Problem, Scene, bounded
from shipway.base.errors import InvalidInput
from shipway.base.ids import digest
from shipway.base.names import is_object_name
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of, namespace_of
from shipway.kube.runtime.decision import Answer, Ask


class Evaluation(Struct, frozen=True):
    """What a set wants by everything that is known. `asks` are the questions behind it with their answers.

    `is_pending`: not all of them have been answered. `duplicates`: names that more than one entry has. `outside`: a digest of
    what the generators saw there; `empty`: those that saw nothing.
    """

    applications: dict[str, Obj]
    problems: tuple[Problem, ...]
    asks: dict[Ask, Answer | None]
    is_pending: bool
    duplicates: tuple[str, ...]
    outside: str
    empty: tuple[str, ...]
    prunes: dict[str, bool] = {}
    """With RollingSync: whether the sync of an Application may prune."""
    passed_over: tuple[PassedOver, ...] = ()
    doubts: tuple[Problem, ...] = ()
    """What is said of the Applications that it wants, and holds nothing back."""
    lacks_default: bool = False
    """Whether the AppProject `default` was looked for and is not there."""

    @property
    def is_complete(self) -> bool:
        """Whether what it does not want may be taken for unwanted."""
        return not self.is_pending and not self.problems and not self.duplicates


def evaluate(appset: Obj, spec: ApplicationSetSpec, scene: Scene) -> Evaluation:
    """Everything the set wants."""
    made: list[Obj] = []
    for index, raw in enumerate(spec.generators):
        try:
            made += _applications(appset, spec, raw, scene, f"spec.generators[{index}]")
            bounded(len(made), "spec.generators")
        except InvalidInput as error:
            scene.problem(FROM_PARAMS, error.message)
    counted = Counter(name_of(one) for one in made)
    duplicates = tuple(sorted(name for name, count in counted.items() if count > 1))
    for name in duplicates:
        scene.problem(VALIDATION, f"ApplicationSet {name_of(appset)} contains applications with duplicate name: {name}")
    applications = {name_of(one): one for one in made}
    is_rolling = bool(steps_of(spec))
    return Evaluation(
        applications={name: without_automation(one) for name, one in applications.items()} if is_rolling else applications,
        problems=tuple(dict.fromkeys(scene.problems)),
        asks=dict(scene.asks),
        is_pending=scene.is_pending,
        duplicates=duplicates,
        outside=_outside(scene),
        empty=tuple(scene.empty),
        prunes={name: bool(dig(one, "spec", "syncPolicy", "automated", "prune")) for name, one in applications.items()}
        if is_rolling
        else {},
        passed_over=tuple(dict.fromkeys(scene.passed_over)),
        doubts=doubts(applications, scene),
        lacks_default=scene.seen_projects.get(DEFAULT_PROJECT) == "",
    )


def _applications(appset: Obj, spec: ApplicationSetSpec, raw: Obj, scene: Scene, where: str) -> list[Obj]:
    template = overlaid(spec.template, _override(raw, where))
    scene.projects = _projects(dig(spec.template, "spec", "project"), dig(template, "spec", "project") or DEFAULT_PROJECT)
    entries = expand(raw, scene, where)
    bounded(len(entries), where)
    filled = scene.fill(template, entries, "spec.template", spec.template_patch or "")
    built = [_built(appset, spec, one, scene) for one in filled if one is not None]
    return [one for one in built if one is not None]


def _projects(*named: Any) -> tuple[str, ...]:
    """The AppProjects that are named. What a template has to say is not known before the generator was read, so it cannot be
    asked who may have signed what it reads (as in Argo CD)."""
    return tuple(dict.fromkeys(one for one in named if one and isinstance(one, str) and "{{" not in one))


def _override(raw: Obj, where: str) -> dict[str, Any] | None:
    parse_generator(raw, where)
    blocks = (value.get("template") for key, value in raw.items() if key != "selector" and isinstance(value, dict))
    return next((one for one in blocks if isinstance(one, dict)), None)


def _built(appset: Obj, spec: ApplicationSetSpec, filled: Any, scene: Scene) -> Obj | None:
    """The Application of one entry, as it is applied; None, and a problem, for what none can be."""
    said: dict[str, Any] = (filled if isinstance(filled, dict) else {}).get("metadata") or {}
    name = said.get("name") or ""
    try:
        _check(name, filled)
    except InvalidInput as error:
        scene.problem(VALIDATION, f"application {name!r}: {error.message}")
        return None
    finalizers: list[str] = said.get("finalizers") or []
    if not finalizers and not spec.policy.preserve_resources_on_deletion:
        finalizers = [RESOURCES_FINALIZER]
    meta: Obj = {"name": name, "namespace": namespace_of(appset), "ownerReferences": [controller_ref(appset)]}
    if finalizers:
        meta["finalizers"] = finalizers
    if said.get("labels"):
        meta["labels"] = said["labels"]
    if said.get("annotations"):
        meta["annotations"] = said["annotations"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": meta,
        "spec": filled.get("spec") or {},
    }


def _check(name: Any, filled: Any) -> None:
    if not isinstance(name, str) or not is_object_name(name):
        raise InvalidInput(
            "no object can have this name: lower case letters, digits, '-' and '.', at most 253; `normalize` or "
            "`nameNormalized` make one of any text"
        )
    spec = parse_spec(filled)
    if not spec.source and not spec.sources and not spec.source_hydrator:
        raise InvalidInput("it has no source")
    if bool(spec.destination.server) == bool(spec.destination.name):
        raise InvalidInput("its destination needs either a server or a name")


def _outside(scene: Scene) -> str:
    """What the generators saw of the world, whatever the set itself says."""
    seen = sorted(
        digest(repr(getattr(ask, "looks_at", ask)), repr(getattr(answer.value, "identity", answer.value)) if answer else "")
        for ask, answer in scene.asks.items()
        if ask.standing
    )
    return digest(*seen, canonical(sorted(scene.seen_clusters, key=lambda one: str(one["name"]))))

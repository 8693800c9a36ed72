"""The few shapes in which operators say how their objects are, as rules that can be put together.

A rule takes a live object and gives its health, or None where it has no opinion; `first_of` asks several in order. What
operators have in common is little: conditions (`Ready`, `Synced`), a phase, a switch that suspends. So a kind of the
catalogue is mostly one line of these, and only a few need a function of their own.
"""

from collections.abc import Callable, Collection, Iterable

from shipway.gitops.health.verdicts import Health, HealthStatus, progressing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, generation_of, status_of

Rule = Callable[[Obj], Health | None]

_STATES: dict[str, HealthStatus] = {
    "healthy": "Healthy",
    "degraded": "Degraded",
    "suspended": "Suspended",
    "progressing": "Progressing",
}


def first_of(*rules: Rule, otherwise: str) -> Rule:
    """The first rule with an opinion; Progressing with the message `otherwise` where none has one."""

    def judge(obj: Obj) -> Health | None:
        return next((health for rule in rules if (health := rule(obj))), progressing(otherwise))

    return judge


def condition(
    kind: str,
    status: str,
    health: HealthStatus,
    *,
    reasons: Collection[str] = (),
    unless: Collection[str] = (),
    message: str | None = None,
) -> Rule:
    """`health` where the condition `kind` has `status`, with the condition's message unless another is given.

    `reasons`: only for these reasons; `unless`: for any but these. A condition that tells of an older generation of the
    object has no opinion.
    """

    def judge(obj: Obj) -> Health | None:
        for one in conditions_of(obj, kind):
            fits = one.get("status") == status and (not reasons or one.get("reason") in reasons)
            if fits and one.get("reason") not in unless and not is_outdated(obj, one):
                return Health(health, message if message is not None else one.get("message") or one.get("reason") or "")
        return None

    return judge


def ready(waiting: str, kind: str = "Ready") -> Rule:
    """The widespread convention: `kind` True is Healthy, False is Degraded, anything else is still on its way."""
    return first_of(condition(kind, "False", "Degraded"), condition(kind, "True", "Healthy"), otherwise=waiting)


def phase(
    *path: str, waiting: str, message: tuple[str, ...] = (), others: HealthStatus = "Progressing", **words: Collection[str]
) -> Rule:
    """Read from one word in the status: `healthy=("Running",), degraded=("Failed",)`, likewise `suspended`, `progressing`.

    `message`: where the status explains the word; `others`: what any other word means; `waiting`: said while there is none.
    """
    known: dict[str, HealthStatus] = {word: _STATES[state] for state, some in words.items() for word in some}

    def judge(obj: Obj) -> Health:
        word = dig(obj, "status", *path, default="")
        if not word:
            return Health("Progressing", waiting)
        explained = dig(obj, "status", *message, default="") if message else ""
        return Health(known.get(word, others), str(explained or word))

    return judge


def suspended_if(*path: str, message: str) -> Rule:
    """Suspended while a switch at `path` is on: somebody wants it so."""
    return lambda obj: Health("Suspended", message) if dig(obj, *path) is True else None


def observed(obj: Obj) -> Health | None:
    """Progressing until the operator has seen the newest generation (where it says which one it saw)."""
    seen = status_of(obj).get("observedGeneration")
    if isinstance(seen, int) and seen < generation_of(obj):
        return progressing("Waiting for the newest generation to be observed")
    return None


def conditions_of(obj: Obj, kind: str) -> Iterable[Obj]:
    """The conditions of one type, in the order in which the status lists them."""
    return (one for one in status_of(obj).get("conditions") or [] if one.get("type") == kind)


def is_outdated(obj: Obj, one: Obj) -> bool:
    """Whether a condition tells of an older generation of its object."""
    seen = one.get("observedGeneration")
    return isinstance(seen, int) and seen < generation_of(obj)

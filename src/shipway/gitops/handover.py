"""Who reconciles an Application: we, or the Argo CD that still runs beside us.

Two engines on one application undo each other's work for ever, so at most one acts at any moment, and which one stands on the
Application itself where everybody can read it:

    annotation skip-reconcile          Argo CD leaves it alone
    label shipway.dev/reconcile=true   we take it

While an Argo CD is alive only what carries both is ours. All else is looked at and reported on, and nothing is written.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, STATEFUL_SETS
from shipway.gitops.annotations import SKIP_RECONCILE
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, labels_of, name_of, namespace_of, spec_of, status_of
from shipway.kube.runtime.controller import World
from shipway.kube.runtime.decision import Watch, nobody

LABEL = "shipway.dev/reconcile"
NAME_LABEL = "app.kubernetes.io/name"
ARGO_CD_CONTROLLER = "argocd-application-controller"
ARGO_CD_NOTIFICATIONS = "argocd-notifications-controller"
ALIVE = "alive"
"""An index that files what may act under the name of its part of an Argo CD."""
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
"""What Go's `strconv.ParseBool` takes for true; Argo CD reads its annotation with it."""


class Stance(Struct, frozen=True):
    """`reconcile`: it is ours. `report`: we look and write nothing. `leave`: nobody is to act. `reason` is "" for ours."""

    kind: Literal["reconcile", "report", "leave"]
    reason: str = ""


OURS = Stance("reconcile")


def stance_towards(app: Obj, settings: GitOpsSettings, argo_cd: str) -> Stance:
    """`argo_cd`: what shows that one is alive (`sign_of_life`), or ""."""
    name, skipped = name_of(app), is_skipped(app)
    if settings.only_reports:
        return Stance("report", "this Shipway only reports (--read-only)")
    if labels_of(app).get(LABEL) == "false":
        return Stance("report", f"its label {LABEL} says false")
    if argo_cd and is_invited(app) and not skipped:
        why = f"Argo CD is alive ({argo_cd}) and reconciles it too"
        return Stance("report", f"{why}; `shipway app takeover {name}` also tells Argo CD to leave it")
    if is_invited(app):
        return OURS
    if argo_cd:
        return Stance("report", f"Argo CD is alive ({argo_cd}); `shipway app takeover {name}` takes it over")
    if settings.by_invitation:
        return Stance("report", f"this Shipway reconciles only what carries the label {LABEL}=true (--opt-in)")
    if skipped:
        return Stance("leave", f"its annotation {SKIP_RECONCILE} says {annotations_of(app)[SKIP_RECONCILE]}")
    return OURS


def who_reconciles(app: Obj, argo_cd: str) -> str:
    """A sentence where it is not this Shipway, as far as that stands on the Application: who does, and how to hand it over.

    "" where it may be us. `argo_cd`: what shows that one is alive, or "".
    """
    name, skipped, invited = name_of(app), is_skipped(app), is_invited(app)
    takeover = f"`shipway app takeover {name}`"
    if labels_of(app).get(LABEL) == "false":
        others = f"Argo CD reconciles it ({argo_cd})" if argo_cd and not skipped else "Nobody that is known reconciles it"
        return f"{others}, and Shipway only looks, since its label {LABEL} says false: {takeover} hands it to Shipway."
    if argo_cd and not skipped:
        too = " though its label invites Shipway" if invited else ""
        return f"Argo CD reconciles it ({argo_cd}){too}, and Shipway only looks: {takeover} hands it over."
    if skipped and not invited:
        back = f", `shipway app handback {name}` to Argo CD" if argo_cd else ""
        why = f"its annotation {SKIP_RECONCILE} says {annotations_of(app)[SKIP_RECONCILE]}"
        return f"Nobody reconciles it, since {why}: {takeover} hands it to Shipway{back}."
    return ""


def is_argo_cd(workload: Obj) -> bool:
    """Whether it is the application controller of an Argo CD."""
    is_workload = workload.get("kind") in (STATEFUL_SETS.kind, DEPLOYMENTS.kind)
    return is_workload and labels_of(workload).get(NAME_LABEL) == ARGO_CD_CONTROLLER


def is_invited(app: Obj) -> bool:
    """Whether it is to be ours."""
    return labels_of(app).get(LABEL) == "true"


def is_skipped(app: Obj) -> bool:
    """Whether Argo CD leaves it alone."""
    return annotations_of(app).get(SKIP_RECONCILE) in _TRUE


def watches_for_argo_cd(keys: Callable[[Obj], Iterable[Any]] = nobody, part: str = ARGO_CD_CONTROLLER) -> tuple[Watch, ...]:
    """The workloads that this part of an Argo CD may be; `keys` are woken when it comes or goes."""
    selector = f"{NAME_LABEL}={part}"
    return tuple(Watch(kind, keys, {ALIVE: _filed}, label_selector=selector) for kind in (STATEFUL_SETS, DEPLOYMENTS))


def _filed(workload: Obj) -> Iterable[str]:
    return (labels_of(workload).get(NAME_LABEL, ""),) if sign_of_life(workload) else ()


def live_argo_cd(world: World, part: str = ARGO_CD_CONTROLLER) -> str:
    """What shows that this part of an Argo CD is alive on this cluster, or ""."""
    found = (one for kind in (STATEFUL_SETS, DEPLOYMENTS) for one in world.indexed(kind, ALIVE, part))
    return next((sign_of_life(one) for one in found), "")


def sign_of_life(workload: Obj) -> str:
    """What shows that a controller of somebody else's may act; "" when it cannot. One that is to have a replica and has none
    just now comes back at any moment."""
    status, wanted = status_of(workload), spec_of(workload).get("replicas", 1)
    if status.get("readyReplicas"):
        sign = "is ready"
    elif wanted:
        sign = "is to have a replica"
    elif status.get("replicas"):
        sign = "has a replica left"
    else:
        return ""
    return f"{workload.get('kind') or 'workload'} {namespace_of(workload)}/{name_of(workload)} {sign}"

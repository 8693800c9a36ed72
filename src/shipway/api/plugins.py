"""What plugins of Rollouts answer, as the engines see it: read, bounded, and never taken at their word."""

from typing import Literal

from msgspec import Struct

from shipway.kube.objects.resource import Obj

StepPhase = Literal["Running", "Successful", "Failed", "Error"]


class StepReply(Struct, frozen=True):
    """One execution of a step plugin. `requeue_after`: seconds, of one that is Running. `status`: its notes, kept for it."""

    phase: StepPhase
    message: str = ""
    requeue_after: float | None = None
    status: Obj | None = None


class DeclaredPlugins(Struct, frozen=True):
    """The names that manifests may use. `disabled`: steps of these are passed over."""

    steps: frozenset[str] = frozenset()
    metrics: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()


NO_PLUGINS = DeclaredPlugins()

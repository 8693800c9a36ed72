"""SMI: a TrafficSplit of our own, named as the Rollout says or like the Rollout, that splits the root service's traffic.

It is the Rollout's, made when it is missing and written anew when it differs; one that belongs to somebody else is refused.
It is read and written in the version that the cluster prefers among those it serves.
"""

from collections.abc import Sequence

from msgspec import Struct

from shipway.api.rollout import Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import spec_of
from shipway.rollouts.traffic.router import Edit, Look, Problem, Seen, Split, difference, is_owned, read_as

GROUP, KIND = "split.smi-spec.io", "TrafficSplit"
OLDEST = f"{GROUP}/v1alpha1"
"""This version has weights as quantities, which it gives back as text."""


class Block(Wire, frozen=True):
    root_service: str = ""
    traffic_split_name: str = ""


class Smi(Struct, frozen=True):
    """The router. An empty root service means the stable one, an empty name the Rollout's."""

    root_service: str = ""
    name: str = ""

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        return (Ref(GROUP, KIND, namespace, self.name or rollout),)

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        (ref,) = seen.objs
        live = seen.get(ref)
        if live is None:
            return seen.absence(ref, "smi") if (ref.group, ref.kind) in seen.unserved else None
        if not is_owned(live, split):
            return Problem("smi.trafficSplitName", ref.name, f"Rollout does not own TrafficSplit `{ref.name}`")
        return None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        (ref,) = seen.objs
        live = seen.get(ref)
        if split.leaving:
            return (Edit(ref, gone=True),) if live is not None and is_owned(live, split) else ()
        version = live.get("apiVersion") if live is not None else seen.versions.get((GROUP, KIND))
        spec = self._spec(split, as_text=version == OLDEST)
        if live is None:
            obj = {"metadata": {"ownerReferences": [dict(split.owner)]}, "spec": spec}
            return (Edit(ref, obj=obj, told=("TrafficSplitCreated", f"TrafficSplit `{ref.name}` created")),)
        wanted = {**spec_of(live), **spec}
        ops = list(difference(spec_of(live), wanted, "/spec"))
        return (Edit(ref, ops, told=("TrafficSplitModified", f"TrafficSplit `{ref.name}` modified")),) if ops else ()

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        return None

    def _spec(self, split: Split, *, as_text: bool) -> Obj:
        backends = [{"service": name, "weight": str(weight) if as_text else weight} for name, weight in split.shares]
        return {"service": self.root_service or split.stable_service, "backends": backends}


def read_config(raw: object) -> Smi | str:
    """The router of an `smi` block, or what is wrong with it."""
    block = read_as(raw, Block)
    return block if isinstance(block, str) else Smi(block.root_service, block.traffic_split_name)

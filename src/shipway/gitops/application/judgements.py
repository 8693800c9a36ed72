"""Remembers how objects were judged, so that an event about one object does not judge all the others again.

Only a memory: it can be dropped at any moment. A judgement is kept that rests on metadata alone (no dry run); it counts for
the same desired object, the same live version, the same claims, and the same that is said about differences.
"""

from collections.abc import Sequence
from typing import Any

from shipway.api.handed_over import Claim
from shipway.gitops.desired import Desired
from shipway.gitops.ownership import Context, Judgement, judge
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import resource_version_of, uid_of


class Judgements:
    """`judge` with a memory of one application's objects."""

    def __init__(self) -> None:
        self._kept: dict[Ref, tuple[Any, Judgement]] = {}

    def judge(self, desired: Desired, live: Obj | None, claims: Sequence[Claim], context: Context) -> Judgement:
        """As `ownership.judge`."""
        if live is None or not desired.digest:
            self._kept.pop(desired.ref, None)
            return judge(desired, live, claims, context)
        own = (desired.digest, desired.ignored, desired.is_client_side)
        rests_on = (own, uid_of(live), resource_version_of(live), tuple(claims), context.ignored, context.known_types)
        kept = self._kept.get(desired.ref)
        if kept is not None and kept[0] == rests_on:
            return kept[1]
        judgement = judge(desired, live, claims, context)
        if judgement.ask is None:
            self._kept[desired.ref] = (rests_on, judgement)
        else:
            self._kept.pop(desired.ref, None)
        return judgement

    def forget_all_but(self, refs: set[Ref]) -> None:
        """Drops what is not wanted any more."""
        for ref in self._kept.keys() - refs:
            del self._kept[ref]

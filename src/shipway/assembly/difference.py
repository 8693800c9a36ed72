"""What would a sync change? The engine's own eyes look once, and the API server says what an apply would make.

`shipway app diff` shows it. For each object that is out of sync one dry-run apply gives the object as it would be. Values of
Secrets are blotted out.
"""

from pathlib import Path

from msgspec import Struct

from shipway.assembly.destinations import destination
from shipway.assembly.onlooking import look
from shipway.base.clock import SystemClock
from shipway.base.errors import NotFound
from shipway.gitops.application.observe import Observed
from shipway.gitops.comparison import Item
from shipway.gitops.ownership import comparable, to_apply
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import copy_obj

HIDDEN, HIDDEN_CHANGED = "********", "******** (changed)"


class ObjectChange(Struct, frozen=True):
    """One object that a sync would change: None before for a new one, None afterwards for one that Git no longer has."""

    ref: Ref
    live: Obj | None
    desired: Obj | None


async def difference(client: Client, application: Obj, cache: Path, *, local: Path | None = None) -> list[ObjectChange]:
    """What a sync of the application would change, in the application's order. `local`: see `look`.

    Raises what the engine would report: InvalidInput for a source that cannot be rendered, Unavailable for one that cannot be
    reached.
    """
    observed = await look(client, application, cache, local=local)
    comparison = observed.comparison
    assert comparison is not None
    drifted = [item for item in comparison.items if item.state == "OutOfSync" and not item.is_hook]
    async with destination(client, SystemClock(), application) as there:
        changes = [await _change(there, item, observed) for item in drifted]
    return [change for change in changes if change.live != change.desired]


async def _change(client: Client, item: Item, observed: Observed) -> ObjectChange:
    live = comparable(item.live_obj) if item.live_obj else None
    if item.desired is None or item.desired.resource is None:
        return _blotted(ObjectChange(item.ref, live, None))
    body = to_apply(item.desired, item.live_obj, item.claims, observed.context)
    try:
        made = await client.apply(item.desired.resource, body, manager=observed.settings.manager, dry_run=True)
    except NotFound:
        made = body  # its namespace or its kind comes with the same sync
    return _blotted(ObjectChange(item.ref, live, comparable(made)))


def _blotted(change: ObjectChange) -> ObjectChange:
    """Secrets show which keys change, never what they hold."""
    if change.ref.kind != "Secret" or change.ref.group:
        return change
    before = (change.live or {}).get("data") or {}
    live = {**change.live, "data": dict.fromkeys(before, HIDDEN)} if change.live else None
    desired = copy_obj(change.desired) if change.desired else None
    if desired is not None:
        values = desired.get("data") or {}
        desired["data"] = {key: HIDDEN if before.get(key) == value else HIDDEN_CHANGED for key, value in values.items()}
    return ObjectChange(change.ref, live, desired)

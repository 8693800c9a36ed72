"""Gathers a Rollout that somebody wants to be told of, what it owns, and the answers to what is being delivered."""

from collections.abc import Iterable

from shipway.api.kinds import ANALYSIS_RUNS, CONFIG_MAPS, REPLICA_SETS, ROLLOUTS
from shipway.api.notifications import OF_ROLLOUTS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of, metadata, spec_of, status_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.notifications.asks import answers_to
from shipway.notifications.decide import ObservedNews
from shipway.notifications.settings import read_settings
from shipway.notifications.subscriptions import subscribes, subscriptions_of
from shipway.notifications.told import read_pending
from shipway.rollouts.notifications.occasions import occasions_of
from shipway.rollouts.rollout.names import HASH_LABEL, INSTANCE_ID_LABEL
from shipway.rollouts.rollout.observe import BY_OWNER
from shipway.rollouts.settings import RolloutSettings


def observe(key: ObjectKey, world: World, ours: RolloutSettings) -> ObservedNews | None:
    """None: it is gone, not ours, or of no interest to anybody."""
    rollout = world.get(ROLLOUTS, key.namespace, key.name)
    if rollout is None or labels_of(rollout).get(INSTANCE_ID_LABEL, "") != ours.instance_id:
        return None
    settings = read_settings(world.get(CONFIG_MAPS, ours.namespace, OF_ROLLOUTS.config_map))
    pending = read_pending(rollout)
    if not pending and not settings.for_all and not subscribes(rollout):
        return None
    uid = uid_of(rollout)
    sets, runs = (tuple(world.indexed(kind, BY_OWNER, uid)) for kind in (REPLICA_SETS, ANALYSIS_RUNS))
    return ObservedNews(
        resource=ROLLOUTS,
        obj=rollout,
        words=OF_ROLLOUTS,
        settings=settings,
        subscriptions=subscriptions_of(rollout, settings),
        occasions=occasions_of(rollout, runs, sets),
        names={"rollout": _told_of(rollout, sets), "analysisRuns": list(runs)},
        answers=answers_to(pending, OF_ROLLOUTS, uid, world),
    )


def _told_of(rollout: Obj, sets: Iterable[Obj]) -> Obj:
    """The Rollout with the template of its pods, wherever that is written."""
    meta = {key: value for key, value in metadata(rollout).items() if key != "managedFields"}
    spec = spec_of(rollout)
    if "template" not in spec:
        current = status_of(rollout).get("currentPodHash")
        new = next((one for one in sets if labels_of(one).get(HASH_LABEL) == current), {})
        spec = {**spec, "template": spec_of(new).get("template") or {}}
    return {**rollout, "metadata": meta, "spec": spec}

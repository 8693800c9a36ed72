"""The ReplicaSet controller and the pods of a rehearsal: what is asked for is there, and ready some seconds later."""

from shipway.api.kinds import REPLICA_SETS
from shipway.base.clock import Instant
from shipway.kube.objects.views import name_of
from shipway.rehearsal.world import PlayedCluster, asked_for


class Pods:
    """Pods that are there when it begins are ready. `start`: seconds until another is; it counts `min_ready` seconds later."""

    def __init__(self, cluster: PlayedCluster, start: float, min_ready: float) -> None:
        self._cluster = cluster
        self._delay = start + min_ready
        self._ready_at = {name_of(rs): [cluster.now] * asked_for(rs) for rs in cluster.list(REPLICA_SETS)}

    def play(self) -> None:
        """Reports what is ready now; the youngest pods go first."""
        now = self._cluster.now
        for rs in tuple(self._cluster.list(REPLICA_SETS)):
            pods, wanted = self._ready_at.setdefault(name_of(rs), []), asked_for(rs)
            pods += [Instant(now + self._delay)] * (wanted - len(pods))
            del pods[wanted:]
            self._cluster.report(rs, wanted, sum(at <= now for at in pods))

    def next_ready(self) -> Instant | None:
        """When the next pod is ready; None when all are."""
        coming = [at for pods in self._ready_at.values() for at in pods if at > self._cluster.now]
        return min(coming, default=None)

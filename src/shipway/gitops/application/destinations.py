"""Where an application's objects belong: the destination that it names, found among the Secrets that describe clusters.

A name or server that fits nothing (or two) is refused, and then nothing is compared and nothing deleted. Whether the cluster
answers is a standing question, put once for all its applications; while it does not, what was last known stands still.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import IN_CLUSTER_NAME, IN_CLUSTER_SERVER, ApplicationSpec, Destination
from shipway.api.clusters import CLUSTER, HERE, Cluster, normalized, parse_cluster
from shipway.api.kinds import APPLICATIONS, SECRETS
from shipway.api.repositories import SECRET_TYPE
from shipway.gitops.asks import ConnectionAsk
from shipway.gitops.desired import refusal_beyond
from shipway.gitops.source import sync_options
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import dig, labels_of, name_of, resource_version_of
from shipway.kube.runtime.controller import World
from shipway.kube.runtime.decision import Indexed

BY_DESTINATION = "destination"
"""An index of Applications by where they go to, and of the Secrets of clusters by what they are called."""
_CLOSED = f'cluster "{IN_CLUSTER_SERVER}" is disabled: cluster.inClusterEnabled of argocd-cm is "false": name another one'


class Place(Struct, frozen=True):
    """Where an application goes to. `cluster` None: nowhere, for the `problem`. `away`: why nothing is known of the cluster."""

    cluster: Cluster | None
    problem: str = ""
    away: str = ""
    ask: ConnectionAsk | None = None

    @property
    def key(self) -> str:
        """The cluster of every kind and action of the application."""
        return self.cluster.key if self.cluster else ""

    @property
    def reach(self) -> Reach:
        """What of the cluster is managed."""
        return self.cluster.reach if self.cluster else EVERYWHERE

    def seen(self, world: World, kinds: Sequence[Resource]) -> tuple["Place", bool]:
        """The place, and whether all of the kinds there are known. It is away too where one of them may not be listed."""
        watched = self.reach if self.key else EVERYWHERE
        if self.cluster is None or self.away or not world.has_discovered(self.key, watched):
            return self, False
        waiting = [kind for kind in kinds if not world.is_synced(kind, with_managed_fields=True)]
        refused = next((kind for kind in waiting if world.refusal(kind)), None)
        if refused is None:
            return self, not waiting
        told = f"{refused.kind} cannot be looked at on {self.cluster.server}: {world.refusal(refused)}"
        return replace(self, away=told), False

    @property
    def owner(self) -> str:
        """The AppProject that the cluster belongs to."""
        return self.cluster.project if self.cluster else ""

    def told_in(self, spec: ApplicationSpec) -> ApplicationSpec:
        """The spec with both spellings of its destination, for rules that go by either."""
        if self.cluster is None:
            return spec
        name = self.cluster.name or (IN_CLUSTER_NAME if self.key == "" else "")
        destination = Destination(self.cluster.server, name, spec.destination.namespace)
        return spec if spec.destination == destination else replace(spec, destination=destination)


class Places:
    """Finds destinations. The memory of what a Secret says counts for one version of it, and may be dropped at any moment."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[str, Cluster]] = {}

    def of(self, app: Obj, world: World, *, has_home: bool) -> Place:
        """`has_home`: Applications may go to the cluster that they live in."""
        (called,) = destinations_of(app)
        secrets = sorted(world.indexed(SECRETS, BY_DESTINATION, called), key=name_of)
        place = place_among(app, [self._parsed(secret) for secret in secrets])
        if not place.key:
            is_closed = place.cluster is not None and not has_home and any(_called(app))
            return Place(None, _CLOSED) if is_closed else place
        ask = ConnectionAsk(place.key)
        answer = world.answer(ask)
        away = answer.error.message if answer and answer.error else ""
        return replace(place, away=away and f"cluster {place.key} cannot be spoken to: {away}", ask=ask)

    def _parsed(self, secret: Obj) -> Cluster:
        name, version = name_of(secret), resource_version_of(secret)
        kept = self._read.get(name)
        if kept is None or kept[0] != version:
            kept = self._read[name] = (version, parse_cluster(secret))
        return kept[1]


def place_among(app: Obj, found: Sequence[Cluster]) -> Place:
    """Where an application goes to. `found`: the clusters that are called what its destination calls them."""
    server, name = _called(app)
    if bool(server) == bool(name):
        return Place(HERE)  # `check_destination` refuses it
    if server == IN_CLUSTER_SERVER or (name == IN_CLUSTER_NAME and not found):
        here = next(iter(found), HERE)
        return Place(None, here.problem) if here.problem else Place(here)
    problem = _problem(server, name, found)
    return Place(None, problem) if problem else Place(found[0])


def is_home(app: Obj) -> bool:
    """Whether an application goes to the cluster that it lives in, whatever the Secrets say."""
    server, name = _called(app)
    return server == IN_CLUSTER_SERVER or not (server or name)


def cluster_of(spec: ApplicationSpec) -> str:
    """What `Resource.cluster` says of the destination of a spec that `told_in` has given both spellings."""
    return "" if spec.destination.server == IN_CLUSTER_SERVER else spec.destination.server


def namespace_problem(spec: ApplicationSpec, reach: Reach) -> str:
    """Why the labels and annotations that an application wants on its namespace cannot be put there; "" where they can."""
    wants = spec.sync_policy is not None and spec.sync_policy.managed_namespace_metadata is not None
    if not wants or sync_options(spec).get("CreateNamespace") != "true":
        return ""
    return refusal_beyond(reach, {"kind": "Namespace", "metadata": {"name": spec.destination.namespace}})


def destinations_of(app: Obj) -> Iterable[str]:
    """What an Application calls the cluster that it goes to."""
    return (_key_of(*_called(app)),)


def names_of(secret: Obj) -> Iterable[str]:
    """What Applications may call the cluster of a Secret; nothing for Secrets of other kinds."""
    if labels_of(secret).get(SECRET_TYPE) != CLUSTER:
        return ()
    said = secret_values(secret)
    server, name = normalized(said.get("server", "")), said.get("name", "")
    return tuple(_key_of(*pair) for pair in ((server, ""), ("", name)) if any(pair))


def users_of_cluster(secret: Obj) -> Iterable[Indexed]:
    """The applications that go to the cluster of a Secret."""
    return tuple(Indexed(APPLICATIONS, BY_DESTINATION, name) for name in names_of(secret))


def _called(app: Obj) -> tuple[str, str]:
    destination: Obj = dig(app, "spec", "destination", default={})
    return normalized(str(destination.get("server") or "")), str(destination.get("name") or "")


def _key_of(server: str, name: str) -> str:
    return f"server {server}" if server else f"name {name}"


def _problem(server: str, name: str, found: Sequence[Cluster]) -> str:
    if name and len(found) > 1:
        servers = " ".join(cluster.server for cluster in found)
        return f"there are {len(found)} clusters with the same name: [{servers}]: name the server in spec.destination.server"
    if found:
        return ""
    if name:
        return f"there are no clusters with this name: {name}: `shipway cluster list` shows them all"
    return f'cluster "{server}" not found: `shipway cluster add` describes one, `shipway cluster list` shows them all'

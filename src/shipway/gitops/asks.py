"""What the GitOps engine asks the outside: where a branch stands, what a source renders to, what an apply would do.

    HeadAsk       standing   lane: the repository    -> api.sources.Head
    KnownHeadAsk  immutable  lane: its mirror        -> api.sources.Head
    TextAsk       standing   lane: the server        -> the text of the file there
    RenderAsk     immutable  lane: its mirror        -> api.sources.Rendered
    SignatureAsk  standing   lane: its mirror        -> api.commits.Signature
    HistoryAsk    standing   lane: its mirror        -> tuple of api.commits.Doubt
    ChangesAsk    standing   lane: its mirror        -> tuple of api.commits.Committed
    ClusterAsk    standing   lane: the cluster       -> api.sources.ClusterFacts
    ConnectionAsk standing   lane: the cluster's own -> its version
    OrphansAsk    standing   lane: the cluster       -> frozenset of Ref: what belongs to no Application
    HydrateAsk    immutable  lane: the repository    -> api.hydration.Hydrated; it pushes
    RecordAsk     immutable  lane: the ledger        -> api.ledger.Place: where the chain ends now
    DryRunAsk     immutable  lane: the cluster       -> the object as it would be after the apply

Each is a value and holds everything its answer depends on; who answers is wired in `assembly`.
"""

from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec
import orjson

from shipway.api.commits import ChangesRequest, HistoryRequest, SignatureRequest
from shipway.api.hydration import HydrationRequest
from shipway.api.ledger import Place
from shipway.api.sources import HeadRequest, RenderRequest
from shipway.gitops.scope import Scope
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import kept, name_of, namespace_of
from shipway.kube.runtime.decision import Ask


class HeadAsk(Ask, frozen=True):
    """Where does the revision stand? Asked again by webhook, every three minutes, and on the refresh annotation."""

    standing: ClassVar[bool] = True
    at_once: ClassVar[int] = 256
    """They wait for one look at the remote; one that is answered without it must not wait behind them."""
    request: HeadRequest

    @property
    def lane(self) -> str:
        return self.request.repo_url


class KnownHeadAsk(Ask, frozen=True):
    """The same of a commit that was fetched once, without the remote: what an earlier process left in the mirror.

    Answered only after a moment, since the remote usually is quicker; refused when it is not there.
    """

    at_once: ClassVar[int] = 1000
    request: HeadRequest

    @property
    def lane(self) -> str:
        return f"known {self.request.repo_url}"


class TextAsk(Ask, frozen=True):
    """What does the file at this URL say?"""

    standing: ClassVar[bool] = True
    url: str

    @property
    def lane(self) -> str:
        return f"files {urlsplit(self.url).netloc}"


class RenderAsk(Ask, frozen=True):
    """Which objects does this content give?"""

    request: RenderRequest

    @property
    def lane(self) -> str:
        return f"render {self.request.repo_url}"


class HydrateAsk(Ask, frozen=True):
    """At which commit does the branch hold what this renders to? It is pushed where it does not hold it yet."""

    acts: ClassVar[bool] = True
    at_once: ClassVar[int] = 1
    """Branches of one repository share the ref of the notes."""
    request: HydrationRequest

    @property
    def lane(self) -> str:
        return f"hydrate {self.request.repo_url}"


class SignatureAsk(Ask, frozen=True):
    """What is this commit, or the tag that led to it, signed with? Standing, since the keys that are known change."""

    standing: ClassVar[bool] = True
    request: SignatureRequest

    @property
    def lane(self) -> str:
        return f"signatures {self.request.repo_url}"


class HistoryAsk(Ask, frozen=True):
    """Which commits that led to this one has no key that counts signed? Standing, since the keys that are known change."""

    standing: ClassVar[bool] = True
    request: HistoryRequest

    @property
    def lane(self) -> str:
        return f"signatures {self.request.repo_url}"


class ChangesAsk(Ask, frozen=True):
    """What was committed since the last sync, and by whom? Standing, since a later commit may approve an earlier one."""

    standing: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 60.0
    request: ChangesRequest

    @property
    def lane(self) -> str:
        return f"changes {self.request.repo_url}"


class ClusterAsk(Ask, frozen=True):
    """What the cluster is. Only charts that read it make anybody ask."""

    standing: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 60.0
    cluster: str = ""

    @property
    def lane(self) -> str:
        return f"cluster {self.cluster}"


class ConnectionAsk(Ask, frozen=True):
    """Does the cluster answer to us? Put once for all applications that go there; answered by the version it says it is."""

    standing: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 15.0
    cluster: str

    @property
    def lane(self) -> str:
        return f"connection {self.cluster}"


class OrphansAsk(Ask, frozen=True):
    """What lies in a namespace and belongs to no Application, whatever a project says of it?

    Put once for all applications that go there, and asked again when something comes or goes. `scope` says which kinds count.
    """

    standing: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 3600.0
    at_once: ClassVar[int] = 100_000
    """It is answered from memory as soon as the cluster has been looked at, which all wait for together."""
    cluster: str
    namespace: str
    scope: Scope

    @property
    def lane(self) -> str:
        return f"orphans {self.cluster}"


class DryRunAsk(Ask, frozen=True):
    """What would a write of `body` (canonical JSON) make of the object at `live_version` ("" = none live)?

    `how`: a server-side apply, or what a client-side one sends (the creation of an object, or one of two patches).

    Answered by the object as the server returns it, or by the server's refusal.
    """

    at_once: ClassVar[int] = 32
    together: ClassVar[str] = "sync"
    resource: Resource
    namespace: str
    name: str
    body: bytes
    live_version: str
    manager: str
    how: Literal["apply", "create", "strategic", "merge"] = "apply"
    as_user: str = ""
    """Whose rights count; ours where it is ""."""

    @property
    def lane(self) -> str:
        return f"cluster {self.resource.cluster}"

    @property
    def obj(self) -> Obj:
        return orjson.loads(self.body)


class KeepAsk(Ask, frozen=True):
    """Are the manifests of this deployment kept? They are, once it is answered: `requests` are the renders it applies.

    `deployment` is the identity of the sources at their revisions; `remembered` are those that the history of `application` (a
    uid) names besides. All others may be forgotten.
    """

    together: ClassVar[str] = "sync"
    application: str
    deployment: str
    requests: tuple[RenderRequest | None, ...]
    remembered: tuple[str, ...]

    @property
    def lane(self) -> str:
        return "history"


class RecordAsk(Ask, frozen=True):
    """Are these `entries` (`api.ledger.Entry` as JSON) in the ledger? They are, in this order, once it is answered.

    `chain` is the uid of the `application` (`namespace/name`). Where the ledger has lost the end of the chain, it goes on after
    `remembered`.
    """

    acts: ClassVar[bool] = True
    wakes: ClassVar[bool] = False
    at_once: ClassVar[int] = 64
    chain: str
    application: str
    remembered: Place
    entries: tuple[bytes, ...]

    @property
    def lane(self) -> str:
        return "ledger"


class UrgentRecordAsk(RecordAsk, frozen=True):
    """The same where somebody waits for it: what a person did, or an Application that goes."""

    wakes: ClassVar[bool] = True


class RecallAsk(Ask, frozen=True):
    """What did this deployment apply? Answered by one `Rendered` for each source, from what was kept."""

    application: str
    deployment: str

    @property
    def lane(self) -> str:
        return "history"


class HealthAsk(Ask, frozen=True):
    """What does a team's Lua script say of the health of `body` (canonical JSON of a live object)?

    Answered by `{"returned": what the script returned, as JSON would hold it}`.
    """

    script: str
    body: bytes

    @property
    def lane(self) -> str:
        return "scripts"


class JqPathsAsk(Ask, frozen=True):
    """Which fields of `body` (canonical JSON of an object) do these jq expressions select? Answered by a list of paths."""

    expressions: tuple[str, ...]
    body: bytes

    @property
    def lane(self) -> str:
        return "jq"


def dry_run_ask(resource: Resource, obj: Obj, live_version: str, manager: str, as_user: str = "") -> DryRunAsk:
    namespace, name = namespace_of(obj), name_of(obj)
    return DryRunAsk(resource, namespace, name, canonical(obj), live_version, manager, as_user=as_user)


def canonical(value: Any) -> bytes:
    """One spelling per value: equal values give equal bytes, which are kept as long as their question is."""
    return kept(orjson.dumps(msgspec.to_builtins(value), option=orjson.OPT_SORT_KEYS))

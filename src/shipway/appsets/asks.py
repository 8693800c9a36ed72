"""What the ApplicationSet engine asks the outside.

    ListingAsk    standing   lane: the repository    -> api.listings.Listing
    PullRequestsAsk  standing   lane: the repository  -> a tuple of api.forges.PullRequest
    BranchesAsk      standing   lane: the organization  -> a tuple of api.forges.Branch
    PluginAsk        standing   lane: the plugin        -> the sets of parameters that it gives, as JSON
    DecisionsAsk     standing   lane: the kind's name   -> Decisions
    FillAsk       immutable  lane: templates         -> one api.templates.Filled for each entry
    PathsAsk      immutable  lane: jq                -> the paths that jq expressions select in an object

Each is a value and holds everything its answer depends on; who answers is wired in `assembly`.
"""

from typing import Any, ClassVar

import orjson
from msgspec import Struct
from msgspec.structs import replace

from shipway.api.forges import BranchesQuery, ForgeTerms, PullRequestsQuery
from shipway.api.listings import ListingRequest
from shipway.api.templates import Template
from shipway.kube.runtime.decision import Ask


class ListingAsk(Ask, frozen=True):
    """What does the repository hold? Asked again by webhook, and every `every` seconds (0: as often as any repository)."""

    standing: ClassVar[bool] = True
    at_once: ClassVar[int] = 64
    request: ListingRequest
    every: float = 0.0

    @property
    def lane(self) -> str:
        return self.request.repo_url

    @property
    def looks_at(self) -> ListingRequest:
        """What it sees of the world, whoever asks."""
        return replace(self.request, signed_by=(), project="")


class PullRequestsAsk(Ask, frozen=True):
    """Which pull requests are open? `namespace` is the set's: the token lies in a Secret there, and `terms` say whether.

    Asked again by webhook, and every `every` seconds. Answered by a tuple of `PullRequest`."""

    standing: ClassVar[bool] = True
    query: PullRequestsQuery
    namespace: str
    every: float = 1800.0
    terms: ForgeTerms = ForgeTerms()

    @property
    def lane(self) -> str:
        return f"{self.query.kind} {self.query.api} {self.query.place}"


class BranchesAsk(Ask, frozen=True):
    """Which branches do the repositories of an organization have? As `PullRequestsAsk`; answered by a tuple of `Branch`."""

    standing: ClassVar[bool] = True
    query: BranchesQuery
    namespace: str
    every: float = 1800.0
    terms: ForgeTerms = ForgeTerms()

    @property
    def lane(self) -> str:
        return f"{self.query.kind} {self.query.api} {self.query.place}"


class PluginAsk(Ask, frozen=True):
    """Which parameters does a plugin give for these (`parameters`: canonical JSON)? Answered by a JSON list of objects.

    `config_map`, in the namespace of the installation, says where the plugin is; `set_name`: whom it is told that it is for."""

    standing: ClassVar[bool] = True
    config_map: str
    set_name: str
    parameters: bytes
    every: float

    @property
    def lane(self) -> str:
        return f"plugin {self.config_map}"


class DecisionsAsk(Ask, frozen=True):
    """Which clusters do objects name in their status: the one called `name`, or those that `selector` picks?

    `config_map`, in the namespace of the installation, says of which kind they are. Answered by `Decisions`."""

    standing: ClassVar[bool] = True
    config_map: str
    name: str
    selector: str
    every: float

    @property
    def lane(self) -> str:
        return f"decisions {self.config_map}"


class Decisions(Struct, frozen=True):
    """Objects as a JSON list, each with the name of a cluster under `match_key`."""

    match_key: str
    found: bytes


class FillAsk(Ask, frozen=True):
    """What does the template give for each of these sets of parameters (JSON)?"""

    template: Template
    entries: tuple[bytes, ...]

    @property
    def lane(self) -> str:
        return "templates"


class PathsAsk(Ask, frozen=True):
    """Which fields of `body` (canonical JSON of an object) do these jq expressions select? Answered by a list of paths."""

    expressions: tuple[str, ...]
    body: bytes

    @property
    def lane(self) -> str:
        return "jq"


def canonical(value: Any) -> bytes:
    """One spelling per value: equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)

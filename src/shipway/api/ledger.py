"""The ledger: who did what to an Application, when and why, in rows of which none can be changed unseen.

Each row holds the hash of the row before it and its own, which is taken over both (`hash_of`). So whoever changes, takes out or
moves a row has to make all later ones anew, and what the Application itself remembers (`Place`) tells that too.

There is one chain for each Application, by its uid: replicas that share Applications never write to the same one.

Old rows may be cut off. That is an entry of its own, which holds the place of the last of them: a chain may begin after a place
that one of its entries says it was cut at, and nowhere else.
"""

import hashlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct, field

from shipway.api.commits import CommitFacts

SIGHT = "x-shipway-sight"
"""The header of a request for the rows of an Application that proves that it can be got (`gitops.ledger.sight`)."""


class DeployedSource(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One source of what was synced: where (`repo_url` without logins, `path` or name of the chart), what was followed, and the
    commit or version that this was."""

    repo_url: str = field(name="repoURL")
    path: str = ""
    target: str = ""
    revision: str = ""


class Place(Struct, frozen=True):
    """A place in a chain: the number of a row and its hash. 0 and "": before the first."""

    sequence: int = 0
    hash: str = ""


START = Place()


class Entry(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What happened: a finished operation, or an act of a person. Times are RFC 3339.

    `id`: the same for the same happening, whoever tells of it and how often. `verb`: sync, partial sync, dry run or rollback of
    an operation; what a person did otherwise. `by`: who, "" where nobody said so; `automated`: nobody did. `phase` and
    `message`: how an operation ended. `what`: what an act changed. `prior`: the revisions that were live before. `counts`:
    objects by what became of them; `pruned`: those that were deleted. `content`: the digest of the manifests. `lost`: entries
    before this one that found no place. `cut`: the last row of those that were cut off since they are kept no longer, in an
    entry of the verb "cut"; they were recorded before `began`.
    """

    id: str
    verb: str
    began: str = ""
    ended: str = ""
    by: str = ""
    automated: bool = False
    reason: str = ""
    phase: str = ""
    message: str = ""
    what: str = ""
    sources: tuple[DeployedSource, ...] = ()
    prior: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    pruned: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    content: str = ""
    commits: tuple[CommitFacts, ...] = ()
    lost: int = 0
    cut: Place | None = None


class Row(Struct, frozen=True):
    """A row as it is stored. `subject`: whose it is, `namespace/name` of an Application; `entry`: the id; `body`: everything
    once more, as canonical JSON that the hash is taken over. The columns are there to be found by."""

    chain: str
    sequence: int
    entry: str
    subject: str
    previous: str
    hash: str
    body: str

    @property
    def told(self) -> Entry:
        """Raises msgspec.MsgspecError where somebody else wrote the body."""
        return msgspec.json.decode(self.body, type=Entry)

    @property
    def cut(self) -> Entry | None:
        """What it tells, where that is a cut."""
        if '"cut"' not in self.body:  # nearly all: they need not be read
            return None
        with suppress(msgspec.MsgspecError):
            return self.told if self.told.cut else None
        return None

    @property
    def recorded_at(self) -> str:
        """When it was written down."""
        return str(_columns(self.body).get("recordedAt") or "")


class Break(Struct, frozen=True):
    """The first row that does not fit, and why."""

    sequence: int
    what: str


def row_after(place: Place, chain: str, subject: str, entry: Entry, recorded_at: str) -> Row:
    """The row that tells of an entry, next to a place of the chain."""
    sequence = place.sequence + 1
    told = {
        **msgspec.to_builtins(entry),
        "chain": chain,
        "sequence": sequence,
        "subject": subject,
        "recordedAt": recorded_at,
    }
    body = msgspec.json.encode(told, order="deterministic").decode()
    return Row(chain, sequence, entry.id, subject, place.hash, hash_of(place.hash, body), body)


def hash_of(previous: str, body: str) -> str:
    """SHA-256 over the hash of the row before and the body, hexadecimal."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def first_break(
    rows: Sequence[Row], remembered: Place = START, last_entry: str = "", earlier: Collection[str] = ()
) -> Break | None:
    """The first row of one chain, oldest first, that does not fit; None where all do.

    `remembered` is what the Application knows of its chain, `last_entry` the id of what happened to it last ("" = not known).
    `earlier`: hashes of rows that the chain may go on from, of an Application of the same name before this one.
    """
    place = _before(rows, remembered, earlier)
    if remembered != START and place.sequence >= remembered.sequence and rows and place in _cuts(rows):
        return Break(remembered.sequence, "it was cut off, and the Application remembers it: none of ours goes so far")
    for row in rows:
        if problem := _misfit(row, place):
            return Break(row.sequence, problem)
        if row.sequence == remembered.sequence and row.hash != remembered.hash:
            return Break(row.sequence, "it is not the entry that the Application remembers: the chain was made anew")
        place = Place(row.sequence, row.hash)
    if place.sequence < remembered.sequence:
        missing = numbers(place.sequence + 1, remembered.sequence)
        return Break(place.sequence + 1, f"{missing} that the Application remembers is missing: the end was cut off")
    if last_entry and all(row.entry != last_entry for row in rows):
        return Break(place.sequence + 1, "the last operation of the Application is missing: the end was cut off")
    return None


def _before(rows: Sequence[Row], remembered: Place, earlier: Collection[str]) -> Place:
    """Where the chain may begin: at its first row, or where an earlier one of the same Application ended."""
    if not rows and remembered.hash in earlier:
        return remembered
    if rows and rows[0].previous in earlier:
        return Place(rows[0].sequence - 1, rows[0].previous)
    return next((one for one in _cuts(rows) if one == Place(rows[0].sequence - 1, rows[0].previous)), START)


def _cuts(rows: Sequence[Row]) -> list[Place]:
    """Where the rows say that older ones were cut off."""
    return [row.cut.cut for row in rows if row.cut and row.cut.cut]


def _misfit(row: Row, place: Place) -> str:
    """Why a row does not come after a place; "" where it does."""
    if row.sequence != place.sequence + 1:
        return f"{numbers(place.sequence + 1, row.sequence - 1)} before it is missing"
    if row.previous != place.hash:
        return "it does not follow the entry before it"
    if hash_of(row.previous, row.body) != row.hash:
        return "it was changed"
    told = _columns(row.body)
    columns = {"chain": row.chain, "sequence": row.sequence, "id": row.entry, "subject": row.subject}
    if any(told.get(name) != value for name, value in columns.items()):
        return "it was moved: it is the entry of another place"
    return ""


def numbers(first: int, last: int) -> str:
    return f"entry {first}" if first >= last else f"entry {first} to {last}"


def _columns(body: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}

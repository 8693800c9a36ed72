"""The ledger of a simulation: the chains of rows, without a database. It outlives the engine's process, as a database does."""

from collections import defaultdict

import msgspec

from shipway.api.ledger import START, Entry, Place, Row, row_after
from shipway.base.errors import ShipwayError
from shipway.gitops.asks import RecordAsk


class Book:
    """`is_away`: what adding fails with meanwhile."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, list[Row]] = defaultdict(list)
        """By the name of the Application, `namespace/name`."""
        self.is_away: ShipwayError | None = None
        self.asked = 0

    async def record(self, ask: RecordAsk) -> Place:
        self.asked += 1
        if self.is_away:
            raise self.is_away
        for text in ask.entries:
            entry = msgspec.json.decode(text, type=Entry)
            if all((row.chain, row.entry) != (ask.chain, entry.id) for row in self.rows[ask.application]):
                row = row_after(self._end(ask), ask.chain, ask.application, entry, "2026-01-01T00:00:00Z")
                self.rows[ask.application].append(row)
        return self._end(ask)

    def of(self, name: str = "shop") -> list[Entry]:
        """What is recorded of an Application in argocd, oldest first."""
        return [row.told for row in self.rows[f"argocd/{name}"]]

    def _end(self, ask: RecordAsk) -> Place:
        mine = [row for row in self.rows[ask.application] if row.chain == ask.chain]
        end = Place(mine[-1].sequence, mine[-1].hash) if mine else START
        return end if end.sequence >= ask.remembered.sequence else ask.remembered

"""Where the history and the ledger are kept: a file beside the mirrors, or the server that was named."""

from shipway.adapters.history.sqlite import Sqlite
from shipway.adapters.history.store import LEDGER, Store, Table
from shipway.assembly.settings import RunSettings
from shipway.base.clock import Clock

FILE = "history.db"
"""In the cache."""


def open_store(settings: RunSettings, clock: Clock, table: Table) -> Store:
    """Raises InvalidInput for a URL that cannot work."""
    if not settings.history:
        return Sqlite(settings.cache / FILE, table, survives_power_loss=table is LEDGER)
    from shipway.adapters.history.postgres import Postgres  # a driver that few need

    return Postgres(settings.history, clock, table=table)

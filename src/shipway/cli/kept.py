"""Where commands find what an engine keeps: the ledger, and what past deployments applied."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec import Struct
from msgspec.structs import replace
from platformdirs import user_cache_path

from shipway.assembly.installation import applied_key
from shipway.assembly.keeping import EngineKeeper, Keeper, StoreKeeper
from shipway.assembly.settings import RunSettings
from shipway.assembly.stores import FILE
from shipway.base.errors import Denied, NotFound, Unavailable
from shipway.cli.session import Session
from shipway.cli.up import default_home
from shipway.gitops.backup import Wanted

SAY_WHERE = "Say where it is: --history (or SHIPWAY_HISTORY) as for `shipway run`, or the --cache of an engine on this machine"


@Parameter(name="*")
@dataclass(frozen=True)
class StoreFlags:
    """Where the engine keeps its history and its ledger; the engine itself is asked otherwise."""

    history: Annotated[str, Parameter(env_var="SHIPWAY_HISTORY", show_default=False)] = ""
    "postgresql://USER@HOST/DB that the engine was given as its history. Passwords: by SHIPWAY_HISTORY only."
    cache: Annotated[Path | None, Parameter(show_default=False)] = None
    "The cache of an engine on this machine."

    @property
    def settings(self) -> RunSettings:
        return RunSettings(cache=self.cache or Path(), history=self.history)

    def check_is_there(self) -> None:
        """Raises NotFound for a cache that holds nothing."""
        if not self.history and not has_file(self.cache or Path()):
            raise NotFound(f"there is no ledger in {self.cache or Path()}: give the --cache of `shipway run`")


class Found(Struct, frozen=True):
    """What is kept, or why it cannot be had."""

    keeper: Keeper | None
    why_not: str = ""


def has_file(cache: Path) -> bool:
    return (cache / FILE).exists()


def local_caches() -> list[Path]:
    """Those of engines on this machine that keep something."""
    return [one for one in (*sorted(default_home().parent.glob("*/cache")), user_cache_path("shipway")) if has_file(one)]


@asynccontextmanager
async def keeper_of(session: Session, flags: StoreFlags, of: Sequence[Wanted] = ()) -> AsyncIterator[Found]:
    """Of the first place that has it: what the flags name, the engine behind its Service, a file of an engine on this
    machine that knows one `of` these Applications."""
    key = await applied_key(session.client, session.application_namespace)
    if flags.history or flags.cache:
        async with StoreKeeper.open(flags.settings, key, session.clock) as keeper:
            yield Found(keeper)
        return
    engine = EngineKeeper(session.client, session.application_namespace, key)
    try:
        await engine.of(Wanted("", "", ()))
    except (Unavailable, Denied) as error:
        why = error.message
    else:
        yield Found(engine)
        return
    for cache in local_caches() if of else ():
        async with StoreKeeper.open(RunSettings(cache=cache), key, session.clock) as keeper:
            if await _knows(keeper, of):
                yield Found(keeper)
                return
    yield Found(None, f"{why}. {SAY_WHERE}")


async def _knows(keeper: Keeper, of: Sequence[Wanted]) -> bool:
    """Whether it is of the same cluster: uids tell."""
    for one in of:
        rows_only = replace(one, deployments=())
        if any(row.chain == one.uid for row in (await keeper.of(rows_only)).rows):
            return True
    return False

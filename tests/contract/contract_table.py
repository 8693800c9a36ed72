"""The one table: every case that both servers must answer alike, with the group it counts in and how it is asked.

A case is told in the words of its own module (steps, writes to one object, watches, judged schemas, stories that controllers
play); here they share one space of ids, `group/name`, one file of recorded answers and one way to be run (`judging`).
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.contract import (
    api_oracle,
    api_table,
    apply_oracle,
    stories,
    stories_corners,
    structural_cases,
    structural_oracle,
    watch_oracle,
)
from tests.contract.apply_cases import CASES as APPLY_CASES
from tests.contract.apply_writes import Case as ApplyCase
from tests.contract.both_clusters import Story
from tests.contract.servers import Server
from tests.contract.watch_table import CASES as WATCH_CASES

GOLDEN = Path(__file__).parent.parent / "golden" / "contract.json"
GROUPS = {
    "errors": "errors and negotiation",
    "create": "create, validate, dry-run",
    "conflicts": "updates and conflicts",
    "patches": "JSON, merge and strategic patches",
    "delete": "delete, finalizers, grace",
    "watch": "list, watch, 410, bookmarks, WatchList",
    "apply": "server-side apply and managedFields",
    "crds": "custom resources and their definitions",
    "namespaces": "namespaces and garbage collection",
    "discovery": "discovery and OpenAPI",
    "defaults": "defaults of every served kind",
    "tables": "tables",
    "subresources": "eviction, scale and the other subresources",
    "controllers": "controllers at rest",
}
_NAMESPACE_STORIES = {
    "owners_take_dependents_along",
    "a_namespace_is_emptied",
    "what_every_namespace_has_comes_back",
    "the_last_owner_takes_a_dependent_along",
}


class Entry(Struct, frozen=True):
    """One case: asked of an API server alone (`ask`), or played with controllers (`story`)."""

    id: str
    ask: Callable[[Server], Awaitable[Any]] | None = None
    story: Story | None = None

    @property
    def group(self) -> str:
        return self.id.partition("/")[0]


def _entries() -> Iterator[Entry]:
    for group, cases in api_table.GROUPS.items():
        for case in cases:
            yield Entry(f"{group}/{case.name}", partial(api_oracle.run, case=case))
    for watched in WATCH_CASES:
        yield Entry(f"watch/{watched.name}", partial(watch_oracle.run, case=watched))
    for owned in APPLY_CASES:
        yield Entry(f"apply/{owned.name}", partial(_applied, case=owned))
    for name, spec in structural_cases.OBJECTS.items():
        yield Entry(f"crds/object: {name}", partial(structural_oracle.judge_object, spec=spec))
    for name, schema in structural_cases.SCHEMAS.items():
        yield Entry(f"crds/schema: {name}", partial(structural_oracle.judge_schema, schema=schema))
    for story in (*stories.STORIES, *stories_corners.STORIES):
        group = "namespaces" if story.__name__ in _NAMESPACE_STORIES else "controllers"
        yield Entry(f"{group}/{story.__name__}", story=story)


async def _applied(server: Server, case: ApplyCase) -> list[Any]:
    send = apply_oracle.sending(server)
    return [await apply_oracle.answer(send, case, write) for write in case.writes]


async def prepare(server: Server) -> None:
    """What the cases share: namespaces and custom kinds."""
    await api_oracle.prepare(server)
    await apply_oracle.prepare(apply_oracle.sending(server))
    await structural_oracle.prepare(server)


TABLE: tuple[Entry, ...] = tuple(_entries())


def golden() -> dict[str, Any]:
    """The recorded answers of the real server, by id."""
    return json.loads(GOLDEN.read_bytes())


def write_golden(answers: dict[str, Any]) -> None:
    """One line per case, so that a difference shows which case it is about."""
    lines = [f"{json.dumps(name)}: {json.dumps(answers[name], sort_keys=True)}" for name in sorted(answers)]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")

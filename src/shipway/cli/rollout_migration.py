"""One Deployment on its way to a Rollout or back, as the command line prepares it, carries it out and says how it ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from msgspec import Struct

from shipway.assembly.migrating import check, look, migrate
from shipway.assembly.migration_leftovers import left_behind, needed_no_more
from shipway.base.errors import InvalidInput, NotFound, ShipwayError
from shipway.cli.durations import Duration
from shipway.cli.files import parsed
from shipway.cli.probe import Target
from shipway.cli.session import Session
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.kube.objects.yaml import load
from shipway.kube.runtime.waiting import TookTooLong
from shipway.rollouts.migration import Seen, Step, back, replicas_of, rollout_for, service_names_of, there
from shipway.rollouts.rollout.spec import Invalid, parse

NAME = "{name}"
"""Stands for the Deployment's name in what is written once for several."""


@Parameter(name="*")
@dataclass(frozen=True)
class MigrateFlags:
    """How Deployments become Rollouts."""

    selector: Annotated[str, Parameter(name=["--selector", "-l"], show_default=False)] = ""
    "All Deployments of the namespace with these labels."
    strategy: Annotated[Path | None, Parameter(name=["--strategy", "-f"])] = None
    "A YAML file with the strategy (`canary: …`, `blueGreen: …`; {name}: the Deployment's); without it as before."
    back: Annotated[bool, Parameter(negative="")] = False
    "The way back: the Deployment alone again, and the Rollout gone."
    dry_run: Annotated[bool, Parameter(negative="")] = False
    "Print every object that would be touched, and write nothing."
    output: Annotated[Literal["", "yaml"], Parameter(name=["--output", "-o"], show_default=False)] = ""
    "With --dry-run: yaml prints the Rollout, to be committed."
    at_once: int = 4
    "Of several Deployments so many are on their way at a time."
    probe: Annotated[str, Parameter(show_default=False)] = ""
    "A URL that is asked all the while; {name} in it or in --host: one for each Deployment. Exit code 1: a request failed."
    host: Annotated[str, Parameter(show_default=False)] = ""
    "The Host header of --probe, where its name does not lead to the service."
    rate: float = 50.0
    "Requests a second to each URL of --probe."
    timeout: Duration = 600.0
    "Give up on one after this long, in seconds or like 5m; all stays as it is then, and the same command goes on from there."


class Plan(Struct, frozen=True):
    """A Deployment as it was seen, and the Rollout that is wanted."""

    seen: Seen
    wanted: Obj
    is_back: bool

    @property
    def name(self) -> str:
        return name_of(self.seen.deployment)

    @property
    def services(self) -> tuple[str, ...]:
        return service_names_of(self.seen.rollout or self.wanted)

    def touched(self) -> list[str]:
        """Every object that will be touched, a line each."""
        count = replicas_of(self.seen.deployment)
        if self.is_back:
            return [
                f"Deployment {self.name}: {count} -> {self.wanted['spec'].get('replicas', 1)} pods",
                f"Rollout {self.name}: deleted, its pods stay until all Services know the Deployment's",
                *(f"Service {one}: selects all pods again" for one in self.services),
                "ReplicaSets of the Rollout: deleted",
            ]
        return [
            f"Rollout {self.name}: created, {count} pods beside the Deployment's",
            *(f"Service {one}: selects the Rollout's pods, once all are available" for one in self.services),
            f"Deployment {self.name}: {count} -> 0 pods; its template counts from then on",
        ]


async def plan(session: Session, name: str, flags: MigrateFlags) -> Plan:
    """Raises NotFound, and InvalidInput for a strategy that cannot work."""
    namespace = session.workload_namespace
    try:
        seen = await look(session.client, namespace, name)
    except NotFound:
        raise NotFound(f"Deployment {name} not found in namespace {namespace}") from None
    return Plan(seen, _wanted(seen, flags), flags.back)


async def check_way(session: Session, planned: Plan) -> None:
    """Raises InvalidInput with everything that stands in the way."""
    if not planned.is_back:
        await check(session.client, planned.seen, session.workload_namespace, planned.wanted)


async def attempt(session: Session, planned: Plan, seconds: float, tell: Callable[[str], None]) -> Step | ShipwayError:
    """The last step, or why it did not come to one: whoever probes ends in peace first."""
    next_step = back if planned.is_back else partial(there, wanted=planned.wanted)
    try:
        async with asyncio.timeout(seconds):
            place = (session.workload_namespace, planned.name)
            last = await migrate(session.client, session.clock, place, next_step, tell)
            return await _cleared(session, planned, tell) if last.act == "done" else last
    except TimeoutError:
        return TookTooLong(f"{planned.name} was not there within {seconds:.0f} s: run the same command again")
    except ShipwayError as error:
        return error


async def _cleared(session: Session, planned: Plan, tell: Callable[[str], None]) -> Step:
    """Looks for what was left: the way back may leave nothing of the Rollout, the way there tells what leads nowhere now."""
    place = (session.workload_namespace, planned.name)
    if planned.is_back:
        found = await left_behind(session.client, session.clock, place)
        told = f"of Rollout {planned.name} is left: {', '.join(found) or 'nothing'}"
    else:
        nowhere = await needed_no_more(session.client, place)
        found, told = [], f"leads to no pod any more: {', '.join(nowhere)}; delete what nobody needs" if nowhere else ""
    if told:
        tell(told)
    return Step("stuck" if found else "done", told)


def targets(flags: MigrateFlags, names: list[str]) -> list[Target]:
    """What is asked, each once."""
    if not flags.probe:
        return []
    return sorted({Target(flags.probe.replace(NAME, name), flags.host.replace(NAME, name)) for name in names})


def _wanted(seen: Seen, flags: MigrateFlags) -> Obj:
    if seen.rollout is not None and flags.strategy is None:
        return seen.rollout
    strategy = parsed(flags.strategy, load) if flags.strategy is not None else None
    if strategy is not None and not isinstance(strategy, dict):
        raise InvalidInput(f"{flags.strategy}: give a strategy, canary: … or blueGreen: …")
    named = _named((strategy or {}).get("strategy", strategy), name_of(seen.deployment))
    made = rollout_for(seen.deployment, named)
    if isinstance(problem := parse(made), Invalid):
        raise InvalidInput(f"{flags.strategy or 'the strategy'}: {problem}", reason="InvalidSpec")
    return made


def _named(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _named(child, name) for key, child in value.items()}
    if isinstance(value, list):
        return [_named(child, name) for child in value]
    return value.replace(NAME, name) if isinstance(value, str) else value

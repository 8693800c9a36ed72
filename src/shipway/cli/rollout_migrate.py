"""`shipway rollout migrate deployment/NAME`: a live Deployment becomes a Rollout, or a Rollout a Deployment again (`--back`).

With `--probe` a service is asked all the while, and every request that failed is counted.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import aiohttp
from cyclopts import Parameter
from msgspec import Struct

from shipway.assembly.migrating import check, look, migrate
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, NotFound, ShipwayError
from shipway.cli.durations import Duration
from shipway.cli.files import parsed
from shipway.cli.output import print_lines
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, connected
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.yaml import dump, load
from shipway.kube.runtime.waiting import TookTooLong
from shipway.rollouts.migration import Seen, Step, back, replicas_of, rollout_for, service_names_of, there
from shipway.rollouts.rollout.spec import Invalid, parse

ANSWER_SECONDS = 5.0


@Parameter(name="*")
@dataclass(frozen=True)
class MigrateFlags:
    """How the Deployment becomes a Rollout."""

    strategy: Annotated[Path | None, Parameter(name=["--strategy", "-f"])] = None
    "A YAML file with the strategy (`canary: …` or `blueGreen: …`); without it the Rollout updates as the Deployment did."
    back: Annotated[bool, Parameter(negative="")] = False
    "The way back: the Deployment alone again, and the Rollout gone."
    dry_run: Annotated[bool, Parameter(negative="")] = False
    "Print every object that would be touched, and write nothing."
    output: Annotated[Literal["", "yaml"], Parameter(name=["--output", "-o"], show_default=False)] = ""
    "With --dry-run: yaml prints the Rollout, to be committed."
    probe: Annotated[str, Parameter(show_default=False)] = ""
    "A URL that is asked all the while. Exit code 1: a request failed."
    host: Annotated[str, Parameter(show_default=False)] = ""
    "The Host header of --probe, where its name does not lead to the service."
    rate: float = 50.0
    "Requests a second to --probe."
    timeout: Duration = 600.0
    "Give up after this long, in seconds or like 5m; everything stays as it is then, and the same command goes on from there."


class Probed(Struct):
    """Requests so far; `failed`: no answer, a late one, or one of 500 and more."""

    total: int = 0
    failed: int = 0
    first: str = ""


async def migrate_command(name: str, /, *, flags: MigrateFlags | None = None, place: Place | None = None) -> int:
    """Turn a live Deployment into a Rollout without losing a request, or back. Exit code 1: it did not end well.

    Parameters
    ----------
    name
        The Deployment: deployment/NAME, or NAME.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        named = name.removeprefix("deployment/").removeprefix("deploy/")
        return await migrate_deployment(session, named, flags or MigrateFlags())


async def migrate_deployment(session: Session, name: str, flags: MigrateFlags) -> int:
    namespace = session.workload_namespace
    try:
        seen = await look(session.client, namespace, name)
    except NotFound:
        raise NotFound(f"Deployment {name} not found in namespace {namespace}") from None
    wanted = _wanted(seen, flags)
    if flags.dry_run and flags.output == "yaml":
        sys.stdout.write(dump(wanted))
        return 0
    if not flags.back:
        await check(session.client, seen, namespace, wanted)
    if flags.dry_run:
        print_lines(_touched(seen, wanted, back=flags.back))
        return 0
    async with _probing(flags, session.clock) as probed:
        last = await _attempt(session, name, wanted, flags)
    if isinstance(last, ShipwayError):
        raise last
    if flags.probe:
        first = f" (the first: {probed.first})" if probed.first else ""
        print_lines([f"{probed.total} requests, {probed.failed} failed{first}"])
    return 1 if last.act == "stuck" or probed.failed else 0


async def _attempt(session: Session, name: str, wanted: Obj, flags: MigrateFlags) -> Step | ShipwayError:
    """The last step, or why it did not come to one: whoever probes ends in peace first."""
    next_step = back if flags.back else partial(there, wanted=wanted)
    try:
        async with asyncio.timeout(flags.timeout):
            return await migrate(session.client, session.clock, (session.workload_namespace, name), next_step, _tell)
    except TimeoutError:
        return TookTooLong(f"{name} was not there within {flags.timeout:.0f} s: run the same command again")
    except ShipwayError as error:
        return error


def _wanted(seen: Seen, flags: MigrateFlags) -> Obj:
    if seen.rollout is not None and flags.strategy is None:
        return seen.rollout
    strategy = parsed(flags.strategy, load) if flags.strategy is not None else None
    if strategy is not None and not isinstance(strategy, dict):
        raise InvalidInput(f"{flags.strategy}: give a strategy, canary: … or blueGreen: …")
    made = rollout_for(seen.deployment, (strategy or {}).get("strategy", strategy))
    if isinstance(problem := parse(made), Invalid):
        raise InvalidInput(f"{flags.strategy or 'the strategy'}: {problem}", reason="InvalidSpec")
    return made


def _touched(seen: Seen, wanted: Obj, *, back: bool) -> list[str]:
    name, count = wanted["metadata"]["name"], replicas_of(seen.deployment)
    services = service_names_of(seen.rollout or wanted)
    if back:
        return [
            f"Deployment {name}: {count} -> {wanted['spec'].get('replicas', 1)} pods",
            f"Rollout {name}: deleted, its pods stay until all Services know the Deployment's",
            *(f"Service {one}: selects all pods again" for one in services),
            "ReplicaSets of the Rollout: deleted",
        ]
    return [
        f"Rollout {name}: created, {count} pods beside the Deployment's",
        *(f"Service {one}: selects the Rollout's pods, once all are available" for one in services),
        f"Deployment {name}: {count} -> 0 pods; its template counts from then on",
    ]


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@asynccontextmanager
async def _probing(flags: MigrateFlags, clock: Clock) -> AsyncGenerator[Probed, None]:
    probed = Probed()
    if not flags.probe:
        yield probed
        return
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    headers = {"Host": flags.host} if flags.host else {}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http, asyncio.TaskGroup() as group:
        asking = group.create_task(_ask_on(http, flags, clock, probed, group))
        try:
            yield probed
        finally:
            asking.cancel()


async def _ask_on(
    http: aiohttp.ClientSession, flags: MigrateFlags, clock: Clock, probed: Probed, group: asyncio.TaskGroup
) -> None:
    """At an even pace, whatever the answers take."""
    while True:
        group.create_task(_ask(http, flags.probe, probed))
        await clock.sleep(1 / flags.rate)


async def _ask(http: aiohttp.ClientSession, url: str, probed: Probed) -> None:
    probed.total += 1
    try:
        async with http.get(url) as answer:
            await answer.read()
            told = "" if answer.status < 500 else f"status {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        told = str(error) or type(error).__name__
    if told:
        probed.failed += 1
        probed.first = probed.first or told

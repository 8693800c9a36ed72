"""`shipway rollout migrate deployment/NAME …`: live Deployments become Rollouts, or Rollouts Deployments again (`--back`).

Several go side by side, a few at a time; one that does not get there holds up no other and is named at the end. Where each
stands is read from the objects, so the same command goes on after Ctrl-C. With `--probe` services are asked all the while, and
every request that failed is counted.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS
from shipway.base.errors import InvalidInput, ShipwayError, verdict
from shipway.cli.output import print_lines, print_table
from shipway.cli.probe import Probed, probing
from shipway.cli.process import configure_logs
from shipway.cli.rollout_migration import NAME, MigrateFlags, Plan, attempt, check_way, plan, targets
from shipway.cli.session import Place, Session, connected
from shipway.cli.terminal import Progress
from shipway.kube.objects.views import name_of
from shipway.kube.objects.yaml import dump

STUCK = 1
"""The exit code of a migration that came to an end which is not the wanted one."""


async def migrate_command(*names: str, flags: MigrateFlags | None = None, place: Place | None = None) -> int:
    """Turn live Deployments into Rollouts without losing a request, or back. Exit code 1: it did not end well.

    Parameters
    ----------
    names
        The Deployments: deployment/NAME, or NAME.
    """
    configure_logs(quiet=True)
    flags = flags or MigrateFlags()
    if flags.at_once < 1:
        raise InvalidInput("--at-once: give 1 or more")
    async with connected(place) as session:
        if len(names) == 1 and not flags.selector:
            return await migrate_deployment(session, _plain(names[0]), flags)
        return await migrate_deployments(session, await _chosen(session, names, flags), flags)


async def migrate_deployment(session: Session, name: str, flags: MigrateFlags) -> int:
    """One, with every step told."""
    planned = await plan(session, name, flags)
    if flags.dry_run and flags.output == "yaml":
        sys.stdout.write(dump(planned.wanted))
        return 0
    await check_way(session, planned)
    if flags.dry_run:
        print_lines(planned.touched())
        return 0
    async with probing(targets(flags, [name]), flags.rate, session.clock) as probed:
        last = await attempt(session, planned, flags.timeout, _tell)
    if isinstance(last, ShipwayError):
        raise last
    if flags.probe:
        print_lines([_counted(probed)])
    return 1 if last.act == "stuck" or probed.failed else 0


class Failure(Struct, frozen=True):
    """Why a Deployment did not get there, and the exit code it would have had alone."""

    name: str
    code: int
    why: str


async def migrate_deployments(session: Session, names: Sequence[str], flags: MigrateFlags) -> int:
    """Several, a few at a time. The exit code is that of the failures where all have the same, else 1."""
    plans, failures = await _planned(session, names, flags)
    if flags.dry_run:
        _print_plans(plans, flags)
        return _exit_code(failures)
    async with probing(targets(flags, list(names)), flags.rate, session.clock) as probed:
        failures += await _walked(session, plans, flags)
    kind = "Deployments alone" if flags.back else "Rollouts"
    missing = f", {len(failures)} are not" if failures else ""
    print_lines([f"{len(names) - len(failures)} of {len(names)} are {kind} now{missing}"])
    if flags.probe:
        print_lines([_counted(probed)])
    return _exit_code(failures) or (STUCK if probed.failed else 0)


def _print_plans(plans: Sequence[Plan], flags: MigrateFlags) -> None:
    if flags.output == "yaml":
        sys.stdout.write("---\n".join(dump(one.wanted) for one in plans))
    else:
        print_lines([line for one in plans for line in one.touched()])


def _exit_code(failures: Sequence[Failure]) -> int:
    """Names the failures, with the exit code that each would have had alone."""
    if not failures:
        return 0
    rows = [(one.name, str(one.code), one.why) for one in sorted(failures, key=lambda one: one.name)]
    print_table(("NAME", "EXIT CODE", "WHY"), rows)
    codes = {one.code for one in failures}
    return min(codes) if len(codes) == 1 else STUCK


async def _planned(session: Session, names: Sequence[str], flags: MigrateFlags) -> tuple[list[Plan], list[Failure]]:
    """Nothing is touched before all have been looked at."""
    plans: list[Plan] = []
    failures: list[Failure] = []
    for name in names:
        try:
            planned = await plan(session, name, flags)
            await check_way(session, planned)
            plans.append(planned)
        except ShipwayError as error:
            failures.append(_failure(name, error))
    users = Counter(service for one in plans for service in set(one.services))
    for one in plans:
        if service := next((each for each in one.services if users[each] > 1), ""):
            told = f"Service {service} cannot be that of several Rollouts: write {NAME} in the strategy for what differs"
            failures.append(_failure(one.name, InvalidInput(told)))
    failed = {one.name for one in failures}
    return [one for one in plans if one.name not in failed], failures


async def _walked(session: Session, plans: Sequence[Plan], flags: MigrateFlags) -> list[Failure]:
    room = asyncio.Semaphore(flags.at_once)
    failures: list[Failure] = []
    under_way: dict[str, str] = {}
    done = 0

    async def walk(planned: Plan) -> None:
        nonlocal done
        name = planned.name
        async with room:
            last = await attempt(session, planned, flags.timeout, lambda says: told(name, says))
        under_way.pop(name, None)
        if isinstance(last, ShipwayError):
            failures.append(_failure(name, last))
        elif last.act == "stuck":
            failures.append(Failure(name, STUCK, last.says))
        done += 1
        progress.show(summary(), "")

    def told(name: str, says: str) -> None:
        under_way[name] = says
        progress.show(summary(), f"{name}: {says}")

    def summary() -> str:
        failed = f", {len(failures)} failed" if failures else ""
        return f"{done} of {len(plans)} done{failed}; under way: {', '.join(sorted(under_way)) or 'none'}"

    with Progress(sys.stderr) as progress:
        async with asyncio.TaskGroup() as group:
            for planned in plans:
                group.create_task(walk(planned))
    return failures


def _failure(name: str, error: ShipwayError) -> Failure:
    meaning = verdict(error)
    return Failure(name, meaning.exit_code, meaning.message)


async def _chosen(session: Session, names: Sequence[str], flags: MigrateFlags) -> list[str]:
    """Those that are named, and those that the selector picks, each once. Raises InvalidInput for none."""
    chosen = dict.fromkeys(map(_plain, names))
    if flags.selector:
        found = await session.client.list(DEPLOYMENTS, session.workload_namespace, label_selector=flags.selector)
        chosen |= dict.fromkeys(sorted(map(name_of, found.items)))
        if not found.items:
            told = f"no Deployment in namespace {session.workload_namespace} has the labels {flags.selector}"
            raise InvalidInput(f"{told}: look with kubectl get deployments --show-labels")
    if not chosen:
        raise InvalidInput("name a Deployment, deployment/NAME, or choose some by their labels with -l")
    return list(chosen)


def _plain(name: str) -> str:
    return name.removeprefix("deployment/").removeprefix("deploy/")


def _counted(probed: Probed) -> str:
    first = f" (the first: {probed.first})" if probed.first else ""
    return f"{probed.total} requests, {probed.failed} failed{first}"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

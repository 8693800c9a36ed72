"""`shipway experiment`: Experiments. Verbs and columns follow the kubectl plugin of Argo Rollouts."""

from cyclopts import App

from shipway.api.experiment import ExperimentSpec, ExperimentStatus, read_experiment, read_experiment_status
from shipway.api.kinds import EXPERIMENTS
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.base.errors import NotFound
from shipway.cli.output import (
    AllFlag,
    Column,
    Output,
    OutputFlag,
    age,
    print_done,
    print_found,
    print_lines,
    print_object,
    table,
)
from shipway.cli.session import Place, Session, connected
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of
from shipway.rollouts.experiment.runs import ENDED
from shipway.rollouts.experiment.spec import duration_of

app = App(name="experiment", version_flags=(), help="Experiments: variants side by side for a while.")


@app.command(name="list")
async def list_command(*, all_namespaces: AllFlag = False, output: OutputFlag = "table", place: Place | None = None) -> int:
    """List Experiments with their phase and the time that is left.

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await list_experiments(session, all_namespaces=all_namespaces, output=output)


@app.command(name="get")
async def get_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show an Experiment: its variants and its analyses.

    Parameters
    ----------
    name
        The Experiment.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await show_experiment(session, name, output)


@app.command(name="terminate")
async def terminate_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """End an Experiment now: variants are taken down, analyses ended.

    Parameters
    ----------
    name
        The Experiment.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await terminate_experiment(session, name, output)


async def list_experiments(session: Session, *, all_namespaces: bool = False, output: Output = "table") -> int:
    namespace = "" if all_namespaces else session.workload_namespace
    found = (await session.client.list(EXPERIMENTS, namespace)).items
    now = session.clock.now()
    columns = (
        Column("NAME", name_of),
        Column("STATUS", lambda obj: read_experiment_status(obj).phase or "-"),
        Column("DURATION", lambda obj: _spec(obj).duration or "-"),
        Column("REMAINING", lambda obj: remaining(_spec(obj), read_experiment_status(obj), now)),
        Column("AGE", lambda obj: age(obj, now)),
    )
    print_found(found, columns, output, what="Experiments", namespace=namespace)
    return 0


async def show_experiment(session: Session, name: str, output: Output = "table") -> int:
    experiment = await _found(session, name)
    if output != "table":
        print_object(experiment, output)
        return 0
    status = read_experiment_status(experiment)
    facts = {
        "Name": name_of(experiment),
        "Namespace": namespace_of(experiment),
        "Status": status.phase or "-",
        "Message": status.message,
        "Remaining": remaining(_spec(experiment), status, session.clock.now()),
    }
    rows = [
        *(
            ("template", one.name, one.status, f"{one.available_replicas} available", one.message)
            for one in status.template_statuses
        ),
        *(("analysis", one.name, one.phase, one.analysis_run, one.message) for one in status.analysis_runs),
    ]
    print_lines([f"{key + ':':<12}{value}" for key, value in facts.items() if value])
    print_lines(["", *table(("KIND", "NAME", "STATUS", "INFO", "MESSAGE"), rows)] if rows else [])
    return 0


async def terminate_experiment(session: Session, name: str, output: Output = "table") -> int:
    experiment = await _found(session, name)
    where = (namespace_of(experiment), name_of(experiment))
    print_done(await session.client.patch(EXPERIMENTS, *where, {"spec": {"terminate": True}}), "terminated", output)
    return 0


def remaining(spec: ExperimentSpec, status: ExperimentStatus, now: Instant) -> str:
    """What is left of the duration; "-" before it runs, without one, and after the end."""
    duration = duration_of(spec)
    if duration is None or not status.available_at or status.phase in ENDED:
        return "-"
    return format_age(max(0.0, parse_rfc3339(status.available_at) + duration - now))


def _spec(experiment: Obj) -> ExperimentSpec:
    """The spec, empty where it cannot be read: the status says why."""
    try:
        return read_experiment(experiment)
    except ValueError:
        return ExperimentSpec()


async def _found(session: Session, name: str) -> Obj:
    namespace = session.workload_namespace
    try:
        return await session.client.get(EXPERIMENTS, namespace, name)
    except NotFound as error:
        raise NotFound(f"Experiment {name} not found in namespace {namespace}", reason=error.reason) from None

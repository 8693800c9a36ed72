"""Gathers a run, its Jobs, and the answers to the measurements it may be waiting for."""

from shipway.api.kinds import ANALYSIS_RUNS, JOBS
from shipway.kube.objects.views import name_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.rollouts.analysis.decide import ObservedRun, asks_of
from shipway.rollouts.analysis.jobs import RunJobs

RUN_INDEX = "analysis-run"


def observe(
    key: ObjectKey, world: World, job_namespace: str = "", plugins: frozenset[str] | None = frozenset()
) -> ObservedRun | None:
    run = world.get(ANALYSIS_RUNS, key.namespace, key.name)
    if run is None:
        return None
    answers = {ask: answer for ask in asks_of(run, plugins) if (answer := world.answer(ask)) is not None}
    jobs = {name_of(job): job for job in world.indexed(JOBS, RUN_INDEX, uid_of(run))}
    return ObservedRun(run, answers, RunJobs(job_namespace, jobs), plugins)

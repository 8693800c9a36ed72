"""Gathers a run and the answers to the measurements it may be waiting for."""

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.rollouts.analysis.decide import ObservedRun, asks_of


def observe(key: ObjectKey, world: World) -> ObservedRun | None:
    run = world.get(ANALYSIS_RUNS, key.namespace, key.name)
    if run is None:
        return None
    answers = {ask: answer for ask in asks_of(run) if (answer := world.answer(ask)) is not None}
    return ObservedRun(run, answers)

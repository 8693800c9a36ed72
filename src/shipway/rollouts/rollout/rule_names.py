"""The AnalysisRuns of verification rules among those of a Rollout: how one is named and found again.

A run is named after what it judges and for whom, `<rollout>-<hash>-<revision>-<rule>-<at>`, then `.1`, `.2` …; the last of them
is the one that counts. So the status of the Rollout needs no field for it, and stays as Argo Rollouts knows it.
"""

from collections.abc import Iterable

from shipway.api.verification import At
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, labels_of, name_of, status_of
from shipway.rollouts.rollout.names import AT_LABEL, ATTEMPT, HASH_LABEL, RULE_LABEL

SUFFIXES: dict[At, str] = {"Canary": "canary", "BeforePromotion": "before", "AfterPromotion": "after"}
RUN_TYPES: dict[At, str] = {"Canary": "Background", "BeforePromotion": "PrePromotion", "AfterPromotion": "PostPromotion"}
"""What Argo Rollouts calls a run of that place."""
ENDED = ("Successful", "Failed", "Error", "Inconclusive")


def latest(runs: Iterable[Obj], base: str) -> Obj | None:
    """The run that counts among those of one name."""
    named = [run for run in runs if number_of(run, base) is not None]
    return max(named, key=lambda run: number_of(run, base) or 0, default=None)


def number_of(run: Obj, base: str) -> int | None:
    """0 for the first of its name; None for a run of another."""
    name = name_of(run)
    if name == base:
        return 0
    number = name.removeprefix(f"{base}.")
    return int(number) if number != name and number.isdigit() else None


def attempt_of(run: Obj) -> int:
    """How many runs in a row, this one included, were begun because the environment changed."""
    text = annotations_of(run).get(ATTEMPT, "")
    return int(text) if text.isdigit() else 1


def rule_of(run: Obj) -> str:
    """The verification rule that asked for a run; "" for one of the Rollout's own."""
    return labels_of(run).get(RULE_LABEL, "")


def is_awaiting_verdict(runs: Iterable[Obj], pod_hash: str, *, is_walked: bool) -> bool:
    """Whether the update stands still because a rule's run has not ended; beside the steps it does not."""
    return any(
        rule_of(run)
        and labels_of(run).get(HASH_LABEL) == pod_hash
        and status_of(run).get("phase") not in ENDED
        and (is_walked or labels_of(run).get(AT_LABEL) != "Canary")
        for run in runs
    )

"""The catalogue of operators' kinds, held to the golden cases of tests/golden/health_catalogue.yaml."""

from pathlib import Path
from typing import Any

import msgspec.yaml
import pytest

from shipway.gitops.health import health_of
from shipway.gitops.health.catalogue import KINDS
from shipway.kube.objects.resource import Obj

GOLDEN = Path(__file__).parents[3] / "golden" / "health_catalogue.yaml"
ENTRIES: list[dict[str, Any]] = msgspec.yaml.decode(GOLDEN.read_bytes())
STATES = ("Healthy", "Progressing", "Suspended", "Degraded", "Unknown")


ENTRY_OF: dict[str, dict[str, Any]] = {kind: entry for entry in ENTRIES for kind in entry["kinds"]}


def live(group_kind: str, written: dict[str, Any]) -> Obj:
    """A live object of generation 2 with the status that the golden file writes in short."""
    group, kind = group_kind.split("/")
    status = {key: value for key, value in written.items() if not key.startswith("$")}
    return {
        "apiVersion": f"{group}/v1",
        "kind": kind,
        "metadata": {"name": "one", "generation": 2, "annotations": written.get("$annotations", {})},
        "spec": written.get("$spec", {}),
        "status": unfolded(status),
    }


def unfolded(part: Any) -> Any:
    """`conditions: [Ready=False:Why]` as Kubernetes writes it, at any depth."""
    if isinstance(part, list):
        return [unfolded(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {key: [condition(one) for one in value] if key == "conditions" else unfolded(value) for key, value in part.items()}


def condition(short: str) -> Obj:
    told, _, reason = short.partition(":")
    kind, _, status = told.rpartition("=")
    at = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": f"{kind} is {status}", "lastTransitionTime": at}


@pytest.mark.proves("gitops:health-catalogue")
@pytest.mark.parametrize("group_kind", list(ENTRY_OF))
def test_an_operators_status_is_read_as_its_users_read_it(group_kind: str):
    for state in STATES:
        for status in ENTRY_OF[group_kind].get(state, ()):
            health = health_of(live(group_kind, status))
            assert health is not None
            assert (health.status, bool(health.message) or state == "Healthy", status) == (state, True, status)


@pytest.mark.proves("gitops:health-catalogue-width")
def test_every_kind_of_the_catalogue_has_golden_cases():
    told = {tuple(kind.split("/")) for kind in ENTRY_OF}
    assert KINDS.keys() <= told
    full = [entry for entry in ENTRIES if {"Healthy", "Progressing", "Degraded"} <= entry.keys()]
    assert sum(len(entry["kinds"]) for entry in full) >= 60


def test_a_status_of_an_older_generation_is_not_taken_for_the_new_one():
    stale = live("cert-manager.io/Issuer", {"conditions": ["Ready=True"]})
    stale["status"]["conditions"][0]["observedGeneration"] = 1
    health = health_of(stale)
    assert health is not None and health.status == "Progressing"


def test_a_kind_that_nobody_knows_has_no_health():
    assert health_of(live("example.com/Widget", {"conditions": ["Ready=False"]})) is None

"""`shipway demo` from the outside: the very command of the README, on a fresh home."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import processes_of
from tests.waiting import eventually

SHIPWAY = [sys.executable, "-m", "shipway.cli.main"]
MEASURED_EVERY = 1.0
"""Seconds between two measurements of the shop's analysis."""
PRINTED_LATE = 1.0
"""Seconds by which the story may see what happened after it did."""
KEYS = [
    "ok", "story", "seconds", "apps_synced", "promoted", "aborted", "push_to_canary_s", "bad_to_stable_s", "requests",
    "bad_share_max_pct", "bad_step_weight_pct", "healed", "pruned", "drift_manager", "why",
]  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("demo")
    done = subprocess.run([*SHIPWAY, "demo", "--once", "--json", f"--home={home}"], capture_output=True, text=True, timeout=300)
    print(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return {"home": home, "told": done.stderr, **json.loads(done.stdout.splitlines()[-1])}


def nothing_runs(home: Path) -> None:
    """What was killed takes a moment to be gone."""
    asyncio.run(eventually(lambda: not processes_of(home)))


@pytest.mark.timeout(330)
def test_the_report_has_the_keys_of_the_contract(report) -> None:
    assert [key for key in report if key not in ("home", "told")] == KEYS
    assert report["ok"] is True


@pytest.mark.proves("001-13")
def test_the_good_version_is_promoted_without_a_failed_request(report) -> None:
    assert report["apps_synced"] == 3
    assert report["promoted"] == ["v2"]
    assert all(report["requests"][version]["failed"] == 0 for version in ("v1", "v2"))
    assert set(report["requests"]) == {"v1", "v2", "v3"}


def test_the_bad_version_never_gets_more_than_its_step(report) -> None:
    assert report["aborted"] == ["v3"]
    assert report["bad_step_weight_pct"] == 5
    assert report["bad_share_max_pct"] is not None
    assert report["bad_share_max_pct"] <= report["bad_step_weight_pct"] + 2


def test_a_rehearsal_says_beforehand_where_the_bad_version_is_thrown_out(report) -> None:
    """From the first weight of v3 to the measurement that condemns it, give or take two of them: what comes before (a push, a
    render, pods) takes as long as the machine is slow, while the analysis already looks."""
    done = subprocess.run([*SHIPWAY, "demo", "rehearse", "--once", "--json"], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    played = json.loads(done.stdout)
    assert (played["promoted"], played["aborted"]) == (report["promoted"], report["aborted"])
    assert played["bad_step_weight_pct"] == report["bad_step_weight_pct"]
    _, _, bad = report["told"].partition("A bad commit")
    marks = ("canary weight 5 %", "its own metrics")
    begun, condemned = (float(re.search(rf"([0-9.]+)s \S {words}", bad)[1]) for words in marks)
    weighted = next(moment["at"] for moment in played["timeline"]["moments"] if moment["weight"] == 5)
    caught = played["bad_caught_after_s"] - weighted
    assert abs(caught - (condemned - begun)) <= 2 * MEASURED_EVERY + PRINTED_LATE


def test_one_sentence_says_why_and_what_to_do(report) -> None:
    assert all(word in report["why"] for word in ("web", "Degraded", "v3", "v2", "error-rate"))


def test_drift_is_healed_and_its_author_named(report) -> None:
    assert report["healed"] == 1
    assert report["drift_manager"] == "ada-by-hand"


def test_what_git_drops_is_pruned(report) -> None:
    assert report["pruned"] == 1


def test_nothing_is_left_running(report) -> None:
    nothing_runs(report["home"])


def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    command = [*SHIPWAY, "demo", f"--home={tmp_path}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if "Synced and Healthy" in line:
                break
        assert processes_of(tmp_path)
        demo.send_signal(signal.SIGINT)
        demo.stderr.read()
        assert demo.wait(timeout=90) != 0
    nothing_runs(tmp_path)


@pytest.mark.proves("000-26", "fleets:demo")
def test_a_fleet_loses_a_cluster_and_gets_it_back(tmp_path) -> None:
    command = [*SHIPWAY, "demo", "fleet", "--once", "--json", f"--home={tmp_path / 'fleet'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["ok"], told["story"], told["clusters"], told["apps"]) == (True, "fleet", 3, 12)
    assert told["objects_restored"] == told["objects"] == 12
    assert told["others_disturbed"] == 0
    assert told["restored_s"] is not None
    nothing_runs(tmp_path / "fleet")

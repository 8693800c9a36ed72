"""The lines of `rollout get` and `rollout list`."""

import re

import pytest

from shipway.base.clock import Instant
from shipway.cli.output import Paint
from shipway.cli.rollout_tree import fitting, list_row, overview, phase_line, sign_of, summary_line
from shipway.rollouts.view import Family, view_of
from tests.unit.cli.objects import CANARY, NOW, STABLE, analysis_run, family, pod, replica_set, rollout

MIDDLE = """\
Name:            web
Namespace:       shop
Status:          ॥ Paused
Message:         CanaryPauseStep
Strategy:        Canary
  Step:          1/4
  SetWeight:     20
  ActualWeight:  20
Images:          registry.example/web:v1 (stable)
                 registry.example/web:v2 (canary)
Replicas:
  Desired:       5
  Current:       5
  Updated:       1
  Ready:         5
  Available:     5

because

NAME                             KIND         STATUS     AGE  INFO
⟳ web                            Rollout      ॥ Paused   60m
├──# revision:2
│  ├──⧉ web-6cf78c66c5           ReplicaSet   ✔ Healthy  40m  canary
│  │  └──□ web-6cf78c66c5-ccccc  Pod          ✔ Running  10m  ready:1/1,restarts:2
│  └──α web-6cf78c66c5-2         AnalysisRun  ◌ Running  60s  ✔ 4,✖ 1
└──# revision:1
   └──⧉ web-5747959bdb           ReplicaSet   ✔ Healthy  50m  stable
      ├──□ web-5747959bdb-aaaaa  Pod          ✔ Running  10m  ready:1/1
      └──□ web-5747959bdb-bbbbb  Pod          ✔ Running  10m  ready:1/1
"""

THROWN_OUT = """\
NAME                             KIND         STATUS              AGE  INFO
⟳ web                            Rollout      ✖ Degraded          60m
├──# revision:2
│  ├──⧉ web-6cf78c66c5           ReplicaSet   ◌ Progressing       40m  canary,delay:20s
│  │  └──□ web-6cf78c66c5-ccccc  Pod          ✖ CrashLoopBackOff  10m  ready:0/1,restarts:9
│  └──α web-6cf78c66c5-2         AnalysisRun  ✖ Failed            60s  ✔ 1,✖ 3,? 1,⚠ 1
└──# revision:1
   └──⧉ web-5747959bdb           ReplicaSet   • ScaledDown        50m  stable
"""


def test_a_canary_in_the_middle() -> None:
    assert overview(view_of(family()), "because", NOW) == MIDDLE.splitlines()


def test_a_canary_that_was_thrown_out() -> None:
    bad = replica_set(CANARY, 2, "v2", 1, available=0)
    bad["metadata"]["annotations"]["scale-down-deadline"] = "2026-11-21T10:00:20Z"
    thrown_out = Family(
        rollout(phase="Degraded", pauseConditions=[], controllerPause=False, abort=True),
        [replica_set(STABLE, 1, "v1", 0), bad],
        [pod(CANARY, "ccccc", reason="CrashLoopBackOff", restarts=9)],
        [analysis_run("web-6cf78c66c5-2", "Failed", successful=1, failed=3, inconclusive=1, error=1)],
    )
    lines = overview(view_of(thrown_out), "", NOW)
    assert lines[-len(THROWN_OUT.splitlines()) :] == THROWN_OUT.splitlines()


def test_a_deadline_that_is_over_has_passed() -> None:
    kept = replica_set(STABLE, 1, "v1", 4)
    kept["metadata"]["annotations"]["scale-down-deadline"] = "2026-11-21T10:00:20Z"
    lines = overview(view_of(Family(rollout(), [kept])), "", Instant(NOW + 60))
    assert lines[-1].endswith("stable,delay:passed")


def test_colours_change_nothing_but_colours() -> None:
    coloured = overview(view_of(family()), "because", NOW, Paint(True))
    assert "\x1b[32m✔\x1b[0m Running" in "\n".join(coloured)
    assert [re.sub(r"\x1b\[[0-9]+m", "", line) for line in coloured] == MIDDLE.splitlines()


SMALL = """\
॥ Paused  step 1/4  weight 20 of 20  updated 1, available 5 of 5
because of this and
that
NAME                             KIND        STATUS     AGE  INFO
⟳ web                            Rollout     ॥ Paused   60m
├──# revision:3
│  └──⧉ web-6cf78c66c5           ReplicaSet  ✔ Healthy  30m  canary
│     └──□ web-6cf78c66c5-ccccc  Pod         ✔ Running  10m  ready:1/1,restarts:2
"""


def test_a_large_window_shows_everything_and_a_small_one_what_matters() -> None:
    mine = family()
    older = [replica_set("0000000000", 2, "v0", 0), replica_set(CANARY, 3, "v2", 1)]
    view = view_of(Family(mine.rollout, [mine.replica_sets[0], *older], mine.pods))
    whole = fitting(view, "because", NOW, (80, 50))
    assert [line for line in whole if "000000000" in line or "Desired" in line] != []
    small = fitting(view, "because of this and that", NOW, (20, 20))
    assert small[: len(SMALL.splitlines())] == SMALL.splitlines()
    assert not any("000000000" in line for line in small)


def test_a_blue_green_rollout_has_no_weights() -> None:
    found = rollout(strategy={"blueGreen": {"activeService": "web"}}, blueGreen={"activeSelector": STABLE})
    lines = overview(view_of(Family(found, [replica_set(STABLE, 1, "v1", 4)])), "", NOW)
    assert "Strategy:        BlueGreen" in lines
    assert not any("Weight:" in line or "Step:" in line for line in lines)
    assert lines[-1].endswith("stable,active")


def test_a_rollout_that_is_new_has_only_itself() -> None:
    new = rollout()
    del new["status"]
    assert overview(view_of(Family(new)), "", NOW)[-1] == "⟳ web  Rollout  ◌ Progressing  60m"


def test_a_row_of_the_list() -> None:
    assert list_row(view_of(family()), NOW) == ["web", "Canary", "Paused", "1/4", "20", "5/5", "5", "1", "5", "60m"]
    blue_green = view_of(Family(rollout(strategy={"blueGreen": {"activeService": "web"}})))
    assert list_row(blue_green, NOW)[1:5] == ["BlueGreen", "Paused", "-", "-"]


def test_one_line() -> None:
    assert phase_line(view_of(family())) == "Paused - CanaryPauseStep"
    assert summary_line(view_of(family())) == (
        "web  Paused (CanaryPauseStep)  step 1/4  weight 20  updated 1/5 available 5  web-6cf78c66c5-2 Running"
    )


@pytest.mark.parametrize(
    ("status", "sign"),
    [
        ("Running", "✔"),
        ("Init:0/2", "◌"),
        ("Init:CrashLoopBackOff", "✖"),
        ("Init:ExitCode:3", "⚠"),
        ("CreateContainerConfigError", "⚠"),
        ("ErrImageNeverPull", "⚠"),
        ("SchedulingGated", "•"),
    ],
)
def test_signs(status: str, sign: str) -> None:
    assert sign_of(status) == sign

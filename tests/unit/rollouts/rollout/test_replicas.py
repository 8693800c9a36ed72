"""Replica arithmetic against the numbers in Argo Rollouts' own tests (1.9.1, utils/replicaset/canary_test.go)."""

from typing import Any

import pytest

from shipway.rollouts.rollout.replicas import Aim, Pods, basic_counts, dynamic_counts, limits, nearest_split, routed_counts

# replicas, weight, most, surge -> canary, stable
SPLITS = [
    (0, 0, 100, 0, 0, 0),
    (0, 50, 100, 0, 0, 0),
    (0, 100, 100, 0, 0, 0),
    (0, 0, 100, 1, 0, 0),
    (0, 50, 100, 1, 0, 0),
    (0, 100, 100, 1, 0, 0),
    (1, 0, 100, 0, 0, 1),
    (1, 1, 100, 0, 0, 1),
    (1, 49, 100, 0, 0, 1),
    (1, 50, 100, 0, 1, 0),
    (1, 99, 100, 0, 1, 0),
    (1, 100, 100, 0, 1, 0),
    (1, 0, 100, 1, 0, 1),
    (1, 1, 100, 1, 1, 1),
    (1, 49, 100, 1, 1, 1),
    (1, 50, 100, 1, 1, 1),
    (1, 99, 100, 1, 1, 1),
    (1, 100, 100, 1, 1, 0),
    (2, 0, 100, 0, 0, 2),
    (2, 1, 100, 0, 1, 1),
    (2, 50, 100, 0, 1, 1),
    (2, 99, 100, 0, 1, 1),
    (2, 100, 100, 0, 2, 0),
    (2, 0, 100, 1, 0, 2),
    (2, 1, 100, 1, 1, 2),
    (2, 50, 100, 1, 1, 1),
    (2, 99, 100, 1, 2, 1),
    (2, 100, 100, 1, 2, 0),
    (3, 10, 100, 0, 1, 2),
    (3, 25, 100, 0, 1, 2),
    (3, 33, 100, 0, 1, 2),
    (3, 34, 100, 0, 1, 2),
    (3, 49, 100, 0, 1, 2),
    (3, 50, 100, 0, 2, 1),
    (3, 10, 100, 1, 1, 3),
    (3, 25, 100, 1, 1, 3),
    (3, 33, 100, 1, 1, 2),
    (3, 34, 100, 1, 1, 2),
    (3, 49, 100, 1, 2, 2),
    (3, 50, 100, 1, 2, 2),
    (10, 0, 100, 1, 0, 10),
    (10, 1, 100, 0, 1, 9),
    (10, 14, 100, 0, 1, 9),
    (10, 15, 100, 0, 2, 8),
    (10, 16, 100, 0, 2, 8),
    (10, 99, 100, 0, 9, 1),
    (10, 100, 100, 1, 10, 0),
    (10, 0, 100, 1, 0, 10),
    (10, 1, 100, 1, 1, 10),
    (10, 18, 100, 1, 2, 9),
    (10, 19, 100, 1, 2, 9),
    (10, 20, 100, 1, 2, 8),
    (10, 23, 100, 1, 2, 8),
    (10, 24, 100, 1, 3, 8),
    (10, 25, 100, 1, 3, 8),
    (10, 99, 100, 1, 10, 1),
    (10, 100, 100, 1, 10, 0),
]

# name, replicas, weight, maxSurge, maxUnavailable, stable (asked, available), canary (asked, available), old -> canary, stable
BASIC = [
    ("Do not add extra RSs in scaleDownCount when .Spec.Replica < AvailableR", 10, 100, 3, 0, (7, 8), (6, 3), 0, (6, 7)),
    ("Use max surge int to scale up canary", 10, 20, 2, 0, (10, 10), (0, 0), 0, (2, 10)),
    ("Use max surge percentage to scale up canary", 10, 20, "20%", 0, (10, 10), (0, 0), 0, (2, 10)),
    ("Scale down extra stable replicas", 10, 20, "20%", 0, (10, 10), (2, 2), 0, (2, 8)),
    ("Do not go past max surge", 10, 30, 2, 0, (10, 10), (0, 0), 0, (2, 10)),
    ("Use max unavailable int to scale down stableRS", 10, 20, 0, 2, (10, 10), (0, 0), 0, (0, 8)),
    ("Use max surge percentage to scale down stableRS", 10, 20, 0, "20%", (10, 10), (0, 0), 0, (0, 8)),
    ("Do not go past max unavailable", 10, 30, 0, 2, (10, 10), (0, 0), 0, (0, 8)),
    ("Use Max Surge and Max Unavailable", 10, 50, 2, 1, (10, 10), (0, 0), 0, (2, 9)),
    ("Scale canaryRS to zero on setWeight of 0%", 10, 0, 1, 1, (10, 10), (1, 1), 0, (0, 10)),
    ("Scale stable to zero on setWeight of 100%", 10, 100, 1, 1, (1, 1), (10, 10), 0, (10, 0)),
    ("Do not scale canaryRS down to zero on non-zero weight", 1, 20, 1, 0, (1, 1), (0, 0), 0, (1, 1)),
    ("Do not scale canaryRS down to zero on non-100 weight", 1, 90, 1, 0, (1, 1), (0, 0), 0, (1, 1)),
    ("Scale canaryRS to zero on <50 weight without surge", 1, 49, 0, 1, (1, 1), (0, 0), 0, (0, 1)),
    ("Scale stableRS down to zero on >=50 weight without surge", 1, 51, 0, 1, (1, 1), (0, 0), 0, (0, 0)),
    ("Scale canaryRS to one on >=50 weight without surge and stable replicas", 1, 51, 0, 1, (0, 0), (0, 0), 0, (1, 0)),
    ("Scale up Stable before canaryRS", 10, 30, 1, 0, (1, 1), (0, 0), 3, (1, 7)),
    ("Scale down canaryRS and stable", 10, 30, 0, 3, (8, 5), (4, 4), 0, (3, 7)),
    ("Scale down stable and canary available", 10, 100, 1, 0, (10, 2), (10, 8), 0, (9, 2)),
    ("Do not scale down canaryRS or stable when older RS count >= scaleDownC", 10, 30, 0, 1, (8, 6), (4, 2), 3, (4, 8)),
    ("Do not round past maxSurge with uneven setWeight divisor", 10, 5, 0, 1, (10, 10), (0, 0), 0, (0, 9)),
    ("Do not round past maxSurge with uneven setWeight divisor (part 2)", 10, 5, 0, 1, (9, 9), (0, 0), 0, (1, 9)),
    ("Use maxUnavailable of 1 when percentage of maxUnavailable and maxSurge", 10, 10, "0%", "0%", (10, 10), (0, 0), 0, (0, 9)),
    ("honor maxSurge during scale up when stableRS unavailable", 4, 100, 1, 0, (4, 1), (0, 0), 0, (1, 4)),
    ("scale down to maxunavailable without exceeding maxSurge", 3, 99, 0, 2, (3, 3), (0, 0), 0, (0, 1)),
    ("scale down to maxunavailable without exceeding maxSurge (part 2)", 3, 99, 0, 2, (1, 1), (0, 0), 0, (2, 1)),
    ("honor maxUnavailable when aborting or reducing weight part 1", 4, 0, 1, 0, (0, 0), (4, 4), 0, (4, 1)),
    ("honor maxUnavailable when aborting or reducing weight part 2", 4, 0, 1, 0, (1, 0), (4, 4), 0, (4, 1)),
    ("honor maxUnavailable when aborting or reducing weight part 3", 4, 0, 1, 0, (1, 1), (4, 4), 0, (3, 1)),
    ("promote full does not consider weight", 4, 100, 4, 4, (4, 4), (0, 0), 0, (4, 0)),
    ("promote full still honors maxSurge/maxUnavailable", 4, 100, 3, 0, (4, 4), (0, 0), 0, (3, 4)),
]


@pytest.mark.proves("001-20")
@pytest.mark.parametrize(("replicas", "weight", "most", "surge", "canary", "stable"), SPLITS)
def test_the_split_closest_to_the_weight(replicas: int, weight: int, most: int, surge: int, canary: int, stable: int) -> None:
    assert nearest_split(replicas, weight, most, surge) == (canary, stable)


@pytest.mark.compat("rollouts:canary.maxSurge")
@pytest.mark.parametrize("row", BASIC, ids=[f"{number}-{row[0]}" for number, row in enumerate(BASIC)])
def test_counts_without_a_router(row: tuple[Any, ...]) -> None:
    _, replicas, weight, surge, unavailable, stable, canary, old, expected = row
    bounds = limits(replicas, surge, unavailable)
    assert basic_counts(bounds, weight, 100, Pods(*canary), Pods(*stable), old) == expected


@pytest.mark.parametrize(
    ("replicas", "aim", "expected"),
    [
        (10, Aim(0), (0, 10)),
        (10, Aim(5), (1, 10)),
        (10, Aim(10), (1, 10)),
        (4, Aim(30), (2, 4)),
        (10, Aim(5, at_least=2), (2, 10)),
        (10, Aim(0, at_least=2), (0, 10)),
        (10, Aim(20, explicit=7), (7, 10)),
        (1, Aim(100), (1, 1)),
        (10, Aim(500, most=1000), (5, 10)),
    ],
)
def test_counts_behind_a_router(replicas: int, aim: Aim, expected: tuple[int, int]) -> None:
    assert routed_counts(replicas, aim) == expected


@pytest.mark.parametrize(
    ("weight", "carried", "aborted", "expected"),
    [
        (20, (0, 100), False, (2, 10)),
        (20, (20, 80), False, (2, 8)),
        (100, (90, 10), False, (10, 1)),
        (0, (70, 30), True, (7, 10)),
        (0, (0, 100), True, (0, 10)),
        (25, None, False, (3, 8)),
    ],
)
def test_stable_follows_its_traffic(
    weight: int, carried: tuple[int, int] | None, aborted: bool, expected: tuple[int, int]
) -> None:
    assert dynamic_counts(10, Aim(weight), carried, aborted=aborted) == expected


@pytest.mark.compat("rollouts:canary.maxSurge")
@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [(10, "25%", "25%", (3, 2)), (10, "25", "25", (3, 2)), (1, 0, 0, (0, 1)), (3, "0%", "10%", (0, 1)), (2, 1, 5, (1, 2))],
)
def test_limits(replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]) -> None:
    bounds = limits(replicas, surge, unavailable)
    assert (bounds.surge, bounds.unavailable) == expected

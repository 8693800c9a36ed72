"""Smooth weighted round robin: a share is true of every stretch of requests."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.localcluster.node.proxy.balance import Balancer, pick


def picks(weights, count):
    credits, chosen = (0,) * len(weights), []
    for _ in range(count):
        index, credits = pick(weights, credits)
        chosen.append(index)
    return chosen


def test_five_percent_is_spread_evenly():
    places = [n for n, index in enumerate(picks((95, 5), 200)) if index == 1]
    assert {b - a for a, b in itertools.pairwise(places)} == {20}


@given(st.lists(st.integers(0, 100), min_size=1, max_size=5).filter(any), st.integers(0, 300))
def test_any_200_requests_are_within_two_points_of_the_weights(weights, start):
    window = picks(weights, start + 200)[start:]
    for index, weight in enumerate(weights):
        share, wanted = 100 * window.count(index) / 200, 100 * weight / sum(weights)
        assert abs(share - wanted) <= 2.0
        assert weight or not window.count(index)


@pytest.mark.parametrize("weights", [(), (0,), (0, 0)])
def test_without_weights_nobody_is_picked(weights):
    assert pick(weights, (0,) * len(weights))[0] is None


def test_a_balancer_remembers_turns_while_weights_stay():
    balancer = Balancer()
    chosen = [balancer.backend("r", (50, 50)) for _ in range(10)]
    assert chosen.count(0) == chosen.count(1) == 5
    assert [balancer.backend("r", (0, 100)) for _ in range(5)] == [1] * 5
    assert balancer.backend("r", (0, 0)) is None
    assert [balancer.turn("s", 3) for _ in range(4)] == [0, 1, 2, 0]
    balancer.keep(set(), set())
    assert balancer.turn("s", 3) == 0

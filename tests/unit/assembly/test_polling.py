"""When repositories are looked at without a webhook."""

import pytest

from shipway.assembly.polling import NEVER, Polling, read_polling
from shipway.base.clock import Instant

NOW = Instant(1_790_000_000.0)


@pytest.mark.parametrize(
    ("settings", "polling"),
    [
        ({}, Polling(120.0, 60.0)),
        ({"timeout.reconciliation": "30s"}, Polling(30.0, 60.0)),
        ({"timeout.reconciliation": "5m", "timeout.reconciliation.jitter": "0"}, Polling(300.0, 0.0)),
        ({"timeout.reconciliation": "0s"}, Polling(0.0, 60.0)),
    ],
)
@pytest.mark.compat("argocd:cm.timeout.reconciliation")
def test_the_settings_of_argocd_cm(settings: dict[str, str], polling: Polling) -> None:
    assert read_polling(settings) == polling


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="write it like"):
        read_polling({"timeout.reconciliation": "soon"})


@pytest.mark.compat("argocd:cm.timeout.reconciliation")
def test_everybody_asks_about_one_repository_at_the_same_moments() -> None:
    polling = Polling(120.0, 60.0)
    moments = {round(NOW + later + polling.seconds_until_next("a", Instant(NOW + later)), 3) for later in range(100)}
    assert len(moments) <= 2
    for later in range(0, 1000, 7):
        assert 1.0 <= polling.seconds_until_next("a", Instant(NOW + later)) <= 181.0


def test_repositories_are_spread_between_the_timeout_and_the_jitter() -> None:
    polling = Polling(120.0, 60.0)
    periods, moments = set(), set()
    for number in range(200):
        first = NOW + polling.seconds_until_next(str(number), NOW)
        periods.add(period := polling.seconds_until_next(str(number), Instant(first + 1e-6)))
        moments.add(round(first))
        assert 119.9 <= period <= 180.1
    assert max(periods) - min(periods) > 50
    assert len(moments) > 80


def test_zero_switches_polling_off() -> None:
    assert Polling(0.0).seconds_until_next("a", NOW) == NEVER

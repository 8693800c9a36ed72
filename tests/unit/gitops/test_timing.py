"""`controller.*` of `argocd-cmd-params-cm`: how the pace of syncs is read."""

import pytest

from shipway.gitops.timing import Healing, Timing, timing_of


def test_nothing_said_is_as_argo_cd_has_it() -> None:
    assert timing_of({}) == (Timing(wave_delay=2.0, sync_timeout=0.0, grace=180.0, heal=Healing(2.0, 3.0, 300.0, 330.0)), ())


@pytest.mark.parametrize(
    ("key", "text", "read"),
    [
        ("controller.sync.timeout.seconds", "900", Timing(sync_timeout=900.0)),
        ("controller.sync.wave.delay.seconds", "0", Timing(wave_delay=0.0)),
        ("controller.repo.error.grace.period.seconds", "60", Timing(grace=60.0)),
        ("controller.repo.error.grace.period.seconds", "1m30s", Timing(grace=90.0)),
        ("controller.self.heal.backoff.factor", "2", Timing(heal=Healing(factor=2.0))),
        ("controller.self.heal.backoff.cap.seconds", " 30 ", Timing(heal=Healing(longest=30.0))),
        ("controller.self.heal.backoff.timeout.seconds", "5", Timing(heal=Healing(first=5.0))),
        ("controller.self.heal.backoff.cooldown.seconds", "60", Timing(heal=Healing(cooldown=60.0))),
        ("controller.self.heal.timeout.seconds", "60", Timing()),  # the backoff counts, as there
    ],
)
def test_each_flag(key: str, text: str, read: Timing) -> None:
    assert timing_of({key: text}) == (read, ())


def test_without_a_backoff_heals_are_evenly_apart() -> None:
    said = {"controller.self.heal.backoff.timeout.seconds": "0", "controller.self.heal.timeout.seconds": "7"}
    assert timing_of(said)[0].heal == Healing(first=7.0, factor=1.0)


def test_a_long_cap_is_not_forgotten_before_it_is_over() -> None:
    """Whoever raises the cap alone: with the usual cooldown the count would begin anew in the middle of a pause."""
    assert timing_of({"controller.self.heal.backoff.cap.seconds": "600"})[0].heal == Healing(longest=600.0, cooldown=660.0)


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "1e400", "5 minutes"])
def test_what_is_no_number_of_seconds_counts_as_not_said_and_is_told(text: str) -> None:
    key = "controller.sync.timeout.seconds"
    assert timing_of({key: text}) == (Timing(), (key,))

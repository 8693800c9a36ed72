"""What replicas tell one another of a push."""

import pytest

from shipway.assembly.told_pushes import event_in, word_of
from shipway.server.webhook import PushEvent


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (
            PushEvent(("https://git.test/a.git",), ("refs/heads/main",)),
            PushEvent(("https://git.test/a.git",), ("refs/heads/main",)),
        ),
        (PushEvent(("https://git.test/a.git",), (), True), PushEvent(("https://git.test/a.git",), (), True)),
        (PushEvent(("https://git.test/a.git",), ("refs/heads/x",) * 21), PushEvent(("https://git.test/a.git",), ())),
        (PushEvent(("https://ada:s3cret@git.test/a.git",), ()), PushEvent(("https://***@git.test/a.git",), ())),
    ],
    ids=["a push", "a pull request", "many refs", "a login"],
)
def test_a_push_is_told_without_logins_and_bounded(event: PushEvent, heard: PushEvent) -> None:
    assert event_in(word_of(event)) == heard


@pytest.mark.parametrize("word", ["", "[]", '{"repo_urls": 7}'])
def test_what_is_not_understood_is_no_push(word: str) -> None:
    assert event_in(word) is None

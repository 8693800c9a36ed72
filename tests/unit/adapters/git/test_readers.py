"""Who asks about a mirror is remembered within a bound."""

from shipway.adapters.git.readers import Readers, Standing
from shipway.api.sources import Head, HeadRequest, PathTree


def test_readers_that_are_too_many_are_forgotten_and_it_is_said() -> None:
    readers, head = Readers(most=10), Head("c" * 40, ())
    for number in range(11):
        assert readers.is_complete
        request = HeadRequest("https://git.test/x", "main", str(number).encode())
        readers.tell(request, Standing(head, "t"), (PathTree("", "t"),))
    assert not readers.is_complete
    assert readers.head(request) is None

"""Keys that a body gives twice."""

import orjson
import pytest

from shipway.localcluster.apiserver.duplicates import duplicate_fields


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a":1,"b":{"c":2}}', ()),
        (b'{"a":1,"a":2}', ("a",)),
        (b'{"a": {"b" : 1, "b":2}, "c": [{"d":1},{"d":1,"d":2}]}', ("a.b", "c[1].d")),
        (b'{"a":1,"a":2,"a":3}', ("a",)),
        (b'{"text":"\\"k\\": 1, \\"k\\": 2"}', ()),
        (b"[]", ()),
    ],
)
def test_paths(body: bytes, found: tuple[str, ...]) -> None:
    assert duplicate_fields(body, orjson.loads(body)) == found

"""Entries of managedFields on the wire and as values."""

from typing import Any

import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.managed_fields import (
    APPLY,
    MAX_UPDATERS,
    UPDATE,
    Entries,
    Entry,
    cap_updaters,
    decode,
    encode,
    entry_key,
    is_reset,
    same_but_time,
)


def raw(manager: str, operation: str = UPDATE, **more: Any) -> dict[str, Any]:
    plain = {"manager": manager, "operation": operation, "apiVersion": "v1", "time": "2026-01-01T00:00:00Z"}
    return {**plain, "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}, **more}


def obj(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}}


def test_what_is_written_reads_as_itself() -> None:
    entries = [raw("a", APPLY), raw("b", subresource="status"), raw("c")]
    assert encode(decode(obj(*entries))) == entries


def test_order_on_the_wire() -> None:
    later = {"time": "2026-01-02T00:00:00Z"}
    entries = [raw("z", APPLY, **later), raw("a", APPLY), raw("b", **later), raw("c"), raw("a")]
    found = [(entry["manager"], entry["operation"]) for entry in encode(decode(obj(*entries)))]
    assert found == [("a", APPLY), ("z", APPLY), ("a", UPDATE), ("c", UPDATE), ("b", UPDATE)]


def test_empty_entries_are_not_written() -> None:
    assert encode({entry_key("a", APPLY, "v1", ""): Entry({}, "v1")}) == []


def test_appliers_have_one_entry_whatever_the_version() -> None:
    assert entry_key("a", APPLY, "v1", "") == entry_key("a", APPLY, "v2", "")
    assert entry_key("a", UPDATE, "v1", "") != entry_key("a", UPDATE, "v2", "")
    assert entry_key("", UPDATE, "v1", "").manager == "unknown"


@pytest.mark.parametrize(
    "broken",
    [raw("a", "Patch"), raw("a", apiVersion=""), {k: v for k, v in raw("a").items() if k != "fieldsType"}],
)
def test_what_no_server_writes_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        decode(obj(broken))


@pytest.mark.parametrize(("stated", "expected"), [([], True), ([{}], True), ([raw("a")], False), (None, False)])
def test_reset(stated: Any, expected: bool) -> None:
    assert is_reset({"metadata": {"managedFields": stated}}) is expected
    assert not is_reset({"metadata": {}})


def test_same_but_time() -> None:
    assert same_but_time([raw("a")], [raw("a", time="2027-01-01T00:00:00Z")])
    assert not same_but_time([raw("a")], [raw("b")])
    assert not same_but_time([raw("a")], [])


def test_the_oldest_updaters_are_folded() -> None:
    entries: Entries = {
        entry_key(f"u{n:02}", UPDATE, "v1", ""): Entry({f"f:{n}": {}}, "v1", f"2026-01-{n + 1:02}T00:00:00Z") for n in range(13)
    }
    entries[entry_key("a", APPLY, "v1", "")] = Entry({"f:x": {}}, "v1", "2020-01-01T00:00:00Z")
    capped = cap_updaters(entries)
    assert sum(key.operation == UPDATE for key in capped) == MAX_UPDATERS
    bucket = capped[entry_key("ancient-changes", UPDATE, "v1", "")]
    assert bucket == Entry({"f:0": {}, "f:1": {}, "f:2": {}, "f:3": {}}, "v1", "2026-01-04T00:00:00Z")
    assert entry_key("a", APPLY, "v1", "") in capped

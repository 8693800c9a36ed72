"""Who owns the replicas after a write through /scale, as a real server has it (see tests/contract/test_apply_fuzz.py)."""

from typing import Any

from shipway.base.clock import Instant
from shipway.kube.objects.apply import Writer
from shipway.kube.objects.scale_ownership import record_scale
from shipway.kube.objects.schema import DEDUCED
from shipway.kube.objects.views import copy_obj

REPLICAS = {"f:spec": {"f:replicas": {}}}
BOTH = {"f:spec": {"f:color": {}, "f:replicas": {}}}


def entry(manager: str, operation: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    time = {"time": "2026-01-01T00:00:00Z"} if more.pop("timed", True) else {}
    plain = {"manager": manager, "operation": operation, "apiVersion": "x/v1", **time}
    return {**plain, "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def scaled(replicas: int, *entries: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries after the writer "hpa" has set the replicas of an object that had 1."""
    before: dict[str, Any] = {"metadata": {"managedFields": list(entries)}, "spec": {"replicas": 1}}
    after = copy_obj(before)
    after["spec"]["replicas"] = replicas
    given = copy_obj(before)
    result = record_scale(before, after, Writer("hpa", "x/v1", DEDUCED, Instant(1), "scale"), ("spec", "replicas"))
    assert before == given
    return result["metadata"].get("managedFields", [])


def test_the_writer_takes_them_from_whoever_held_them() -> None:
    found = scaled(3, entry("m", "Apply", BOTH), entry("u", "Update", REPLICAS))
    left = {"f:spec": {"f:color": {}}}
    assert found == [entry("m", "Apply", left), entry("hpa", "Update", REPLICAS, timed=False, subresource="scale")]


def test_nobody_held_them_and_nobody_is_recorded() -> None:
    others = entry("m", "Apply", {"f:spec": {"f:color": {}}})
    assert scaled(3, others) == [others]


def test_the_same_number_leaves_an_applier_alone() -> None:
    assert scaled(1, entry("m", "Apply", BOTH)) == [entry("m", "Apply", BOTH)]


def test_the_same_number_splits_the_entry_of_an_update() -> None:
    """It goes to the Scale under one version and comes back under another."""
    found = scaled(1, entry("u", "Update", BOTH))
    assert found == [entry("u", "Update", REPLICAS, timed=False), entry("u", "Update", {"f:spec": {"f:color": {}}})]


def test_zero_is_no_number_on_a_scale() -> None:
    assert scaled(0, entry("m", "Apply", REPLICAS)) == []

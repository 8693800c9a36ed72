"""Protobuf bodies, encoded here by hand."""
# ruff: noqa: E501 - tables, one case per line

from typing import Any

import pytest

from shipway.localcluster.apiserver.problems import Refused
from shipway.localcluster.apiserver.protobuf import decode


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while True:
        byte, number = number & 0x7F, number >> 7
        if not number:
            return out + bytes([byte])
        out += bytes([byte | 0x80])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def enveloped(api_version: str, kind: str, *parts: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, b"".join(parts))


def decoded(api_version: str, kind: str, *parts: bytes) -> dict[str, Any]:
    found = decode(enveloped(api_version, kind, *parts), "", "")
    assert (found.pop("apiVersion"), found.pop("kind")) == (api_version, kind)
    return found


NAME = field(1, field(1, "a"))


@pytest.mark.parametrize(
    ("api_version", "kind", "parts", "expected"),
    [
        ("v1", "ConfigMap", [NAME, field(2, field(1, "k") + field(2, "v"))], {"metadata": {"name": "a"}, "data": {"k": "v"}}),
        ("v1", "Secret", [field(2, field(1, "k") + field(2, b"\x00\xff"))], {"data": {"k": "AP8="}}),
        ("v1", "ConfigMap", [field(2, field(1, "empty"))], {"data": {"empty": ""}}),
        ("v1", "DeleteOptions", [field(1, 0), field(4, "Background")], {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}),
        ("v1", "Pod", [field(2, field(22, field(1, "x") + field(5, -1)))],
         {"spec": {"tolerations": [{"key": "x", "tolerationSeconds": -1}]}}),
        ("coordination.k8s.io/v1", "Lease", [field(2, field(1, "me") + field(4, field(1, 1767225600) + field(2, 500000000)))],
         {"spec": {"holderIdentity": "me", "renewTime": "2026-01-01T00:00:00.500000Z"}}),
        ("policy/v1", "PodDisruptionBudget", [field(2, field(1, field(1, 1) + field(3, "50%")))], {"spec": {"minAvailable": "50%"}}),
        ("policy/v1", "PodDisruptionBudget", [field(2, field(1, field(1, 0) + field(2, 3)))], {"spec": {"minAvailable": 3}}),
        ("v1", "ResourceQuota", [field(2, field(1, field(1, "pods") + field(2, field(1, "3"))))], {"spec": {"hard": {"pods": "3"}}}),
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview", [field(2, field(1, field(2, "get") + field(5, "pods")))],
         {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}),
    ],
)  # fmt: skip
def test_messages(api_version: str, kind: str, parts: list[bytes], expected: dict[str, Any]) -> None:
    assert decoded(api_version, kind, *parts) == expected


def test_embedded_structs_are_unfolded() -> None:
    volume = field(1, "v") + field(2, field(2, b""))
    assert decoded("v1", "Pod", field(2, field(1, volume))) == {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}


def test_unknown_fields_pass_only_when_they_are_empty() -> None:
    assert decoded("v1", "ConfigMap", NAME, field(900, 0), field(901, b""), field(902, field(1, 0))) == {
        "metadata": {"name": "a"}
    }
    with pytest.raises(Refused) as error:
        decoded("v1", "ConfigMap", NAME, field(900, 1))
    assert error.value.code == 415


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", 400),
        (b"k8s\0\x12\xff", 400),
        (enveloped("example.com/v1", "Widget", NAME), 415),
        (enveloped("v1", "ConfigMap", field(1, field(1, b"\xff\xfe"))), 400),
        (enveloped("v1", "ConfigMap", b"\x0b"), 400),
    ],
)
def test_what_can_not_be_read_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(Refused) as error:
        decode(body, "v1", "ConfigMap")
    assert error.value.code == code

"""Secrets without their values, and which of two states still differ."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.gitops.customizations import read_customizations
from shipway.gitops.masking import MASK, masked
from shipway.kube.objects.client_side import LAST_APPLIED
from shipway.kube.objects.resource import Obj

LONGER = MASK + "++++"
LONGEST = LONGER + "++++"


def secret(annotations: dict[str, str] | None = None, **fields: Any) -> Obj:
    meta = {"name": "login", "namespace": "shop", **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, **fields}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_equal_values_have_equal_masks_and_others_longer_ones() -> None:
    wanted = secret(stringData={"same": "a", "moved": "new", "added": "c"})
    live = secret(data={"same": encoded("a"), "moved": encoded("old"), "gone": encoded("d")})
    predicted = secret(data={"same": encoded("a"), "moved": encoded("new"), "third": encoded("e")})
    states = masked([wanted, live, None, predicted])
    assert [state and state["data"] for state in states] == [
        {"same": MASK, "moved": MASK, "added": MASK},
        {"same": MASK, "moved": LONGER, "gone": MASK},
        None,
        {"same": MASK, "moved": MASK, "third": MASK},
    ]
    assert all("stringData" not in state for state in states if state)
    assert live["data"]["same"] == encoded("a")  # what was given is as it was


def test_the_copy_that_kubectl_keeps_is_masked_with_it() -> None:
    applied = orjson.dumps(secret(stringData={"key": "older"})).decode()
    live = secret({LAST_APPLIED: applied, "plain": "yes"}, data={"key": encoded("old")})
    wanted, seen = masked([secret(data={"key": encoded("new")}), live])
    assert wanted and seen
    assert orjson.loads(seen["metadata"]["annotations"][LAST_APPLIED])["data"] == {"key": LONGEST}
    assert seen["metadata"]["annotations"]["plain"] == "yes"


@pytest.mark.parametrize("applied", ["not JSON", "[]", "{}", orjson.dumps(secret({LAST_APPLIED: "secret"})).decode()])
def test_a_copy_that_cannot_be_read_is_not_shown(applied: str) -> None:
    (seen,) = masked([secret({LAST_APPLIED: applied}, data={})])
    assert seen is not None
    assert seen["metadata"]["annotations"][LAST_APPLIED] == (MASK if applied != "{}" else "{}")


@pytest.mark.compat("argocd:cm.resource.sensitive")
def test_annotations_that_a_team_calls_sensitive() -> None:
    settings = {"data": {"resource.sensitive.mask.annotations": "token, other"}}
    assert read_customizations(settings).sensitive == {"token", "other"}
    assert read_customizations(None).sensitive == frozenset()
    applied = orjson.dumps(secret({"token": "old"})).decode()
    wanted, seen = masked([secret({"token": "new"}), secret({"token": "old", LAST_APPLIED: applied})], ["token"])
    assert wanted and seen
    assert wanted["metadata"]["annotations"] == {"token": MASK}
    assert seen["metadata"]["annotations"]["token"] == LONGER
    assert orjson.loads(seen["metadata"]["annotations"][LAST_APPLIED])["metadata"]["annotations"] == {"token": LONGER}
    (hidden,) = masked([secret({LAST_APPLIED: applied})], [LAST_APPLIED])
    assert hidden and hidden["metadata"]["annotations"][LAST_APPLIED] == MASK


VALUES = st.one_of(st.just("TOPSECRET"), st.just(["TOPSECRET"]), st.just({"deep": "TOPSECRET"}), st.none(), st.just(7))
MAPS = st.one_of(st.just("TOPSECRET"), st.none(), st.lists(VALUES, max_size=2), st.dictionaries(st.sampled_from("ab"), VALUES))


@given(MAPS, MAPS, MAPS)
def test_whatever_is_written_there_no_value_is_shown(data: Any, plain: Any, copied: Any) -> None:
    applied = orjson.dumps(secret(data=copied, stringData=copied)).decode()
    text = orjson.dumps(masked([secret({LAST_APPLIED: applied}, data=data, stringData=plain), secret(data=copied)]))
    assert b"TOPSECRET" not in text
    assert base64.b64encode(b"TOPSECRET") not in text

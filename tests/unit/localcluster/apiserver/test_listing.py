"""Lists: selectors, portions that show one version, versions from the past and the future."""

import pytest

from tests.unit.localcluster.apiserver.conftest import CORE, Api, config_map, names, pod

MAPS = f"{CORE}/configmaps"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def fill(api: Api, count: int) -> None:
    for index in range(count):
        await api.post(MAPS, config_map(f"m{index}", labels={"n": str(index), "odd": str(index % 2)}))


async def test_items_of_built_in_lists_carry_no_kind(api: Api) -> None:
    empty = await api.get(MAPS)
    assert (empty.body["kind"], empty.body["items"]) == ("ConfigMapList", [])
    await fill(api, 1)
    (item,) = (await api.get(MAPS)).body["items"]
    assert list(item) == ["metadata", "data"]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("n=1", ["m1"]),
        ("n==1", ["m1"]),
        ("n!=1", ["m0", "m2", "m3"]),
        ("n in (0,3)", ["m0", "m3"]),
        ("n notin (0,3)", ["m1", "m2"]),
        ("n", ["m0", "m1", "m2", "m3"]),
        ("!n", []),
        ("n>1", ["m2", "m3"]),
        ("odd=1,n<2", ["m1"]),
    ],
)
async def test_label_selectors(api: Api, selector: str, found: list[str]) -> None:
    await fill(api, 4)
    assert names(await api.get(f"{MAPS}?labelSelector={selector}")) == found


async def test_portions_show_the_version_of_the_first(api: Api) -> None:
    await fill(api, 5)
    first = await api.get(f"{MAPS}?limit=2")
    meta = first.body["metadata"]
    assert (names(first), meta["remainingItemCount"]) == (["m0", "m1"], 3)
    await api.post(MAPS, config_map("m3a"))
    await api.delete(f"{MAPS}/m4")
    await api.patch(f"{MAPS}/m2", {"data": {"k": "changed"}})
    second = await api.get(f"{MAPS}?limit=2&continue={meta['continue']}")
    third = await api.get(f"{MAPS}?limit=2&continue={second.body['metadata']['continue']}")
    assert (names(second), names(third)) == (["m2", "m3"], ["m4"])
    assert second.body["items"][0]["data"] == {"k": "v"}
    assert {a.body["metadata"]["resourceVersion"] for a in (first, second, third)} == {meta["resourceVersion"]}
    assert "continue" not in third.body["metadata"]


async def test_a_selector_hides_how_many_remain(api: Api) -> None:
    await fill(api, 4)
    page = await api.get(f"{MAPS}?limit=1&labelSelector=odd=1")
    assert names(page) == ["m1"]
    assert "remainingItemCount" not in page.body["metadata"]


async def test_an_exact_version_of_the_past(api: Api) -> None:
    await fill(api, 2)
    past = (await api.get(MAPS)).body["metadata"]["resourceVersion"]
    await api.delete(f"{MAPS}/m0")
    exact = await api.get(f"{MAPS}?resourceVersion={past}&resourceVersionMatch=Exact")
    assert (names(exact), exact.body["metadata"]["resourceVersion"]) == (["m0", "m1"], past)
    newer = await api.get(f"{MAPS}?resourceVersion={past}&resourceVersionMatch=NotOlderThan")
    assert names(newer) == ["m1"]


async def test_a_version_of_the_future_is_awaited_and_refused(api: Api) -> None:
    before = api.clock.now()
    answer = await api.get(f"{MAPS}?resourceVersion=99999")
    assert (answer.code, answer.reason) == (504, "Timeout")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer.headers["retry-after"] == "1"
    assert api.clock.now() - before == pytest.approx(3.0, abs=0.2)


async def test_metadata_only(api: Api) -> None:
    await fill(api, 1)
    answer = await api.get(MAPS, accept=METADATA)
    assert answer.body["kind"] == "PartialObjectMetadataList"
    (item,) = answer.body["items"]
    assert (item["kind"], "data" in item) == ("PartialObjectMetadata", False)


async def test_tables_carry_metadata_objects_or_nothing(api: Api) -> None:
    await fill(api, 1)
    row = (await api.get(MAPS, accept=TABLE)).body["rows"][0]
    assert (row["cells"], row["object"]["kind"]) == (["m0", 1, "0s"], "PartialObjectMetadata")
    whole = (await api.get(f"{MAPS}?includeObject=Object", accept=TABLE)).body["rows"][0]
    assert whole["object"]["data"] == {"k": "v"}
    none = (await api.get(f"{MAPS}?includeObject=None", accept=TABLE)).body["rows"][0]
    assert none["object"] is None


async def test_all_namespaces_or_one(api: Api) -> None:
    await api.post("/api/v1/namespaces", {"metadata": {"name": "other"}})
    await api.post(MAPS, config_map("a"))
    await api.post("/api/v1/namespaces/other/configmaps", config_map("a"))
    every = await api.get("/api/v1/configmaps")
    assert [item["metadata"]["namespace"] for item in every.body["items"]] == ["default", "other"]
    assert len((await api.get("/api/v1/configmaps?fieldSelector=metadata.namespace=other")).body["items"]) == 1


async def test_pods_are_selected_by_fields(api: Api) -> None:
    await api.post(f"{CORE}/pods", pod("a", node="n1"))
    await api.post(f"{CORE}/pods", pod("b"))
    for selector, found in (("spec.nodeName=n1", ["a"]), ("spec.nodeName=", ["b"]), ("status.phase!=Pending", [])):
        assert names(await api.get(f"{CORE}/pods?fieldSelector={selector}")) == found


async def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    await fill(api, 4)
    answer = await api.delete(f"{MAPS}?labelSelector=odd=1")
    assert (answer.code, names(answer)) == (200, ["m1", "m3"])
    assert names(await api.get(MAPS)) == ["m0", "m2"]

"""Owner references."""

from shipway.kube.objects.owners import controller_ref, is_controlled_by, is_owned_by, owner_ref

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r", "namespace": "n", "uid": "u"}}


def test_references() -> None:
    plain = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u"}
    assert owner_ref(OWNER) == plain
    assert controller_ref(OWNER) == {**plain, "controller": True, "blockOwnerDeletion": True}


def test_owned_and_controlled() -> None:
    owned = {"metadata": {"ownerReferences": [owner_ref(OWNER)]}}
    controlled = {"metadata": {"ownerReferences": [{"uid": "other"}, controller_ref(OWNER)]}}
    assert (is_owned_by(owned, OWNER), is_controlled_by(owned, OWNER)) == (True, False)
    assert (is_owned_by(controlled, OWNER), is_controlled_by(controlled, OWNER)) == (True, True)
    assert not is_owned_by({"metadata": {}}, OWNER)
    assert not is_owned_by({"metadata": {"ownerReferences": [{"uid": ""}]}}, {"metadata": {}})

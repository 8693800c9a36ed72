"""A container's environment, from its spec."""

import base64

import pytest

from shipway.base.errors import InvalidInput
from shipway.localcluster.node.environment import Facts, Source, environment, expand, needed

POD = {
    "metadata": {"name": "web-1", "namespace": "shop", "uid": "u", "labels": {"app": "web"}, "annotations": {"a/b": "c"}},
    "spec": {"nodeName": "n1"},
}
FACTS = Facts(
    "10.244.0.2",
    "127.0.0.1",
    {
        ("ConfigMap", "settings"): {"data": {"COLOR": "blue", "SIZE": "3"}},
        ("Secret", "keys"): {"data": {"TOKEN": base64.b64encode(b"s3cret").decode()}},
    },
)


def env(*entries, env_from=()):
    return environment(POD, {"name": "c", "env": list(entries), "envFrom": list(env_from)}, FACTS)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(NOPE)", "$(NOPE)"), ("x$(A)y$(A)", "x1y1"), ("$A", "$A"), ("$$$(A)", "$1")],
)
def test_expand(text, expanded):
    assert expand(text, {"A": "1"}) == expanded


def test_values_see_those_before_them():
    assert env({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}) == {"A": "1", "B": "12"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web-1"),
        ("metadata.namespace", "shop"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['a/b']", "c"),
        ("status.podIP", "10.244.0.2"),
        ("spec.nodeName", "n1"),
    ],
)
def test_downward_api(path, value):
    assert env({"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}) == {"X": value}


def test_config_maps_and_secrets():
    got = env(
        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOR"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "TOKEN"}}},
        {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": True}}},
        env_from=[{"prefix": "S_", "configMapRef": {"name": "settings"}}],
    )
    assert got == {"S_COLOR": "blue", "S_SIZE": "3", "COLOR": "blue", "TOKEN": "s3cret"}


@pytest.mark.parametrize(
    "ref",
    [
        {"configMapKeyRef": {"name": "none", "key": "x"}},
        {"configMapKeyRef": {"name": "settings", "key": "x"}},
        {"fieldRef": {"fieldPath": "spec.x"}},
    ],
)
def test_what_is_missing_names_itself(ref):
    with pytest.raises(InvalidInput) as caught:
        env({"name": "X", "valueFrom": ref})
    assert caught.value.reason == "CreateContainerConfigError"


def test_needed_lists_each_source_once():
    ref = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOR"}}}
    assert needed({"env": [ref, ref], "envFrom": [{"secretRef": {"name": "keys"}}]}) == (
        Source("ConfigMap", "settings"),
        Source("Secret", "keys"),
    )

"""What `argocd-cm` says about kinds, in both spellings."""

import pytest

from shipway.gitops.customizations import NONE, Customization, read_customizations
from shipway.gitops.health.scripted import health_said
from shipway.gitops.health.verdicts import Health


@pytest.mark.compat("argocd:cm.resource.customizations.useOpenLibs")
def test_one_key_for_each_thing():
    found = read_customizations(
        {
            "data": {
                "resource.customizations.health.cert-manager.io_Certificate": "return {}",
                "resource.customizations.ignoreDifferences.all": "jsonPointers: [/spec/x]",
                "resource.customizations.actions.apps_Deployment": "definitions: []",
                "resource.customizations.health.PersistentVolumeClaim": "return nil",
                "resource.customizations.useOpenLibs.cert-manager.io_Certificate": "true",
                "timeout.reconciliation": "60s",
            }
        }
    )
    assert found.of("cert-manager.io", "Certificate") == Customization(health="return {}")
    assert found.of("", "PersistentVolumeClaim") == Customization(health="return nil")
    assert found.of("apps", "Deployment") == Customization(actions="definitions: []")
    assert found.of("batch", "Job") == Customization(ignore_differences="jsonPointers: [/spec/x]")


@pytest.mark.compat("argocd:cm.resource.customizations")
def test_the_older_single_key_with_patterns():
    text = """
argoproj.io/Application:
  health.lua: |
    return {status = "Healthy"}
"*.crossplane.io/*":
  health.lua: return nil
  ignoreDifferences: |
    jsonPointers: [/spec/y]
"""
    found = read_customizations({"data": {"resource.customizations": text}})
    assert found.of("argoproj.io", "Application") == Customization(health='return {status = "Healthy"}\n')
    assert found.of("s3.aws.crossplane.io", "Bucket") == Customization("return nil", "", "jsonPointers: [/spec/y]\n")
    assert found.of("s3.aws.example.com", "Bucket") is None


@pytest.mark.parametrize("text", ["a: [", "just words", "argoproj.io/Application: 7"])
def test_what_cannot_be_read_is_told_and_leaves_the_rest(text: str):
    found = read_customizations({"data": {"resource.customizations": text, "resource.customizations.health.Pod": "return nil"}})
    assert found.of("", "Pod") == Customization(health="return nil")
    assert len(found.problems) == 1 and "argocd-cm" in found.problems[0]


def test_without_a_config_map_nothing_is_said():
    assert read_customizations(None) is NONE
    assert read_customizations({"data": {"url": "https://argocd.test"}}) is NONE


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ({"status": "Healthy", "message": "fine"}, Health("Healthy", "fine")),
        ({"status": "Suspended"}, Health("Suspended")),
        ({"status": "Fine"}, Health("Unknown", "Lua returned an invalid health status")),
        ({}, Health("Unknown", "Lua returned an invalid health status")),
        (None, Health("Unknown", "expect table output from Lua script, not nil")),
        ("Healthy", Health("Unknown", "expect table output from Lua script, not string")),
    ],
)
def test_what_a_script_returns_is_read_as_health(returned: object, expected: Health):
    assert health_said(returned) == expected

"""Kinds that are left out, and the label that objects get."""

from typing import Any

import pytest

from shipway.gitops.scope import read_scope

CILIUM = "- apiGroups: [cilium.io]\n  kinds: [CiliumIdentity]\n  clusters: ['*']\n"


@pytest.mark.parametrize(
    ("settings", "group", "kind", "is_out"),
    [
        ({}, "apps", "Deployment", False),
        ({}, "", "Event", True),
        ({}, "", "Service", False),
        ({}, "events.k8s.io", "Event", True),
        ({}, "coordination.k8s.io", "Lease", True),
        ({"resource.exclusions": CILIUM}, "cilium.io", "CiliumIdentity", True),
        ({"resource.exclusions": CILIUM}, "cilium.io", "CiliumNetworkPolicy", False),
        ({"resource.exclusions": "- kinds: ['*Report']"}, "wgpolicyk8s.io", "PolicyReport", True),
        ({"resource.exclusions": "- apiGroups: ['*']\n  clusters: [https://other]"}, "apps", "Deployment", False),
        ({"resource.inclusions": "- apiGroups: [apps]"}, "apps", "Deployment", False),
        ({"resource.inclusions": "- apiGroups: [apps]"}, "", "Service", True),
        (
            {"resource.inclusions": "- apiGroups: [apps]", "resource.exclusions": "- kinds: [DaemonSet]"},
            "apps",
            "DaemonSet",
            True,
        ),
    ],
)
@pytest.mark.compat("argocd:cm.resource.exclusions")
def test_which_kinds_are_left_out(settings: Any, group: str, kind: str, is_out: bool) -> None:
    assert read_scope(settings).leaves_out(group, kind) is is_out


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        ({}, ""),
        ({"application.instanceLabelKey": "x/y"}, ""),
        ({"application.resourceTrackingMethod": "label"}, "app.kubernetes.io/instance"),
        ({"application.resourceTrackingMethod": "annotation+label", "application.instanceLabelKey": "x/y"}, "x/y"),
    ],
)
@pytest.mark.compat("argocd:resource.instance-label", "argocd:cm.application.resourceTrackingMethod")
def test_which_label_objects_get(settings: Any, label: str) -> None:
    assert read_scope(settings).label == label


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"resource.exclusions": "kinds: [A]"}, "argocd-cm: resource.exclusions: Expected `array`"),
        ({"resource.exclusions": "- kinds: ['[a']"}, "argocd-cm: resource.exclusions: '[a' is not a valid pattern"),
        ({"resource.inclusions": "{"}, "argocd-cm: resource.inclusions: "),
        ({"application.resourceTrackingMethod": "magic"}, "argocd-cm: application.resourceTrackingMethod: magic is none of"),
    ],
)
@pytest.mark.compat("argocd:cm.resource.exclusions")
def test_what_cannot_be_read_leaves_nothing_out_and_is_told(settings: Any, told: str) -> None:
    scope = read_scope(settings)
    assert scope.problems[0].startswith(told) and not scope.leaves_out("apps", "Deployment")

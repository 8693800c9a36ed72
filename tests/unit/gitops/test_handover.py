"""Who reconciles an Application while an Argo CD may still run beside us."""

import pytest

from shipway.gitops.handover import LABEL, is_skipped, sign_of_life, stance_towards, who_reconciles
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj

ALIVE = "StatefulSet argocd/argocd-application-controller is ready"
ALONE, INVITED, LOOKING = GitOpsSettings(), GitOpsSettings(by_invitation=True), GitOpsSettings(only_reports=True)


def app(label: str = "", skip: str = "") -> Obj:
    labels = {LABEL: label} if label else {}
    annotations = {"argocd.argoproj.io/skip-reconcile": skip} if skip else {}
    return {"metadata": {"name": "pay", "namespace": "argocd", "labels": labels, "annotations": annotations}}


@pytest.mark.parametrize(
    ("label", "skip", "settings", "argo_cd", "kind"),
    [
        ("", "", ALONE, "", "reconcile"),
        ("", "true", ALONE, "", "leave"),
        ("true", "true", ALONE, "", "reconcile"),
        ("true", "", ALONE, "", "reconcile"),
        ("false", "", ALONE, "", "report"),
        ("", "", ALONE, ALIVE, "report"),
        ("", "true", ALONE, ALIVE, "report"),
        ("true", "", ALONE, ALIVE, "report"),
        ("true", "true", ALONE, ALIVE, "reconcile"),
        ("false", "true", ALONE, ALIVE, "report"),
        ("", "", INVITED, "", "report"),
        ("", "true", INVITED, "", "report"),
        ("true", "", INVITED, "", "reconcile"),
        ("true", "true", INVITED, ALIVE, "reconcile"),
        ("true", "", INVITED, ALIVE, "report"),
        ("true", "true", LOOKING, "", "report"),
    ],
)
def test_one_engine_at_most_reconciles_an_application(
    label: str, skip: str, settings: GitOpsSettings, argo_cd: str, kind: str
) -> None:
    stance = stance_towards(app(label, skip), settings, argo_cd)
    assert stance.kind == kind
    assert bool(stance.reason) == (kind != "reconcile")


@pytest.mark.parametrize(
    ("label", "skip", "argo_cd", "said"),
    [
        ("", "", "", ""),
        ("true", "true", ALIVE, ""),
        ("true", "true", "", ""),
        ("true", "", "", ""),
        ("", "", ALIVE, f"Argo CD reconciles it ({ALIVE}), and Shipway only looks: `shipway app takeover pay` hands it over."),
        (
            "true",
            "",
            ALIVE,
            f"Argo CD reconciles it ({ALIVE}) though its label invites Shipway, and Shipway only looks: "
            "`shipway app takeover pay` hands it over.",
        ),
        (
            "",
            "true",
            ALIVE,
            "Nobody reconciles it, since its annotation argocd.argoproj.io/skip-reconcile says true: "
            "`shipway app takeover pay` hands it to Shipway, `shipway app handback pay` to Argo CD.",
        ),
        (
            "",
            "true",
            "",
            "Nobody reconciles it, since its annotation argocd.argoproj.io/skip-reconcile says true: "
            "`shipway app takeover pay` hands it to Shipway.",
        ),
        (
            "false",
            "",
            ALIVE,
            f"Argo CD reconciles it ({ALIVE}), and Shipway only looks, since its label shipway.dev/reconcile says false: "
            "`shipway app takeover pay` hands it to Shipway.",
        ),
        (
            "false",
            "true",
            ALIVE,
            "Nobody that is known reconciles it, and Shipway only looks, since its label shipway.dev/reconcile says false: "
            "`shipway app takeover pay` hands it to Shipway.",
        ),
    ],
)
def test_who_reconciles_it_where_we_do_not_and_how_to_change_that(label: str, skip: str, argo_cd: str, said: str) -> None:
    found = app(label, skip)
    assert who_reconciles(found, argo_cd) == said
    assert bool(said) == (stance_towards(found, ALONE, argo_cd).kind != "reconcile")


def test_a_label_without_the_annotation_says_what_is_missing() -> None:
    stance = stance_towards(app("true"), ALONE, ALIVE)
    assert ALIVE in stance.reason
    assert "shipway app takeover pay" in stance.reason


@pytest.mark.parametrize(
    ("text", "is_true"), [*((one, True) for one in ("1", "t", "T", "TRUE", "true", "True")), ("yes", False)]
)
def test_the_annotation_is_read_as_argo_cd_reads_it(text: str, is_true: bool) -> None:
    assert is_skipped(app(skip=text)) is is_true


@pytest.mark.parametrize(
    ("spec", "status", "sign"),
    [
        ({"replicas": 1}, {"readyReplicas": 1}, "is ready"),
        ({}, {}, "is to have a replica"),
        ({"replicas": 1}, {"replicas": 1}, "is to have a replica"),
        ({"replicas": 0}, {"replicas": 1}, "has a replica left"),
        ({"replicas": 0}, {}, ""),
    ],
)
def test_a_controller_is_alive_as_long_as_it_may_act(spec: Obj, status: Obj, sign: str) -> None:
    """One that restarts is gone for a moment only: taking its place would be two engines on one application."""
    found = {"kind": "StatefulSet", "metadata": {"name": "controller", "namespace": "argocd"}, "spec": spec, "status": status}
    assert sign_of_life(found) == (f"StatefulSet argocd/controller {sign}" if sign else "")

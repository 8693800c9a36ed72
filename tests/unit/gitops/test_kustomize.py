"""What `argocd-cm` says of Kustomize."""

import pytest

from shipway.api.sources import BuildFlags, KustomizeSettings
from shipway.gitops.kustomize import OPTIONS, read_kustomize


@pytest.mark.compat("argocd:cm.kustomize.buildOptions")
@pytest.mark.parametrize(
    ("written", "flags"),
    [
        ("", BuildFlags()),
        ("--enable-helm", BuildFlags(helm=True)),
        ("--enable-helm=false", BuildFlags()),
        ("--enable-helm --helm-command /usr/local/bin/helm3", BuildFlags(helm=True)),
        ("--helm-command=helm3\n  --enable-helm", BuildFlags(helm=True)),
        ("--load-restrictor LoadRestrictionsNone", BuildFlags(unrestricted=True)),
        ("--load_restrictor none", BuildFlags(unrestricted=True)),
        ("--load-restrictor=rootOnly", BuildFlags()),
        ("--reorder none --as-current-user", BuildFlags()),
        ("--reorder=legacy --helm-debug", BuildFlags()),
        ("--enable-managedby-label", BuildFlags(managed_by_label=True)),
        (
            "--helm-kube-version 1.33 --helm-api-versions a/v1,b/v1 --helm-api-versions=c/v1",
            BuildFlags(kube_version="1.33", api_versions=("a/v1", "b/v1", "c/v1")),
        ),
        (
            "--enable-alpha-plugins --enable-exec --enable-exec",
            BuildFlags(programs=("--enable-alpha-plugins", "--enable-exec")),
        ),
        ("-e A=B --enable-star --network", BuildFlags(programs=("-e", "--enable-star", "--network"))),
    ],
)
def test_flags(written: str, flags: BuildFlags) -> None:
    assert read_kustomize({OPTIONS: written}) == KustomizeSettings(flags)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("--load-restrictor all", "--load-restrictor all: say LoadRestrictionsNone or LoadRestrictionsRootOnly"),
        ("--helm-kube-version", "--helm-kube-version needs a value"),
        ("--output /tmp/x", "--output is not known here: take it out"),
        ("overlays/eu", "overlays/eu is not known here"),
    ],
)
def test_what_cannot_be_meant_is_told_to_every_kustomization(written: str, told: str) -> None:
    read = read_kustomize({OPTIONS: f"--enable-helm {written}"})
    (problem,) = read.flags.problems
    assert problem.startswith(f"{OPTIONS} of argocd-cm: {told}")
    assert read.concern_everyone
    assert read.flags.helm


def test_a_named_version_has_flags_of_its_own_or_none() -> None:
    read = read_kustomize(
        {
            OPTIONS: "--enable-helm",
            f"{OPTIONS}.v5.8.1": "--load-restrictor LoadRestrictionsNone",
            "kustomize.path.v5.8.1": "/custom/kustomize",
            "kustomize.version.v4.5.7": "/custom/old",
        }
    )
    assert read.of("") == read.of("v9") == BuildFlags(helm=True)
    assert read.of("v5.8.1") == BuildFlags(unrestricted=True)
    assert read.of("v4.5.7") == BuildFlags()
    assert not read.concern_everyone
    assert read_kustomize({f"{OPTIONS}.v1": "--enable-managedby-label"}).concern_everyone

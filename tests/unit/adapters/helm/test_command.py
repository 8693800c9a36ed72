"""What others ask of `helm template`."""

import pytest

from shipway.adapters.helm.command import job_of
from shipway.base.errors import InvalidInput


def test_a_call_as_kustomize_makes_it(tmp_path) -> None:
    values = tmp_path / "v.yaml"
    values.write_text("a: 1\n")
    words = (
        f"template shop /x/charts/web --namespace ns -f {values} --api-versions a/v1 --api-versions b/v1 --kube-version 1.33"
    )
    job, switches = job_of([*words.split(), "--include-crds", "--no-hooks"], "", "/tmp/s")
    assert (job["release"], job["source"], job["path"], job["chart"]) == ("shop", "/x/charts/web", "web", "/tmp/s/chart")
    assert (job["namespace"], job["values"]) == ("ns", [("v.yaml", "a: 1\n")])
    assert (job["api_versions"], job["kube_version"], job["skip_crds"]) == (["a/v1", "b/v1"], "1.33", False)
    assert switches == {"--include-crds", "--no-hooks"}


def test_a_release_without_a_name_has_the_same_at_each_render() -> None:
    job, _ = job_of(["template", "--generate-name", "/x/web"], "", "/tmp/s")
    assert (job["release"], job["source"], job["namespace"], job["skip_crds"]) == ("release-name", "/x/web", "default", True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pull", "web"], "helm pull is not run for a kustomization"),
        (["template", "--post-renderer", "/bin/sh", "x"], "helm template --post-renderer is not known here"),
        (["template", "--name-template", "x", "y"], "helm template --name-template is not known here"),
    ],
)
def test_what_is_not_known_is_refused_by_name(words: list[str], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        job_of(words, "", "/tmp/s")

"""Whose an Application is, by its labels or by its name."""

import pytest

from shipway.base.errors import InvalidInput
from shipway.gitops.relocation.services import ONLY, Belongs, Labels, belongs
from shipway.kube.objects.resource import Obj


def app(name: str, path: str = "charts/common", *files: str, namespace: str = "shop", **labels: str) -> Obj:
    source = {"repoURL": "https://git.test/central", "path": path, "helm": {"valueFiles": list(files)}}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"source": source, "destination": {"namespace": namespace}},
    }


@pytest.mark.parametrize(
    ("given", "service", "environment"),
    [
        (app("web-staging"), "web", "staging"),
        (app("staging-web"), "web", "staging"),
        (app("web-prod-eu"), "web", "prod-eu"),
        (app("checkout-api-production", "apps/checkout-api/production"), "checkout-api", "production"),
        (app("web-blue", "charts/common", "../../values/blue/web.yaml"), "web", "blue"),
        (app("web-blue", "apps/web", "values-blue.yaml"), "web", "blue"),
        (app("blue-web", "apps/web/blue", namespace="blue"), "blue", "web"),
        (app("web-blue", namespace="shop-blue"), "web", "blue"),
        (app("web-blue", namespace="web-blue"), "web-blue", ONLY),
        (app("web"), "web", ONLY),
        (app("staging"), "staging", ONLY),
    ],
)
def test_by_the_name(given: Obj, service: str, environment: str) -> None:
    assert belongs(given, Labels()) == Belongs(service, environment)


def test_labels_say_it_where_they_are_named() -> None:
    given = app("blue-web", "apps/web/blue", team="web", stage="blue")
    assert belongs(given, Labels("team", "stage")) == Belongs("web", "blue")
    assert belongs(given, Labels(service="team")) == Belongs("web", "blue")
    assert belongs(given, Labels(environment="stage")) == Belongs("web", "blue")
    assert belongs(app("web", team="web"), Labels(service="team")) == Belongs("web", ONLY)


@pytest.mark.parametrize(
    ("labels", "said"),
    [({}, "has no label team"), ({"team": "../up"}, "cannot be the name of a folder"), ({"team": ".."}, "cannot be the name")],
)
def test_what_labels_cannot_say(labels: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        belongs(app("web", **labels), Labels(service="team"))

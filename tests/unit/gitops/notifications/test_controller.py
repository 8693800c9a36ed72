"""Which events wake the notifications of an Application: none where nobody wants to hear of it."""

from shipway.api.kinds import APPLICATIONS
from shipway.api.notifications import NOTIFYING
from shipway.gitops.notifications.controller import NotificationController
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Indexed

KEY = ObjectKey("argocd", "shop")
SUBSCRIBED = {"notifications.argoproj.io/subscribe.on-x.ops": ""}
EVERYBODY, OF_TEAM = Indexed(APPLICATIONS, "every", ""), Indexed(APPLICATIONS, "project", "team")


def app(annotations: dict[str, str] | None = None, project: str = "team") -> Obj:
    return {"metadata": {"namespace": "argocd", "name": "shop", "annotations": annotations or {}}, "spec": {"project": project}}


def project(annotations: dict[str, str]) -> Obj:
    return {"metadata": {"name": "team", "annotations": annotations}}


def config_map(**data: str) -> Obj:
    return {"metadata": {"name": "words"}, "data": data}


def test_only_who_is_subscribed_or_has_something_due_is_looked_at() -> None:
    (apps, *_) = NotificationController(GitOpsSettings()).watches
    assert [*apps.keys(app()), *apps.keys(app({"notified.notifications.argoproj.io": "{}"}))] == []
    assert [*apps.keys(app(SUBSCRIBED)), *apps.keys(app({NOTIFYING: "[]"}))] == [KEY, KEY]


def test_a_project_that_subscribes_wakes_its_applications_then_and_from_then_on() -> None:
    apps, projects, *_ = NotificationController(GitOpsSettings()).watches
    assert list(projects.keys(project({}))) == []
    assert list(projects.keys(project(SUBSCRIBED))) == [OF_TEAM]
    assert [*apps.keys(app()), *apps.keys(app(project="other"))] == [KEY]
    assert [*projects.keys(project({})), *apps.keys(app())] == []


def test_a_config_map_wakes_all_and_may_subscribe_to_all() -> None:
    apps, _, words, *_ = NotificationController(GitOpsSettings()).watches
    assert [*words.keys(config_map()), *apps.keys(app())] == [EVERYBODY]
    subscriptions = "[{recipients: ['slack:releases'], triggers: [on-x]}]"
    assert [*words.keys(config_map(subscriptions=subscriptions)), *apps.keys(app())] == [EVERYBODY, KEY]

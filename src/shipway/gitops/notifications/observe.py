"""Gathers an Application that somebody wants to be told of, and the answers to what is being delivered."""

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS
from shipway.api.notifications import OF_APPLICATIONS
from shipway.gitops.customizations import CONFIG_MAP
from shipway.gitops.handover import ARGO_CD_NOTIFICATIONS, live_argo_cd, stance_towards
from shipway.gitops.project import DEFAULT
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, metadata, spec_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.notifications.asks import answers_to
from shipway.notifications.decide import ObservedNews
from shipway.notifications.settings import read_settings
from shipway.notifications.subscriptions import subscribes, subscriptions_of
from shipway.notifications.told import read_pending


def observe(key: ObjectKey, world: World, ours: GitOpsSettings) -> ObservedNews | None:
    """None: it is gone, of no interest to anybody, or told of by somebody else."""
    app = world.get(APPLICATIONS, key.namespace, key.name) if ours.serves(key.namespace) else None
    if app is None:
        return None
    settings = read_settings(world.get(CONFIG_MAPS, ours.namespace, OF_APPLICATIONS.config_map))
    project = world.get(APP_PROJECTS, ours.namespace, spec_of(app).get("project") or DEFAULT)
    pending = read_pending(app)
    may_be_subscribed = settings.for_all or any(subscribes(one) for one in (app, project) if one is not None)
    if not (pending or may_be_subscribed) or not _is_ours_to_tell_of(app, world, ours):
        return None
    return ObservedNews(
        resource=APPLICATIONS,
        obj=app,
        words=OF_APPLICATIONS,
        settings=settings,
        subscriptions=subscriptions_of(app, settings, also_on=project),
        names={"app": _told_of(app), "context": {"argocdUrl": _url(world, ours)}},
        answers=answers_to(pending, OF_APPLICATIONS, uid_of(app), world),
    )


def _is_ours_to_tell_of(app: Obj, world: World, ours: GitOpsSettings) -> bool:
    """An Argo CD that still sends its notifications tells of all Applications, whoever reconciles them."""
    if live_argo_cd(world, ARGO_CD_NOTIFICATIONS):
        return False
    return stance_towards(app, ours, live_argo_cd(world)).kind == "reconcile"


def _told_of(app: Obj) -> Obj:
    return {**app, "metadata": {key: value for key, value in metadata(app).items() if key != "managedFields"}}


def _url(world: World, ours: GitOpsSettings) -> str:
    """Where people look at Applications, as the team has set it for its Argo CD."""
    return dig(world.get(CONFIG_MAPS, ours.namespace, CONFIG_MAP), "data", "url", default="")

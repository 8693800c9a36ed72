"""Clouds as objects: Crossplane, AWS Controllers, Config Connector and Azure's operator, each a family of groups."""

from shipway.gitops.health.rules import Rule, condition, first_of, observed
from shipway.gitops.health.verdicts import Health, HealthStatus, degraded, healthy, progressing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, status_of

_CROSSPLANE_READY = ("Ready", "Healthy", "Offered", "Established", "ValidPipeline", "RevisionHealthy")
_WITHOUT_STATUS = frozenset(
    {
        "Composition",
        "CompositionRevision",
        "ControllerConfig",
        "DeploymentRuntimeConfig",
        "EnvironmentConfig",
        "ImageConfig",
        "ClusterProviderConfig",
        "ClusterProviderConfigUsage",
        "ProviderConfig",
        "ProviderConfigUsage",
        "StoreConfig",
    }
)
_CONFIG_CONNECTOR = frozenset({"ConfigConnector", "ConfigConnectorContext"})


def _crossplane(obj: Obj) -> Health:
    """The first telling condition decides, in the order in which the status lists them."""
    conditions = status_of(obj).get("conditions")
    if not conditions:
        is_settled = obj.get("kind") in _WITHOUT_STATUS
        return healthy("Up to date") if is_settled else progressing("Provisioning")
    for one in conditions:
        kind, status = one.get("type"), one.get("status")
        if kind in ("LastAsyncOperation", "Synced") and status == "False":
            return degraded(one.get("message", ""))
        if kind in _CROSSPLANE_READY and status == "True":
            return healthy("Up to date")
    return progressing("Provisioning")


def _config_connector_itself(obj: Obj) -> Health | None:
    """Google's operator tells of its own objects by a flag."""
    well = status_of(obj).get("healthy")
    if obj.get("kind") not in _CONFIG_CONNECTOR or well is None:
        return None
    return healthy() if well else degraded(dig(obj, "status", "errors", 0, default="Not healthy"))


def _reason(reason: str, health: HealthStatus) -> Rule:
    """Config Connector says everything by the reason of its one condition."""

    def judge(obj: Obj) -> Health | None:
        told = next((one for one in status_of(obj).get("conditions") or [] if one.get("reason") == reason), None)
        return Health(health, told.get("message", "")) if told else None

    return judge


FAMILIES: dict[str, Rule] = {
    "*.crossplane.io": _crossplane,
    "*.upbound.io": _crossplane,
    "*.services.k8s.aws": first_of(
        condition("ACK.Terminal", "True", "Degraded"),
        condition("Ready", "False", "Progressing"),
        condition("Ready", "True", "Healthy"),
        condition("ACK.ResourceSynced", "False", "Progressing"),
        condition("ACK.ResourceSynced", "True", "Healthy"),
        otherwise="Waiting for the resource",
    ),
    "*.cnrm.cloud.google.com": first_of(
        observed,
        _config_connector_itself,
        _reason("UpToDate", "Healthy"),
        _reason("UpdateFailed", "Degraded"),
        _reason("DependencyNotFound", "Degraded"),
        _reason("DependencyNotReady", "Suspended"),
        otherwise="Update in progress",
    ),
    "*.azure.com": first_of(
        condition("Ready", "True", "Healthy"),
        condition("Ready", "False", "Progressing", reasons=("Reconciling", "ReferenceNotFound", "SecretNotFound")),
        condition("Ready", "False", "Degraded"),
        otherwise="Waiting for the resource",
    ),
}

"""What serves and scales: Knative, Gateway API, KEDA, Prometheus, Karpenter's capacity."""

from collections.abc import Sequence

from shipway.gitops.health.rules import Rule, condition, first_of, phase, ready
from shipway.gitops.health.verdicts import Health, degraded, healthy, progressing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import status_of


def _knative(obj: Obj) -> Health:
    """Any condition that is False fails it, any that is Unknown keeps it waiting; each is told with its reason."""
    conditions = [one for one in status_of(obj).get("conditions") or [] if one.get("severity") != "Info"]
    told = "\n".join(_said(one) for one in conditions if one.get("status") in ("False", "Unknown"))
    if any(one.get("status") == "False" for one in conditions):
        return degraded(told)
    done = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return healthy() if done and not told else progressing(told or "Waiting for the status")


def _said(one: Obj) -> str:
    reason = f", since {one['reason']}." if one.get("reason") else ""
    message = f" {one['message']}" if one.get("message") else ""
    return f"{one.get('type')} is {one.get('status')}{reason}{message}"


def _gateway(obj: Obj) -> Health:
    """Degraded where the gateway or a listener is refused, Progressing until all of it is programmed."""
    listeners: Sequence[Obj] = status_of(obj).get("listeners") or []
    parts = [("", status_of(obj).get("conditions") or [])]
    parts += [(f"Listener {one.get('name', '')}: ", one.get("conditions") or []) for one in listeners]
    for name, conditions in parts:
        for kind in ("ResolvedRefs", "Accepted"):
            refused = next((one for one in conditions if one.get("type") == kind and one.get("status") == "False"), None)
            if refused:
                return degraded(name + (refused.get("message") or refused.get("reason") or kind))
        waiting = next((one for one in conditions if one.get("type") == "Programmed" and one.get("status") != "True"), None)
        if waiting:
            return progressing(name + (waiting.get("message") or "Waiting to be programmed"))
    return healthy() if any(conditions for _, conditions in parts) else progressing("Waiting for a gateway controller")


_AVAILABLE = first_of(
    condition("Available", "False", "Progressing", reasons=("SomePodsNotReady",)),
    condition("Available", "Degraded", "Degraded"),
    condition("Available", "False", "Degraded"),
    condition("Available", "True", "Healthy", message="All instances are available"),
    otherwise="Waiting for the first instance",
)

KINDS: dict[tuple[str, str], Rule] = {
    **{("serving.knative.dev", kind): _knative for kind in ("Service", "Configuration", "Revision", "Route")},
    ("eventing.knative.dev", "Broker"): _knative,
    ("eventing.knative.dev", "Trigger"): _knative,
    ("messaging.knative.dev", "Channel"): _knative,
    ("messaging.knative.dev", "Subscription"): _knative,
    ("gateway.networking.k8s.io", "Gateway"): _gateway,
    ("gateway.networking.k8s.io", "GatewayClass"): ready("Waiting for a gateway controller", kind="Accepted"),
    ("keda.sh", "ScaledObject"): first_of(
        condition("Ready", "False", "Degraded"),
        condition("Fallback", "True", "Degraded"),
        condition("Paused", "True", "Suspended"),
        condition("Ready", "True", "Healthy"),
        otherwise="Waiting for the autoscaler",
    ),
    ("keda.sh", "ScaledJob"): first_of(
        condition("Paused", "True", "Suspended"), ready("Waiting for the first check"), otherwise="Waiting for the first check"
    ),
    **{
        ("monitoring.coreos.com", kind): _AVAILABLE for kind in ("Prometheus", "Alertmanager", "ThanosRuler", "PrometheusAgent")
    },
    ("karpenter.sh", "NodePool"): first_of(
        condition("Ready", "False", "Degraded"),
        condition("Ready", "True", "Healthy"),
        condition("NodeClassReady", "False", "Degraded"),
        otherwise="Waiting for the NodePool",
    ),
    ("karpenter.sh", "NodeClaim"): first_of(
        condition("Launched", "False", "Degraded"),
        condition("Ready", "True", "Healthy"),
        otherwise="Waiting for the node",
    ),
    ("karpenter.k8s.aws", "EC2NodeClass"): ready("Waiting for the NodeClass"),
    ("jaegertracing.io", "Jaeger"): phase(
        "phase", healthy=("Running",), degraded=("Failed",), waiting="Waiting for the operator"
    ),
}

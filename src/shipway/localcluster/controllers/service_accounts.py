"""Every namespace has a `default` ServiceAccount and the cluster's CA certificate in the ConfigMap `kube-root-ca.crt`.

Both are made when a namespace appears and made again when somebody deletes them; a changed certificate is written anew.
"""

from msgspec import Struct

from shipway.api.kinds import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, name_of, namespace_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Action, Batch, Conclusion, Create, Decision, Outcome, Patch, Watch

ROOT_CA = "kube-root-ca.crt"
DEFAULT = "default"


class Observed(Struct, frozen=True):
    """A live namespace and the two things it must have."""

    namespace: Obj
    account: Obj | None = None
    root_ca: Obj | None = None


def decide(observed: Observed, ca_certificate: str) -> Decision:
    """Makes what is missing."""
    namespace, actions = name_of(observed.namespace), list[Action]()
    if observed.account is None:
        meta = {"namespace": namespace, "name": DEFAULT}
        actions.append(Create(SERVICE_ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}))
    if ca_certificate and observed.root_ca is None:
        meta = {"namespace": namespace, "name": ROOT_CA}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": ca_certificate}}
        actions.append(Create(CONFIG_MAPS, made))
    elif ca_certificate and dig(observed.root_ca, "data", "ca.crt") != ca_certificate:
        actions.append(Patch(CONFIG_MAPS, namespace, ROOT_CA, {"data": {"ca.crt": ca_certificate}}))
    return Decision((Batch(tuple(actions), on_failure="continue"),) if actions else ())


def _namespace_key(obj: Obj) -> tuple[ObjectKey, ...]:
    return (ObjectKey("", namespace_of(obj)),)


class ServiceAccountController:
    """Keeps what every namespace must have. `ca_certificate` is PEM; empty means that there is none to publish."""

    name = "service-account-controller"
    watches = (
        Watch(NAMESPACES, own_key),
        Watch(SERVICE_ACCOUNTS, _namespace_key, field_selector=f"metadata.name={DEFAULT}"),
        Watch(CONFIG_MAPS, _namespace_key, field_selector=f"metadata.name={ROOT_CA}"),
    )

    def __init__(self, ca_certificate: str = "") -> None:
        self._ca_certificate = ca_certificate

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        namespace = world.get(NAMESPACES, "", key.name)
        if namespace is None or is_deleting(namespace):
            return None
        account = world.get(SERVICE_ACCOUNTS, key.name, DEFAULT)
        return Observed(namespace, account, world.get(CONFIG_MAPS, key.name, ROOT_CA))

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, self._ca_certificate)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None

"""A cluster joins the fleet: what is made on it, for whom, with which rights; and the Secret that describes it.

    service account    shipway-manager, in kube-system unless somebody says otherwise
    rights             those of `deploy/managed.yaml`, or all of them where the user asks for that; everywhere, or by a Role in
                       each of the namespaces that are to be managed
    token              of a Secret that lives as long as the account; where nobody fills such Secrets in, of the API, for a year

Everything can be looked at before anything is written: `wanted_there` is what would be.
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from msgspec import Struct

from shipway.api.clusters import Cluster
from shipway.api.kinds import SECRETS, SERVICE_ACCOUNTS
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput
from shipway.base.ids import digest
from shipway.kube.client.client import Client
from shipway.kube.client.errors import ensure_ok
from shipway.kube.client.kubeconfig import ClusterConfig
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import name_of

ACCOUNT = "shipway-manager"
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False, False)
CLUSTER_ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False, False)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles", status_subresource=False)
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", status_subresource=False)
_ALL_RULE = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
_ALL = ["get", "list", "watch", "create", "patch", "delete"]
RIGHTS: tuple[tuple[str, tuple[str, ...], list[str]], ...] = (
    (
        "",
        (
            "namespaces",
            "configmaps",
            "secrets",
            "services",
            "serviceaccounts",
            "persistentvolumeclaims",
            "limitranges",
            "resourcequotas",
        ),
        _ALL,
    ),
    ("apps", ("deployments", "statefulsets", "daemonsets"), _ALL),
    ("batch", ("jobs", "cronjobs"), _ALL),
    ("autoscaling", ("horizontalpodautoscalers",), _ALL),
    ("policy", ("poddisruptionbudgets",), _ALL),
    ("networking.k8s.io", ("ingresses", "networkpolicies"), _ALL),
    ("gateway.networking.k8s.io", ("gateways", "httproutes", "grpcroutes"), _ALL),
    ("argoproj.io", ("applications", "rollouts", "analysistemplates", "clusteranalysistemplates"), _ALL),
    ("shipway.dev", ("verificationrules",), _ALL),
    ("", ("pods",), ["list", "watch"]),
    ("apiextensions.k8s.io", ("customresourcedefinitions",), ["list", "watch"]),
)
"""What most applications are made of, and which kinds there are. No RBAC objects, no definitions, no webhooks: who may write
those may do anything."""
WITHOUT_NAMESPACE = ("namespaces", "clusteranalysistemplates", "customresourcedefinitions")
"""Those of them that no Role can speak of."""
MANAGES = "shipway.dev/manages"
TOKEN_SECONDS = 365 * 24 * 3600
_TOKEN_PATIENCE = 5.0


class Joining(Struct, frozen=True):
    """How a cluster joins. `system`: the namespace of the account; `is_admin`: with all rights on everything; `reach`: what of
    the cluster is to be managed."""

    system: str = "kube-system"
    is_admin: bool = False
    reach: Reach = EVERYWHERE


def wanted_there(joining: Joining) -> list[tuple[Resource, Obj]]:
    """What is made on the cluster."""
    system = joining.system
    account = _obj(SERVICE_ACCOUNTS, {"name": ACCOUNT, "namespace": system})
    token = _obj(
        SECRETS,
        {"name": f"{ACCOUNT}-token", "namespace": system, "annotations": {"kubernetes.io/service-account.name": ACCOUNT}},
        type="kubernetes.io/service-account-token",
    )
    subject: Obj = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": system}
    return [(SERVICE_ACCOUNTS, account), (SECRETS, token), *_granted(joining, subject)]


def _granted(joining: Joining, subject: Obj) -> Iterator[tuple[Resource, Obj]]:
    """The rights and who has them."""
    reach = joining.reach
    if not reach.namespaces:
        roles = _admin_role() if joining.is_admin else _roles()
        yield from ((CLUSTER_ROLES, role) for role in roles)
        yield CLUSTER_ROLE_BINDINGS, _bound(CLUSTER_ROLE_BINDINGS, {"name": ACCOUNT}, roles[0], subject)
        return
    for namespace in reach.namespaces:
        place = {"name": ACCOUNT, "namespace": namespace}
        role = _obj(
            ROLES, place, rules=[_ALL_RULE] if joining.is_admin else _rules(lambda plural: plural not in WITHOUT_NAMESPACE)
        )
        yield ROLES, role
        yield ROLE_BINDINGS, _bound(ROLE_BINDINGS, place, role, subject)
    if reach.cluster_resources:
        rest = {"name": f"{ACCOUNT}-cluster-resources"}
        role = _obj(CLUSTER_ROLES, rest, rules=_rules(lambda plural: plural in WITHOUT_NAMESPACE))
        yield CLUSTER_ROLES, role
        yield CLUSTER_ROLE_BINDINGS, _bound(CLUSTER_ROLE_BINDINGS, rest, role, subject)


def _bound(resource: Resource, place: Obj, role: Obj, subject: Obj) -> Obj:
    ref = {"apiGroup": CLUSTER_ROLES.group, "kind": role["kind"], "name": name_of(role)}
    return _obj(resource, place, roleRef=ref, subjects=[subject])


async def join(there: Client, clock: Clock, joining: Joining) -> str:
    """Makes it, again if it is there already, and returns the account's token. Raises what the cluster refuses with."""
    for resource, obj in wanted_there(joining):
        await there.apply(resource, obj, manager=there.manager)
    return await _lasting_token(there, clock, joining) or await _token_for_a_year(there, joining)


def described(server_config: ClusterConfig, name: str, token: str, project: str, reach: Reach = EVERYWHERE) -> Cluster:
    """The cluster as its Secret will describe it: with the account's token, and nothing of the user's own login."""
    config = ClusterConfig(
        server_config.server,
        ca_data=ca_of(server_config),
        insecure=server_config.insecure,
        tls_server_name=server_config.tls_server_name,
        proxy_url=server_config.proxy_url,
        token=token,
    )
    return Cluster(config.server, name, project, secret_name(config.server), config, reach=reach)


def secret_name(server: str) -> str:
    """As Argo CD names it: the host, and a hash of the whole URL."""
    host = server.partition("://")[2].partition("/")[0].rpartition(":")[0] or server.partition("://")[2].partition("/")[0]
    return f"cluster-{host.strip('[]').replace(':', '-').lower()}-{digest(server, length=10)}"


def ca_of(config: ClusterConfig) -> bytes:
    """The authority's certificate. Raises InvalidInput where its file cannot be read."""
    if config.ca_data or not config.ca_file:
        return config.ca_data
    try:
        with open(config.ca_file, "rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidInput(f"certificate-authority {config.ca_file} cannot be read: {error}") from None


async def _lasting_token(there: Client, clock: Clock, joining: Joining) -> str:
    """Filled in by the cluster's own controllers; "" where nobody does."""
    deadline = clock.elapsed() + _TOKEN_PATIENCE
    while clock.elapsed() < deadline:
        found = await there.get(SECRETS, joining.system, f"{ACCOUNT}-token")
        if token := secret_values(found).get("token"):
            return token
        await clock.sleep(0.2)
    return ""


async def _token_for_a_year(there: Client, joining: Joining) -> str:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    path = SERVICE_ACCOUNTS.path(joining.system, ACCOUNT, "token")
    answer = await there.raw("POST", path, headers={"content-type": "application/json"}, body=orjson.dumps(body))
    ensure_ok(answer, f"ask for a token of {ACCOUNT}")
    return str(orjson.loads(answer.body)["status"]["token"])


def _roles() -> list[Obj]:
    """The one that is bound gathers every role with the label, so that rights can be added without us."""
    gathers = {"clusterRoleSelectors": [{"matchLabels": {MANAGES: "true"}}]}
    rules = _rules(lambda _: True)
    return [
        _obj(CLUSTER_ROLES, {"name": "shipway-managed"}, aggregationRule=gathers),
        _obj(CLUSTER_ROLES, {"name": "shipway-managed-common", "labels": {MANAGES: "true"}}, rules=rules),
    ]


def _rules(concerns: Callable[[str], bool]) -> list[Obj]:
    """`RIGHTS`, as far as they are about the plurals that `concerns` picks."""
    picked = ((group, [one for one in plurals if concerns(one)], verbs) for group, plurals, verbs in RIGHTS)
    return [{"apiGroups": [group], "resources": plurals, "verbs": verbs} for group, plurals, verbs in picked if plurals]


def _admin_role() -> list[Obj]:
    rules = [_ALL_RULE, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    return [_obj(CLUSTER_ROLES, {"name": f"{ACCOUNT}-admin"}, rules=rules)]


def _obj(resource: Resource, meta: Obj, **rest: Any) -> Obj:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, **rest}

"""The resource tree: what stands below what, how it is, and where its traffic goes."""

from collections.abc import Sequence

import pytest

from shipway.gitops.health import Health
from shipway.gitops.tree import Root, Tree, by_owner, roots_in, tree_of
from shipway.gitops.tree_details import Network, info_of, network_of
from shipway.kube.objects.resource import Obj, Ref, ref_of

OWNED_KINDS = {"ReplicaSet": "apps/v1", "Pod": "v1", "Deployment": "apps/v1", "StatefulSet": "apps/v1", "Service": "v1"}
API = {**OWNED_KINDS, "PersistentVolumeClaim": "v1", "Ingress": "networking.k8s.io/v1", "Certificate": "cert-manager.io/v1"}


def made(kind: str, name: str, *owners: str, **fields: object) -> Obj:
    """An object of the namespace shop; its uid is `Kind/name`, and so are its owners."""
    references = [
        {"apiVersion": API[o.split("/")[0]], "kind": o.split("/")[0], "name": o.split("/")[1], "uid": o} for o in owners
    ]
    meta = {"name": name, "namespace": "shop", "uid": f"{kind}/{name}", **({"ownerReferences": references} if owners else {})}
    return {"apiVersion": API[kind], "kind": kind, "metadata": meta, **fields}


def root(obj: Obj, sync: str = "Synced", health: Health | None = None) -> Root:
    return Root(ref_of(obj), "v1", sync, health, obj)


def outline(tree: Tree) -> list[str]:
    """`Kind/name` indented by depth."""
    below = tree.below

    def lines(nodes: Sequence[object], depth: int) -> list[str]:
        found: list[str] = []
        for node in nodes:
            found += [f"{'.' * depth}{node.ref.kind}/{node.ref.name}", *lines(below.get(node.uid, ()), depth + 1)]  # type: ignore[attr-defined]
        return found

    return lines(tree.tops, 0)


WEB = made("Deployment", "web")
SETS = [made("ReplicaSet", "web-1", "Deployment/web"), made("ReplicaSet", "web-2", "Deployment/web")]
PODS = [made("Pod", "web-2-b", "ReplicaSet/web-2"), made("Pod", "web-2-a", "ReplicaSet/web-2")]
OTHER = made("Pod", "stranger", "ReplicaSet/of-others")


def test_children_stand_below_their_owners_in_order_of_their_names() -> None:
    tree = tree_of([root(WEB), root(made("Service", "web"))], by_owner([*PODS, *SETS, OTHER]))
    assert outline(tree) == [
        "Deployment/web",
        ".ReplicaSet/web-1",
        ".ReplicaSet/web-2",
        "..Pod/web-2-a",
        "..Pod/web-2-b",
        "Service/web",
    ]


def test_what_is_managed_and_owned_stands_below_its_owner_and_keeps_its_state() -> None:
    pod = made("Pod", "bare", "Deployment/web")
    tree = tree_of([root(pod, "OutOfSync"), root(WEB)], by_owner([pod]))
    assert outline(tree) == ["Deployment/web", ".Pod/bare"]
    assert [node.sync for node in tree.nodes] == ["Synced", "OutOfSync"]


def test_a_circle_of_owners_ends() -> None:
    one, two = made("Pod", "one", "Pod/two"), made("Pod", "two", "Pod/one")
    assert sorted(outline(tree_of([root(one), root(two)], by_owner([one, two])))) == [".Pod/two", "Pod/one"]


def test_claims_of_a_stateful_set_belong_to_it_by_their_names() -> None:
    db = made("StatefulSet", "db", spec={"volumeClaimTemplates": [{"metadata": {"name": "data"}}]})
    claims = [made("PersistentVolumeClaim", name) for name in ("data-db-0", "data-db-1", "data-other-0", "data-db-x")]
    tree = tree_of([root(db)], by_owner(claims, [db]))
    assert outline(tree) == ["StatefulSet/db", ".PersistentVolumeClaim/data-db-0", ".PersistentVolumeClaim/data-db-1"]
    assert [parent.uid for parent in tree.nodes[1].parents] == ["StatefulSet/db"]


def test_the_engines_word_counts_for_what_is_managed_and_the_rules_for_the_rest() -> None:
    pod = made("Pod", "web-1-a", "Deployment/web", status={"phase": "Pending"})
    tree = tree_of([root(WEB, health=Health("Degraded", "by its script"))], by_owner([pod]))
    assert [(node.health.status, node.health.message) for node in tree.nodes if node.health] == [
        ("Degraded", "by its script"),
        ("Progressing", ""),
    ]


def test_what_is_not_there_is_missing() -> None:
    row = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web", "status": "OutOfSync"}
    (node,) = tree_of(roots_in({"status": {"resources": [row]}}), by_owner([])).nodes
    assert (node.ref, node.sync, node.health, node.is_live) == (
        Ref("apps", "Deployment", "shop", "web"),
        "OutOfSync",
        Health("Missing"),
        False,
    )


POD_STATUS = {
    "phase": "Running",
    "containerStatuses": [
        {"name": "web", "ready": False, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        {"name": "proxy", "ready": True, "restartCount": 0, "state": {"running": {}}},
    ],
}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (
            made("Pod", "a", spec={"nodeName": "n1", "containers": [{"name": "web"}, {"name": "proxy"}]}, status=POD_STATUS),
            {"Status Reason": "CrashLoopBackOff", "Node": "n1", "Containers": "1/2", "Restart Count": "3"},
        ),
        (
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {"annotations": {"deployment.kubernetes.io/revision": "7"}},
            },
            {"Revision": "Rev:7"},
        ),
        ({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {}, "revision": 2}, {"Revision": "Rev:2"}),
        (made("Service", "web"), {}),
    ],
    ids=["pod", "replica set", "controller revision", "service"],
)
def test_facts(obj: Obj, expected: dict[str, str]) -> None:
    assert dict(info_of(obj)) == expected


def balanced(host: str) -> Obj:
    return {"loadBalancer": {"ingress": [{"hostname": host}]}}


INGRESS = made(
    "Ingress",
    "web",
    spec={
        "defaultBackend": {"service": {"name": "fallback"}},
        "tls": [{"hosts": ["shop.example"]}],
        "rules": [
            {"host": "shop.example", "http": {"paths": [{"path": "/cart*", "backend": {"service": {"name": "cart"}}}]}},
            {"http": {"paths": [{"path": "/", "backend": {"service": {"name": "web"}}}]}},
        ],
    },
    status={"loadBalancer": {"ingress": [{"ip": "10.1.2.3"}]}},
)


def service(name: str, namespace: str = "shop") -> Ref:
    return Ref("", "Service", namespace, name)


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (made("Service", "web", spec={"selector": {"app": "web"}}), Network({"app": "web"})),
        (
            made("Service", "web", spec={"type": "LoadBalancer"}, status=balanced("lb.test")),
            Network(ingress=("lb.test",)),
        ),
        (
            INGRESS,
            Network(
                target_refs=(service("fallback"), service("cart"), service("web")),
                ingress=("10.1.2.3",),
                urls=("https://shop.example/cart", "http://10.1.2.3/"),
            ),
        ),
        (
            {
                "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"namespace": "shop"},
                "spec": {"http": [{"route": [{"destination": {"host": "web"}}, {"destination": {"host": "web.other.svc"}}]}]},
            },
            Network(target_refs=(service("web"), service("web", "other"))),
        ),
        (
            {
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"namespace": "shop"},
                "spec": {"rules": [{"backendRefs": [{"name": "stable"}, {"name": "canary"}]}]},
            },
            Network(target_refs=(service("stable"), service("canary"))),
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"annotations": {
                "link.argocd.argoproj.io/docs": "Docs|https://docs.test", "link.argocd.argoproj.io/bad": "javascript:alert(1)",
            }}},
            Network(urls=("Docs|https://docs.test",)),
        ),
        (made("Deployment", "web"), None),
    ],
    ids=["service", "load balancer", "ingress", "virtual service", "route", "links", "none"],
)  # fmt: skip
def test_where_traffic_goes(obj: Obj, expected: Network | None) -> None:
    assert network_of(obj) == expected

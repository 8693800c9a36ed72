"""A node of a resource tree as Argo CD writes it: what `shipway app tree -o json` prints, and what `argocd-server` reads."""

from shipway.gitops.tree import Node
from shipway.gitops.tree_details import Network
from shipway.kube.objects.resource import Obj, Ref


def node_document(node: Node) -> Obj:
    """Empty fields are left out, as Argo CD leaves them out."""
    whole: Obj = {
        **_reference(node.ref),
        "version": node.version,
        "uid": node.uid,
        "resourceVersion": node.resource_version,
        "createdAt": node.created,
        "parentRefs": [{**_reference(parent.ref), "uid": parent.uid} for parent in node.parents],
        "health": filled({"status": node.health.status, "message": node.health.message}) if node.health else {},
        "info": [{"name": name, "value": value} for name, value in node.info],
        "images": list(node.images),
        "networkingInfo": _network(node.network) if node.network else {},
    }
    return filled(whole)


def filled(fields: Obj) -> Obj:
    return {key: value for key, value in fields.items() if value}


def _reference(ref: Ref) -> Obj:
    return filled({"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name})


def _network(network: Network) -> Obj:
    return filled(
        {
            "targetLabels": network.target_labels,
            "targetRefs": [_reference(ref) for ref in network.target_refs],
            "labels": network.labels,
            "ingress": [_address(one) for one in network.ingress],
            "externalURLs": list(network.urls),
        }
    )


def _address(text: str) -> Obj:
    """As a load balancer states it: a name has letters, an address of either family has none beside its hexadecimal digits."""
    is_ip = ":" in text or text.replace(".", "").isdigit()
    return {"ip" if is_ip else "hostname": text}

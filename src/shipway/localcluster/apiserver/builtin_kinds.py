"""The built-in kinds, one line each: what charts, controllers and kubectl expect to find in every cluster."""

from shipway.localcluster.apiserver.registry import CREATE_ONLY, Kind, ScalePaths

_ALL = ("all",)
_EXT = ("api-extensions",)
_NO_COLLECTION = ("create", "delete", "get", "list", "patch", "update", "watch")
_SCALED = ScalePaths()
_ENDPOINTS = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


def _core(kind: str, plural: str, *short: str, **more: object) -> Kind:
    return _kind("", "v1", kind, plural, *short, **more)


def _kind(group: str, version: str, kind: str, plural: str, *short: str, **more: object) -> Kind:
    return Kind(group, version, kind, plural, short_names=short, singular=kind.lower(), **more)  # type: ignore[arg-type]


def _review(group: str, kind: str, plural: str, *, namespaced: bool = False) -> Kind:
    return _kind(group, "v1", kind, plural, namespaced=namespaced, verbs=CREATE_ONLY)


def core_kinds() -> tuple[Kind, ...]:
    """Group "" (`/api/v1`)."""
    return (
        _core("Binding", "bindings", verbs=CREATE_ONLY),
        _core("ConfigMap", "configmaps", "cm"),
        _core("Endpoints", "endpoints", "ep", deprecation=_ENDPOINTS, create_on_update=True),
        _core("Event", "events", "ev", create_on_update=True),
        _core("LimitRange", "limitranges", "limits", create_on_update=True),
        _core("Namespace", "namespaces", "ns", namespaced=False, verbs=_NO_COLLECTION, subresources=("finalize", "status")),
        _core("Node", "nodes", "no", namespaced=False, subresources=("status",)),
        _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subresources=("status",)),
        _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False, subresources=("status",)),
        _core(
            "Pod",
            "pods",
            "po",
            categories=_ALL,
            subresources=(
                "attach",
                "binding",
                "ephemeralcontainers",
                "eviction",
                "exec",
                "log",
                "portforward",
                "resize",
                "status",
            ),
            generation=True,
        ),
        _core("PodTemplate", "podtemplates", generation=True),
        _core(
            "ReplicationController",
            "replicationcontrollers",
            "rc",
            categories=_ALL,
            subresources=("scale", "status"),
            generation=True,
            scale=_SCALED,
        ),
        _core("ResourceQuota", "resourcequotas", "quota", subresources=("status",)),
        _core("Secret", "secrets"),
        _core("ServiceAccount", "serviceaccounts", "sa", subresources=("token",)),
        _core("Service", "services", "svc", categories=_ALL, subresources=("status",), create_on_update=True),
    )


def workload_kinds() -> tuple[Kind, ...]:
    """apps, batch, autoscaling and policy."""
    both = {"categories": _ALL, "subresources": ("scale", "status"), "generation": True, "scale": _SCALED}
    status = {"categories": _ALL, "subresources": ("status",), "generation": True}
    return (
        _kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
        _kind("apps", "v1", "DaemonSet", "daemonsets", "ds", **status),
        _kind("apps", "v1", "Deployment", "deployments", "deploy", **both),
        _kind("apps", "v1", "ReplicaSet", "replicasets", "rs", **both),
        _kind("apps", "v1", "StatefulSet", "statefulsets", "sts", **both),
        _kind("batch", "v1", "CronJob", "cronjobs", "cj", **status),
        _kind("batch", "v1", "Job", "jobs", **status),
        _kind(
            "autoscaling",
            "v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "hpa",
            categories=_ALL,
            subresources=("status",),
        ),
        _kind(
            "autoscaling",
            "v1",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "hpa",
            categories=_ALL,
            subresources=("status",),
        ),
        _kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", subresources=("status",), generation=True),
    )


def network_kinds() -> tuple[Kind, ...]:
    """discovery.k8s.io, networking.k8s.io, coordination.k8s.io and the second face of Event."""
    network = "networking.k8s.io"
    return (
        _kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", generation=True),
        _kind(network, "v1", "IngressClass", "ingressclasses", namespaced=False, generation=True),
        _kind(network, "v1", "Ingress", "ingresses", "ing", subresources=("status",), generation=True),
        _kind(network, "v1", "NetworkPolicy", "networkpolicies", "netpol", generation=True),
        _kind("coordination.k8s.io", "v1", "Lease", "leases", create_on_update=True),
        _kind("events.k8s.io", "v1", "Event", "events", "ev", storage=("", "events"), create_on_update=True),
        _kind("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", namespaced=False),
        _kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", namespaced=False, generation=True),
    )


def policy_kinds() -> tuple[Kind, ...]:
    """rbac, storage, admission registration, extension and the review kinds that are answered and never stored."""
    rbac, storage, access = "rbac.authorization.k8s.io", "storage.k8s.io", "authorization.k8s.io"
    admission = "admissionregistration.k8s.io"
    return (
        _kind(rbac, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False, create_on_update=True),
        _kind(rbac, "v1", "ClusterRole", "clusterroles", namespaced=False, create_on_update=True),
        _kind(rbac, "v1", "RoleBinding", "rolebindings", create_on_update=True),
        _kind(rbac, "v1", "Role", "roles", create_on_update=True),
        _kind(storage, "v1", "StorageClass", "storageclasses", "sc", namespaced=False),
        _kind(storage, "v1", "CSIDriver", "csidrivers", namespaced=False),
        _kind(
            admission,
            "v1",
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            namespaced=False,
            categories=_EXT,
            generation=True,
        ),
        _kind(
            admission,
            "v1",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            namespaced=False,
            categories=_EXT,
            generation=True,
        ),
        _kind(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "crd",
            "crds",
            namespaced=False,
            categories=_EXT,
            subresources=("status",),
            generation=True,
        ),
        _review("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews"),
        _review("authentication.k8s.io", "TokenReview", "tokenreviews"),
        _review(access, "LocalSubjectAccessReview", "localsubjectaccessreviews", namespaced=True),
        _review(access, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        _review(access, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        _review(access, "SubjectAccessReview", "subjectaccessreviews"),
    )


def stored_kinds() -> tuple[Kind, ...]:
    """Kinds that nothing here acts on: they are stored, so that Go controllers and charts that know them find them."""
    network, storage, devices = "networking.k8s.io", "storage.k8s.io", "resource.k8s.io"
    admission, certificates = "admissionregistration.k8s.io", "certificates.k8s.io"
    cluster = {"namespaced": False}
    with_status = {"subresources": ("status",)}
    rule = {"namespaced": False, "categories": _EXT, "generation": True}
    return (
        _kind(network, "v1", "IPAddress", "ipaddresses", "ip", **cluster),
        _kind(network, "v1", "ServiceCIDR", "servicecidrs", **cluster, **with_status),
        _kind(storage, "v1", "CSINode", "csinodes", **cluster),
        _kind(storage, "v1", "CSIStorageCapacity", "csistoragecapacities"),
        _kind(storage, "v1", "VolumeAttachment", "volumeattachments", **cluster, **with_status),
        _kind(storage, "v1", "VolumeAttributesClass", "volumeattributesclasses", "vac", **cluster),
        _kind(admission, "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", **rule),
        _kind(admission, "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", **rule),
        _kind(admission, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", **rule, **with_status),
        _kind(admission, "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", **rule),
        _kind(
            certificates,
            "v1",
            "CertificateSigningRequest",
            "certificatesigningrequests",
            "csr",
            subresources=("approval", "status"),
            **cluster,
        ),
        _kind(devices, "v1", "DeviceClass", "deviceclasses", generation=True, **cluster),
        _kind(devices, "v1", "ResourceClaim", "resourceclaims", **with_status),
        _kind(devices, "v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
        _kind(devices, "v1", "ResourceSlice", "resourceslices", generation=True, **cluster),
    )


def builtin_kinds() -> tuple[Kind, ...]:
    return core_kinds() + workload_kinds() + network_kinds() + policy_kinds() + stored_kinds()

"""Defaults of the kinds that nothing here acts on: volumes, drivers, webhooks, admission policies, device claims."""

from shipway.kube.objects.resource import Obj

_DRIVER = {
    "attachRequired": True,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "podInfoOnMount": False,
    "requiresRepublish": False,
    "seLinuxMount": False,
    "storageCapacity": False,
    "volumeLifecycleModes": ["Persistent"],
}
_MATCH = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}


def persistent_volume(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    if path := spec.get("hostPath"):
        path.setdefault("type", "")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def csi_driver(obj: Obj) -> None:
    _fill(obj.setdefault("spec", {}), _DRIVER)


def _fill(obj: Obj, defaults: Obj) -> None:
    for name, value in defaults.items():
        if obj.get(name) is None:
            obj[name] = value.copy() if isinstance(value, dict | list) else value


def _scopes(rules: list[Obj] | None) -> None:
    for rule in rules or []:
        rule.setdefault("scope", "*")


def validating_webhooks(obj: Obj) -> None:
    for hook in obj.get("webhooks") or []:
        _fill(hook, {"failurePolicy": "Fail", **_MATCH, "timeoutSeconds": 10})
        _scopes(hook.get("rules"))
        if service := (hook.get("clientConfig") or {}).get("service"):
            service.setdefault("port", 443)


def mutating_webhooks(obj: Obj) -> None:
    validating_webhooks(obj)
    for hook in obj.get("webhooks") or []:
        hook.setdefault("reinvocationPolicy", "Never")


def admission_policy(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    _match(spec.get("matchConstraints"))


def admission_policy_binding(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _match(spec.get("matchResources"))
    if reference := spec.get("paramRef"):
        reference.setdefault("parameterNotFoundAction", "Deny")


def _match(match: Obj | None) -> None:
    if match is not None:
        _fill(match, _MATCH)
        _scopes(match.get("resourceRules"))
        _scopes(match.get("excludeResourceRules"))


def resource_claim(obj: Obj) -> None:
    _devices(obj.get("spec") or {})


def resource_claim_template(obj: Obj) -> None:
    _devices((obj.get("spec") or {}).get("spec") or {})


def _devices(spec: Obj) -> None:
    for request in (spec.get("devices") or {}).get("requests") or []:
        wishes: list[Obj] = [*filter(None, [request.get("exactly")]), *(request.get("firstAvailable") or [])]
        for wanted in wishes:
            wanted.setdefault("allocationMode", "ExactCount")
            if wanted["allocationMode"] == "ExactCount":
                wanted.setdefault("count", 1)

"""What may be a name, a label, an annotation, a finalizer: the syntax rules of apimachinery with their texts."""

import re
from collections.abc import Callable

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.problems import FieldProblem, invalid_value, required, too_long
from shipway.localcluster.apiserver.registry import Kind

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end "
    "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
    "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def label_errors(name: str) -> list[str]:
    """Why `name` is no RFC 1123 label."""
    if "." in name:
        return ["must not contain dots"]
    return _errors(name, _LABEL, LABEL_TEXT, 63)


def label_1035_errors(name: str) -> list[str]:
    return _errors(name, _LABEL_1035, LABEL_1035_TEXT, 63)


def subdomain_errors(name: str) -> list[str]:
    return _errors(name, _SUBDOMAIN, SUBDOMAIN_TEXT, 253)


def path_segment_errors(name: str) -> list[str]:
    """Names of RBAC objects: anything that can stand in a URL path."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in name]


def _errors(name: str, pattern: re.Pattern[str], text: str, limit: int) -> list[str]:
    errors = [f"must be no more than {limit} characters"] if len(name) > limit else []
    return errors if pattern.fullmatch(name) else [*errors, text]


def qualified_errors(name: str) -> list[str]:
    """Why `name` is no qualified name (`prefix/name`), as label keys, annotations and finalizers must be."""
    prefix, slash, last = name.rpartition("/")
    errors: list[str] = []
    if "/" in prefix:
        return [
            f"a qualified name {QUALIFIED_TEXT[10:]} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if slash:
        errors += [f"prefix part {text}" for text in (subdomain_errors(prefix) if prefix else ["must be non-empty"])]
    if not last:
        errors.append("name part must be non-empty")
    elif len(last) > 63:
        errors.append("name part must be no more than 63 bytes")
    if not _QUALIFIED.fullmatch(last):
        errors.append(QUALIFIED_TEXT)
    return errors


def label_value_errors(value: str) -> list[str]:
    return _errors(value, _VALUE, VALUE_TEXT, 63)


_RULES: dict[tuple[str, str], Callable[[str], list[str]]] = {
    ("", "Namespace"): label_errors,
    ("", "Service"): label_errors,
    ("rbac.authorization.k8s.io", "Role"): path_segment_errors,
    ("rbac.authorization.k8s.io", "RoleBinding"): path_segment_errors,
    ("rbac.authorization.k8s.io", "ClusterRole"): path_segment_errors,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): path_segment_errors,
}


def metadata_problems(kind: Kind, metadata: Obj) -> list[FieldProblem]:
    """What is wrong with an object's metadata."""
    name = metadata.get("name") or ""
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    rule = _RULES.get(kind.group_kind, subdomain_errors)
    problems = [invalid_value("metadata.name", name, text) for text in rule(name)]
    problems += label_problems(metadata.get("labels") or {}, "metadata.labels")
    problems += annotation_problems(metadata.get("annotations") or {}, "metadata.annotations")
    problems += _owner_problems(metadata.get("ownerReferences") or [])
    finalizers = metadata.get("finalizers") or []
    problems += _finalizer_problems(finalizers)
    return problems + ([] if kind.crd else _unqualified(finalizers))


def label_problems(labels: dict[str, str], field: str) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    for key, value in labels.items():
        problems += [invalid_value(field, key, text) for text in qualified_errors(key)]
        problems += [invalid_value(field, value, text) for text in label_value_errors(value)]
    return problems


def annotation_problems(annotations: dict[str, str], field: str) -> list[FieldProblem]:
    problems = [invalid_value(field, key, text) for key in annotations for text in qualified_errors(key.lower())]
    if sum(len(key) + len(value.encode()) for key, value in annotations.items()) > 256 * 1024:
        problems.append(too_long(field, 256 * 1024))
    return problems


_OWNER_FIELDS = (
    ("apiVersion", "version must not be empty"),
    ("kind", "must not be empty"),
    ("name", "must not be empty"),
    ("uid", "must not be empty"),
)


def _owner_problems(references: list[Obj]) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    controllers: list[str] = []
    for reference in references:
        for field, text in _OWNER_FIELDS:
            if not reference.get(field):
                problems.append(invalid_value(f"metadata.ownerReferences.{field}", reference.get(field) or "", text))
        if (reference.get("apiVersion"), reference.get("kind")) in (("v1", "Event"), ("events.k8s.io/v1", "Event")):
            group = (reference["apiVersion"].rpartition("/")[0]) or ""
            version = reference["apiVersion"].rpartition("/")[2]
            text = f"{group}/{version}, Kind=Event is disallowed from being an owner"
            problems.append(invalid_value("metadata.ownerReferences", reference, text))
        if reference.get("controller"):
            controllers.append(f"{reference.get('kind')}/{reference.get('name')}")
    if len(controllers) > 1:
        found = f"{controllers[0]} and {controllers[1]}"
        text = f'Only one reference can have Controller set to true. Found "true" in references for {found}'
        problems.append(invalid_value("metadata.ownerReferences", references, text))
    return problems


_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def _finalizer_problems(finalizers: list[str]) -> list[FieldProblem]:
    problems = [invalid_value("metadata.finalizers", name, text) for name in finalizers for text in qualified_errors(name)]
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        problems.append(invalid_value("metadata.finalizers", finalizers, text))
    return problems


def _unqualified(finalizers: list[str]) -> list[FieldProblem]:
    """Built-in kinds want finalizers to be known or to have a prefix."""
    text = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        invalid_value(f"metadata.finalizers[{index}]", name, text)
        for index, name in enumerate(finalizers)
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]

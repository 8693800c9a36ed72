"""CustomResourceDefinitions: names, versions, and a structural schema for each version."""

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.structural import structural_problems
from shipway.localcluster.apiserver.naming import label_1035_errors, subdomain_errors
from shipway.localcluster.apiserver.problems import FieldProblem, invalid_value, not_supported, required
from shipway.localcluster.apiserver.rules.compiled import definition_problems


def custom_resource_definition(obj: Obj) -> list[FieldProblem]:
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name") or ""
    names, group = spec.get("names") or {}, spec.get("group") or ""
    problems: list[FieldProblem] = []
    expected = f"{names.get('plural') or ''}.{group}"
    if name != expected:
        problems.append(invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if not group:
        problems.append(required("spec.group"))
    else:
        problems += [invalid_value("spec.group", group, text) for text in subdomain_errors(group)]
        if "." not in group:
            problems.append(invalid_value("spec.group", group, "should be a domain with at least one dot"))
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        problem = (
            required("spec.scope")
            if not spec.get("scope")
            else not_supported("spec.scope", spec["scope"], ("Cluster", "Namespaced"))
        )
        problems.append(problem)
    if spec.get("preserveUnknownFields"):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        problems.append(invalid_value("spec.preserveUnknownFields", True, text))
    return problems + _names(names) + _versions(spec.get("versions") or [])


def _names(names: Obj) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            problems.append(required(f"spec.names.{field}"))
        else:
            where = f"spec.names.{field}"
            problems += [invalid_value(where, names[field], text) for text in label_1035_errors(names[field].lower())]
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        problems.append(invalid_value("spec.names.listKind", names["listKind"], "kind and listKind may not be the same"))
    return problems


def _versions(versions: list[Obj]) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    if not versions:
        problems.append(required("spec.versions"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        problems.append(invalid_value("spec.versions", versions, text))
    seen: set[str] = set()
    for index, version in enumerate(versions):
        where, name = f"spec.versions[{index}]", version.get("name") or ""
        problems += [invalid_value(f"{where}.name", name, text) for text in label_1035_errors(name)]
        if name in seen:
            problems.append(invalid_value("spec.versions", versions, "must contain unique version names"))
        seen.add(name)
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            problems.append(required(f"{where}.schema.openAPIV3Schema", "schemas are required"))
    return problems + _schemas(versions)


def _schemas(versions: list[Obj]) -> list[FieldProblem]:
    """Schema problems. When all versions share one schema, a real server speaks of `spec.validation`."""
    schemas = [(version.get("schema") or {}).get("openAPIV3Schema") for version in versions]
    if schemas and all(schema == schemas[0] for schema in schemas):
        return _schema(schemas[0], "spec.validation.openAPIV3Schema")
    found: list[FieldProblem] = []
    for index, schema in enumerate(schemas):
        found += _schema(schema, f"spec.versions[{index}].schema.openAPIV3Schema")
    return found


def _schema(schema: Obj | None, where: str) -> list[FieldProblem]:
    if not schema:
        return []
    found = [FieldProblem(f"{where}.{p.path}", p.type, p.detail) for p in structural_problems(schema)]
    return found or [FieldProblem(f"{where}.{p.field}", p.reason, p.message) for p in definition_problems(schema)]


def custom_resource_definition_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    before, after = live.get("spec") or {}, obj.get("spec") or {}
    problems: list[FieldProblem] = []
    for field in ("group", "scope"):
        if before.get(field) != after.get(field):
            problems.append(invalid_value(f"spec.{field}", after.get(field), "field is immutable"))
    for field in ("plural", "kind"):
        was, becomes = (before.get("names") or {}).get(field), (after.get("names") or {}).get(field)
        if was != becomes:
            problems.append(invalid_value(f"spec.names.{field}", becomes, "field is immutable"))
    return problems

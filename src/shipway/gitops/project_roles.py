"""Roles of an AppProject: Casbin rows are read and judged by Argo CD's rules, so that a wrong one is told early.

    p, proj:<project>:<role>, <resource>, <action>, <project>[/<namespace>]/<application>, allow|deny

Who is let in by them is decided where requests come in, not here.
"""

import re
from collections.abc import Iterator

from shipway.api.application import ProjectRole

_RESOURCES = ("applications", "applicationsets", "repositories", "exec", "logs", "clusters")
_ACTIONS = frozenset({"get", "create", "update", "delete", "sync", "override", "*"})
_REFINED = ("action/", "update/", "delete/")
_NAME = re.compile(r"[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?")


def role_problems(project: str, role: ProjectRole) -> Iterator[str]:
    """What is wrong with a role, each as `field: reason`."""
    if not _NAME.fullmatch(role.name):
        yield (
            f"name: invalid role name '{role.name}'. Must consist of alphanumeric characters, '-' or '_', and must start and "
            "end with an alphanumeric character"
        )
    for index, policy in enumerate(role.policies or ()):
        if told := policy_problem(project, role.name, policy):
            yield f"policies[{index}]: invalid policy rule '{policy}': {told}"
    for index, group in enumerate(role.groups or ()):
        if told := _group_problem(group):
            yield f"groups[{index}]: group '{group}' {told}"


def policy_problem(project: str, role: str, policy: str) -> str:
    """Why a row cannot work; "" when it can."""
    parts = [part.strip(" ") for part in policy.split(",")]
    if len(parts) != 6 or parts[0] != "p":
        return "must be of the form: 'p, sub, res, act, obj, eft'"
    _, subject, resource, action, target, effect = parts
    if subject != f"proj:{project}:{role}":
        return f"policy subject must be: 'proj:{project}:{role}', not '{subject}'"
    if resource not in _RESOURCES:
        known = ", ".join(f"'{name}'" for name in _RESOURCES[:-1])
        return f"project resource must be: {known} or '{_RESOURCES[-1]}', not '{resource}'"
    if action not in _ACTIONS and not action.startswith(_REFINED):
        return f"invalid action '{action}'"
    if not re.fullmatch(rf"{re.escape(project)}(/[*\w.-]+)?/[*\w.-]+", target):
        forms = f"'{project}/*', '{project}[/<NAMESPACE>]/<APPNAME>' or '{project}/<APPNAME>'"
        return f"object must be of form {forms}, not '{target}'"
    return "" if effect in ("allow", "deny") else "effect must be: 'allow' or 'deny'"


def _group_problem(group: str) -> str:
    name = group.strip()
    is_quoted = len(name) > 1 and name.startswith('"') and name.endswith('"')
    bare = name[1:-1] if is_quoted else name
    if not bare:
        return "is empty"
    if "," in bare and not is_quoted:
        return "must be quoted"
    if re.search(r'["\n\r\t]', bare):
        return "contains invalid characters"
    if group != name:
        return f"contains a {'leading' if group[0].isspace() else 'trailing'} space"
    return ""

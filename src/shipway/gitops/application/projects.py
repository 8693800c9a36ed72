"""Remembers AppProjects as they were read and judged, so that a pass of one application does not do it again.

Only a memory: it can be dropped at any moment. An entry counts for one version of the project.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import ProjectSpec, parse_project
from shipway.api.signatures import SignaturePolicy, policy_of
from shipway.base.errors import InvalidInput
from shipway.gitops.change_rights import ChangeRights, rights_of
from shipway.gitops.global_projects import inheriting
from shipway.gitops.project import problems, requires_reason
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, resource_version_of, uid_of


class ReadProject(Struct, frozen=True):
    """`spec` is None while the project itself is wrong; `error` says what to mend."""

    spec: ProjectSpec | None
    error: str = ""
    signatures: SignaturePolicy = SignaturePolicy()
    rights: ChangeRights | None = None
    needs_reason: bool = False


class Projects:
    """AppProjects by name, read once per version."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[str, str], ReadProject]] = {}

    def with_parents(self, project: Obj, parents: Sequence[Obj]) -> ReadProject:
        """The project as its applications see it, with what it inherits. A parent that is wrong is as if it were itself."""
        own = self.read(project)
        read = [(name_of(parent), self.read(parent)) for parent in parents]
        errors = [one.error for one in (own, *(parent for _, parent in read)) if one.spec is None]
        if errors or own.spec is None:
            return ReadProject(None, "; ".join(errors))
        spec = inheriting(own.spec, [(name, one.spec) for name, one in read if one.spec is not None])
        return replace(own, spec=spec, needs_reason=own.needs_reason or any(one.needs_reason for _, one in read))

    def read(self, project: Obj) -> ReadProject:
        """The project by itself."""
        name, version = name_of(project), (uid_of(project), resource_version_of(project))
        kept = self._kept.get(name)
        if kept is None or kept[0] != version:
            kept = self._kept[name] = (version, _read(project, name))
        return kept[1]

    def forget(self, name: str) -> None:
        """A project that is gone."""
        self._kept.pop(name, None)


def _read(project: Obj, name: str) -> ReadProject:
    try:
        spec = parse_project(project)
        signatures, rights = policy_of(project, spec), rights_of(project)
    except InvalidInput as error:
        return ReadProject(None, f"AppProject {name}: {error.message}")
    wrong = problems(spec, name)
    if wrong:
        return ReadProject(None, "; ".join(wrong))
    return ReadProject(spec, signatures=signatures, rights=rights, needs_reason=requires_reason(project))

"""The SCM provider generator: one entry a branch of the repositories of an organization at GitHub, GitLab or Gitea."""

from collections.abc import Sequence

from shipway.api.applicationset import ScmFilter, ScmGenerator
from shipway.api.forges import Branch, BranchesQuery, BranchFilter
from shipway.appsets.asks import BranchesAsk
from shipway.appsets.generators.clusters import with_values
from shipway.appsets.generators.forge import EVERY, only_forge, permitted_by
from shipway.appsets.scene import Params, Scene, bounded
from shipway.base.errors import InvalidInput
from shipway.base.names import safe_name


def entries_of_scm(block: ScmGenerator, scene: Scene, given: Params, where: str) -> list[Params]:
    """What there is; nothing while that is not known. Raises InvalidInput for a block that names no forge we know,
    or one that may not be asked."""
    query = _query(block, where)
    terms = permitted_by(scene, query.api, where)
    ask = BranchesAsk(query, scene.namespace, float(block.requeue_after_seconds or EVERY), terms)
    found: Sequence[Branch] | None = scene.ask(ask, where)
    if not found:
        scene.empty.append(where)
        return []
    bounded(len(found), where)
    return with_values([_entry(one) for one in found], block.values, scene, given, where)


def _query(block: ScmGenerator, where: str) -> BranchesQuery:
    kind, one = only_forge(block.github, block.gitlab, block.gitea, where)
    if block.clone_protocol not in ("", "ssh", "https"):
        raise InvalidInput(f"{where}.cloneProtocol: {block.clone_protocol!r} is neither ssh nor https")
    place = {"github": one.organization, "gitlab": one.group, "gitea": one.owner if one.api else ""}[kind]
    if not place:
        needed = {"github": "organization", "gitlab": "group", "gitea": "owner and api"}[kind]
        raise InvalidInput(f"{where}.{kind}: it needs {needed}")
    token = one.token_ref
    return BranchesQuery(
        kind=kind,
        organization=place,
        api=one.api,
        all_branches=one.all_branches,
        clone_protocol=block.clone_protocol,
        include_subgroups=one.include_subgroups,
        include_shared=one.include_shared_projects is not False,
        topic=one.topic,
        filters=tuple(_filter(each) for each in block.filters or ()),
        secret=token.secret_name if token else "",
        key=token.key if token else "",
        app_secret=one.app_secret_name,
        is_insecure=one.insecure,
    )


def _filter(each: ScmFilter) -> BranchFilter:
    return BranchFilter(
        repository=each.repository_match or "",
        label=each.label_match or "",
        branch=each.branch_match or "",
        paths_exist=each.paths_exist or (),
        paths_do_not_exist=each.paths_do_not_exist or (),
    )


def _entry(one: Branch) -> Params:
    return {
        "organization": one.organization,
        "repository": one.repository,
        "repository_id": one.repository_id,
        "url": one.url,
        "branch": one.branch,
        "branchNormalized": safe_name(one.branch),
        "sha": one.sha,
        "short_sha": one.sha[:8],
        "short_sha_7": one.sha[:7],
        "labels": ",".join(one.labels),
    }

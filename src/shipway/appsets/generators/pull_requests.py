"""The pull request generator: one entry for each that is open at GitHub, GitLab or Gitea and passes a filter."""

from collections.abc import Sequence

from shipway.api.applicationset import PullRequestFilter, PullRequestGenerator
from shipway.api.forges import PullRequest, PullRequestsQuery
from shipway.appsets.asks import PullRequestsAsk
from shipway.appsets.generators.clusters import with_values
from shipway.appsets.generators.forge import EVERY, only_forge, permitted_by
from shipway.appsets.scene import Params, Scene, bounded
from shipway.base.errors import InvalidInput, NotFound
from shipway.base.globs import glob_or_regex
from shipway.base.names import slug


def entries_of_pull_requests(block: PullRequestGenerator, scene: Scene, given: Params, where: str) -> list[Params]:
    """What is open; nothing while that is not known. Raises InvalidInput for a block that names no forge we know,
    or one that may not be asked."""
    query = _query(block, where)
    terms = permitted_by(scene, query.api, where)
    ask = PullRequestsAsk(query, scene.namespace, float(block.requeue_after_seconds or EVERY), terms)
    tolerated = (NotFound,) if block.continue_on_repo_not_found_error else ()
    found: Sequence[PullRequest] | None = scene.ask(ask, where, tolerated=tolerated)
    if not found:
        scene.empty.append(where)
        return []
    bounded(len(found), where)
    picked = [one for one in found if not block.filters or any(_passes(one, each) for each in block.filters)]
    return with_values([_entry(one, scene) for one in picked], block.values, scene, given, where)


def _query(block: PullRequestGenerator, where: str) -> PullRequestsQuery:
    kind, one = only_forge(block.github, block.gitlab, block.gitea, where)
    repo = str(one.project) if kind == "gitlab" else one.repo
    if not repo or (kind != "gitlab" and not one.owner) or (kind == "gitea" and not one.api):
        needed = {"gitlab": "project", "github": "owner and repo", "gitea": "owner, repo and api"}[kind]
        raise InvalidInput(f"{where}.{kind}: it needs {needed}")
    token = one.token_ref
    return PullRequestsQuery(
        kind=kind,
        owner="" if kind == "gitlab" else one.owner,
        repo=repo,
        api=one.api,
        labels=one.labels or (),
        state=one.pull_request_state,
        secret=token.secret_name if token else "",
        key=token.key if token else "",
        app_secret=one.app_secret_name,
        is_insecure=one.insecure,
    )


def _passes(one: PullRequest, each: PullRequestFilter) -> bool:
    wanted = ((each.branch_match, one.branch), (each.target_branch_match, one.target_branch), (each.title_match, one.title))
    return all(glob_or_regex(f"/{pattern}/")(text) for pattern, text in wanted if pattern)


def _entry(one: PullRequest, scene: Scene) -> Params:
    known: Params = {
        "number": str(one.number),
        "title": one.title,
        "branch": one.branch,
        "branch_slug": slug(one.branch),
        "target_branch": one.target_branch,
        "target_branch_slug": slug(one.target_branch),
        "head_sha": one.head_sha,
        "head_short_sha": one.head_sha[:8],
        "head_short_sha_7": one.head_sha[:7],
        "author": one.author,
    }
    return {**known, "labels": list(one.labels)} if scene.dialect.is_go else known

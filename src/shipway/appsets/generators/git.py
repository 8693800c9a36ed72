"""The git generator: one entry a folder, or one a file (one for each element of a list in it).

The mirrors answer, and answer anew only when what the patterns pick has changed: a push elsewhere is no news. Where an
AppProject asks who signed what is synced, nothing is read of a commit that none of them has signed.
"""

from typing import Any

import orjson

from shipway.api.applicationset import GitGenerator
from shipway.api.listings import Listed, Listing, ListingRequest
from shipway.appsets.asks import ListingAsk
from shipway.appsets.generators.clusters import with_values
from shipway.appsets.parameters import flat, path_parameters
from shipway.appsets.scene import FROM_PARAMS, Params, Scene, bounded
from shipway.base.errors import InvalidInput


def entries_of_git(block: GitGenerator, scene: Scene, given: Params, where: str) -> list[Params]:
    """What the repository holds; nothing while that is not known. Raises InvalidInput for a block that asks nothing, and for
    an AppProject that does not say who has to sign."""
    patterns = block.directories or block.files
    if not patterns:
        raise InvalidInput(f"{where}: it needs directories or files")
    what = "folders" if block.directories else "files"
    terms = scene.around.terms
    request = ListingRequest(
        block.repo_url,
        block.revision or "HEAD",
        what,
        patterns,
        signed_by=scene.signers(block.repo_url, where),
        stars_stop=terms.stars_stop and what == "files",
        project=scene.login(),
        with_hidden=terms.with_hidden and what == "folders",
    )
    listing: Listing | None = scene.ask(ListingAsk(request, float(block.requeue_after_seconds or terms.requeue)), where)
    if listing is None:
        return []
    if not listing.found:
        scene.empty.append(where)
    bounded(len(listing.found), where)
    if block.directories:
        entries = [path_parameters(one.path, block.path_param_prefix, scene.dialect) for one in listing.found]
    else:
        entries = [entry for one in listing.found for entry in _of_file(one, block, scene, where)]
    bounded(len(entries), where)
    return with_values(entries, block.values, scene, given, where)


def _of_file(file: Listed, block: GitGenerator, scene: Scene, where: str) -> list[Params]:
    if file.error:
        scene.problem(FROM_PARAMS, f"{where}: file {file.path}: {file.error}")
        return []
    folder, _, name = file.path.rpartition("/")
    about = path_parameters(folder, block.path_param_prefix, scene.dialect, name)
    documents: list[dict[str, Any]] = orjson.loads(file.documents)
    return [{**(one if scene.dialect.is_go else dict(flat(one))), **about} for one in documents]

"""May what Git wants be synced at all? What the project says of who signed it.

It is compared all the same, so that everybody sees what waits; only no operation applies it. A question that is not answered
yet lets nothing through, and an answer that could not be had neither.
"""

import re

from shipway.api.commits import SignatureRequest
from shipway.gitops.application.projects import ReadProject
from shipway.gitops.application.target import Checks, Part, Target
from shipway.gitops.asks import SignatureAsk
from shipway.gitops.signatures import refusal_of_signature, unsigned
from shipway.kube.runtime.controller import World

CHECKED = ("ComparisonError",)
"""The conditions that tell of a refusal."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


def checks_of(world: World, target: Target, project: ReadProject) -> Checks:
    """As far as the answers have arrived."""
    if not project.signatures.is_required:
        return Checks()
    found = [_signed(world, part, project) for part in target.parts if part.head]
    return Checks(
        tuple(ask for one in found for ask in one.asks),
        tuple(dict.fromkeys(problem for one in found for problem in one.problems)),
        any(one.is_pending for one in found),
    )


def _signed(world: World, part: Part, project: ReadProject) -> Checks:
    """Whether an allowed key has signed what one source stands at."""
    assert part.head is not None
    revision = part.revision or "HEAD"
    if not _COMMIT.fullmatch(part.head.commit):  # a chart, an artifact
        return Checks(problems=(("ComparisonError", unsigned(revision)),))
    ask = SignatureAsk(SignatureRequest(part.source.get("repoURL", ""), part.head.commit, part.head.tag))
    answer = world.answer(ask)
    if answer is None or (answer.value is None and answer.error is None):
        return Checks((ask,), is_pending=True)
    if answer.value is None:
        told = answer.error.message if answer.error else ""
        return Checks((ask,), (("ComparisonError", f"Could not verify commit signature on revision '{revision}': {told}"),))
    refusal = refusal_of_signature(project.signatures, answer.value, revision)
    return Checks((ask,), (("ComparisonError", refusal),) if refusal else ())

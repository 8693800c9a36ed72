"""What the generators that look at a forge have in common: which forge a block names, whether it may be asked, how often."""

from typing import TypeVar

from shipway.api.applicationset import ForgeOrganization, ForgeRepository
from shipway.api.forges import ForgeKind, ForgeTerms
from shipway.appsets.scene import Scene
from shipway.base.errors import InvalidInput

EVERY = 1800.0
"""Seconds between two looks, as in Argo CD; a webhook does not wait for them."""

Block = TypeVar("Block", ForgeRepository, ForgeOrganization)


def permitted_by(scene: Scene, api: str, where: str) -> ForgeTerms:
    """The terms on which the forge at `api` is asked. Raises InvalidInput where it may not be."""
    terms = scene.around.terms.forges
    if refusal := terms.refusal(api, scene.namespace, scene.around.home):
        raise InvalidInput(f"{where}: {refusal}")
    return terms


def only_forge(github: Block | None, gitlab: Block | None, gitea: Block | None, where: str) -> tuple[ForgeKind, Block]:
    """The one forge that a generator names. Raises InvalidInput where it names none or several, or a GitHub App elsewhere."""
    named: list[tuple[ForgeKind, Block | None]] = [("github", github), ("gitlab", gitlab), ("gitea", gitea)]
    found: list[tuple[ForgeKind, Block]] = [(kind, one) for kind, one in named if one is not None]
    if len(found) != 1:
        raise InvalidInput(f"{where}: it needs exactly one of github, gitlab, gitea (Shipway has no other forge yet)")
    kind, one = found[0]
    if one.app_secret_name and kind != "github":
        raise InvalidInput(f"{where}.{kind}.appSecretName: only GitHub has Apps; give a tokenRef")
    return kind, one

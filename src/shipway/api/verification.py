"""The VerificationRule kind (`shipway.dev/v1alpha1`): which analyses judge every Rollout with certain labels, and when.

A rule without templates brings no judge of its own: it asks that each Rollout it selects has one.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from shipway.api.rollout import TemplateRef
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, spec_of

At = Literal["Canary", "BeforePromotion", "AfterPromotion"]


class Rule(Struct, frozen=True, rename="camel", omit_defaults=True):
    """`at`: beside the update; before the new version has all traffic; while it has, before the old one is let go.

    `selector` (metav1.LabelSelector; None: all) is asked of a Rollout's labels, `namespaces` are globs. `args` are written as
    in a Rollout's analysis. `required`: without its templates no update starts.
    """

    name: str = ""
    selector: Obj | None = None
    namespaces: tuple[str, ...] = ()
    at: tuple[At, ...] = ("Canary",)
    templates: tuple[TemplateRef, ...] = ()
    args: tuple[Obj, ...] = ()
    required: bool = True


def read_rule(obj: Obj) -> Rule:
    """Raises ValueError whose text begins with the field's path."""
    try:
        rule = msgspec.convert(spec_of(obj), Rule)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        raise ValueError(f"spec{path.rstrip('`')}: {text}") from None
    return msgspec.structs.replace(rule, name=name_of(obj), at=tuple(dict.fromkeys(rule.at)))

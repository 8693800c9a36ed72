"""Who acts and why: what every act on an Application says to the ledger, and whether it has to give a reason.

An act is told in the very write that does it, so that neither comes without the other. The engine writes it down.
"""

import getpass
from typing import Annotated

from cyclopts import Parameter

from shipway.api.application import control_namespace_of
from shipway.assembly.projects import wants_reason
from shipway.base.clock import rfc3339
from shipway.base.errors import InvalidInput
from shipway.cli.session import Session
from shipway.gitops.annotations import REQUIRE_REASON
from shipway.gitops.ledger import act
from shipway.gitops.operation import REASON
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of

ReasonFlag = Annotated[str, Parameter(show_default=False)]


def person() -> str:
    """Who sits here, as far as this machine knows."""
    return getpass.getuser()


def info_of(reason: str) -> list[Obj]:
    """The entry of an operation that says why."""
    return [{"name": REASON, "value": reason}] if reason else []


async def check_reason(session: Session, application: Obj, reason: str) -> None:
    """Raises InvalidInput (NoReason) where its project asks for one. A project that may not be read asks for nothing here."""
    if reason.strip() or not await wants_reason(session.client, application):
        return
    name = f"{control_namespace_of(application)}/{spec_of(application).get('project') or 'default'}"
    raise InvalidInput(f"AppProject {name} asks for a reason ({REQUIRE_REASON}): say --reason TEXT", reason="NoReason")


def told(session: Session, application: Obj, verb: str, reason: str, what: str = "") -> Obj:
    """The annotations that tell of an act, to be written in one with it onto this version of the Application."""
    at = rfc3339(session.clock.now())
    return act(application, verb, by=person(), at=at, reason=reason.strip(), what=what)

"""What one evaluation of a set looks at, and what it learns on the way: answers, problems, what is not known yet.

Generators and templates ask through here. A question without an answer makes the evaluation pending; a problem is named
and costs no more than the entries it concerns.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import orjson
from msgspec import Struct

from shipway.api.application import parse_project
from shipway.api.signatures import SignaturePolicy, key_problems, policy_of
from shipway.api.templates import Filled, Template
from shipway.appsets.asks import FillAsk, canonical
from shipway.appsets.terms import Terms
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import resource_version_of, uid_of
from shipway.kube.runtime.decision import Answer, Ask

Params = dict[str, Any]
"""One entry: nested with Go templates, flat texts without."""
Reason = Literal[
    "ApplicationGenerationFromParamsError", "RenderTemplateParamsError", "ApplicationValidationError", "ErrorOccurred"
]
FROM_PARAMS: Reason = "ApplicationGenerationFromParamsError"
RENDERING: Reason = "RenderTemplateParamsError"
VALIDATION: Reason = "ApplicationValidationError"
MAX_ENTRIES = 20_000
"""What one set may generate; the state of every one of them stands in one object."""


class Problem(Struct, frozen=True):
    """What went wrong, under the reason that users of Argo CD know."""

    reason: Reason
    message: str


class PassedOver(Struct, frozen=True):
    """What a generator leaves out without holding anything back: `why` as a part of a sentence, and the names."""

    where: str
    why: str
    names: tuple[str, ...]


class Dialect(Struct, frozen=True):
    """How the texts of a set are templates."""

    is_go: bool
    options: tuple[str, ...] = ()


class Surroundings(Struct, frozen=True):
    """What a set finds around it: the namespace of the installation (`home`), the Secrets that describe clusters, AppProjects
    by name, and the terms of all sets."""

    home: str
    clusters: Sequence[Obj]
    project: Callable[[str], Obj | None]
    terms: Terms = Terms()


class Scene:
    """`around` is what the installation has; `answer` gives what is known of an ask; the names are the set's."""

    def __init__(
        self,
        dialect: Dialect,
        around: Surroundings,
        answer: Callable[[Ask], Answer | None],
        namespace: str = "",
        name: str = "",
    ) -> None:
        self.dialect = dialect
        self.namespace = namespace
        self.name = name
        self.around = around
        self._answer = answer
        self.projects: tuple[str, ...] = ()
        """For which AppProjects the generator at hand works, as far as no template has to say it."""
        self.seen_projects: dict[str, str] = {}
        """Which versions of AppProjects were looked at, "" for one that is not there."""
        self.asks: dict[Ask, Answer | None] = {}
        self.problems: list[Problem] = []
        self.empty: list[str] = []
        """Generators that look at the outside and found nothing there."""
        self.passed_over: list[PassedOver] = []
        self.seen_clusters: list[Params] = []

    @property
    def is_pending(self) -> bool:
        return any(answer is None for answer in self.asks.values())

    def problem(self, reason: Reason, message: str) -> None:
        self.problems.append(Problem(reason, message))

    def ask(self, ask: Ask, where: str, reason: Reason = FROM_PARAMS, tolerated: tuple[type[ShipwayError], ...] = ()) -> Any:
        """The last good answer, None without one; the error of the latest try is a problem unless it is `tolerated`."""
        if ask not in self.asks:
            self.asks[ask] = self._answer(ask)
            answer = self.asks[ask]
            if answer is not None and answer.error is not None and not isinstance(answer.error, tolerated):
                self.problem(reason, f"{where}: {answer.error.message}")
        answer = self.asks[ask]
        return answer.value if answer else None

    def signers(self, repo_url: str, where: str) -> tuple[SignaturePolicy, ...]:
        """Whose signature a commit of the repository needs before the generator at `where` may read it.

        Raises InvalidInput for a project that is not there, or wrong."""
        try:
            asked = [self._policy(name).of(repo_url) for name in self.projects]
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error.message}") from None
        return tuple(dict.fromkeys(one for one in asked if one.is_required))

    def login(self) -> str:
        """For which AppProject a repository is read, so that its logins count. Raises as `signers` does.

        "" where a template has to say it, and for a set of a namespace whose Applications may not use the project."""
        if not self.projects:
            return ""
        name = self.projects[0]
        return name if self.namespace == self.around.home or parse_project(self._project(name)).serves(self.namespace) else ""

    def has_project(self, name: str) -> bool:
        """Whether the installation has such an AppProject."""
        found = self.around.project(name)
        self.seen_projects[name] = version_of(found)
        return found is not None

    def _policy(self, name: str) -> SignaturePolicy:
        found = self._project(name)
        try:
            spec = parse_project(found)
            wrong, policy = "; ".join(key_problems(spec)), policy_of(found, spec)
        except InvalidInput as error:
            raise InvalidInput(f"AppProject {name}: {error.message}") from None
        if wrong:
            raise InvalidInput(f"AppProject {name}: {wrong}")
        return policy

    def _project(self, name: str) -> Obj:
        found = self.around.project(name)
        self.seen_projects[name] = version_of(found)
        if found is None:
            raise InvalidInput(f'error getting project {name}: appprojects.argoproj.io "{name}" not found')
        return found

    def fill(self, template: Any, entries: Sequence[Params], where: str, patch: str = "") -> list[Any]:
        """The template for each entry; None for one that failed or is not known yet."""
        body = canonical(template)
        if not entries or (not patch and b"{{" not in body):
            return [template] * len(entries)
        spelled = [canonical(entry) for entry in entries]
        wanted = tuple(dict.fromkeys(spelled))
        ask = FillAsk(Template(body, self.dialect.is_go, self.dialect.options, patch), wanted)
        answers: Sequence[Filled] | None = self.ask(ask, where, RENDERING)
        if answers is None:
            return [None] * len(entries)
        by_entry = {entry: self._filled(one, entry, where) for entry, one in zip(wanted, answers, strict=True)}
        return [by_entry[entry] for entry in spelled]

    def _filled(self, one: Filled, entry: bytes, where: str) -> Any:
        if one.error:
            self.problem(RENDERING, f"{where}: {one.error} (for the parameters {_short(entry)})")
            return None
        return orjson.loads(one.body)


def version_of(obj: Obj | None) -> str:
    """By which two looks at an object are told apart; "" for none."""
    return f"{uid_of(obj)} {resource_version_of(obj)}" if obj is not None else ""


def bounded(count: int, where: str) -> None:
    """Raises InvalidInput for more entries than one set may have."""
    if count > MAX_ENTRIES:
        raise InvalidInput(f"{where}: {count:,} entries are more than {MAX_ENTRIES:,}: divide them among several sets")


def _short(entry: bytes) -> str:
    text = entry.decode()
    return text if len(text) <= 200 else f"{text[:200]}…"

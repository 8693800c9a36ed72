"""The flags of `shipway run` as one value, refused before anything is opened when they cannot work."""

from pathlib import Path

from msgspec import Struct

from shipway.base.durations import parse_span
from shipway.base.errors import InvalidInput
from shipway.base.globs import glob_or_regex
from shipway.gitops.timing import Timing
from shipway.kube.client.pacing import Limits

DAY = 86400.0
ENGINES = ("gitops", "rollouts", "appsets")


class RunSettings(Struct, frozen=True):
    """The flags of `shipway run`; `listen` is host:port, port 0 for any free one.

    `application_namespaces`: globs of further namespaces whose Applications are served; None: as `argocd-cmd-params-cm` says
    it, and the `timing` (`cmd_params.py`). `allow_local`: repositories on this machine too. Whoever may write an Application
    could read all that we can, so only where both are the same person.
    `by_invitation`: only Applications that carry our label are reconciled, the others reported. `is_shared`: replicas share the
    work instead of standing by. `plugins`: the folder in which plugins are declared. `history`: the URL of a PostgreSQL server,
    secret; "": a file in `cache`. `ledger_keep`: how long the ledger's entries are kept, like 400d; "": for ever.
    `argocd_cache`: host:port at which `argocd-server` finds its cache; "": nowhere.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "argocd"
    application_namespaces: tuple[str, ...] | None = None
    timing: Timing = Timing()
    engines: tuple[str, ...] = ENGINES
    install_crds: bool = False
    listen: str = "127.0.0.1:8080"
    instance_id: str = ""
    is_read_only: bool = False
    by_invitation: bool = False
    cache: Path = Path(".cache")
    lease_seconds: int = 12
    is_shared: bool = False
    allow_local: bool = False
    limits: Limits | None = None
    plugins: Path | None = None
    history: str = ""
    ledger_keep: str = ""
    argocd_cache: str = ""


def check_engines(engines: tuple[str, ...]) -> None:
    """Raises InvalidInput for an engine that does not exist, and for none at all."""
    choice = f"choose among {', '.join(ENGINES)}"
    unknown = sorted(set(engines) - set(ENGINES))
    if unknown:
        raise InvalidInput(f"unknown engine {', '.join(unknown)}: {choice}")
    if not engines:
        raise InvalidInput(f"no engine to run: {choice}")


def check_namespaces(patterns: tuple[str, ...]) -> None:
    """Raises InvalidInput for a pattern that is none."""
    for pattern in patterns:
        glob_or_regex(pattern)


def check_history(url: str) -> None:
    """Raises InvalidInput, which quotes nothing, for a URL of a history that cannot work."""
    if url:
        from shipway.adapters.history.postgres import terms_of  # a driver that few need

        terms_of(url)


def seconds_of_ledger(keep: str) -> float:
    """How long the entries of the ledger are kept; 0: for ever. Raises InvalidInput for less than a day, which is a slip."""
    try:
        seconds = parse_span(keep) if keep else 0.0
    except ValueError as error:
        raise InvalidInput(f"--ledger-keep: {error}") from None
    if keep and seconds < DAY:
        raise InvalidInput(f"--ledger-keep {keep} is less than a day: give for instance 400d, or leave it out to keep all")
    return seconds


def check_argocd_cache(settings: RunSettings) -> None:
    """Raises InvalidInput for an address that is none, and where nobody could work out what is asked there."""
    if not settings.argocd_cache:
        return
    listen_address(settings.argocd_cache, "--argocd-cache")
    if "gitops" not in settings.engines:
        raise InvalidInput("--argocd-cache shows what the engine gitops sees: add it to --engines, or leave the flag out")


def listen_address(listen: str, flag: str = "--listen") -> tuple[str, int]:
    """Host and port of `host:port`, `[v6]:port` or `:port` (this machine only). Raises InvalidInput."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InvalidInput(f"{flag} {listen!r} is not HOST:PORT: give for instance 127.0.0.1:8080 or 0.0.0.0:8080")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)

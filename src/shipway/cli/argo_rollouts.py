"""`kubectl argo rollouts`: the plugin of Argo Rollouts 1.9 over again, so that scripts written for it go on as they are.

kubectl finds it as a program called kubectl-argo-rollouts. Verbs, flags, columns, messages and exit codes are Argo's (every
failure is 1), and so is the way flags are read; what is done is what `shipway rollout` does. Names may also be written as
kubectl takes them, like rollout/web. Where the two differ is told in docs/cli.md.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from msgspec import Struct

from shipway import __version__
from shipway.api.kinds import ANALYSIS_RUNS, EXPERIMENTS
from shipway.base.errors import InvalidInput, ShipwayError, expected_in
from shipway.cli import argo_rollouts_files as files
from shipway.cli import argo_rollouts_verbs as verbs
from shipway.cli.argo_rollouts_flags import Flag, Line, read_line
from shipway.cli.argo_rollouts_verbs import Call
from shipway.cli.session import Place, Session, connected
from shipway.rollouts import actions

LIKE = "1.9.1"
"""The plugin that this one is held against."""
PROGRAM = "kubectl-argo-rollouts"
ROLLOUT, EXPERIMENT, RUN = (
    ("rollout", "ro", "rollouts"),
    ("experiment", "exp", "experiments"),
    ("analysisrun", "ar", "analysisruns"),
)
KINDS = {
    spelled: names[0] for names in (ROLLOUT, EXPERIMENT, RUN) for name in names for spelled in (name, f"{name}.argoproj.io")
}

Opened = Callable[[Place | None], AbstractAsyncContextManager[Session]]

HELP = Flag("help", "h", "switch", "Print this.")
WATCH = Flag("watch", "w", "switch", "Look on while it changes; status does unless --watch=false.")
PLAIN = Flag("no-color", kind="switch", text="Without colours.")
GLOBAL = (
    Flag("namespace", "n", text="The namespace; that of the context otherwise."),
    Flag("context", text="The context of the kubeconfig."),
    Flag("kubeconfig", text="The kubeconfig file."),
    Flag("loglevel", text="Taken and without effect."),
    Flag("kloglevel", "v", text="Taken and without effect."),
    Flag("cache-dir", text="Taken and without effect."),
    Flag("disable-compression", kind="switch", text="Taken and without effect."),
    HELP,
)
REFUSED = tuple(
    Flag(name, short)
    for name, short in (
        ("as", ""), ("as-group", ""), ("as-uid", ""), ("certificate-authority", ""), ("client-certificate", ""),
        ("client-key", ""), ("cluster", ""), ("insecure-skip-tls-verify", ""), ("request-timeout", ""), ("server", "s"),
        ("tls-server-name", ""), ("token", ""), ("user", ""),
    )
)  # fmt: skip
"""Flags of the plugin that would change who asks whom: refused, because to leave them out would ask somebody else."""
GROUPS = ("get", "list", "retry", "set", "terminate")
ABSENT = {
    "notifications": "templates and triggers cannot be tried out here: subscribe a Rollout, its events say what is wrong",
}
COMPLETIONS = {
    "bash": """_argo_rollouts() {
  local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=($(compgen -W "$(PROGRAM __complete "${words[@]}")" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _argo_rollouts PROGRAM
""",
    "zsh": """#compdef PROGRAM
_argo_rollouts() { compadd -- $(PROGRAM __complete "${words[@]:1}") }
compdef _argo_rollouts PROGRAM
""",
    "fish": """complete -c PROGRAM -f -a \\
  '(PROGRAM __complete (commandline -opc)[2..-1] (commandline -ct | string collect --allow-empty))'
""",
}
"""Each asks the program what may come next."""


class Verb(Struct, frozen=True):
    """One command, which asks a cluster (`run`) or none (`local`). `most` None: any number of names."""

    path: str
    run: Callable[[Call], Awaitable[int]] | None
    text: str
    operands: str = ""
    fewest: int = 0
    most: int | None = 0
    flags: tuple[Flag, ...] = ()
    needed: str = ""
    """A flag it cannot do without."""
    local: Callable[[Line], int] | None = None

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.path.split())

    @property
    def usage(self) -> str:
        return " ".join(part for part in (PROGRAM, self.path, self.operands, "[flags]") if part)

    def takes(self, operands: Sequence[str], flags: Mapping[str, Any]) -> bool:
        """Whether it can be run with these."""
        is_short = len(operands) < self.fewest or bool(self.needed and self.needed not in flags)
        return not is_short and (self.most is None or len(operands) <= self.most)


def version(line: Line) -> int:
    """`version [--short]`: whose verbs these are, and whose program."""
    print(f"{PROGRAM}: v{LIKE}+shipway.{__version__}")
    if not line.flags.get("short"):
        print(f"  Shipway: {__version__}")
    return 0


def completion(line: Line) -> int:
    """`completion bash|zsh|fish`: a script that asks `__complete` what may come next."""
    if len(line.words) != 1:
        raise InvalidInput(f"accepts 1 arg(s), received {len(line.words)}")
    if line.words[0] not in COMPLETIONS:
        raise InvalidInput(f'invalid argument "{line.words[0]}" for "{PROGRAM} completion": there are {", ".join(COMPLETIONS)}')
    sys.stdout.write(COMPLETIONS[line.words[0]].replace("PROGRAM", PROGRAM))
    return 0


VERBS = (
    Verb("get rollout", verbs.get_rollout, "Show a Rollout as a tree.", "ROLLOUT_NAME", 1, 1,
         (WATCH, PLAIN, Flag("timeout-seconds", kind="number", text="Stop looking after so many seconds."))),
    Verb("get experiment", verbs.get_experiment, "Show an Experiment as a tree.", "EXPERIMENT_NAME", 1, 1, (WATCH, PLAIN)),
    Verb("list rollout", verbs.list_rollouts, "List Rollouts.", most=None, flags=(
        WATCH, Flag("all-namespaces", "A", "switch", "Of all namespaces."), Flag("name", text="Only this one."),
        Flag("timestamps", kind="switch", text="With the time of each line."))),
    Verb("list experiment", verbs.list_experiments, "List Experiments.", most=None,
         flags=(Flag("all-namespaces", "A", "switch", "Of all namespaces."),)),
    Verb("status", verbs.status, "Wait until a Rollout is Healthy (0) or Degraded (1).", "ROLLOUT_NAME", 1, 1,
         (WATCH, Flag("timeout", "t", "duration", "Give up after this long, like 60s; 0 means never."))),
    Verb("promote", verbs.promote, "Resume a paused Rollout, or go on to its next step.", "ROLLOUT_NAME", 1, 1,
         (Flag("full", kind="switch", text="Skip what is left of steps, pauses and analyses."),)),
    Verb("abort", verbs.acting(actions.abort, "aborted"), "Take all traffic back to the stable version.",
         "ROLLOUT_NAME", 1, None),
    Verb("pause", verbs.acting(actions.pause, "paused"), "Stop an update where it is.", "ROLLOUT_NAME", 1, None),
    Verb("retry rollout", verbs.acting(actions.retry, "retried"), "Begin an aborted update again.", "ROLLOUT_NAME", 1, None),
    Verb("retry experiment", verbs.patching(EXPERIMENTS, {"status": None}, "experiment '{}' retried"),
         "Begin an Experiment again.", "EXPERIMENT_NAME", 1, None),
    Verb("undo", verbs.undo_rollout, "Go back to an earlier revision.", "ROLLOUT_NAME", 1, 1,
         (Flag("to-revision", kind="number", text="The revision; 0 means the one before."),)),
    Verb("restart", verbs.restart, "Replace every pod.", "ROLLOUT", 1, 1,
         (Flag("in", "i", text="Wait this long before, like 10s."),)),
    Verb("set image", verbs.set_image, "Set images, which begins an update.", "ROLLOUT_NAME CONTAINER=IMAGE", 2, None),
    Verb("terminate analysisrun", verbs.patching(ANALYSIS_RUNS, {"spec": {"terminate": True}}, "analysisRun '{}' terminated"),
         "End an AnalysisRun.", "ANALYSISRUN_NAME", 1, None),
    Verb("terminate experiment", verbs.patching(EXPERIMENTS, {"spec": {"terminate": True}}, "experiment '{}' terminated"),
         "End an Experiment.", "EXPERIMENT_NAME", 1, None),
    Verb("lint", None, "Check the Rollouts of a file.", needed="filename", local=files.lint,
         flags=(Flag("filename", "f", "list", "A file; may be given again."),)),
    Verb("create", files.create, "Create what files hold.", needed="filename",
         flags=(Flag("filename", "f", "list", "A file; may be given again."), WATCH, PLAIN)),
    Verb("create analysisrun", files.create_run, "Measure once by a template.", flags=(
        Flag("from", text="A template in the cluster."), Flag("from-file", text="A template in a file."),
        Flag("global", kind="switch", text="It is a ClusterAnalysisTemplate."),
        Flag("argument", "a", "list", "NAME=VALUE; may be given again."), Flag("name", text="The name of the run."),
        Flag("generate-name", text="How its name begins."), Flag("instance-id", text="The instance that is to run it."))),
    Verb("dashboard", verbs.dashboard, "Serve the page of Rollouts on this machine.", flags=(
        Flag("port", "p", "number", "The port, 3100 unless given."),
        Flag("root-path", text="The path of the page, rollouts unless given."))),
    Verb("version", None, "Say which version this is.", flags=(Flag("short", kind="switch", text="In one line."),), most=None,
         local=version),
    Verb("completion", None, "Print the completion script of a shell.", "bash|zsh|fish", most=None, local=completion),
)  # fmt: skip
EVERY_FLAG = tuple({flag.name: flag for verb in VERBS for flag in verb.flags}.values()) + GLOBAL + REFUSED
BY_LENGTH = sorted(VERBS, key=lambda verb: -len(verb.path.split()))
"""`create analysisrun` before `create`."""


async def perform(arguments: Sequence[str], opened: Opened) -> int:
    """One command and its exit code; `opened` makes the session of one that asks a cluster. Raises ShipwayError."""
    if arguments and arguments[0] == "__complete":
        print("\n".join(candidates(arguments[1:])))
        return 0
    line = read_line(arguments, EVERY_FLAG)
    asks_help = bool(line.flags.get("help")) or line.words[:1] == ("help",)
    path = _spelled_out(line.words[1:] if line.words[:1] == ("help",) else line.words)
    verb = next((verb for verb in BY_LENGTH if path[: len(verb.words)] == verb.words), None)
    if verb is None:
        return _astray(path, asks_help)
    if asks_help:
        print(_help(verb))
        return 0
    for name in line.flags:
        if name not in {flag.name for flag in (*verb.flags, *GLOBAL)}:
            raise InvalidInput(_refusal(name))
    operands = tuple(_bare(word) for word in path[len(verb.words) :])
    if not verb.takes(operands, line.flags):
        print(_help(verb), file=sys.stderr)
        return 1
    if verb.local is not None:
        return verb.local(Line(operands, line.flags))
    assert verb.run is not None
    async with opened(_place(line.flags)) as session:
        return await verb.run(Call(session, operands, line.flags))


def candidates(words: Sequence[str]) -> list[str]:
    """What may stand for the last of `words`: commands, or the flags of the one that stands there."""
    before = _spelled_out([word for word in words[:-1] if not word.startswith("-")])
    if words and words[-1].startswith("-"):
        verb = next((verb for verb in BY_LENGTH if before[: len(verb.words)] == verb.words), None)
        return sorted(f"--{flag.name}" for flag in (*(verb.flags if verb else ()), *GLOBAL))
    return sorted({v.words[len(before)] for v in VERBS if len(v.words) > len(before) and v.words[: len(before)] == before})


def _spelled_out(words: Sequence[str]) -> tuple[str, ...]:
    """Words with the kind in one spelling: `get ro x` and `get rollout/x` are `get rollout x`."""
    kind, slash, name = words[1].partition("/") if len(words) > 1 else ("", "", "")
    if not words or words[0] not in (*GROUPS, "create") or kind not in KINDS:
        return tuple(words)
    return (words[0], KINDS[kind], *((name,) if slash else ()), *words[2:])


def _bare(name: str) -> str:
    """`rollout/web` as `web`."""
    kind, slash, rest = name.partition("/")
    return rest if slash and kind in KINDS and "=" not in kind else name


def _place(flags: Mapping[str, Any]) -> Place:
    kubeconfig = flags.get("kubeconfig")
    return Place(flags.get("namespace", ""), flags.get("context", ""), Path(kubeconfig) if kubeconfig else None)


def _refusal(name: str) -> str:
    if name in {flag.name for flag in REFUSED}:
        return f"--{name} is not taken here: put it into a kubeconfig and name that with --kubeconfig or --context"
    return f"unknown flag: --{name}"


def _astray(path: tuple[str, ...], asks_help: bool) -> int:
    """No command stands there: help where it was asked for, else what there is, or what is wrong, as a failure."""
    if path and path[0] in ABSENT:
        raise InvalidInput(ABSENT[path[0]])
    if path and path[0] not in GROUPS:
        raise InvalidInput(f'unknown command "{path[0]}" for "{PROGRAM}"\nRun \'{PROGRAM} --help\' for usage.')
    shown = [verb for verb in VERBS if not path or verb.words[0] == path[0]]
    usage = [f"Usage:\n  {' '.join((PROGRAM, *path[:1]))} COMMAND [flags]", "", "Commands:"]
    lines = [*usage, *(f"  {verb.path:<22}{verb.text}" for verb in shown)]
    print("\n".join(lines), file=sys.stdout if asks_help else sys.stderr)
    return 0 if asks_help else 1


def _help(verb: Verb) -> str:
    flags = [f"  {flag.spelled:<26}{flag.text}" for flag in (*verb.flags, *GLOBAL)]
    return "\n".join([f"Usage:\n  {verb.usage}", "", verb.text, "", "Flags:", *flags])


def run(arguments: Sequence[str]) -> int:
    """One command against the cluster of the kubeconfig: every failure is one line and 1."""
    try:
        return asyncio.run(perform(arguments, connected))
    except KeyboardInterrupt:
        return 130
    except (ShipwayError, BrokenPipeError, BaseExceptionGroup) as error:
        if isinstance(error, BrokenPipeError) or (
            isinstance(error, BaseExceptionGroup) and not error.split(BrokenPipeError)[1]
        ):
            sys.stdout = None  # whoever read has enough
            return 0
        expected = expected_in(error)
        if expected is None:
            raise
        print(f"Error: {expected.message}", file=sys.stderr)
        return 1


def main() -> None:
    """The entry point of `kubectl-argo-rollouts`."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

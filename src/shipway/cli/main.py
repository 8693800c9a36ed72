"""`shipway`: one module per noun. Exit codes are those of `base.errors`; 1 means "the answer is no"."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

from shipway import __version__
from shipway.base.errors import ShipwayError, expected_in, verdict

HELP = 'From "a commit exists" to "it is safely live everywhere, and we can say who, what, when and why".'
COMMANDS = {
    "demo": ("shipway.cli.demo:demo", "Watch a release move real traffic, and a bad one thrown out by its own metrics."),
    "up": ("shipway.cli.up:up", "Start an embedded Kubernetes with Shipway in it."),
    "down": ("shipway.cli.up:down", "Stop what `shipway up --detach` left running."),
    "run": ("shipway.cli.run:run", "Reconcile Applications and Rollouts of a cluster until stopped."),
    "app": ("shipway.cli.app:app", "Applications: what should be live, and whether it is."),
    "proj": ("shipway.cli.proj:app", "Projects: what their Applications may deploy, from where, to where and when."),
    "appset": ("shipway.cli.appset:app", "ApplicationSets: which Applications there should be."),
    "repo": ("shipway.cli.repo:app", "Repositories: how to log in to them, and whether they answer."),
    "cluster": ("shipway.cli.cluster:app", "Clusters: where Applications may go to, and whether they answer."),
    "backup": (
        "shipway.cli.backup:backup",
        "Write what Git does not hold: holds, histories, settings; sealed: logins, past manifests, the ledger.",
    ),
    "restore": ("shipway.cli.restore:restore", "Fill a cluster that was lost again, or put a backup back, and prove it."),
    "import": (
        "shipway.cli.imports:app",
        "Read what an Argo CD or a central repository has, and what would be otherwise here.",
    ),
    "rollout": ("shipway.cli.rollout:app", "Rollouts: how a new version takes over, step by step."),
    "experiment": ("shipway.cli.experiment:app", "Experiments: variants side by side for a while."),
    "report": (
        "shipway.cli.report:app",
        "Reports over many Applications: settings said twice, overridden or asked for by nobody.",
    ),
    "analysis": ("shipway.cli.analysis:app", "Analysis templates: whether they would tell a bad release from a good one."),
    "verify": ("shipway.cli.verify:app", "Verification: whether new versions are judged before all users have them."),
    "version": ("shipway.cli.version:version", "Print the versions of Shipway and of the tools that it renders with."),
    "completion": ("shipway.cli.completion:completion", "Print the completion script of a shell."),
}


def build_app(name: str = "shipway") -> App:
    """The command tree. Nouns are imported only when they are used: start-up time is part of the experience."""
    app = App(name=name, version=__version__, help=HELP)
    for name, (place, text) in COMMANDS.items():
        app.command(place, name=name, help=text)
    app.register_install_completion_command()
    return app


def run(arguments: Sequence[str], name: str = "shipway") -> int:
    """Runs one command and returns its exit code. `name` is what the user typed, for the help texts."""
    try:
        app = build_app(name)
        result = app(list(arguments), result_action="return_value", exit_on_error=False, print_error=False)
    except CycloptsError as error:
        command = " ".join((name, *(error.command_chain or ())))
        print(f"error: {' '.join(str(error).split()).removesuffix('.')}. See `{command} --help`.", file=sys.stderr)
        return 2
    except (ShipwayError, BaseExceptionGroup) as error:
        expected = expected_in(error)
        if expected is None:
            raise
        answer = verdict(expected)
        print(f"error: {answer.message}", file=sys.stderr)
        return answer.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stdout = None
        return 0
    return result if isinstance(result, int) else 0


def main() -> None:
    """The entry point of `shipway`, and of `kubectl shipway`, which kubectl finds as a program called kubectl-shipway."""
    is_plugin = Path(sys.argv[0]).stem == "kubectl-shipway"
    sys.exit(run(sys.argv[1:], "kubectl shipway" if is_plugin else "shipway"))


if __name__ == "__main__":
    main()

"""`make contract TARGET=embedded|real|both`: runs the table, prints what came of each group, ends with counts as JSON."""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

from tests.contract.contract_table import TABLE, Entry, golden, write_golden
from tests.contract.judging import Verdict, by_group, counted, judge_embedded, judge_real
from tests.kube.control_plane import built_binary


class _Progress:
    """Counts on one line while a target runs, when somebody watches."""

    def __init__(self, target: str, total: int) -> None:
        self._target, self._total = target, total
        self.verdicts: list[Verdict] = []

    def tell(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        if sys.stderr.isatty():
            end = "\n" if len(self.verdicts) == self._total else ""
            print(f"\r{self._target}: {len(self.verdicts)} of {self._total}", end=end, file=sys.stderr, flush=True)


async def _run(target: str, entries: Sequence[Entry], record: bool) -> list[Verdict]:
    progress, recorded = _Progress(target, len(entries)), golden()
    if target == "embedded":
        await judge_embedded(entries, recorded, progress.tell)
        return progress.verdicts
    binary = built_binary()
    if binary is None:
        sys.exit("the real control plane is not built: run `make kube`")
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        await judge_real(entries, recorded, progress.tell, binary, Path(folder))
    if record:
        ids = {entry.id for entry in TABLE}
        kept = {name: answer for name, answer in recorded.items() if name in ids}
        write_golden(kept | {v.id: v.answer for v in progress.verdicts if v.answer is not None})
    return progress.verdicts


def main() -> int:
    """The exit code: 0 if nothing failed."""
    parser = argparse.ArgumentParser(prog="make contract", description=__doc__)
    parser.add_argument("--target", choices=("embedded", "real", "both"), default="both")
    parser.add_argument("--only", default="", help="a group, or the beginning of an id")
    parser.add_argument("--record", action="store_true", help="write the answers of the real server to the recording")
    args = parser.parse_args()
    entries = [entry for entry in TABLE if entry.id.startswith(args.only)]
    targets = ("embedded", "real") if args.target == "both" else (args.target,)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    verdicts = {target: asyncio.run(_run(target, entries, args.record)) for target in targets}
    for target, found in verdicts.items():
        for verdict in found:
            if verdict.wrong and not verdict.known:
                print(f"{target}: {verdict.id}: {verdict.wrong}")
    counts = {target: counted(found) for target, found in verdicts.items()}
    print("\n".join(by_group(verdicts)))
    print(json.dumps(counts))
    return int(any(count["failed"] for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())

"""The embedded API server and its controllers, judged by a real cluster: see `contract_table`, or `make contract`.

`test_embedded` holds the embedded server against recorded answers and needs nothing; `test_the_real_server_still_says_so`
asks a real one again. To record anew after a change of the table: `make contract TARGET=real ARGS=--record`.
"""

from collections import Counter
from pathlib import Path

import pytest
import pytest_asyncio

from tests.contract.conftest import remember
from tests.contract.contract_table import GROUPS, TABLE, Entry, golden
from tests.contract.judging import Verdict, judge_embedded, judge_real, known_differences
from tests.kube.control_plane import needed_binary

MOST_KNOWN = 4
"""May only fall."""
NEVER_KNOWN = {"apply", "watch", "crds"}

pytestmark = pytest.mark.timeout(600)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedded(request: pytest.FixtureRequest) -> dict[str, Verdict]:
    verdicts: list[Verdict] = []
    await judge_embedded(TABLE, golden(), verdicts.append)
    remember(request.config, "embedded", verdicts)
    return {verdict.id: verdict for verdict in verdicts}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.id)
async def test_embedded(entry: Entry, embedded: dict[str, Verdict]) -> None:
    verdict = embedded[entry.id]
    assert verdict.known or not verdict.wrong
    assert bool(verdict.wrong) == (entry.id in known_differences()), "it differs no more: strike it from the list"


async def test_the_real_server_still_says_so(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    binary = needed_binary()
    verdicts: list[Verdict] = []
    await judge_real(TABLE, golden(), verdicts.append, binary, tmp_path)
    remember(request.config, "real", verdicts)
    assert [f"{verdict.id}: {verdict.wrong}" for verdict in verdicts if verdict.wrong] == []


def test_the_table_is_as_wide_as_it_was() -> None:
    ids = [entry.id for entry in TABLE]
    assert len(set(ids)) == len(ids) == len(golden())
    sizes = Counter(entry.group for entry in TABLE)
    assert set(sizes) == set(GROUPS)
    assert sizes["apply"] >= 80
    assert sum(sizes.values()) >= 850


def test_few_differences_are_known_and_their_number_falls() -> None:
    known = known_differences()
    assert len(known) <= MOST_KNOWN
    assert set(known) <= {entry.id for entry in TABLE}
    assert not {name.partition("/")[0] for name in known} & NEVER_KNOWN

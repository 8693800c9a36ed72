"""What the tests of `shipway run` share."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from tests.e2e.places import Place, a_place


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place, None]:
    async with a_place(tmp_path) as there:
        yield there

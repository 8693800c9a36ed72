"""A PostgreSQL server for those tests that ask for one."""

from collections.abc import Callable, Iterator

import pytest

from tests.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="module")
def server(program: Callable[[str], str]) -> Iterator[PostgresServer]:
    with postgres_server(program) as one:
        yield one


@pytest.fixture
def url(server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    return server.database(f"test_{abs(hash(request.node.nodeid))}")

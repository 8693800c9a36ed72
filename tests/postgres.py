"""A real PostgreSQL server for tests: a folder of its own, a free port, gone at the end."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.ports import free_port

PASSWORD = "c0rrect/h@rse"
ENCODED = "c0rrect%2Fh%40rse"
_USER: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
"""The server refuses to run as root."""


class PostgresServer:
    """It listens on 127.0.0.1; `stop` and `frozen` are the troubles it can be put into."""

    def __init__(self, postgres: str, folder: Path) -> None:
        self._postgres = postgres
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    def url(self, database: str = "postgres", user: str = "admin", password: str = ENCODED) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs a statement as the administrator."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def database(self, name: str) -> str:
        """The URL of a new database."""
        self.ask(f"create database {name}")
        return self.url(name)

    def start(self) -> None:
        """Returns once it answers."""
        options = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off")
        self._process = subprocess.Popen(
            (self._postgres, "-D", self._folder / "data", "-p", str(self.port), *options),
            stderr=subprocess.PIPE,
            text=True,
            **_USER,
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "ready to accept connections" in line:
                self._drain = threading.Thread(target=self._process.stderr.read)
                self._drain.start()
                return
        raise AssertionError("".join(said))

    def stop(self) -> None:
        """At once, as far as clients can tell."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._drain.join()
            self._process.stderr.close()

    @contextmanager
    def frozen(self, database: str) -> Iterator[None]:
        """The server process of whoever is connected to `database` takes no step meanwhile."""
        rows = self.ask(f"select pid from pg_stat_activity where datname = '{database}'")
        pids = [int(str(row[0])) for row in rows]
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


@contextmanager
def postgres_server(program: Callable[[str], str]) -> Iterator[PostgresServer]:
    initdb, postgres = program("initdb"), program("postgres")
    folder = Path(tempfile.mkdtemp(prefix="shipway-postgres-"))
    server = PostgresServer(postgres, folder)
    try:
        (folder / "password").write_text(PASSWORD)
        if _USER:
            for path in (folder, folder / "password"):
                shutil.chown(path, _USER["user"], _USER["group"])
        login = ("-U", "admin", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
        command = (initdb, "-D", folder / "data", *login, "-E", "UTF8", "--locale=C", "--no-sync")
        subprocess.run(command, check=True, capture_output=True, **_USER)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)

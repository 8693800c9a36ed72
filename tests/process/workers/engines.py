"""Engines for the tests, each misbehaving in its own way."""

import os
import sys

from shipway.base.errors import NotFound
from shipway.workers.programs import run_program


def echo(payload):
    return payload


def pid(_payload):
    return os.getpid()


def environment(_payload):
    return dict(os.environ)


def refuse(payload):
    raise NotFound(f"no such thing: {payload}", reason="NoSuchThing")


def bug(_payload):
    raise KeyError("surprise")


def loop(_payload):
    while True:
        pass


def bomb(_payload):
    return len(b"x" * (8 << 30))


def hard_bomb(_payload):
    """Ends as a Go program does that gets no memory."""
    os.write(2, b"runtime: out of memory: cannot allocate 4194304-byte block\n")
    os.abort()


def chatter(payload):
    print("noise on stdout")
    sys.stdout.flush()
    return payload


def with_child(path):
    """Runs a program that lives long and tells both pids."""
    run_program(["sh", "-c", f"echo {os.getpid()} $$ > {path}; exec sleep 600"], cwd="/", environment={})

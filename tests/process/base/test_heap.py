"""Processes with many threads that ask for memory, and how many heaps glibc has made of it."""

import subprocess
import sys

import pytest

ASKING = """
import ctypes, sys, threading
from shipway.base.heap import keep_one_heap
can = keep_one_heap() if sys.argv[1] == "one" else hasattr(ctypes.CDLL(None), "malloc_info")
all_hold = threading.Barrier(9)

def hold():
    held = [bytes(60_000) for _ in range(20)]
    all_hold.wait()
    all_hold.wait()
    return held

for _ in range(8):
    threading.Thread(target=hold).start()
all_hold.wait()
print(can, flush=True)
if can:
    libc = ctypes.CDLL(None)
    libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
    libc.fflush(None)
all_hold.wait()
"""


def heaps(wanted: str) -> int:
    said = subprocess.run([sys.executable, "-c", ASKING, wanted], capture_output=True, text=True, timeout=30, check=True).stdout
    if not said.startswith("True"):
        pytest.skip("this C library is not glibc: it has no heaps to count, and keep_one_heap does nothing")
    return said.count("<heap nr=")


def test_all_threads_share_one_heap() -> None:
    assert heaps("any") > 1, "left alone, threads get heaps of their own"
    assert heaps("one") == 1

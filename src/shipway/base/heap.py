"""What a long-lived process tells the C library about the memory that it asks for.

glibc gives threads heaps of their own and hands back only what is free at the end of one. Those of our few threads hold
little, and what large answers leave behind stays: a tenth of the engines' memory (decision 33).
"""

import ctypes

_TRIM_THRESHOLD, _ARENA_MAX = -1, -8
"""Names of `mallopt(3)`."""
_KEPT = 256 << 10
"""Bytes that may lie free at the end of the heap. To say so also keeps blocks of 128 KiB and more out of it, for good."""


def keep_one_heap() -> bool:
    """One heap for all threads: the interpreter's lock lets one run at a time anyway. To be called before there are any.

    False where the C library does not know how (musl, macOS), and nothing has happened."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_ARENA_MAX, 1)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))

"""What a long-lived process of many connections holds without anybody's asking for it."""

from asyncio.sslproto import SSLProtocol

TLS_BUFFER = 64 * 1024
"""Bytes; a TLS record has 16 KiB."""


def lean_connections() -> None:
    """From now on a TLS connection of this process reads through a buffer of 64 KiB. asyncio's has 256, and a process that
    watches a hundred kinds has a hundred connections."""
    SSLProtocol.max_size = TLS_BUFFER

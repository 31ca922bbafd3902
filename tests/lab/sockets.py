"""Real TCP peers of every temper on loopback, without root."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

LOOPBACK = "127.0.0.1"

Behaviour = Callable[[socket.socket], None]


def silent(_: socket.socket) -> None:
    """Accept and say nothing."""


def greet(banner: bytes) -> Behaviour:
    """Accept and speak first."""

    def behave(peer: socket.socket) -> None:
        peer.sendall(banner)

    return behave


def hang_up(peer: socket.socket) -> None:
    """Accept and close at once, as ordinary programs do."""
    peer.close()


def reset(peer: socket.socket) -> None:
    """Accept and reset at once."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@contextlib.contextmanager
def serving(behave: Behaviour, *, address: str = LOOPBACK) -> Iterator[tuple[int, list[bytes]]]:
    """A peer; yields its port and the list of what its clients said to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    heard: list[bytes] = []
    peers: list[socket.socket] = []
    server = socket.create_server((address, 0), family=family, backlog=64)

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            peers.append(peer)
            with contextlib.suppress(OSError):
                behave(peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1], heard
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.setblocking(False)
                heard.append(peer.recv(4096))
            peer.close()


@contextlib.contextmanager
def swallowing(address: str = LOOPBACK) -> Iterator[int]:
    """A black hole: a listening socket whose queue is full, so that the kernel drops every further SYN."""
    hole = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    hole.bind((address, 0))
    hole.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket(hole.family)
        filler.setblocking(False)
        filler.connect_ex(hole.getsockname())
        fillers.append(filler)
    try:
        yield hole.getsockname()[1]
    finally:
        for filler in fillers:
            filler.close()
        hole.close()


@contextlib.contextmanager
def closed(address: str = LOOPBACK) -> Iterator[int]:
    """A port that refuses: it is bound and nobody listens."""
    holder = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    holder.bind((address, 0))
    try:
        yield holder.getsockname()[1]
    finally:
        holder.close()

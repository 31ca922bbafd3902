"""Network namespaces as machines: a switch, a router that may stand in for others, and what runs inside them."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from readiness.vantage import Completed, Dial, Dialled, PathVerdict, Resolution, Stream, Vantage

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2 to make network namespaces"
)


@dataclass
class Namespace(Vantage):
    """A machine that is a network namespace of this host."""

    name: str
    namespace: str
    can_sudo: bool = False

    async def connect(self) -> None:
        return

    async def run(self, script: str, *, limit: float, privileged: bool = False) -> Completed:
        async with asyncio.timeout(limit):
            process = await asyncio.create_subprocess_exec(
                "ip", "netns", "exec", self.namespace, "sh",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await process.communicate(script.encode())
        return Completed(status=process.returncode or 0, out=out, err=err)

    async def resolve(self, name: str) -> Resolution:
        return Resolution(name=name, addresses=(name,))

    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        connect = f"import socket; socket.create_connection(({dial.address!r}, {dial.port}), {dial.limit}).close()"
        process = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", self.namespace, sys.executable, "-c", connect, stderr=asyncio.subprocess.DEVNULL
        )
        verdict = PathVerdict.OPEN if await process.wait() == 0 else PathVerdict.OTHER
        return (Dialled(verdict=verdict, ms=None, tool="python"),)

    async def stream(self, host: str, port: int, *, limit: float) -> Stream:
        raise NotImplementedError

    async def close(self) -> None:
        return


class Segments:
    """Machines by name, a switch each for as many segments as wanted, and a router between them."""

    def __init__(self) -> None:
        self.prefix = f"rd{uuid4().hex[:5]}"
        self.machines: dict[str, Namespace] = {}
        self._namespaces: list[str] = []
        self._cards = 0

    def machine(self, name: str) -> Namespace:
        if name not in self.machines:
            namespace = f"{self.prefix}{name}"
            _ip("netns", "add", namespace)
            self._namespaces.append(namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
            self.machines[name] = Namespace(name=name, namespace=namespace)
        return self.machines[name]

    def switch(self, name: str, *cards: tuple[str, str]) -> None:
        """Join machines in one segment; a card is a machine's name and its address with prefix length."""
        switch = self.machine(name).namespace
        _ip("-n", switch, "link", "add", "sw", "type", "bridge")
        _ip("-n", switch, "link", "set", "sw", "up")
        for machine, address in cards:
            there = self.machine(machine).namespace
            self._cards += 1
            card, plug = f"eth{self._cards}", f"p{self._cards}"
            _ip("link", "add", card, "netns", there, "type", "veth", "peer", "name", plug, "netns", switch)
            _ip("-n", switch, "link", "set", plug, "master", "sw", "up")
            _ip("-n", there, "addr", "add", address, "dev", card)
            _ip("-n", there, "link", "set", card, "up")

    def route(self, machine: str, *words: str) -> None:
        _ip("-n", self.machine(machine).namespace, "route", *words)

    def forward(self, machine: str, *, proxy_arp: bool = False) -> None:
        """Let a machine forward, and answer for what is behind it where ``proxy_arp`` says so."""
        namespace = self.machine(machine).namespace
        settings = ["net.ipv4.ip_forward=1", *(["net.ipv4.conf.all.proxy_arp=1"] if proxy_arp else [])]
        subprocess.run(["ip", "netns", "exec", namespace, "sysctl", "-qw", *settings], check=True)

    def close(self) -> None:
        for namespace in self._namespaces:
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


@contextmanager
def segments() -> Iterator[Segments]:
    made = Segments()
    try:
        yield made
    finally:
        made.close()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)

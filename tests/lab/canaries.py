"""Secrets that can be recognised wherever they turn up, and somebody who looks everywhere while an audit runs."""

from __future__ import annotations

import base64
import os
import secrets
import string
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TELLING = 12
"""Characters of a secret in a row that betray it."""

_ENGAGED = frozenset({"ldconfig", "ld", "gcc", "cc", "collect2", "objdump"})
"""What the SSH library's search for optional libraries starts as it is loaded, before any secret is read."""

AWKWARD = "\"\\ &<>'é+/=%;$(x)"
"""What has to be quoted somewhere, in JSON, HTML, URLs, shells or CSV."""


@dataclass(frozen=True)
class Canary:
    """One secret; ``core`` is the part of it that no quoting changes."""

    name: str
    value: str
    core: str

    @staticmethod
    def fresh(name: str, *, awkward: bool = True) -> Canary:
        core = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(24))
        return Canary(name, f"{core}{AWKWARD if awkward else ''}", core)

    @staticmethod
    def of(name: str, value: str) -> Canary:
        """One that somebody else made up."""
        return Canary(name, value, value)

    def traces(self) -> Iterator[bytes]:
        """Every form in which it may show: a good part of it as it is, in base64 behind anything, in hexadecimal."""
        core = self.core.encode()
        for start in range(len(core) - _TELLING + 1):
            yield core[start : start + _TELLING]
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + core)
            yield encoded[4 : len(encoded) - 4]
            yield encoded[4 : len(encoded) - 4].translate(bytes.maketrans(b"+/", b"-_"))
        yield core.hex().encode()
        yield core.hex().upper().encode()
        yield core.decode().encode("utf-16-le")


class Aviary:
    """All canaries of one audit."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._traces = [(canary.name, trace) for canary in canaries for trace in canary.traces()]

    def heard_in(self, data: bytes | str) -> list[str]:
        """The names of those that show there."""
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        return sorted({name for name, trace in self._traces if trace in raw})

    def lines_of(self, text: str) -> list[str]:
        """The lines in which one shows."""
        return [line for line in text.splitlines() if self.heard_in(line)]

    def files(self, folder: Path, *, keepers: Iterable[Path] = ()) -> dict[str, list[str]]:
        """Those that show in files below a folder, by path; ``keepers`` are where they may be."""
        spared = {*keepers}
        found = {}
        for parent, _, names in os.walk(folder):
            for path in (Path(parent, name) for name in names):
                if path in spared or not path.is_file():
                    continue
                heard = self.heard_in(path.read_bytes())
                if heard:
                    found[str(path)] = heard
        return found


class Watch:
    """Reads every process's arguments and environment, and a folder's files, as fast as it can; a context.

    ``seen``: what was betrayed, and where. ``knows``: processes whose environment holds the secrets rightly. Those of
    ``helpers`` too, by a word of their arguments: programs of the user's own, started with the user's environment.
    """

    def __init__(self, aviary: Aviary, *, helpers: Iterable[str] = (), temporary: Path | None = None) -> None:
        self._aviary = aviary
        self._knows = {os.getpid()}
        self._helpers = [b"from readiness.cli import main", *(word.encode() for word in helpers)]
        self._temporary = temporary
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._checked: set[tuple[str, bytes]] = set()
        self.seen: dict[str, list[str]] = {}
        self.processes: set[str] = set()
        self.rounds = 0

    def know(self, process: int) -> None:
        self._knows.add(process)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                arguments = _read(process / "cmdline")
                self.processes.add(process.name)
                self._check(f"arguments of {process.name}", arguments, arguments)
                if int(process.name) not in self._knows and not self._ours(arguments):
                    self._check(f"environment of {process.name}", _read(process / "environ"), arguments)
            for path in self._temporary.rglob("*") if self._temporary is not None else ():
                self._check(str(path), _read(path), b"")
            self.rounds += 1
            time.sleep(0.005)

    def _ours(self, arguments: bytes) -> bool:
        """Whether it is the auditor, a copy of it that has yet to become another program, or one of the user's."""
        program = Path(os.fsdecode(arguments.partition(b"\0")[0])).name
        return program.rpartition("-")[2] in _ENGAGED or any(word in arguments for word in self._helpers)

    def _check(self, where: str, data: bytes, by: bytes) -> None:
        if data and (where, data) not in self._checked:
            self._checked.add((where, data))
            heard = self._aviary.heard_in(data)
            if heard:
                self.seen[f"{where} ({by[:200]!r})"] = heard


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

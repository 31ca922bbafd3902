"""Recordings of what machines of several distributions printed, wherever they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from readiness.probe import HostProbe

FactT = TypeVar("FactT")

HERE = Path(__file__).parents[1] / "recordings"
WHOLE_HOSTS = Path(__file__).parents[2] / "readiness" / "lab" / "recordings"


def response(name: str, section: str) -> str:
    """A recorded response; ``name`` is "rhel-8", or "rhel-8~stale" for a variant of it."""
    distribution, _, variant = name.partition("~")
    file = f"{section}.{variant}.txt" if variant else f"{section}.txt"
    folder = next(root for root in (HERE, WHOLE_HOSTS) if (root / distribution / file).exists())
    return (folder / distribution / file).read_text(encoding="utf-8")


def every(section: str) -> list[str]:
    """All recorded responses of a section, as text."""
    files = sorted((*HERE.glob(f"*/{section}.*"), *WHOLE_HOSTS.glob(f"*/{section}.*")))
    return [file.read_text(encoding="utf-8") for file in files]


def read(probe: HostProbe[FactT], name: str) -> FactT:
    """The fact in a recording of the probe's section."""
    return probe.parse(response(name, probe.section))

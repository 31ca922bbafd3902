"""The vendor's Prerequisites page: the figures of each of its revisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

GB = 1_000_000_000
"""Bytes in the page's GB, read as decimal: the reading that is kind to the customer."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one revision asks for, in figures.

    ``redis_memory``: bytes for ``redis_agents`` agents and ``redis_caps`` calls a second, ``None`` where the
    revision names none. ``cpu`` in cores, ``memory`` and ``disk`` in bytes. ``time_sync_roles``: the roles whose
    VMs must synchronise every 24 hours.
    """

    revision: str
    title: str
    source: str
    redis_memory: int | None
    redis_agents: int
    redis_caps: float
    cpu: int
    memory: int
    disk: int
    time_sync_roles: tuple[str, ...]
    vm_roles: Mapping[str, int]


_TITLE = "EX Engage Connector Deployment Guide: Prerequisites"
_SOURCE = "Genesys documentation, EX Engage Connector Deployment Guide, page Prerequisites"
_FOUR = MappingProxyType({"excs": 1, "exas": 1, "excp": 2})

PAGES: Mapping[str, Page] = MappingProxyType(
    {
        "2023-07-10": Page(
            revision="2023-07-10",
            title=_TITLE,
            source=_SOURCE,
            redis_memory=None,
            redis_agents=1000,
            redis_caps=5,
            cpu=4,
            memory=8 * GB,
            disk=20 * GB,
            time_sync_roles=(),
            vm_roles=_FOUR,
        ),
        "2023-07-27": Page(
            revision="2023-07-27",
            title=_TITLE,
            source=_SOURCE,
            redis_memory=2 * GB,
            redis_agents=1000,
            redis_caps=5,
            cpu=2,
            memory=8 * GB,
            disk=80 * GB,
            time_sync_roles=("exas",),
            vm_roles=_FOUR,
        ),
        "recording": Page(
            revision="recording",
            title=_TITLE,
            source=_SOURCE,
            redis_memory=2 * GB,
            redis_agents=1000,
            redis_caps=5,
            cpu=2,
            memory=8 * GB,
            disk=80 * GB,
            time_sync_roles=("excs", "exas", "excp", "exrp"),
            vm_roles=MappingProxyType({"excs": 1, "exas": 1, "excp": 2, "exrp": 2}),
        ),
    }
)

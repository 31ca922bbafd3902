"""The paths of a site, as its edges were found: who reaches whom, grouped for a matrix and for a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from readiness_schemas.report import FindingDocument, StatusWord

from readiness_reports import words
from readiness_reports.outline import Link, Outline, path_of

COMPONENTS = {"excs": "EXCS", "exas": "EXAS", "excp": "EXCP", "exrp": "EXRP"}
ROLES = {**COMPONENTS, "bootstrap": "bootstrap", "prometheus": "monitoring"}

VMS = "EXEC VMs"
OTHERS = "Others"
GROUPS = ("Engage", "Data and images", "Genesys Cloud", "Operations", OTHERS, VMS)
PEERS: Mapping[str, tuple[str, str]] = {
    "connectivity.config-db": ("Engage", "Config DB"),
    "connectivity.stat-server-primary": ("Engage", "Stat primary"),
    "connectivity.stat-server-backup": ("Engage", "Stat backup"),
    "connectivity.sip-server": ("Engage", "SIP"),
    "connectivity.redis": ("Data and images", "Redis"),
    "connectivity.registry": ("Data and images", "Registry"),
    "connectivity.logging": ("Operations", "Logging"),
    "connectivity.genesys-cloud": ("Genesys Cloud", ""),
}

WIDEST = 15
"""Columns that one matrix has room for; with more, every group of peers gets its own."""

NAME = 12
"""Characters of a column's head; a longer name keeps its two ends."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A machine that paths begin at; ``vm`` where an EXEC component will run on it."""

    name: str
    role: str
    address: str
    vm: bool


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What paths lead to; the ports of an EXEC VM belong to its paths, so ``port`` is ``None``."""

    key: str
    group: str
    label: str
    host: str
    port: int | None

    @property
    def short(self) -> str:
        return ends(self.label, NAME)

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Path:
    """All that was found about one way from a source to a peer, by its worst finding, of which ``check`` is the id.

    ``ports`` are those of an EXEC VM that it was tried on. ``number`` is its place in the list of what does not
    pass, 0 where it is not on it.
    """

    source: str
    peer: str
    check: str
    status: StatusWord
    summary: str
    ports: tuple[int, ...]
    link: Link
    number: int


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Paths from one source that share a status and a summary, under one number."""

    number: int
    status: StatusWord
    source: str
    peers: str
    summary: str
    links: tuple[Link, ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """``kind``: ``path``, ``self`` on the diagonal, ``none`` where no path is asked for."""

    kind: str
    path: Path | None
    ports: str


@dataclass(frozen=True, kw_only=True)
class Matrix:
    caption: str
    groups: tuple[tuple[str, int], ...]
    peers: tuple[Peer, ...]
    rows: tuple[tuple[Source, tuple[Cell, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Paths:
    sources: tuple[Source, ...]
    peers: tuple[Peer, ...]
    paths: Mapping[tuple[str, str], Path]
    inner: tuple[Path, ...]
    broken: tuple[Broken, ...]
    matrices: tuple[Matrix, ...]


def paths(outline: Outline) -> Paths | None:
    """Read the edges of a report; ``None`` where it has none."""
    edges = [each for each in outline.document["findings"] if path_of(each) is not None]
    if not edges:
        return None
    machines = _machines(outline)
    peers = _peers(edges, machines)
    sources = _sources(edges, machines)
    found: dict[tuple[str, str], list[FindingDocument]] = {}
    by_port: dict[tuple[str, str, int | None], list[FindingDocument]] = {}
    for edge in edges:
        source = edge["target"]["source"] or ""
        peer = _peer_key(edge, machines)
        found.setdefault((source, peer), []).append(edge)
        if peer in machines and machines[peer].vm and source in machines and machines[source].vm:
            by_port.setdefault((source, peer, edge["target"]["port"]), []).append(edge)
    found = {
        (source.name, peer.key): found[source.name, peer.key]
        for source in sources
        for peer in peers
        if (source.name, peer.key) in found
    }
    numbers = _numbers(found)
    all_paths = {
        key: _path(outline, *key, some, numbers.get(_complaint(key[0], _worst(some)), 0)) for key, some in found.items()
    }
    inner = [
        _path(outline, source, peer, some, numbers.get(_complaint(source, _worst(some)), 0))
        for (source, peer, _), some in by_port.items()
    ]
    labels = {peer.key: peer.label for peer in peers}
    return Paths(
        sources=sources,
        peers=peers,
        paths=all_paths,
        inner=tuple(inner),
        broken=tuple(_broken(outline, found, numbers, labels)),
        matrices=tuple(_matrices(sources, peers, all_paths)),
    )


def ends(text: str, limit: int) -> str:
    """``text``, or its two ends around an ellipsis where it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    head = limit // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def _machines(outline: Outline) -> dict[str, Source]:
    """Every machine that the report names, by name: as the site file declares it, then as it was reached."""
    found: dict[str, Source] = {}
    declared = outline.document["site"]["declared"].get("vms")
    for vm in declared if isinstance(declared, list) else ():
        if isinstance(vm, dict) and isinstance(vm.get("name"), str) and isinstance(vm.get("role"), str):
            role: str = vm["role"]
            address = vm.get("address") or vm.get("host")
            found[vm["name"]] = Source(
                name=vm["name"],
                role=ROLES.get(role, role),
                address=address if isinstance(address, str) else "",
                vm=role in COMPONENTS,
            )
    for host in outline.document["run"]["hosts"]:
        found.setdefault(
            host["name"],
            Source(
                name=host["name"],
                role=ROLES.get(host["role"], host["role"]),
                address=host["host"],
                vm=host["role"] in COMPONENTS,
            ),
        )
    return found


def _sources(edges: Sequence[FindingDocument], machines: Mapping[str, Source]) -> tuple[Source, ...]:
    seen = dict.fromkeys(edge["target"]["source"] or "" for edge in edges)
    order = list(machines)
    found = [machines.get(name) or Source(name=name, role=ROLES.get(name, ""), address="", vm=False) for name in seen]
    known = list(COMPONENTS.values())
    return tuple(
        sorted(
            found,
            key=lambda each: (
                not each.vm,
                known.index(each.role) if each.vm else 0,
                order.index(each.name) if each.name in machines else len(order),
            ),
        )
    )


def _peer_key(edge: FindingDocument, machines: Mapping[str, Source]) -> str:
    """An EXEC VM's name, else the peer as the target's name has it."""
    _, _, peer = edge["target"]["name"].partition("->")
    name, colon, port = peer.rpartition(":")
    bare = name if colon and port.isdigit() else peer
    return bare if bare in machines and machines[bare].vm else peer


def _peers(edges: Sequence[FindingDocument], machines: Mapping[str, Source]) -> tuple[Peer, ...]:
    first: dict[str, FindingDocument] = {}
    for edge in edges:
        first.setdefault(_peer_key(edge, machines), edge)
    named = {key: _named(key, edge, machines) for key, edge in first.items()}
    alike: dict[tuple[str, str], list[str]] = {}
    for key, name in named.items():
        alike.setdefault(name, []).append(key)
    found = []
    for (group, label), keys in alike.items():
        for number, key in enumerate(keys, 1):
            target = first[key]["target"]
            vm = group == VMS
            found.append(
                Peer(
                    key=key,
                    group=group,
                    label=label if len(keys) == 1 else f"{label} {number}",
                    host=machines[key].address if vm else target["host"] or key,
                    port=None if vm else target["port"],
                )
            )
    order = list(machines)
    return tuple(
        sorted(
            found,
            key=lambda peer: (GROUPS.index(peer.group), order.index(peer.key) if peer.group == VMS else 0),
        )
    )


def _named(key: str, edge: FindingDocument, machines: Mapping[str, Source]) -> tuple[str, str]:
    if key in machines and machines[key].vm:
        return VMS, key
    group, label = PEERS.get(edge["check"], (OTHERS, ""))
    if label:
        return group, label
    host = edge["target"]["host"] or key
    if group == "Genesys Cloud":
        return group, {"login": "Login", "api": "API"}.get(host.partition(".")[0], host)
    return group, host


def _worst(some: Sequence[FindingDocument]) -> FindingDocument:
    return min(some, key=lambda each: words.WORST_FIRST.index(each["status"]))


def _complaint(source: str, edge: FindingDocument) -> tuple[str, ...]:
    return (source, edge["status"], edge["summary"])


def _numbers(found: Mapping[tuple[str, str], Sequence[FindingDocument]]) -> dict[tuple[str, ...], int]:
    """A number for each thing that is wrong, in the order in which a reader meets it in the matrix."""
    numbers: dict[tuple[str, ...], int] = {}
    for (source, _), some in found.items():
        worst = _worst(some)
        if worst["status"] not in {"pass", "skip"}:
            numbers.setdefault(_complaint(source, worst), len(numbers) + 1)
    return numbers


def _path(outline: Outline, source: str, peer: str, some: Sequence[FindingDocument], number: int) -> Path:
    worst = _worst(some)
    ports = {each["target"]["port"] for each in some if each["status"] == worst["status"]}
    return Path(
        source=source,
        peer=peer,
        check=worst["check"],
        status=worst["status"],
        summary=worst["summary"],
        ports=tuple(sorted(port for port in ports if port is not None)),
        link=outline.link(worst["id"]),
        number=number,
    )


def _broken(
    outline: Outline,
    found: Mapping[tuple[str, str], Sequence[FindingDocument]],
    numbers: Mapping[tuple[str, ...], int],
    labels: Mapping[str, str],
) -> Iterator[Broken]:
    gathered: dict[int, list[tuple[str, FindingDocument]]] = {}
    for (source, peer), some in found.items():
        worst = _worst(some)
        number = numbers.get(_complaint(source, worst), 0)
        if number:
            gathered.setdefault(number, []).append((peer, worst))
    for number, those in sorted(gathered.items()):
        first = those[0][1]
        yield Broken(
            number=number,
            status=first["status"],
            source=first["target"]["source"] or "",
            peers=words.joined(labels[peer] for peer, _ in those),
            summary=first["summary"],
            links=outline.links([edge["id"] for _, edge in those], limit=2),
        )


def _matrices(
    sources: Sequence[Source], peers: Sequence[Peer], all_paths: Mapping[tuple[str, str], Path]
) -> Iterator[Matrix]:
    if len(peers) <= WIDEST:
        parts = [list(peers)]
    else:
        by_group: dict[str, list[Peer]] = {}
        for peer in peers:
            by_group.setdefault(peer.group, []).append(peer)
        parts = [row[at : at + WIDEST] for row in by_group.values() for at in range(0, len(row), WIDEST)]
    for part in parts:
        spans: dict[str, int] = {}
        for peer in part:
            spans[peer.group] = spans.get(peer.group, 0) + 1
        yield Matrix(
            caption=_caption(part) if len(parts) > 1 else "",
            groups=tuple(spans.items()),
            peers=tuple(part),
            rows=tuple(
                (source, tuple(_cell(source, peer, all_paths) for peer in part))
                for source in sources
                if any((source.name, peer.key) in all_paths for peer in part)
            ),
        )


def _caption(part: Sequence[Peer]) -> str:
    first, last = part[0], part[-1]
    return first.group if first is last else f"{first.group}: {first.short} to {last.short}"


def _cell(source: Source, peer: Peer, all_paths: Mapping[tuple[str, str], Path]) -> Cell:
    path = all_paths.get((source.name, peer.key))
    if path is None:
        return Cell(kind="self" if source.name == peer.key else "none", path=None, ports="")
    ports = ""
    if peer.group == VMS:
        ports = ", ".join(map(str, path.ports[:2])) or "any"
    return Cell(kind="path", path=path, ports=ports)

"""The site as a drawing: one rail for each peer, one upright lane for each path, nothing ever askew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from readiness_schemas.report import StatusWord

from readiness_reports import words
from readiness_reports.paths import VMS, Path, Paths, Peer, Source, ends

LABELS = 204
"""Width of the column of names, where every rail begins."""

RAIL = 37
GROUP_GAP = 26
LANE = 18
CLOSEST = 8
VM_WIDTH = 142
VM_GAP = 24
VM_HEIGHT = 58
INNER = 24
SHORT = 13
"""How far before its rail a broken lane ends."""

MOST_LANES = 24
"""Lanes on one side of a VM; with more, one lane stands for each group of peers."""

ABREAST = 8
"""VMs in one drawing."""

ABOVE = "Engage"


@dataclass(frozen=True, kw_only=True)
class Text:
    x: str
    y: str
    text: str
    kind: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Box:
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The shape of a status with its number, where a path does not simply pass."""

    x: str
    y: str
    status: StatusWord
    number: str
    number_x: str
    number_y: str
    anchor: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """One path element: ``kind`` is its class."""

    kind: str
    d: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    name: str
    caption: str
    description: str
    width: str
    height: str
    segment: Box
    texts: tuple[Text, ...]
    strokes: tuple[Stroke, ...]
    boxes: tuple[Box, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, kw_only=True)
class _Rail:
    """A horizontal line: a peer, a group of peers, or a source that is no EXEC VM (``inward``)."""

    key: str
    group: str
    label: str
    sub: str
    inward: bool


@dataclass(frozen=True, kw_only=True)
class _Lane:
    """A path of one VM along one rail, or all its paths to a group of peers, by the worst of them."""

    rail: str
    status: StatusWord
    number: str
    anchor: str
    title: str
    inward: bool


def topology(paths: Paths) -> tuple[Drawing, ...]:
    """Draw the paths of the EXEC VMs; nothing where there are none."""
    vms = [source for source in paths.sources if source.vm]
    known = {vm.name for vm in vms}
    vms += [
        Source(name=peer.key, role="", address=peer.host, vm=True)
        for peer in paths.peers
        if peer.group == VMS and peer.key not in known
    ]
    parts = [vms[at : at + ABREAST] for at in range(0, len(vms), ABREAST)]
    return tuple(_Sheet(paths, part, number, len(parts)).drawn() for number, part in enumerate(parts, 1))


class _Sheet:
    """One drawing: which rails and lanes there are, then where they lie."""

    def __init__(self, paths: Paths, vms: Sequence[Source], number: int, of: int) -> None:
        self.paths, self.vms, self.number, self.of = paths, vms, number, of
        self.names = {vm.name for vm in vms}
        self.peers = {peer.key: peer for peer in paths.peers}
        outward = [p for p in paths.paths.values() if p.source in self.names and p.status != "skip"]
        self.inward = [
            p for p in paths.paths.values() if p.peer in self.names and not self._is_vm(p.source) and p.status != "skip"
        ]
        self.outward = [p for p in outward if p.peer not in self.names]
        self.inner = [
            p
            for p in paths.inner
            if p.source in self.names and p.peer in self.names and p.status != "skip" and (p.ports or p.number)
        ]
        self.inner = self._worth_drawing(self.inner)
        most = max((self._lane_count(vm, peer_group) for vm in vms for peer_group in (True, False)), default=0)
        self.grouped = most > MOST_LANES
        self.rails = list(self._rails())
        self.tops = [rail for rail in self.rails if rail.group == ABOVE]
        self.bottoms = [rail for rail in self.rails if rail.group != ABOVE]
        self.inner_rails = list(dict.fromkeys((p.peer, p.ports[0] if p.ports else 0) for p in self.inner))
        self.up = {vm.name: self._lanes(vm, above=True) for vm in vms}
        self.down = {vm.name: self._lanes(vm, above=False) for vm in vms}
        slots = [len(self._slots_up(vm)) for vm in vms] + [len(self.down[vm.name]) for vm in vms]
        self.vm_width = max(VM_WIDTH, CLOSEST * (max(slots, default=0) + 1))
        self.pitch = self.vm_width + VM_GAP

    def _is_vm(self, name: str) -> bool:
        return any(source.name == name and source.vm for source in self.paths.sources)

    def _worth_drawing(self, inner: Sequence[Path]) -> list[Path]:
        """Paths to a component's own port; of those to any port only what was found wanting."""
        wanted = {(p.peer, p.ports) for p in inner if p.status in {"fail", "warn"}}
        api = [p for p in inner if p.check.startswith("connectivity.")]
        return [p for p in inner if p in api or (p.peer, p.ports) in wanted]

    def _lane_count(self, vm: Source, above: bool) -> int:
        return sum(p.source == vm.name and (self.peers[p.peer].group == ABOVE) is above for p in self.outward) + sum(
            p.peer == vm.name and not above for p in self.inward
        )

    def _rails(self) -> Iterator[_Rail]:
        used = {p.peer for p in self.outward}
        given = [peer for peer in self.paths.peers if peer.key in used]
        if self.grouped:
            members: dict[str, list[Peer]] = {}
            for peer in given:
                members.setdefault(peer.group, []).append(peer)
            for group, some in members.items():
                alone = some[0] if len(some) == 1 else None
                yield _Rail(
                    key=f"group {group}",
                    group=group,
                    label=words.count(len(some), "peer") if alone is None else alone.label,
                    sub="" if alone is None else alone.address,
                    inward=False,
                )
        else:
            for peer in given:
                yield _Rail(key=peer.key, group=peer.group, label=peer.label, sub=peer.address, inward=False)
        roles = {source.name: source for source in self.paths.sources}
        opening = {p.source for p in self.inward}
        for name, source in roles.items():
            if name not in opening:
                continue
            sub = ", ".join(part for part in (source.address, source.role) if part)
            yield _Rail(key=f"from {name}", group="Operations", label=name, sub=sub, inward=True)

    def _rail_of(self, peer: str) -> str:
        return f"group {self.peers[peer].group}" if self.grouped else peer

    def _lanes(self, vm: Source, *, above: bool) -> list[_Lane]:
        gathered: dict[str, list[Path]] = {}
        for path in self.outward:
            if path.source == vm.name and (self.peers[path.peer].group == ABOVE) is above:
                gathered.setdefault(self._rail_of(path.peer), []).append(path)
        if not above:
            for path in self.inward:
                if path.peer == vm.name:
                    gathered.setdefault(f"from {path.source}", []).append(path)
        order = [rail.key for rail in self.rails]
        inward = {rail.key for rail in self.rails if rail.inward}
        return [_lane(key, gathered[key], inward=key in inward) for key in order if key in gathered]

    def _slots_up(self, vm: Source) -> list[tuple[str, int] | str]:
        """What stands on top of a VM, left to right: its lanes up, its inner lanes, where inner rails arrive."""
        arriving = [rail for rail in self.inner_rails if rail[0] == vm.name]
        leaving = [rail for rail in self.inner_rails if self._inner_of(vm.name, rail)]
        return [*(lane.rail for lane in self.up[vm.name]), *leaving, *arriving]

    def _inner_of(self, source: str, rail: tuple[str, int]) -> list[Path]:
        return [p for p in self.inner if p.source == source and (p.peer, p.ports[0] if p.ports else 0) == rail]

    def drawn(self) -> Drawing:
        texts: list[Text] = []
        strokes: dict[str, list[str]] = {}
        marks: list[Mark] = []
        y = 0.0
        ys: dict[str, float] = {}

        def place(rails: Sequence[_Rail], y: float) -> float:
            group = ""
            for rail in rails:
                if rail.group != group:
                    group = rail.group
                    y += GROUP_GAP
                    texts.append(Text(x="0", y=_n(y - 7), text=group, kind="g"))
                ys[rail.key] = y + 20
                texts.append(Text(x="0", y=_n(y + 19), text=ends(rail.label, 26), kind="n", title=rail.label))
                texts.append(Text(x="0", y=_n(y + 33), text=ends(rail.sub, 32), kind="h", title=rail.sub))
                y += RAIL
            return y

        y = place(self.tops, y)
        seg_top = y + 22
        inner_top = seg_top + 24
        vm_top = inner_top + INNER * len(self.inner_rails) + 10
        vm_bottom = vm_top + VM_HEIGHT
        seg_bottom = vm_bottom + 16
        height = place(self.bottoms, seg_bottom + 14) + 8
        width = LABELS + 8 + self.pitch * len(self.vms)
        texts.append(Text(x="0", y=_n(seg_top + 16), text=VMS, kind="g"))
        far: dict[str, float] = {}
        inner_y = {rail: inner_top + INNER * index + 14 for index, rail in enumerate(self.inner_rails)}
        inner_xs: dict[tuple[str, int], list[float]] = {rail: [] for rail in self.inner_rails}
        boxes = []
        for index, vm in enumerate(self.vms):
            left = LABELS + 8 + VM_GAP / 2 + self.pitch * index
            boxes.append(Box(x=_n(left), y=_n(vm_top), width=_n(self.vm_width), height=_n(VM_HEIGHT)))
            middle = left + self.vm_width / 2
            role = ", ".join(part for part in (vm.role, vm.address) if part)
            room = int(self.vm_width / 6.4)
            texts.append(Text(x=_n(middle), y=_n(vm_top + 25), text=ends(vm.name, room - 2), kind="n m", title=vm.name))
            texts.append(Text(x=_n(middle), y=_n(vm_top + 43), text=ends(role, room), kind="h m", title=role))
            xs = _spread(middle, self.vm_width, len(self._slots_up(vm)))
            lanes = iter(self.up[vm.name])
            for x, slot in zip(xs, self._slots_up(vm), strict=True):
                if isinstance(slot, str):
                    lane = next(lanes)
                    self._lane(lane, x, vm_top, ys[lane.rail], strokes, marks)
                    far[lane.rail] = max(far.get(lane.rail, 0), x)
                    continue
                inner_xs[slot].append(x)
                if slot[0] == vm.name:
                    strokes.setdefault("rail", []).append(f"M{_n(x)} {_n(vm_top - 2)}V{_n(inner_y[slot])}")
                    strokes.setdefault("tip rail-tip", []).append(f"M{_n(x)} {_n(vm_top)}l-4 -8h8z")
                    port = f"port {slot[1]}" if slot[1] else "any port"
                    texts.append(Text(x=_n(x + 8), y=_n(inner_y[slot] - 5), text=port, kind="p"))
                else:
                    paths = self._inner_of(vm.name, slot)
                    self._lane(_lane("", paths, inward=False), x, vm_top, inner_y[slot], strokes, marks)
            down = self.down[vm.name]
            for x, lane in zip(_spread(middle, self.vm_width, len(down)), down, strict=True):
                self._lane(lane, x, vm_bottom, ys[lane.rail], strokes, marks)
                far[lane.rail] = max(far.get(lane.rail, 0), x)
        rails = [f"M{LABELS} {_n(ys[key])}H{_n(end)}" for key, end in far.items()]
        rails += [f"M{_n(min(xs))} {_n(inner_y[rail])}H{_n(max(xs))}" for rail, xs in inner_xs.items() if xs]
        strokes["rail"] = rails + strokes.get("rail", [])
        order = ("rail", "tip rail-tip", "l pass", "l warn", "l unknown", "l manual", "l fail")
        kinds = [*order, *(kind for kind in strokes if kind not in order)]
        return Drawing(
            name=f"topology-{self.number}",
            caption="" if self.of == 1 else f"{self.vms[0].name} to {self.vms[-1].name}",
            description=self._description(),
            width=_n(width),
            height=_n(height),
            segment=Box(x=_n(LABELS + 8), y=_n(seg_top), width=_n(width - LABELS - 8), height=_n(seg_bottom - seg_top)),
            texts=tuple(texts),
            strokes=tuple(Stroke(kind=kind, d="".join(strokes[kind])) for kind in kinds if kind in strokes),
            boxes=tuple(boxes),
            marks=tuple(marks),
        )

    @staticmethod
    def _lane(
        lane: _Lane, x: float, start: float, rail: float, strokes: dict[str, list[str]], marks: list[Mark]
    ) -> None:
        towards = 1 if rail > start else -1
        end = rail - towards * SHORT if lane.status == "fail" else rail
        strokes.setdefault(f"l {lane.status}", []).append(f"M{_n(x)} {_n(start)}V{_n(end)}")
        if lane.inward and lane.status != "fail":
            strokes.setdefault(f"tip {lane.status}", []).append(f"M{_n(x)} {_n(start)}l-3.5 {7 * towards}h7z")
        if lane.status in {"pass", "warn"}:
            strokes.setdefault(f"dot {lane.status}", []).append(f"M{_n(x)} {_n(rail)}h0")
        if lane.status != "pass":
            y = rail - towards * SHORT
            marks.append(
                Mark(
                    x=_n(x - 7),
                    y=_n(y - 7),
                    status=lane.status,
                    number=lane.number,
                    number_x=_n(x + 9),
                    number_y=_n(y + 4),
                    anchor=lane.anchor,
                    title=lane.title,
                )
            )

    def _description(self) -> str:
        said = [f"{words.count(len(self.vms), 'EXEC VM')}: {words.joined(vm.name for vm in self.vms)}."]
        said += [
            f"Path {each.number}, {each.status}: {each.source} to {each.peers}, {each.summary}"
            for each in self.paths.broken
        ]
        return " ".join([*said, "All other paths pass."])


def _lane(key: str, some: Sequence[Path], *, inward: bool) -> _Lane:
    worst = min(some, key=lambda path: words.WORST_FIRST.index(path.status))
    bad = sum(path.status != "pass" for path in some)
    title = worst.summary if len(some) == 1 else f"{bad} of {len(some)} paths do not pass; the worst: {worst.summary}"
    number = str(worst.number or "") if len(some) == 1 else f"{bad} of {len(some)}"
    return _Lane(rail=key, status=worst.status, number=number, anchor=worst.link.anchor, title=title, inward=inward)


def _spread(middle: float, width: float, lanes: int) -> Sequence[float]:
    """Where so many lanes stand on a VM: 18 apart, closer where there is no room."""
    if lanes == 0:
        return ()
    apart = min(float(LANE), (width - 16) / lanes)
    return [middle + apart * (index - (lanes - 1) / 2) for index in range(lanes)]


def _n(amount: float) -> str:
    return f"{amount:.1f}".rstrip("0").rstrip(".")

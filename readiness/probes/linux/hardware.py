"""What a machine has to offer: processors, memory, disks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from readiness.host_script import Part, parts
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe


@dataclass(frozen=True)
class Cpu:
    """``online``: logical processors that the kernel uses; ``told_by`` says what named them."""

    online: int
    told_by: str


@dataclass(frozen=True)
class ReadCpu(HostProbe[Cpu]):
    """Ask the kernel which logical processors are online (Documentation/admin-guide/cputopology.rst)."""

    method: ClassVar[str] = "online processors"
    section: ClassVar[str] = "cpu"
    script: ClassVar[str] = """
show /sys/devices/system/cpu/online
if [ ! -r /sys/devices/system/cpu/online ]; then
  ask /proc/cpuinfo grep -c '^processor' /proc/cpuinfo || ask getconf getconf _NPROCESSORS_ONLN
fi
"""

    def understand(self, output: str, status: int) -> Cpu:
        found = parts(output)
        listed = _said(found, "/sys/devices/system/cpu/online")
        if re.fullmatch(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", listed):
            ranges = [
                (int(first), int(last or first)) for first, _, last in (r.partition("-") for r in listed.split(","))
            ]
            if all(first <= last for first, last in ranges):
                return Cpu(sum(last - first + 1 for first, last in ranges), "/sys/devices/system/cpu/online")
        for source in ("/proc/cpuinfo", "getconf"):
            counted = _said(found, source)
            if re.fullmatch(r"[1-9]\d{0,4}", counted):
                return Cpu(int(counted), source)
        raise ProbeError(
            Cause.PARSE,
            "nothing there counts the processors",
            enable="Mount /sys or /proc on that machine, readable for every user, then run the audit again.",
        )


@dataclass(frozen=True)
class Memory:
    """Bytes of memory.

    ``installed`` is what the kernel was given in whole blocks, ``None`` where it does not keep account of them;
    ``total`` is ``MemTotal``: what is left of it after the kernel and the firmware took theirs.
    """

    installed: int | None
    total: int


@dataclass(frozen=True)
class ReadMemory(HostProbe[Memory]):
    """Count the online memory blocks (Documentation/admin-guide/mm/memory-hotplug.rst), and read proc_meminfo(5)."""

    method: ClassVar[str] = "memory blocks, /proc/meminfo"
    section: ClassVar[str] = "memory"
    script: ClassVar[str] = """
show /sys/devices/system/memory/block_size_bytes
blocks=0
for block in /sys/devices/system/memory/memory[0-9]*/state; do
  [ -r "$block" ] && read -r state <"$block" && [ "$state" = online ] && blocks=$((blocks + 1))
done
printf '=== online blocks\\n%s\\n--- 0\\n' "$blocks"
read -r total </proc/meminfo && printf '=== /proc/meminfo\\n%s\\n--- 0\\n' "$total"
"""

    def understand(self, output: str, status: int) -> Memory:
        found = parts(output)
        total = re.fullmatch(r"MemTotal:\s+(\d{1,15}) kB", _said(found, "/proc/meminfo"))
        if total is None:
            raise ProbeError(
                Cause.PARSE,
                "/proc/meminfo does not begin with MemTotal",
                enable="Mount /proc on that machine, readable for every user, then run the audit again.",
            )
        size = re.fullmatch(r"[0-9a-f]{1,12}", _said(found, "/sys/devices/system/memory/block_size_bytes"))
        blocks = re.fullmatch(r"\d{1,9}", _said(found, "online blocks"))
        installed = int(size[0], 16) * int(blocks[0]) if size and blocks else 0
        return Memory(installed or None, int(total[1]) * 1024)


@dataclass(frozen=True)
class DmiMemory:
    """``installed``: bytes in the memory modules that the firmware describes; ``None`` where it was not to be read."""

    installed: int | None


@dataclass(frozen=True)
class ReadDmiMemory(HostProbe[DmiMemory]):
    """Ask the firmware for its memory modules (SMBIOS type 17), where the kernel keeps no account of its blocks."""

    method: ClassVar[str] = "dmidecode"
    section: ClassVar[str] = "dmi-memory"
    privileged: ClassVar[bool] = True
    script: ClassVar[str] = """
set -- /sys/devices/system/memory/memory[0-9]*
[ -e "$1" ] || ask dmidecode dmidecode -t 17
"""

    def understand(self, output: str, status: int) -> DmiMemory:
        sizes = re.findall(r"^\s*Size: (\d{1,7}) (MB|GB|TB)$", _said(parts(output), "dmidecode"), re.MULTILINE)
        units = {"MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
        return DmiMemory(sum(int(size) * units[unit] for size, unit in sizes) or None)


@dataclass(frozen=True)
class Disk:
    """One disk that cannot be taken out; ``size`` in bytes."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """One mounted file system, as df(1) shows it; ``size`` and ``free`` in bytes, ``free`` for ordinary users."""

    device: str
    mount: str
    size: int
    free: int


@dataclass(frozen=True)
class Disks:
    disks: tuple[Disk, ...]
    root: FileSystem | None

    @property
    def total(self) -> int:
        """Bytes of all disks together."""
        return sum(disk.size for disk in self.disks)


@dataclass(frozen=True)
class ReadDisks(HostProbe[Disks]):
    """Ask lsblk(8), or sysfs where it is too old to answer, for the disks; one disk seen over several paths is one.

    Without lsblk's JSON the lines are: name, sectors of 512 bytes, removable, the multipath map that holds it.
    """

    method: ClassVar[str] = "lsblk -b, df"
    section: ClassVar[str] = "disks"
    script: ClassVar[str] = """
if ! ask lsblk lsblk -b -J -o NAME,KNAME,TYPE,SIZE,RM,MOUNTPOINT; then
  echo '=== /sys/block'
  for disk in /sys/block/*; do
    if [ -r "$disk/size" ] && read -r size <"$disk/size" && read -r removable <"$disk/removable"; then
      map=
      for holder in "$disk"/holders/*; do
        [ -r "$holder/dm/uuid" ] && read -r uuid <"$holder/dm/uuid" && case $uuid in mpath-*) map=$uuid ;; esac
      done
      echo "${disk##*/} $size $removable $map"
    fi
  done
  echo '--- 0'
fi
ask df df -P -k /
"""

    def understand(self, output: str, status: int) -> Disks:
        found = parts(output)
        root = next(iter(file_systems(found.get("df"))), None)
        lsblk = found.get("lsblk")
        if lsblk is not None and lsblk.answered:
            return Disks(_distinct(_from_lsblk(lsblk.text)), root)
        sysfs = found.get("/sys/block")
        if sysfs is not None and sysfs.answered:
            return Disks(_distinct(_from_sysfs(sysfs.text)), root)
        raise ProbeError(
            Cause.TOOL_MISSING,
            "neither lsblk nor /sys/block shows the disks",
            enable="Install util-linux on that machine or mount /sys, then run the audit again.",
        )


_NO_DISK = re.compile(r"(loop|ram|zram|sr|fd|dm-|md|nbd|zd|mtdblock)\d+")
"""Block devices that hold nothing of their own, or can be taken out."""


@dataclass(frozen=True)
class _Seen:
    """A disk as it shows; ``map`` names the multipath device that it is one path of."""

    disk: Disk
    map: str


def _distinct(seen: Iterator[_Seen]) -> tuple[Disk, ...]:
    disks: list[Disk] = []
    maps: set[str] = set()
    for one in seen:
        if one.map not in maps:
            disks.append(one.disk)
        if one.map:
            maps.add(one.map)
    return tuple(disks)


def _from_lsblk(text: str) -> Iterator[_Seen]:
    for device in _listed(as_object(text, "lsblk").get("blockdevices")):
        name, size = device.get("kname") or device.get("name"), _number(device.get("size"))
        removable = device.get("rm") in (True, "1")
        if (
            device.get("type") != "disk"
            or not isinstance(name, str)
            or removable
            or _NO_DISK.fullmatch(name)
            or not size
        ):
            continue
        maps = (child.get("name") for child in _listed(device.get("children")) if child.get("type") == "mpath")
        yield _Seen(Disk(name, size), str(next(maps, "")))


def _from_sysfs(text: str) -> Iterator[_Seen]:
    for line in text.splitlines():
        name, sectors, removable, map_ = (*line.split(), "", "", "", "")[:4]
        if _NO_DISK.fullmatch(name) or removable != "0" or not _number(sectors):
            continue
        yield _Seen(Disk(name, _number(sectors) * 512), map_)


def file_systems(part: Part | None) -> tuple[FileSystem, ...]:
    """What ``df -P -k`` showed; a file system that it could not ask is left out."""
    found = []
    for line in (part.text if part is not None else "").splitlines():
        row = re.fullmatch(r"(.+?)\s+(\d{1,15})\s+(\d{1,15})\s+(-?\d{1,15})\s+(?:\d{1,3}%|-)\s+(/.*)", line)
        if row:
            found.append(
                FileSystem(device=row[1], mount=row[5], size=int(row[2]) * 1024, free=max(0, int(row[4])) * 1024)
            )
    return tuple(found)


def as_object(text: str, source: str) -> Mapping[str, object]:
    """A JSON object that a tool printed.

    Raises:
        ProbeError: it is none.
    """
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProbeError(Cause.PARSE, f"{source} printed what is no JSON object: {text[:120]!r}")
    return value


def _listed(value: object) -> Iterator[Mapping[str, object]]:
    """The objects of a JSON list, whatever else stands in it or in its place."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def _number(value: object) -> int:
    """A JSON number, or the string that older tools print for one; 0 where it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 1 << 63 else 0
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value) else 0


def _said(found: Mapping[str, Part], name: str) -> str:
    part = found.get(name)
    return part.text.strip() if part is not None and part.answered else ""

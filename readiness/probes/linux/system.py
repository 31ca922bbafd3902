"""Which system a machine runs, and which machine it is."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from readiness.host_script import parts
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe


class Family(StrEnum):
    """Distributions that are looked after with the same commands."""

    RED_HAT = "red_hat"
    DEBIAN = "debian"
    SUSE = "suse"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class System:
    """A running system.

    ``name`` is the distribution's own ("Rocky Linux 9.4 (Blue Onyx)"), ``id`` and ``version_id`` its fields in
    os-release(5). ``kernel_name``, ``kernel`` and ``machine`` are uname(1)'s words. ``userland_bits`` is the width of
    a C ``long`` in its programs, ``None`` where nothing told. ``maker`` and ``product`` are the firmware's words for
    the (virtual) hardware.
    """

    name: str
    id: str
    version_id: str
    family: Family
    kernel_name: str
    kernel: str
    machine: str
    userland_bits: int | None
    maker: str = ""
    product: str = ""

    @property
    def kernel_version(self) -> tuple[int, ...]:
        """The leading numbers of the kernel's release, to compare part by part: (5, 14, 0)."""
        return numbers(self.kernel)

    @property
    def kernel_bits(self) -> int | None:
        """The width that the kernel's word for its machine stands for; ``None`` for a word that is not known."""
        if "64" in self.machine or self.machine == "s390x":
            return 64
        return 32 if re.fullmatch(r"i[3-6]86|armv[5-8].*|ppc|s390|mips(el)?", self.machine) else None


@dataclass(frozen=True)
class ReadSystem(HostProbe[System]):
    """Ask uname(1) and os-release(5) what runs there."""

    method: ClassVar[str] = "os-release, uname"
    section: ClassVar[str] = "system"
    script: ClassVar[str] = """
ask uname uname -s -r -m || show /proc/sys/kernel/ostype /proc/sys/kernel/osrelease /proc/sys/kernel/arch
ask 'getconf LONG_BIT' getconf LONG_BIT
show /etc/os-release
[ -r /etc/os-release ] || show /usr/lib/os-release /etc/redhat-release
show /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name
"""

    def understand(self, output: str, status: int) -> System:
        part = {name: found.text for name, found in parts(output).items() if found.answered}
        kernel_name, kernel, machine = _uname(part)
        release = _os_release(part.get("/etc/os-release") or part.get("/usr/lib/os-release") or "")
        legacy = part.get("/etc/redhat-release", "").partition("\n")[0]
        name = release.get("PRETTY_NAME") or release.get("NAME") or legacy or "a distribution without a name"
        bits = part.get("getconf LONG_BIT", "")
        return System(
            name=name,
            id=release.get("ID", "rhel" if legacy else ""),
            version_id=release.get("VERSION_ID", ""),
            family=_family(release) if release or not legacy else Family.RED_HAT,
            kernel_name=kernel_name,
            kernel=kernel,
            machine=machine,
            userland_bits=int(bits) if bits in ("32", "64") else None,
            maker=part.get("/sys/class/dmi/id/sys_vendor", ""),
            product=part.get("/sys/class/dmi/id/product_name", ""),
        )


def _uname(part: Mapping[str, str]) -> tuple[str, str, str]:
    words = part.get("uname", "").split()
    if len(words) == 3:
        return words[0], words[1], words[2]
    kernel_name, kernel = part.get("/proc/sys/kernel/ostype", ""), part.get("/proc/sys/kernel/osrelease", "")
    if not kernel_name or not kernel:
        raise ProbeError(
            Cause.PARSE,
            "neither uname nor /proc/sys/kernel names the running kernel",
            enable="Run `uname -srm` as the audit's user there: it has to print three words.",
        )
    return kernel_name, kernel, part.get("/proc/sys/kernel/arch", "unknown")


def _os_release(text: str) -> Mapping[str, str]:
    """The fields of os-release(5), quotes and backslashes taken off as a shell would."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator and re.fullmatch(r"[A-Z][A-Z0-9_]*", key.strip()):
            value = value.strip()
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            fields[key.strip()] = re.sub(r"\\(.)", r"\1", value)
    return fields


_FAMILIES = {
    Family.RED_HAT: {"rhel", "centos", "fedora", "rocky", "almalinux", "ol", "amzn"},
    Family.DEBIAN: {"debian", "ubuntu"},
    Family.SUSE: {"sles", "suse", "opensuse", "opensuse-leap", "sle_hpc", "sles_sap"},
}


def _family(release: Mapping[str, str]) -> Family:
    for word in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        for family, words in _FAMILIES.items():
            if word in words:
                return family
    return Family.OTHER


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (20, 10, 24) of "20.10.24+dfsg1"; empty where it begins with none."""
    found = re.match(r"\s*v?(\d{1,9}(?:\.\d{1,9})*)", version)
    return tuple(int(number) for number in found[1].split(".")) if found else ()


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which machine it is.

    ``boot_id`` is new with every start of a kernel, so no two running kernels share it. ``machine_id`` and
    ``host_keys`` are what careless cloning copies, the latter as fingerprints of SSH host keys ("SHA256:...").
    """

    boot_id: str
    machine_id: str
    hostname: str
    host_keys: tuple[str, ...]


@dataclass(frozen=True)
class ReadIdentity(HostProbe[Identity]):
    """Ask for what tells one machine from another: random(4), machine-id(5) and the SSH host keys."""

    method: ClassVar[str] = "boot_id, machine-id"
    section: ClassVar[str] = "identity"
    script: ClassVar[str] = """
show /proc/sys/kernel/random/boot_id /etc/machine-id /proc/sys/kernel/hostname
show /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_ecdsa_key.pub /etc/ssh/ssh_host_rsa_key.pub
"""

    def understand(self, output: str, status: int) -> Identity:
        part = {name: found.text.strip() for name, found in parts(output).items() if found.answered}
        boot_id = part.get("/proc/sys/kernel/random/boot_id", "").lower()
        if not re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", boot_id):
            raise ProbeError(
                Cause.PARSE,
                "/proc/sys/kernel/random/boot_id holds no boot id",
                enable="Mount /proc on that machine, readable for every user, then run the audit again.",
            )
        keys = (_fingerprint(text) for name, text in part.items() if name.endswith(".pub"))
        return Identity(
            boot_id=boot_id,
            machine_id=part.get("/etc/machine-id", ""),
            hostname=part.get("/proc/sys/kernel/hostname", ""),
            host_keys=tuple(key for key in keys if key),
        )


def _fingerprint(public: str) -> str:
    """A public key's fingerprint as `ssh-keygen -l` prints it, empty where the file holds none."""
    try:
        key = base64.b64decode(public.split()[1], validate=True)
    except (IndexError, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")

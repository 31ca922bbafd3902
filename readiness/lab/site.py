"""The embedded site: Demo Harbour, a contact centre of 1500 agents that is about to get EXEC.

What is wrong with it before remediation is data: every fault says what it does to the site and how it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from string import Template

from readiness.lab.genesys_cloud import EX_INTEGRATION, REPORTING, RoleGrant
from readiness.lab.network import Rules
from readiness.lab.segment import Card, Segment
from readiness.model import Status
from readiness.site import Endpoint, Role
from readiness.site.page import GB

NAME = "Demo Harbour"
_SITE_FILE = Path(__file__).with_name("demo-harbour.yaml")
DOMAIN = "demo-harbour.example"
REGION = "mypurecloud.de"
USER = "exec"

REDIS_HOST = f"redis.{DOMAIN}"
REGISTRY_HOST = f"registry.{DOMAIN}"
CONFIG_DB_HOST = f"cfgdb.{DOMAIN}"
STAT_HOSTS = (f"stat-a.{DOMAIN}", f"stat-b.{DOMAIN}")
SIP_HOSTS = (f"sip-a.{DOMAIN}", f"sip-b.{DOMAIN}")
LOGGING_HOST = f"logs.{DOMAIN}"
LOGIN_HOST = f"login.{REGION}"
API_HOST = f"api.{REGION}"

NAMES: Mapping[str, tuple[str, ...]] = {
    REDIS_HOST: ("10.20.40.20",),
    REGISTRY_HOST: ("10.20.40.30",),
    LOGGING_HOST: ("10.20.40.40",),
    CONFIG_DB_HOST: ("10.20.50.10",),
    STAT_HOSTS[0]: ("10.20.50.21",),
    STAT_HOSTS[1]: ("10.20.50.22",),
    SIP_HOSTS[0]: ("10.20.50.31",),
    SIP_HOSTS[1]: ("10.20.50.32",),
    LOGIN_HOST: ("198.51.100.21",),
    API_HOST: ("198.51.100.22",),
}
"""The site's name service; the addresses are private ones and one of the ranges kept for documentation."""

IMAGES = ("exec/excs:100.0.1", "exec/exas:100.0.1", "exec/excp:100.0.1")


class Distribution(StrEnum):
    """Whose recorded facts a machine shows; the value is the folder of its recordings."""

    RHEL_9 = "rhel-9"
    UBUNTU_22 = "ubuntu-22.04"
    DEBIAN_12 = "debian-12"
    SLES_15 = "sles-15"
    ROCKY_8 = "rocky-8"


@dataclass(frozen=True, kw_only=True)
class Host:
    """One machine of the site; ``role`` is ``None`` for the bootstrap VM.

    ``number`` is the last part of its addresses, the virtual one and that of its SSH server.
    """

    name: str
    role: Role | None
    number: int
    distribution: Distribution
    device: str = "ens192"

    @property
    def address(self) -> str:
        return f"10.20.30.{self.number}"

    @property
    def card(self) -> Card:
        """Its network card on the site's segment."""
        return Card(
            device=self.device,
            address=IPv4Interface(f"{self.address}/24"),
            mac=f"52:54:00:20:30:{self.number:02x}",
        )


HOSTS = (
    Host(name="excs-1", role=Role.EXCS, number=11, distribution=Distribution.RHEL_9),
    Host(name="exas-1", role=Role.EXAS, number=12, distribution=Distribution.UBUNTU_22),
    Host(name="excp-1", role=Role.EXCP, number=13, distribution=Distribution.DEBIAN_12),
    Host(name="excp-2", role=Role.EXCP, number=14, distribution=Distribution.SLES_15, device="eth0"),
    Host(name="boot-1", role=None, number=10, distribution=Distribution.ROCKY_8),
)


def segment(host: Host) -> Segment:
    """The site's segment as one of its machines sees it."""
    others = tuple(other.card for other in HOSTS if other is not host)
    return Segment(own=host.card, others=others, gateway=IPv4Address("10.20.30.1"))


class Ailment(StrEnum):
    """What can be wrong with a machine itself."""

    OLD_DOCKER = "old_docker"
    STALE_CLOCK = "stale_clock"
    SMALL_DISK = "small_disk"


class State(StrEnum):
    """The site before and after its faults were mended."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All that can be right or wrong with the site at one time; the defaults are right.

    ``redis_maxmemory`` in bytes. ``ailments``: pairs of a machine's name and what it has.
    """

    redis_maxmemory: int = 4 * GB
    redis_policy: str = "noeviction"
    rules: Rules = field(default_factory=Rules)
    roles: tuple[RoleGrant, ...] = (EX_INTEGRATION,)
    ailments: frozenset[tuple[str, Ailment]] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong: ``story`` for people, ``findings`` with the status that it gives them."""

    name: str
    story: str
    findings: Mapping[str, Status]
    harm: Harm


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What a fault changes in the site's conditions; what is ``None`` or empty stays as it is."""

    redis_maxmemory: int | None = None
    redis_policy: str | None = None
    dropped: frozenset[tuple[str, Endpoint]] = frozenset()
    nameless: frozenset[tuple[str, str]] = frozenset()
    roles: tuple[RoleGrant, ...] | None = None
    ailments: frozenset[tuple[str, Ailment]] = frozenset()

    def done_to(self, good: Conditions) -> Conditions:
        """The same conditions with this harm done to them."""
        return replace(
            good,
            redis_maxmemory=good.redis_maxmemory if self.redis_maxmemory is None else self.redis_maxmemory,
            redis_policy=good.redis_policy if self.redis_policy is None else self.redis_policy,
            roles=good.roles if self.roles is None else self.roles,
            ailments=good.ailments | self.ailments,
            rules=Rules(
                dropped=good.rules.dropped | self.dropped,
                nameless=good.rules.nameless | self.nameless,
            ),
        )


REDIS = f"{REDIS_HOST}:6379"
GENESYS_CLOUD = f"{LOGIN_HOST}:443"

FAULTS = (
    Fault(
        name="redis-memory",
        story="Redis was given the 2 GB of the page's example, but the site has 1500 agents and 8 calls a second.",
        findings={f"redis.memory[{REDIS}]": Status.FAIL},
        harm=Harm(redis_maxmemory=2 * GB),
    ),
    Fault(
        name="redis-eviction",
        story="Redis throws away any key when it is full, the ID map of running calls included.",
        findings={f"redis.eviction[{REDIS}]": Status.WARN},
        harm=Harm(redis_policy="allkeys-lru"),
    ),
    Fault(
        name="sip-firewall",
        story="The firewall request named excp-1 twice: excp-2 gets no answer from the second SIP Server.",
        findings={f"connectivity.sip-server[excp-2->{SIP_HOSTS[1]}:8000]": Status.FAIL},
        harm=Harm(dropped=frozenset({("excp-2", Endpoint(NAMES[SIP_HOSTS[1]][0], 8000))})),
    ),
    Fault(
        name="stat-name",
        story="exas-1 asks an old name server that does not know the backup Stat Server.",
        findings={
            f"connectivity.stat-server-backup[exas-1->{STAT_HOSTS[1]}:2060]": Status.FAIL,
            "network.name-resolution[exas-1]": Status.FAIL,
            "network.docker-overlap[exas-1]": Status.UNKNOWN,
            f"engage.stat-server[{STAT_HOSTS[1]}:2060]": Status.UNKNOWN,
        },
        harm=Harm(nameless=frozenset({("exas-1", STAT_HOSTS[1])})),
    ),
    Fault(
        name="old-docker",
        story="Docker on excp-1 came from a static bundle that somebody had kept: it is version 19.03.",
        findings={"vm.docker[excp-1]": Status.FAIL},
        harm=Harm(ailments=frozenset({("excp-1", Ailment.OLD_DOCKER)})),
    ),
    Fault(
        name="stale-clock",
        story="The time servers of exas-1 have been out of its reach for three days, though its daemon runs.",
        findings={"vm.time-sync[exas-1]": Status.FAIL},
        harm=Harm(ailments=frozenset({("exas-1", Ailment.STALE_CLOCK)})),
    ),
    Fault(
        name="small-disk",
        story="excp-2 has a disk of 40 GB, half of what the page recommends.",
        findings={"vm.disk[excp-2]": Status.WARN},
        harm=Harm(ailments=frozenset({("excp-2", Ailment.SMALL_DISK)})),
    ),
    Fault(
        name="oauth-role",
        story="The OAuth client in Genesys Cloud may read reports, but nobody gave it the EX Integration role.",
        findings={f"genesys-cloud.role[{GENESYS_CLOUD}]": Status.FAIL},
        harm=Harm(roles=(REPORTING,)),
    ),
)
"""What is wrong with Demo Harbour before anybody mends it."""


def conditions(state: State, *, without: frozenset[str] = frozenset()) -> Conditions:
    """The site's conditions in a state; ``without`` names faults that are mended already."""
    found = Conditions()
    if state is State.BEFORE:
        for fault in FAULTS:
            if fault.name not in without:
                found = fault.harm.done_to(found)
    return found


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the site file has to name that is new in every lab: where SSH listens, and the OAuth client."""

    ssh: Mapping[str, Endpoint]
    client_id: str
    organization_id: str


def site_file(written: Written, today: date) -> str:
    """The site file, as its owner would write it; every path in it is relative to it."""
    blanks = {
        "client_id": written.client_id,
        "organization_id": written.organization_id,
        "signed": str(today - timedelta(days=6)),
        "until": str(today + timedelta(days=180)),
        "lapses": str(today + timedelta(days=45)),
    }
    for name, endpoint in written.ssh.items():
        slot = name.replace("-", "_")
        blanks |= {f"{slot}_host": endpoint.host, f"{slot}_port": str(endpoint.port)}
    return Template(_SITE_FILE.read_text(encoding="utf-8")).substitute(blanks)

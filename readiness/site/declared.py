"""What a site file can declare, as frozen dataclasses; nothing here has been looked at yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TypeAlias, TypeVar

from readiness.model import Attestation, Owner, Waiver
from readiness.secret import SecretRef
from readiness.site.page import PAGES, Page
from readiness.vantage import HostAccess, Limits


class Absent(StrEnum):
    """Why a site has no such element: its key is missing, or it says ``none``."""

    UNDECLARED = "undeclared"
    NONE = "none"


ElementT = TypeVar("ElementT")
Element: TypeAlias = ElementT | Absent
"""An element of the site, or why there is none: ``Element[Redis]``."""


class Environment(StrEnum):
    PRODUCTION = "production"
    LAB = "lab"


class Role(StrEnum):
    """The component that a VM carries; EXRP exists in the ``recording`` revision only."""

    EXCS = "excs"
    EXAS = "exas"
    EXCP = "excp"
    EXRP = "exrp"

    @property
    def label(self) -> str:
        return self.value.upper()


class Engine(StrEnum):
    """The RDBMS of the Config DB."""

    POSTGRESQL = "postgresql"
    MSSQL = "mssql"
    ORACLE = "oracle"


@dataclass(frozen=True)
class Endpoint:
    """A host and a port, printed as ``host:port`` with IPv6 addresses in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Vm:
    """One planned VM. ``host`` is where SSH connects, ``None`` while it is not built; ``address`` is what the
    other components use (it defaults to ``host``); ``port`` is its component's own."""

    name: str
    role: Role
    host: str | None
    address: str | None
    port: int | None

    @property
    def built(self) -> bool:
        return self.host is not None


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """The VM that runs the deployment; ``local``: the auditor runs on it."""

    name: str
    host: str | None
    local: bool = False


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What the site is planned for: agents, and call arrivals a second (CAPS)."""

    agents: int = 1000
    caps: float = 5


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How a service's TLS is verified; ``server_name`` defaults to the declared host.

    ``mode`` is libpq's word for PostgreSQL (``verify-full``, ``require``, ...), else ``verify-full``.
    """

    ca_file: Path | None = None
    server_name: str | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    mode: str = "verify-full"


@dataclass(frozen=True, kw_only=True)
class EnterpriseApi:
    """The REST API of a Redis Enterprise cluster."""

    url: str
    username: str | None
    password: SecretRef | None
    ca_file: Path | None


@dataclass(frozen=True, kw_only=True)
class Redis:
    endpoint: Endpoint
    username: str | None = None
    password: SecretRef | None = None
    tls: Tls | None = None
    enterprise_api: EnterpriseApi | None = None


@dataclass(frozen=True, kw_only=True)
class Registry:
    """``url`` without a path; ``images`` as ``repository:tag`` or ``repository@digest``.

    ``token_service`` is the one other host that may be shown the account, where the registry hands its clients on.
    """

    url: str
    endpoint: Endpoint
    username: str | None = None
    password: SecretRef | None = None
    ca_file: Path | None = None
    token_service: str | None = None
    images: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ConfigDb:
    engine: Engine
    endpoint: Endpoint
    database: str | None = None
    schema: str | None = None
    user: str | None = None
    password: SecretRef | None = None
    tls: Tls | None = None


@dataclass(frozen=True, kw_only=True)
class StatServer:
    """A Stat Server or a SIP Server; ``version`` as declared, if it is."""

    endpoint: Endpoint
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class StatServers:
    primary: Element[StatServer]
    backup: Element[StatServer]


SipServers = tuple[StatServer, ...]


@dataclass(frozen=True, kw_only=True)
class GenesysCloud:
    """The EX organisation; ``login`` and ``api`` are ``login.<region>`` and ``api.<region>``, port 443."""

    region: str
    client_id: str | None
    client_secret: SecretRef | None
    organization_id: str | None
    role: str
    ca_file: Path | None
    proxy: str | None
    login: Endpoint
    api: Endpoint


@dataclass(frozen=True, kw_only=True)
class Logging:
    url: str
    endpoint: Endpoint
    username: str | None
    password: SecretRef | None
    ca_file: Path | None


@dataclass(frozen=True, kw_only=True)
class WebElement:
    """A monitoring element that is known by its URL (Grafana, Portainer)."""

    url: str
    endpoint: Endpoint
    username: str | None
    password: SecretRef | None
    ca_file: Path | None


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """``name`` is ``prometheus``; with ``access`` declared it is a vantage of that name too."""

    host: str
    url: str | None
    ca_file: Path | None
    username: str | None
    password: SecretRef | None
    ssh: bool


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    prometheus: Element[Prometheus]
    grafana: Element[WebElement]
    portainer: Element[WebElement]


@dataclass(frozen=True, kw_only=True)
class Probing:
    """What the customer consents to; what is switched off is ``unknown``, ``unsupported``."""

    listeners: bool = True
    exec: bool = True
    sip_stat_connect: bool = True
    oauth_token: bool = True


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """``lead_times`` in working days by owner; ``valid_for`` by the kind of evidence."""

    lead_times: Mapping[Owner, int] = field(default_factory=dict)
    valid_for: Mapping[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A whole site file, loaded.

    ``digest`` is the SHA-256 of the file's bytes in hex; ``declared`` is the file as loaded, with secrets as
    their references, ready for JSON.
    """

    name: str
    slug: str
    change_ticket: str | None
    environment: Environment
    page: Page
    capacity: Capacity
    vms: tuple[Vm, ...]
    bootstrap: Element[Bootstrap]
    redis: Element[Redis]
    registry: Element[Registry]
    config_db: Element[ConfigDb]
    stat_servers: StatServers
    sip_servers: Element[SipServers]
    genesys_cloud: Element[GenesysCloud]
    logging: Element[Logging]
    monitoring: Monitoring
    ports: Mapping[Role, int]
    probing: Probing
    limits: Limits
    report: ReportSettings
    attestations: tuple[Attestation, ...]
    waivers: tuple[Waiver, ...]
    access: tuple[HostAccess, ...]
    path: Path
    digest: str
    declared: Mapping[str, object]

    @cached_property
    def secrets(self) -> Mapping[SecretRef, tuple[str, ...]]:
        """Every secret reference of the file, with the user names it is used with."""
        found: dict[SecretRef, tuple[str, ...]] = {}

        def note(ref: object, user: str | None) -> None:
            if isinstance(ref, SecretRef):
                found[ref] = (*found.get(ref, ()), *((user,) if user else ()))

        for access in self.access:
            note(access.password, access.user)
            note(access.passphrase, None)
            note(access.sudo, access.user)
        for element in (self.redis, self.registry, self.logging):
            if not isinstance(element, Absent):
                note(element.password, element.username)
        for web in (self.monitoring.prometheus, self.monitoring.grafana, self.monitoring.portainer):
            if not isinstance(web, Absent):
                note(web.password, web.username)
        if isinstance(self.redis, Redis) and self.redis.enterprise_api is not None:
            note(self.redis.enterprise_api.password, self.redis.enterprise_api.username)
        if isinstance(self.config_db, ConfigDb):
            note(self.config_db.password, self.config_db.user)
        if isinstance(self.genesys_cloud, GenesysCloud):
            note(self.genesys_cloud.client_secret, self.genesys_cloud.client_id)
        return found

    def vms_of(self, *roles: Role) -> tuple[Vm, ...]:
        """The VMs of these roles: excs first, then exas, excp, exrp, and in the file's order within a role."""
        wanted = roles or tuple(Role)
        return tuple(vm for role in Role if role in wanted for vm in self.vms if vm.role is role)


DEFAULT_PAGE = PAGES["2023-07-27"]

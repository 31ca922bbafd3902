"""The lab as a whole: Demo Harbour with its machines, its services and its faults, alive inside one ``async with``."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from readiness.lab import engage, site
from readiness.lab.authority import Authority
from readiness.lab.elasticsearch import Elasticsearch
from readiness.lab.facts import Facts
from readiness.lab.genesys_cloud import GenesysCloud, GenesysCloudState
from readiness.lab.https import HttpsServer
from readiness.lab.machine import Machine, Unprepared
from readiness.lab.network import Network
from readiness.lab.peers import Peer
from readiness.lab.postgres import PgServer, PgState
from readiness.lab.redis_server import RedisPeer, RedisSettings, serve_redis
from readiness.lab.registry import Image, Registry, RegistryState
from readiness.lab.site import FAULTS, HOSTS, NAMES, Conditions, Fault, State, Written
from readiness.lab.ssh_hosts import Account, SshHost, fresh_key, host_address
from readiness.site import Endpoint

CA_FILE = "demo-harbour-ca.pem"
"""The lab's authority, as the site file names it."""


@dataclass(frozen=True)
class _Keys:
    """What only this lab knows; written to files that its owner alone can read."""

    redis: str
    registry: str
    config_db: str
    logging: str
    oauth_client: str

    @staticmethod
    def fresh() -> _Keys:
        return _Keys(*(secrets.token_urlsafe(24) for _ in range(5)))

    def by_file(self) -> Mapping[str, str]:
        return {
            "redis": self.redis,
            "registry": self.registry,
            "config-db": self.config_db,
            "logging": self.logging,
            "oauth-client": self.oauth_client,
        }

    def __repr__(self) -> str:
        return "_Keys(***)"


class Lab:
    """Demo Harbour on this machine's loopback; entering it takes about a second, leaving it leaves nothing behind.

    ``folder``: where its own folder is made, the system's place for temporary files if left out. ``site_file``,
    ``hosts`` (the SSH servers by name) and ``redis`` are there once it is entered. Labs do not know of each other: any
    number may run.

    Raises:
        Unprepared: on entering, this system cannot hold a lab.
    """

    def __init__(self, folder: Path | None = None, state: State = State.BEFORE) -> None:
        self.conditions = site.conditions(state)
        self.site_file = Path()
        self.hosts: Mapping[str, SshHost] = {}
        self.genesys_cloud = GenesysCloudState(
            region=site.REGION,
            client_id=str(uuid.uuid4()),
            client_name="exec-demo-harbour",
            organization_id=str(uuid.uuid4()),
            organization_name="Demo Harbour EX",
            roles=self.conditions.roles,
        )
        self._parent = folder
        self._network: Network | None = None
        self._keys = _Keys.fresh()
        self._running = contextlib.AsyncExitStack()
        self._machines: tuple[Machine, ...] = ()
        self._redis: RedisPeer | None = None

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as running:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="readiness-lab-", dir=self._parent)))
            await self._start(folder, running)
            self._running = running.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.__aexit__(kind, error, trace)

    @property
    def redis(self) -> RedisPeer:
        """The lab's Redis, and what it really is."""
        assert self._redis is not None
        return self._redis

    @property
    def network(self) -> Network:
        """What connects the lab's machines and services."""
        assert self._network is not None
        return self._network

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the site now."""
        return tuple(fault for fault in FAULTS if fault.harm.done_to(self.conditions) == self.conditions)

    async def remediate(self) -> None:
        """Mend everything, as the site's people would."""
        await self.adopt(site.conditions(State.AFTER))

    async def adopt(self, conditions: Conditions) -> None:
        """Make the running site be as these conditions say."""
        self.conditions = conditions
        await self.redis.adjust(maxmemory=conditions.redis_maxmemory, policy=conditions.redis_policy)
        self.genesys_cloud.roles = conditions.roles
        self.network.rules = conditions.rules
        for machine in self._machines:
            machine.heed()

    async def _start(self, folder: Path, running: contextlib.AsyncExitStack) -> None:
        self._network = Network(
            names=NAMES,
            hosts={host.name: host.address for host in HOSTS},
            board=folder / "network",
            rules=self.conditions.rules,
        )
        try:
            await running.enter_async_context(self._network)
        except OSError as error:
            raise Unprepared(str(error)) from error
        authority = Authority(site.NAME)
        authority.write(folder / CA_FILE)
        await self._serve(folder, authority, running)
        self.hosts = await self._boot(folder, running)
        self._write(folder)

    async def _serve(self, folder: Path, authority: Authority, running: contextlib.AsyncExitStack) -> None:
        """Start everything that the machines will connect to, and put it behind its virtual address."""
        settings = RedisSettings(
            username="exec",
            password=self._keys.redis,
            maxmemory=self.conditions.redis_maxmemory,
            policy=self.conditions.redis_policy,
        )
        self._redis = await running.enter_async_context(
            serve_redis(settings, folder / "redis", tls=authority.server(site.REDIS_HOST))
        )
        cloud = GenesysCloud(self.genesys_cloud, tls=authority.server(site.LOGIN_HOST, site.API_HOST))
        self.genesys_cloud.client_secret = self._keys.oauth_client
        await running.enter_async_context(cloud)
        images = RegistryState(images=dict.fromkeys(site.IMAGES, Image()), users={"pull": self._keys.registry})
        registry = Registry(images, name=site.REGISTRY_HOST, tls=authority.server(site.REGISTRY_HOST))
        await running.enter_async_context(registry)
        search = Elasticsearch(users={"exec": self._keys.logging}, tls=authority.server(site.LOGGING_HOST))
        await running.enter_async_context(search)

        config_db = PgState(
            database="genesys_cfg", tables=engage.tables(site.DOMAIN), users={"exec_ro": self._keys.config_db}
        )
        database = await running.enter_async_context(PgServer(config_db, tls=authority.server(site.CONFIG_DB_HOST)))

        self._publish(site.CONFIG_DB_HOST, 5432, database)
        self._publish(site.REDIS_HOST, 6379, self._redis.endpoint)
        for host in (site.LOGIN_HOST, site.API_HOST):
            self._publish(host, 443, _where(cloud.server))
        self._publish(site.REGISTRY_HOST, 443, _where(registry.server))
        self._publish(site.LOGGING_HOST, 9200, _where(search.server))
        silent = (
            *((h, 2060) for h in site.STAT_HOSTS),
            *((h, 8000) for h in site.SIP_HOSTS),
        )
        for host, port in silent:
            self._publish(host, port, await running.enter_async_context(Peer()))

    def _publish(self, host: str, port: int, real: Endpoint) -> None:
        for address in NAMES[host]:
            self.network.serve(Endpoint(address, port), real)

    async def _boot(self, folder: Path, running: contextlib.AsyncExitStack) -> Mapping[str, SshHost]:
        """Start the machines, each behind an SSH server of its own."""
        key = fresh_key("readiness-lab")
        identity = folder / "id_ed25519"
        identity.touch(mode=0o600)
        key.write_private_key(identity)
        account = Account(user=site.USER, key=key)
        found: dict[str, SshHost] = {}
        machines: list[Machine] = []
        for host in HOSTS:
            facts = Facts.of(host)
            machine = Machine(
                host.name,
                folder / "machines" / host.name,
                network=self.network,
                segment=site.segment(host),
                store=folder / CA_FILE,
                recorded=self._recorded(facts),
            )
            ssh = SshHost(
                host.name,
                address=host_address(host.number),
                account=account,
                network=self.network,
                execute=machine,
                key=facts.host_key,
            )
            found[host.name] = await running.enter_async_context(ssh)
            machines.append(machine)
            self.network.serve(Endpoint(host.address, ssh.endpoint.port), ssh.endpoint)
        for machine in machines:
            machine.install()
        self._machines = tuple(machines)
        return found

    def _recorded(self, facts: Facts) -> Callable[[], Mapping[str, str]]:
        return lambda: facts.responses(self.conditions, datetime.now(UTC))

    def _write(self, folder: Path) -> None:
        kept = folder / "secrets"
        kept.mkdir(mode=0o700)
        for name, secret in self._keys.by_file().items():
            (kept / name).touch(mode=0o600)
            (kept / name).write_text(secret, encoding="utf-8")
        (folder / "known_hosts").write_text(
            "".join(host.known_hosts_line for host in self.hosts.values()), encoding="utf-8"
        )
        written = Written(
            ssh={name: host.endpoint for name, host in self.hosts.items()},
            client_id=self.genesys_cloud.client_id,
            organization_id=self.genesys_cloud.organization_id,
        )
        self.site_file = folder / "demo-harbour.yaml"
        self.site_file.write_text(site.site_file(written, datetime.now(UTC).date()), encoding="utf-8")


def _where(server: HttpsServer) -> Endpoint:
    return Endpoint(server.address, server.port)

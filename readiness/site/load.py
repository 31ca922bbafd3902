"""From a site file to a ``Site``: read, check, and tell every problem at once."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from readiness.model import Attestation, Owner, Waiver
from readiness.secret import SecretRef
from readiness.site import syntax
from readiness.site.declared import (
    Absent,
    Bootstrap,
    Capacity,
    ConfigDb,
    Element,
    Endpoint,
    Engine,
    EnterpriseApi,
    Environment,
    GenesysCloud,
    Logging,
    Monitoring,
    Probing,
    Prometheus,
    Redis,
    Registry,
    ReportSettings,
    Role,
    SipServers,
    Site,
    StatServer,
    StatServers,
    Tls,
    Vm,
    WebElement,
)
from readiness.site.document import MAX_BYTES, Flaw, Node, read_document
from readiness.site.page import PAGES
from readiness.site.problems import Problem, SiteFileError
from readiness.site.recorded import Setting, laid_over, tree
from readiness.site.validate import Json, KnownChecks, Validation
from readiness.vantage import HostAccess, JumpAccess, Limits

if TYPE_CHECKING:
    from readiness_schemas.report import SiteDocument

__all__ = ["Problem", "SiteFileError", "load_declared", "load_site"]

COMPONENT_PORTS: Mapping[Role, int] = {Role.EXCS: 3640, Role.EXAS: 3630, Role.EXCP: 3650}
"""The ports that the page gives each component; EXRP's is not published."""

DATABASE_PORTS: Mapping[Engine, int] = {Engine.POSTGRESQL: 5432, Engine.MSSQL: 1433, Engine.ORACLE: 1521}
REDIS_PORT = 6379
STAT_SERVER_PORT = 2060
SIP_SERVER_PORT = 8000
ROLE_NAME = "EX Integration"


def load_site(
    path: Path,
    *,
    known_checks: KnownChecks | None = None,
    files: bool = True,
    settings: Sequence[Setting] = (),
) -> Site:
    """Read, check and understand a site file.

    ``known_checks`` gives the ids that attestations and waivers may name (any where it is ``None``); it is asked only
    where they name one. With ``files`` unset, certificates that the file names need not be there. ``settings`` are
    laid over the file before it is checked; the site's digest is then that of what it declares, no file's.

    Raises:
        SiteFileError: with every problem of the file, each with its line and column.
        Unsettable: a setting has no place in it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        problem = Problem(
            file=str(path),
            line=0,
            column=0,
            where="",
            message=f"cannot be read: {why}",
            expected="a site file; `readiness init` writes one",
        )
        raise SiteFileError((problem,)) from None
    root, flaws = read_document(data)
    if settings and root is not None:
        root = laid_over(root, settings)
    return _site(root, flaws, path, None if settings else hashlib.sha256(data).hexdigest(), known_checks, files)


def load_declared(site: SiteDocument, *, path: Path, settings: Sequence[Setting] = ()) -> Site:
    """Understand the site file that a report has kept, with ``settings`` laid over it.

    ``path`` names the report where a problem has to be told. Where the site file was is not kept, so the site's own
    path is but ``site.yaml``, and the files that it names stay as they are written there; none of them need exist.
    Checks that attestations and waivers name need not be known.

    Raises:
        SiteFileError: with every problem of what was kept or set.
        Unsettable: a setting has no place in it, or what was kept is no site file.
    """
    root = laid_over(tree(site["declared"]), settings)
    loaded = _site(root, (), path, None if settings else site["digest"], None, files=False, base=Path())
    return replace(loaded, path=Path("site.yaml"))


def _site(
    root: Node | None,
    flaws: tuple[Flaw, ...],
    path: Path,
    digest: str | None,
    known_checks: KnownChecks | None,
    files: bool,
    base: Path | None = None,
) -> Site:
    from readiness_schemas import load

    base = path.absolute().parent if base is None else base
    validation = Validation(str(path), load("site"), base=base, known_checks=known_checks, files=files)
    declared = validation.run(root, flaws)
    if validation.problems:
        raise SiteFileError(tuple(validation.problems))
    assert isinstance(declared, dict)
    return _Build(declared, base).site(path, digest or _digest(declared))


def _digest(declared: Json) -> str:
    """The digest of what no file says: SHA-256 over its JSON with sorted keys."""
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()


def slug(name: str) -> str:
    """A name as it may stand in a folder's name: ``ACME Berlin`` becomes ``acme-berlin``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].rstrip("-")
    return short or "site-" + hashlib.sha256(name.encode()).hexdigest()[:8]


class _Keys:
    """One section of a checked file; each accessor trusts what the schema has ensured."""

    def __init__(self, declared: Mapping[str, Json], base: Path) -> None:
        self._declared = declared
        self._base = base

    def has(self, key: str) -> bool:
        return key in self._declared

    def text(self, key: str) -> str:
        return str(self._declared[key])

    def maybe(self, key: str) -> str | None:
        return str(self._declared[key]) if key in self._declared else None

    def integer(self, key: str, default: int) -> int:
        value = self._declared.get(key, default)
        assert isinstance(value, int)
        return value

    def maybe_integer(self, key: str) -> int | None:
        value = self._declared.get(key)
        assert value is None or isinstance(value, int)
        return value

    def number(self, key: str, default: float) -> float:
        value = self._declared.get(key, default)
        assert isinstance(value, int | float)
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._declared.get(key, default)
        assert isinstance(value, bool)
        return value

    def section(self, key: str) -> _Keys:
        """The section at ``key``; empty where there is none."""
        value = self._declared.get(key, {})
        return _Keys(value if isinstance(value, dict) else {}, self._base)

    def is_section(self, key: str) -> bool:
        return isinstance(self._declared.get(key), dict)

    def sections(self, key: str) -> tuple[_Keys, ...]:
        value = self._declared.get(key, [])
        items = value if isinstance(value, list) else []
        return tuple(_Keys(item, self._base) for item in items if isinstance(item, dict))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._declared.get(key, [])
        return tuple(str(item) for item in value) if isinstance(value, list) else ()

    def absent(self, key: str) -> Absent | None:
        """Why the element at ``key`` is not there, ``None`` where it is."""
        value = self._declared.get(key)
        if value is None:
            return Absent.UNDECLARED
        return Absent.NONE if value == "none" else None

    def path(self, key: str) -> Path | None:
        text = self.maybe(key)
        return syntax.path(text, self._base) if text is not None else None

    def secret(self, key: str) -> SecretRef | None:
        if not self.is_section(key):
            return None
        ref = self.section(key)
        return SecretRef(env=ref.maybe("env"), file=ref.path("file"), command=ref.texts("command") or None)

    def endpoint(self, default_port: int) -> Endpoint:
        return Endpoint(self.text("host"), self.integer("port", default_port))


class _Build:
    """Turns a checked file into its ``Site``."""

    def __init__(self, declared: dict[str, Json], base: Path) -> None:
        self._declared = declared
        self._top = _Keys(declared, base)

    def site(self, path: Path, digest: str) -> Site:
        top = self._top
        head = top.section("site")
        name = head.text("name")
        ports = self._ports()
        vms = tuple(self._vm(keys, ports) for keys in top.sections("vms"))
        bootstrap = self._bootstrap()
        monitoring = self._monitoring()
        capacity, limits, probing = top.section("capacity"), top.section("limits"), top.section("probing")
        return Site(
            name=name,
            slug=slug(name),
            change_ticket=head.maybe("change_ticket"),
            environment=Environment(head.maybe("environment") or Environment.PRODUCTION),
            page=PAGES[top.section("page").maybe("revision") or "2023-07-27"],
            capacity=Capacity(agents=capacity.integer("agents", 1000), caps=capacity.number("caps", 5)),
            vms=vms,
            bootstrap=bootstrap,
            redis=self._redis(),
            registry=self._registry(),
            config_db=self._config_db(),
            stat_servers=self._stat_servers(),
            sip_servers=self._sip_servers(),
            genesys_cloud=self._genesys_cloud(),
            logging=self._logging(),
            monitoring=monitoring,
            ports=ports,
            probing=Probing(
                listeners=probing.flag("listeners", True),
                exec=probing.flag("exec", True),
                sip_stat_connect=probing.flag("sip_stat_connect", True),
                oauth_token=probing.flag("oauth_token", True),
            ),
            limits=Limits(
                ssh=limits.number("ssh", 10.0),
                script=limits.number("script", 20.0),
                connect=limits.number("connect", 5.0),
                conversation=limits.number("conversation", 15.0),
            ),
            report=self._report(),
            attestations=tuple(_attestation(keys) for keys in top.sections("attestations")),
            waivers=tuple(_waiver(keys) for keys in top.sections("waivers")),
            access=self._access(vms, bootstrap, monitoring),
            path=path,
            digest=digest,
            declared=self._declared,
        )

    def _ports(self) -> dict[Role, int]:
        components = self._top.section("components")
        declared = {role: components.section(role.value).maybe_integer("port") for role in Role}
        return {role: port for role in Role if (port := declared[role] or COMPONENT_PORTS.get(role)) is not None}

    def _vm(self, keys: _Keys, ports: Mapping[Role, int]) -> Vm:
        role, host = Role(keys.text("role")), keys.maybe("host")
        return Vm(
            name=keys.text("name"),
            role=role,
            host=host,
            address=keys.maybe("address") or host,
            port=keys.maybe_integer("port") or ports.get(role),
        )

    def _bootstrap(self) -> Element[Bootstrap]:
        if (absent := self._top.absent("bootstrap")) is not None:
            return absent
        keys = self._top.section("bootstrap")
        return Bootstrap(
            name=keys.maybe("name") or "bootstrap", host=keys.maybe("host"), local=keys.flag("local", False)
        )

    def _redis(self) -> Element[Redis]:
        if (absent := self._top.absent("redis")) is not None:
            return absent
        keys = self._top.section("redis")
        api = keys.section("enterprise_api")
        return Redis(
            endpoint=keys.endpoint(REDIS_PORT),
            username=keys.maybe("username"),
            password=keys.secret("password"),
            tls=_tls(keys),
            enterprise_api=(
                EnterpriseApi(
                    url=api.text("url").rstrip("/"),
                    username=api.maybe("username"),
                    password=api.secret("password"),
                    ca_file=api.path("ca_file"),
                )
                if keys.has("enterprise_api")
                else None
            ),
        )

    def _registry(self) -> Element[Registry]:
        if (absent := self._top.absent("registry")) is not None:
            return absent
        keys = self._top.section("registry")
        url = keys.text("url").rstrip("/")
        return Registry(
            url=url,
            endpoint=syntax.endpoint_of(url),
            username=keys.maybe("username"),
            password=keys.secret("password"),
            ca_file=keys.path("ca_file"),
            token_service=keys.maybe("token_service"),
            images=keys.texts("images"),
        )

    def _config_db(self) -> Element[ConfigDb]:
        if (absent := self._top.absent("config_db")) is not None:
            return absent
        keys = self._top.section("config_db")
        engine = Engine(keys.maybe("engine") or Engine.POSTGRESQL)
        return ConfigDb(
            engine=engine,
            endpoint=keys.endpoint(DATABASE_PORTS[engine]),
            database=keys.maybe("database"),
            schema=keys.maybe("schema"),
            user=keys.maybe("user"),
            password=keys.secret("password"),
            tls=_tls(keys),
        )

    def _stat_servers(self) -> StatServers:
        if (absent := self._top.absent("stat_servers")) is not None:
            return StatServers(primary=absent, backup=absent)
        pair = self._top.section("stat_servers")
        return StatServers(primary=_stat_server(pair, "primary"), backup=_stat_server(pair, "backup"))

    def _sip_servers(self) -> Element[SipServers]:
        if (absent := self._top.absent("sip_servers")) is not None:
            return absent
        return tuple(
            StatServer(endpoint=keys.endpoint(SIP_SERVER_PORT), version=keys.maybe("version"))
            for keys in self._top.sections("sip_servers")
        )

    def _genesys_cloud(self) -> Element[GenesysCloud]:
        if (absent := self._top.absent("genesys_cloud")) is not None:
            return absent
        keys = self._top.section("genesys_cloud")
        region = keys.text("region").removesuffix(".")
        return GenesysCloud(
            region=region,
            client_id=keys.maybe("client_id"),
            client_secret=keys.secret("client_secret"),
            organization_id=keys.maybe("organization_id"),
            role=keys.maybe("role") or ROLE_NAME,
            ca_file=keys.path("ca_file"),
            proxy=keys.maybe("proxy"),
            login=Endpoint(f"login.{region}", 443),
            api=Endpoint(f"api.{region}", 443),
        )

    def _logging(self) -> Element[Logging]:
        if (absent := self._top.absent("logging")) is not None:
            return absent
        keys = self._top.section("logging")
        url = keys.text("url")
        return Logging(
            url=url,
            endpoint=syntax.endpoint_of(url),
            username=keys.maybe("username"),
            password=keys.secret("password"),
            ca_file=keys.path("ca_file"),
        )

    def _monitoring(self) -> Monitoring:
        if (absent := self._top.absent("monitoring")) is not None:
            return Monitoring(prometheus=absent, grafana=absent, portainer=absent)
        keys = self._top.section("monitoring")
        return Monitoring(
            prometheus=_prometheus(keys),
            grafana=_web_element(keys, "grafana"),
            portainer=_web_element(keys, "portainer"),
        )

    def _report(self) -> ReportSettings:
        keys = self._top.section("report")
        lead_times, valid_for = keys.section("lead_times"), keys.section("valid_for")
        return ReportSettings(
            lead_times={owner: syntax.work_days(lead_times.text(owner)) for owner in Owner if lead_times.has(owner)},
            valid_for={
                kind: syntax.span(valid_for.text(kind)) for kind in ("connectivity", "clock") if valid_for.has(kind)
            },
        )

    def _access(
        self, vms: tuple[Vm, ...], bootstrap: Element[Bootstrap], monitoring: Monitoring
    ) -> tuple[HostAccess, ...]:
        defaults = self._top.section("ssh")
        found = [
            _host_access(vm.name, vm.host, keys.section("ssh"), defaults)
            for vm, keys in zip(vms, self._top.sections("vms"), strict=True)
            if vm.host is not None
        ]
        if isinstance(bootstrap, Bootstrap):
            if bootstrap.local:
                found.append(
                    HostAccess(
                        name=bootstrap.name, host="localhost", local=True, sudo=_sudo(_Keys({}, Path()), defaults)
                    )
                )
            elif bootstrap.host is not None:
                keys = self._top.section("bootstrap").section("ssh")
                found.append(_host_access(bootstrap.name, bootstrap.host, keys, defaults))
        if isinstance(monitoring.prometheus, Prometheus) and monitoring.prometheus.ssh:
            keys = self._top.section("monitoring").section("prometheus").section("ssh")
            found.append(_host_access("prometheus", monitoring.prometheus.host, keys, defaults))
        return tuple(found)


def _host_access(name: str, host: str, own: _Keys, defaults: _Keys) -> HostAccess:
    def chosen(key: str) -> _Keys:
        return own if own.has(key) else defaults

    # A credential named for one host replaces the default's, else a key and a password would mix.
    credentials = own if own.has("identity_file") or own.has("password") else defaults
    passphrase = own.secret("passphrase") or credentials.secret("passphrase")
    return HostAccess(
        name=name,
        host=host,
        port=chosen("port").maybe_integer("port"),
        user=chosen("user").maybe("user"),
        identity_file=credentials.path("identity_file"),
        password=credentials.secret("password"),
        passphrase=passphrase,
        known_hosts=chosen("known_hosts").path("known_hosts"),
        jump=_jump(chosen("jump_host")),
        sudo=_sudo(own, defaults),
    )


def _jump(keys: _Keys) -> JumpAccess | None:
    if keys.is_section("jump_host"):
        jump = keys.section("jump_host")
        return JumpAccess(
            host=jump.text("host"),
            port=jump.maybe_integer("port"),
            user=jump.maybe("user"),
            identity_file=jump.path("identity_file"),
        )
    host = keys.maybe("jump_host")
    return JumpAccess(host=host) if host is not None and host != "none" else None


def _sudo(own: _Keys, defaults: _Keys) -> bool | SecretRef:
    keys = own if own.has("sudo") else defaults
    password = keys.section("sudo").secret("password")
    return password if password is not None else keys.flag("sudo", False)


def _tls(keys: _Keys) -> Tls | None:
    if not keys.is_section("tls"):
        return Tls() if keys.flag("tls", False) else None
    tls = keys.section("tls")
    return Tls(
        ca_file=tls.path("ca_file"),
        server_name=tls.maybe("server_name"),
        cert_file=tls.path("cert_file"),
        key_file=tls.path("key_file"),
        mode=tls.maybe("mode") or "verify-full",
    )


def _stat_server(pair: _Keys, key: str) -> Element[StatServer]:
    if (absent := pair.absent(key)) is not None:
        return absent
    keys = pair.section(key)
    return StatServer(endpoint=keys.endpoint(STAT_SERVER_PORT), version=keys.maybe("version"))


def _prometheus(monitoring: _Keys) -> Element[Prometheus]:
    if (absent := monitoring.absent("prometheus")) is not None:
        return absent
    keys = monitoring.section("prometheus")
    url = keys.maybe("url")
    return Prometheus(
        host=keys.maybe("host") or syntax.endpoint_of(url or "").host,
        url=url,
        ca_file=keys.path("ca_file"),
        username=keys.maybe("username"),
        password=keys.secret("password"),
        ssh=keys.is_section("ssh"),
    )


def _web_element(monitoring: _Keys, key: str) -> Element[WebElement]:
    if (absent := monitoring.absent(key)) is not None:
        return absent
    keys = monitoring.section(key)
    url = keys.text("url")
    return WebElement(
        url=url,
        endpoint=syntax.endpoint_of(url),
        username=keys.maybe("username"),
        password=keys.secret("password"),
        ca_file=keys.path("ca_file"),
    )


def _attestation(keys: _Keys) -> Attestation:
    expires = keys.maybe("expires")
    return Attestation(
        check=keys.text("check"),
        target=keys.text("target"),
        by=keys.text("by"),
        date=syntax.day(keys.text("date")),
        reference=keys.maybe("reference") or "",
        expires=syntax.day(expires) if expires is not None else None,
    )


def _waiver(keys: _Keys) -> Waiver:
    return Waiver(
        check=keys.text("check"),
        target=keys.maybe("target") or "*",
        reason=keys.text("reason"),
        approved_by=keys.text("approved_by"),
        reference=keys.maybe("reference") or "",
        date=syntax.day(keys.text("date")),
        expires=syntax.day(keys.text("expires")),
    )

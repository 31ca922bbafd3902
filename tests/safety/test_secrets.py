"""A canary in every secret of a site: whatever happens, none is heard anywhere but where it belongs."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

import asyncssh
import pytest

from readiness.lab.demo import Lab
from readiness.lab.https import HttpsServer
from readiness.lab.redis_enterprise import Cluster as EnterpriseCluster
from readiness.lab.redis_enterprise import User, database, node
from readiness.site import Endpoint
from tests.lab import elements, tempers
from tests.lab.canaries import Aviary, Canary, Watch
from tests.lab.command_line import Ended, audit
from tests.lab.mapped import Authority
from tests.lab.ssh_peers import LOOPBACK, Login, SshPeer

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc, to look at processes")


def silent(aviary: Aviary, ended: Ended, watch: Watch, folder: Path, *keepers: Path) -> None:
    """No canary is heard in what was printed, logged, written, kept for a moment, or shown by any process."""
    assert watch.rounds > 5
    assert watch.seen == {}
    assert aviary.lines_of(ended.out) == []
    assert aviary.lines_of(ended.err) == []
    assert aviary.heard_in(ended.out + ended.err) == []
    assert aviary.files(folder, keepers=keepers) == {}


async def test_logins_that_work(tmp_path: Path) -> None:
    """The embedded site with every kind of secret, from variables, files and a command: all are taken, none is told."""
    names = ("passphrase", "login", "sudo", "enterprise", "grafana", "portainer", "prometheus")
    mine = {name: Canary.fresh(name) for name in names}
    async with contextlib.AsyncExitStack() as entered:
        lab = await entered.enter_async_context(Lab(tmp_path))
        folder = lab.site_file.parent
        theirs = {path: Canary.of(path.name, path.read_text()) for path in (folder / "secrets").iterdir()}
        aviary = Aviary([*mine.values(), *theirs.values()])

        key = asyncssh.read_private_key(folder / "id_ed25519")
        key.write_private_key(folder / "id_ed25519", passphrase=mine["passphrase"].value)
        boot = await entered.enter_async_context(
            SshPeer("boot", tmp_path, Login(user="exec", password=mine["login"].value))
        )
        boot.sudo(mine["sudo"].value)
        boot.tool("id", "#!/bin/sh\necho 1000\n")
        with (folder / "known_hosts").open("a") as known:
            known.write(boot.known_hosts_line)
        kept = tmp_path / "kept-login"
        kept.write_text(mine["login"].value + "\n")

        users = {"viewer": User(mine["enterprise"].value)}
        stated = database(host="redis.demo-harbour.example", port=6379, memory_size=4_000_000_000)
        api = HttpsServer(EnterpriseCluster(users=users, databases=[stated], nodes=[node()]), tls=None)
        await entered.enter_async_context(api)
        lab.network.serve(Endpoint("10.20.40.60", 9443), Endpoint(LOOPBACK, api.port))
        handlers = {
            "grafana": elements.GRAFANA,
            "portainer": elements.PORTAINER,
            "prometheus": elements.PROMETHEUS_READY,
        }
        urls = {}
        for name, handler in handlers.items():
            guarded = elements.behind_a_login(handler, user="viewer", password=mine[name].value)
            server = await entered.enter_async_context(HttpsServer(guarded, tls=None))
            urls[name] = f'url: "http://{LOOPBACK}:{server.port}", username: viewer, password: {{env: {name.upper()}}}'
        await lab.adopt(lab.conditions)  # the machines learn of the new service

        text = lab.site_file.read_text()
        text = text.replace("identity_file: id_ed25519", "identity_file: id_ed25519\n  passphrase: {env: PASSPHRASE}")
        fetch = f"command: [{sys.executable}, -c, \"print(open('{kept}').read(), end='')\"]"
        text = re.sub(
            r"bootstrap: .*",
            f"bootstrap: {{name: boot-1, host: {LOOPBACK}, ssh: {{port: {boot.port}, password: {{{fetch}}}, "
            "sudo: {password: {env: SUDO}}}}",
            text,
        )
        text = text.replace(
            "  tls: {ca_file: demo-harbour-ca.pem}\n\nregistry",
            "  tls: {ca_file: demo-harbour-ca.pem}\n"
            "  enterprise_api: {url: 'http://10.20.40.60:9443', username: viewer, password: {env: ENTERPRISE}}\n\n"
            "registry",
        )
        text += (
            f"\nmonitoring:\n  grafana: {{{urls['grafana']}}}\n  portainer: {{{urls['portainer']}}}\n"
            f"  prometheus: {{host: {LOOPBACK}, {urls['prometheus']}, "
            f"ssh: {{port: {boot.port}, password: {{{fetch}}}}}}}\n"
        )
        lab.site_file.write_text(text)
        environment = {name.upper(): canary.value for name, canary in mine.items() if name != "login"}
        (folder / "tmp").mkdir()
        with Watch(aviary, helpers=[str(kept)], temporary=folder / "tmp") as watch:
            ended = await audit(lab.site_file, environment=environment, loud=True, began=watch.know)
        silent(aviary, ended, watch, tmp_path, *theirs, kept, boot.folder / "sudo-password")

        assert ended.status in (0, 1, 3), ended.err[-3000:]
        assert ended.document["run"]["complete"]

    for finding in (
        "connectivity.redis[excs-1->redis.demo-harbour.example:6379]",
        "registry.images[exec/excs:100.0.1]",
        "engage.config-db[cfgdb.demo-harbour.example:5432]",
        "genesys-cloud.oauth-client[login.mypurecloud.de:443]",
        *(f"optional.{name}[{urls[name].split('//')[1].split(chr(34))[0]}]" for name in ("grafana", "prometheus")),
    ):
        assert ended.findings[finding]["status"] == "pass", ended.findings[finding]
    hosts = {host["name"]: host["reached"] for host in ended.document["run"]["hosts"]}
    assert all(hosts.values()), hosts
    assert any(asked.header("authorization") for asked in api.asked)
    assert aviary.heard_in("\n".join(boot.commands)) == []
    told = [bytes(heard) for heard in boot.heard if aviary.heard_in(bytes(heard))]
    assert told, "sudo was never asked for its password"
    for heard in told:
        # To sudo's prompt alone: the password is one line, and nothing else that was said holds it.
        password = (mine["sudo"].value + "\n").encode()
        assert heard.count(password) == 1
        assert aviary.heard_in(heard.replace(password, b"")) == []


async def test_logins_that_fail_and_peers_that_repeat_them(tmp_path: Path) -> None:
    """Wrong passwords, closed doors, and peers that say all that they are told again in every quoting there is."""
    names = (
        "passphrase", "login", "wrong_login", "sudo", "wrong_sudo", "redis", "enterprise", "registry", "config_db",
        "cloud", "logging", "grafana", "portainer", "prometheus",
    )  # fmt: skip
    canaries = {name: Canary.fresh(name) for name in names}
    aviary = Aviary(canaries.values())
    authority = Authority.found(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    async with contextlib.AsyncExitStack() as entered:
        key = asyncssh.generate_private_key("ssh-ed25519")
        (work / "key").touch(mode=0o600)
        key.write_private_key(work / "key", passphrase="another one than that of the site file")
        hosts: dict[str, SshPeer] = {}
        for name in ("excs-1", "exas-1", "excp-1", "excp-2", "prometheus"):
            login = Login(user="exec", password=canaries["login"].value, key=key)
            hosts[name] = await entered.enter_async_context(SshPeer(name, tmp_path / "hosts", login))
            hosts[name].sudo(canaries["sudo"].value)
            hosts[name].tool("id", "#!/bin/sh\necho 1000\n")
        known = work / "known_hosts"
        known.write_text("".join(host.known_hosts_line for host in hosts.values()))

        async def peer(temper: tempers.Temper) -> int:
            return await entered.enter_async_context(tempers.serving(temper))

        papers = authority.serving("login.mypurecloud.de", "api.mypurecloud.de")
        said = f"SFATAL\0C28P01\0M{'y' * 285} {canaries['config_db'].value} is no password of exec_ro\0\0".encode()
        refusal = [b"N", b"E" + (len(said) + 4).to_bytes(4, "big") + said]
        database = tempers.saying(lambda: iter(refusal), pause=0.3)
        ports = {name: await peer(tempers.echo_http) for name in ("enterprise", "registry", "logging", "web", "more")}
        ssh = {
            "excs-1": "password: {env: LOGIN}, sudo: {password: {env: WRONG_SUDO}}",
            "exas-1": "password: {env: WRONG_LOGIN}",
            "excp-1": f"identity_file: {work / 'key'}, passphrase: {{env: PASSPHRASE}}",
            "excp-2": "password: {env: LOGIN}, sudo: {password: {env: SUDO}}",
            "prometheus": "password: {env: UNSET}",
        }
        rows = "".join(
            f"  - {{name: {name}, role: {name[:4]}, host: {LOOPBACK}, address: 127.0.10.{number}, "
            f"ssh: {{port: {hosts[name].port}, {ssh[name]}}}}}\n"
            for number, name in enumerate(list(ssh)[:4], start=11)
        )
        url = {name: f'url: "http://{LOOPBACK}:{port}"' for name, port in ports.items()}
        site = work / "site.yaml"
        site.write_text(
            "site: {name: Echoes}\nlimits: {ssh: 5, script: 10, connect: 1, conversation: 3}\n"
            f"ssh: {{user: exec, known_hosts: {known}}}\nvms:\n{rows}bootstrap: {{name: boot, local: true}}\n"
            f"redis: {{host: {LOOPBACK}, port: {await peer(tempers.echo_redis)}, username: exec, "
            f"password: {{env: REDIS}}, enterprise_api: {{{url['enterprise']}, username: exec, "
            "password: {env: ENTERPRISE}}}\n"
            f"registry: {{{url['registry']}, username: exec, password: {{env: REGISTRY}}, images: ['exec/excs:1']}}\n"
            f"config_db: {{host: {LOOPBACK}, port: {await peer(database)}, database: cfg, user: exec_ro, "
            "password: {env: CONFIG_DB}}\n"
            "genesys_cloud: {region: mypurecloud.de, client_id: 00000000-0000-0000-0000-000000000000, "
            "client_secret: {env: CLOUD}, organization_id: 11111111-1111-1111-1111-111111111111, "
            f"ca_file: {authority.ca_file}, "
            f'proxy: "http://{LOOPBACK}:{await peer(tempers.tunnel_to(tempers.echo_http, papers))}"}}\n'
            f"logging: {{{url['logging']}, username: exec, password: {{env: LOGGING}}}}\n"
            f"monitoring:\n  grafana: {{{url['web']}, username: exec, password: {{env: GRAFANA}}}}\n"
            f"  portainer: {{{url['more']}, username: exec, password: {{env: PORTAINER}}}}\n"
            f"  prometheus: {{host: {LOOPBACK}, {url['web']}, username: exec, password: {{env: PROMETHEUS}}, "
            f"ssh: {{port: {hosts['prometheus'].port}, {ssh['prometheus']}}}}}\n"
        )
        environment = {name.upper(): canary.value for name, canary in canaries.items()}
        environment |= {"READINESS_TRACEBACK": "1", "PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"}
        (work / "tmp").mkdir()
        with Watch(aviary, temporary=work / "tmp") as watch:
            ended = await audit(site, environment=environment, loud=True, began=watch.know)

    assert ended.status in (1, 3), ended.err[-3000:]
    passwords = [host.folder / "sudo-password" for host in hosts.values()]
    silent(aviary, ended, watch, tmp_path, *passwords)
    assert "never retrieved" not in ended.err
    reached = {host["name"]: host["reached"] for host in ended.document["run"]["hosts"]}
    assert reached == {
        "excs-1": True, "exas-1": False, "excp-1": False, "excp-2": True, "boot": True, "prometheus": False,
    }  # fmt: skip
    assert "***" in (ended.folder / "report.json").read_text()
    for host in hosts.values():
        assert aviary.heard_in("\n".join(host.commands)) == []
        for heard in host.heard:
            rest = bytes(heard)
            for name in ("sudo", "wrong_sudo"):
                rest = rest.replace((canaries[name].value + "\n").encode(), b"", 1)
            assert aviary.heard_in(rest) == []


async def test_the_auditors_own_failure_tells_nothing(tmp_path: Path) -> None:
    """A report that cannot be written is a traceback where one is asked for, without what the process knows."""
    canary = Canary.fresh("redis")
    site = tmp_path / "site.yaml"
    site.write_text(
        "site: {name: Broken}\nlimits: {ssh: 1, script: 1, connect: 1, conversation: 1}\n"
        "redis: {host: redis.broken.example, password: {env: REDIS}}\n"
        "bootstrap: {name: boot, local: true}\n"
    )
    (tmp_path / "site-out").write_text("where the report's folder should be")
    ended = await audit(site, environment={"REDIS": canary.value, "READINESS_TRACEBACK": "1"}, loud=True)
    assert ended.status == 4
    assert "Traceback" in ended.err
    assert Aviary([canary]).heard_in(ended.out + ended.err) == []

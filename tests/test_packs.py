"""The catalogue: which checks there are, in which order, and what each says of itself."""

from __future__ import annotations

import re
from collections import Counter
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from readiness_checks import PACK

import readiness.packs
from readiness.model import Obligation, Origin, Outcome, Requirement, Status
from readiness.packs import PackError, load_packs
from readiness.plan import plan
from readiness.site.load import load_site

CATALOGUE = """
planning.limitations-reviewed
redis.version redis.edition redis.cluster-mode redis.memory redis.outside-docker redis.scalability redis.resiliency
redis.data-protection redis.dba-owned redis.security redis.eviction redis.latency
registry.reachable registry.images registry.trusted-by-vms
vm.roles vm.one-component-each vm.os vm.kernel vm.cpu vm.memory vm.disk vm.docker vm.compose vm.time-sync
vm.clock-offset vm.ports-free
network.segment network.interconnect network.name-resolution network.docker-overlap
connectivity.config-db connectivity.stat-server-primary connectivity.stat-server-backup connectivity.sip-server
connectivity.excs-api connectivity.excs-inbound connectivity.exas-inbound connectivity.excp-inbound connectivity.redis
connectivity.logging connectivity.genesys-cloud connectivity.registry
bootstrap.os bootstrap.docker bootstrap.python bootstrap.pip bootstrap.ssh
genesys-cloud.organization genesys-cloud.oauth-client genesys-cloud.role genesys-cloud.tls-interception
engage.config-db engage.stat-server engage.sip-server engage.version engage.inventory engage.read-only-account
optional.prometheus optional.grafana optional.logging optional.container-monitoring
"""
BEYOND_THE_PAGE = """
redis.security redis.eviction redis.latency vm.clock-offset vm.ports-free network.docker-overlap
genesys-cloud.tls-interception engage.inventory engage.read-only-account
"""
RECORDING = """
recording.webdav recording.load-balancer
connectivity.mcp-webdav connectivity.mcp-load-balancer connectivity.load-balancer-excp connectivity.exrp
"""
IDS, BEYOND, ADDED = CATALOGUE.split(), BEYOND_THE_PAGE.split(), RECORDING.split()
IMPLIED = ["vm.compose", "connectivity.registry"]
RECOMMENDED = ["vm.cpu", "vm.memory", "vm.disk"]

REQUIREMENTS = [check.requirement for check in PACK]


def test_every_requirement_of_the_page_is_there_once() -> None:
    """The catalogue holds these ids and no other."""
    assert Counter(requirement.id for requirement in REQUIREMENTS) == Counter([*IDS, *ADDED])
    assert {each.id for each in REQUIREMENTS if each.revisions} == set(ADDED)


def test_the_order_is_that_of_the_page() -> None:
    """Sections follow one another as on the page."""
    order = list(dict.fromkeys(requirement.id.partition(".")[0] for requirement in REQUIREMENTS))
    assert order == [*dict.fromkeys(id.partition(".")[0] for id in IDS), "recording"]


@pytest.mark.parametrize(("revision", "ids"), [("2023-07-10", IDS), ("2023-07-27", IDS), ("recording", [*IDS, *ADDED])])
def test_a_revision_has_its_own_requirements(tmp_path: Path, revision: str, ids: list[str]) -> None:
    """What only the revision with recording asks for is planned there, by hand, and nowhere else."""
    file = tmp_path / "site.yaml"
    file.write_text(f'site: {{name: x}}\npage: {{revision: "{revision}"}}\n')
    planned = plan(load_site(file), load_packs())
    assert [requirement.id for requirement in planned.requirements] == ids
    for instance in planned.instances:
        if instance.check.requirement.id in ADDED:
            assert (instance.needs, instance.target.name) == ((), "site")
            judged = instance.check.judge(instance.target)
            assert (judged.outcome, bool(judged.remedy), bool(judged.job)) == (Outcome.MANUAL, True, True)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.id)
def test_obligation_and_origin(requirement: Requirement) -> None:
    """What the page asks for is mandatory, its recommended resources apart; what goes beyond it is optional."""
    if requirement.id in BEYOND:
        assert (requirement.origin, requirement.obligation) == (Origin.BEYOND, Obligation.OPTIONAL)
    elif requirement.id in IMPLIED:
        assert (requirement.origin, requirement.obligation) == (Origin.IMPLIED, Obligation.MANDATORY)
    else:
        assert requirement.origin is Origin.PAGE
        optional = requirement.id.startswith("optional.") or requirement.id == "connectivity.logging"
        expected = Obligation.RECOMMENDED if requirement.id in RECOMMENDED else Obligation.MANDATORY
        assert requirement.obligation is (Obligation.OPTIONAL if optional else expected)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.id)
def test_an_entry_says_all_there_is_to_say(requirement: Requirement) -> None:
    """Each entry has its text, its proof, its outcomes and its remedy, in sentences."""
    for text in (requirement.text, requirement.proof):
        assert re.fullmatch(r"\S.*\.", text, re.DOTALL), text
    assert all(requirement.outcomes.values())
    assert len(requirement.remedy) > 20
    assert requirement.valid_for.total_seconds() > 0
    assert requirement.outcomes
    if requirement.obligation is not Obligation.MANDATORY:
        assert Status.FAIL not in requirement.outcomes


@pytest.mark.parametrize("text", ["site: {name: bare}", "full"])
def test_every_requirement_leaves_a_finding_on_any_site(tmp_path: Path, text: str) -> None:
    """A site that declares nothing, and one that declares all, both get a row for everything."""
    file = tmp_path / "site.yaml"
    file.write_text(FULL if text == "full" else text)
    planned = plan(load_site(file), load_packs())
    assert {instance.check.requirement.id for instance in planned.instances} == set(IDS)


@pytest.mark.parametrize(
    "element",
    [
        "bootstrap",
        "redis",
        "registry",
        "config_db",
        "stat_servers",
        "sip_servers",
        "genesys_cloud",
        "logging",
        "monitoring",
    ],
)
def test_every_requirement_leaves_a_finding_where_an_element_is_none(tmp_path: Path, element: str) -> None:
    """An element that is declared as none takes no row away."""
    file = tmp_path / "site.yaml"
    file.write_text(f"site: {{name: x}}\n{element}: none\n")
    planned = plan(load_site(file), load_packs())
    assert {instance.check.requirement.id for instance in planned.instances} == set(IDS)


def test_our_pack_comes_first() -> None:
    """The entry point leads to the pack in its own order."""
    assert load_packs()[: len(PACK)] == PACK


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "no pack of checks is installed"),
        ([("broken", "no_such_module:PACK")], "the pack broken .* cannot be imported"),
        ([("broken", "readiness_checks:NOTHING")], "the pack broken .* cannot be imported"),
        ([("odd", "readiness:__name__")], "the pack odd .* is no tuple of check classes"),
        ([("a", "readiness_checks:PACK"), ("b", "readiness_checks:PACK")], "of pack b comes twice; first in a"),
    ],
)
def test_a_pack_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, points: list[tuple[str, str]], said: str
) -> None:
    """The text names the pack and says why."""
    installed = [EntryPoint(name=name, value=value, group=readiness.packs.GROUP) for name, value in points]
    monkeypatch.setattr(readiness.packs, "entry_points", lambda group: installed)
    with pytest.raises(PackError, match=said):
        load_packs()


FULL = """\
site: {name: full}
ssh: {user: exec}
vms:
  - {name: excs-1, role: excs, host: 10.10.1.11}
  - {name: exas-1, role: exas, host: 10.10.1.12}
  - {name: excp-1, role: excp, host: 10.10.1.13}
  - {name: excp-2, role: excp}
bootstrap: {name: boot, host: 10.10.1.10}
redis: {host: redis.example, password: {env: P}, tls: true, enterprise_api: {url: "https://redis.example:9443"}}
registry: {url: "https://registry.example", images: ["exec/excs:1"]}
config_db: {host: db.example, database: cfg, user: u, password: {env: P}, tls: true}
stat_servers: {primary: {host: stat1.example, version: 8.5.110.02}, backup: {host: stat2.example}}
sip_servers: [{host: sip1.example}, {host: sip2.example}]
genesys_cloud: {region: mypurecloud.de, client_id: 00000000-0000-0000-0000-000000000000, client_secret: {env: P}}
logging: {url: "https://elastic.example:9200"}
monitoring:
  prometheus: {host: 10.10.2.62, url: "http://10.10.2.62:9090", ssh: {user: exec}}
  grafana: {url: "https://grafana.example"}
  portainer: {url: "https://portainer.example"}
"""

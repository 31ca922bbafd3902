"""optional.*: which elements there are, who asks them, and what their answers come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from readiness_checks.optional import ContainerMonitoringRuns, GrafanaRuns, LoggingRuns, PrometheusRuns

from readiness.audit import audit
from readiness.check import Settled
from readiness.lab.https import HttpsServer
from readiness.model import (
    Cause,
    Judgement,
    Lane,
    Level,
    Obligation,
    Outcome,
    Owner,
    Reason,
    Status,
    Unread,
    owner_of,
    status_of,
)
from readiness.plan import AnyCheck, plan
from readiness.probe import Attempt
from readiness.probes.http import HttpRefusal, RefusalKind
from readiness.probes.monitoring import (
    Asker,
    AskGrafana,
    AskLogging,
    AskPortainer,
    AskPrometheus,
    Call,
    ElementAnswer,
    Ending,
    Login,
    Product,
)
from readiness.probes.tls import Certificate, TlsFailure, TlsTrouble
from readiness.secret import SecretRef
from readiness.site import (
    Absent,
    Bootstrap,
    Endpoint,
    Logging,
    Monitoring,
    Prometheus,
    Role,
    ServiceTarget,
    Site,
    Vm,
    WebElement,
)
from readiness.site.load import load_site
from readiness.vantage import AUDITOR, PathVerdict
from tests.lab import elements
from tests.lab.engine import site as bare_site

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CHECKS: tuple[type[AnyCheck], ...] = (PrometheusRuns, GrafanaRuns, LoggingRuns, ContainerMonitoringRuns)
WITHOUT_ROW = (PrometheusRuns, GrafanaRuns, ContainerMonitoringRuns)
PASSWORD = SecretRef(env="P")

PROMETHEUS = Prometheus(
    host="10.10.2.62", url="http://10.10.2.62:9090", ca_file=None, username=None, password=None, ssh=False
)
GRAFANA = WebElement(
    url="https://grafana.acme.example",
    endpoint=Endpoint("grafana.acme.example", 443),
    username=None,
    password=None,
    ca_file=None,
)
PORTAINER = replace(GRAFANA, url="https://p.acme.example:9443", endpoint=Endpoint("p.acme.example", 9443))
LOGGING = Logging(
    url="https://elastic.acme.example:9200",
    endpoint=Endpoint("elastic.acme.example", 9200),
    username="exec",
    password=PASSWORD,
    ca_file=None,
)
VMS = tuple(
    Vm(name=name, role=role, host=name, address=name, port=None)
    for name, role in (("excp-1", Role.EXCP), ("excs-1", Role.EXCS), ("exas-1", Role.EXAS))
)
BOOT = Bootstrap(name="boot", host="10.10.1.10")


def planned(
    *,
    prometheus: Prometheus | Absent = PROMETHEUS,
    grafana: WebElement | Absent = GRAFANA,
    portainer: WebElement | Absent = PORTAINER,
    logging: Logging | Absent = LOGGING,
    bootstrap: Bootstrap | Absent = BOOT,
    vms: tuple[Vm, ...] = VMS,
) -> Site:
    monitoring = Monitoring(prometheus=prometheus, grafana=grafana, portainer=portainer)
    return bare_site(vms=vms, bootstrap=bootstrap, monitoring=monitoring, logging=logging)


def target(check: type[AnyCheck], site: Site | None = None) -> ServiceTarget[object]:
    (found,) = check().targets(site or planned())
    assert isinstance(found, ServiceTarget)
    return found


def settled(check: type[AnyCheck], site: Site) -> Settled:
    (found,) = check().targets(site)
    assert isinstance(found, Settled)
    return found


def certificate(days: int) -> Certificate:
    return Certificate(
        subject="CN=element",
        issuer="CN=ACME CA",
        names=("element",),
        not_before=NOON - timedelta(days=1),
        not_after=NOON + timedelta(days=days),
        fingerprint="00",
        seen_at=NOON,
    )


PRODUCTS = {
    PrometheusRuns: (Product.PROMETHEUS, "2.53.2", "it says that it is ready"),
    GrafanaRuns: (Product.GRAFANA, "10.2.3", "its database is ok"),
    LoggingRuns: (Product.ELASTICSEARCH, "8.15.3", "its cluster logs with 3 nodes is green"),
    ContainerMonitoringRuns: (Product.PORTAINER, "2.21.4", "it answers with its status"),
}


def answer(check: type[AnyCheck], ending: Ending = Ending.WELL, **changes: object) -> ElementAnswer:
    product, version, condition = PRODUCTS[check]
    foreign = ending not in (Ending.WELL, Ending.UNWELL, Ending.WITHHELD)
    given: dict[str, object] = {
        "vantage": "excs-1" if check is LoggingRuns else "boot",
        "url": "https://element.acme.example",
        "sought": product.value,
        "ending": ending,
        "login": Login.NONE,
        "product": None if foreign else product,
        "version": "" if foreign else version,
        "condition": "" if foreign else condition,
        "said": "its own words",
        "calls": (Call(path="/health", asker=Asker.ANYBODY, words="status 200"),),
        "refusal": None,
        "certificate": certificate(90),
    }
    return ElementAnswer(**given | changes)  # type: ignore[arg-type]


def unreached(check: type[AnyCheck], kind: RefusalKind, **more: object) -> ElementAnswer:
    refusal = HttpRefusal(kind=kind, text="raw words", **more)  # type: ignore[arg-type]
    return answer(check, Ending.UNREACHED, refusal=refusal, certificate=None, said="raw words")


def judged(check: type[AnyCheck], *answers: ElementAnswer | Unread, site: Site | None = None) -> Judgement:
    return check().judge(target(check, site), *answers)


def status(check: type[AnyCheck], judgement: Judgement) -> Status:
    return status_of(judgement.outcome, check.requirement.obligation)


# -- who is asked, and by whom -------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("why", list(Absent))
def test_what_is_not_planned_is_skipped_and_says_so(check: type[AnyCheck], why: Absent) -> None:
    """An optional element that is left out, or is none, weighs nothing and keeps its row."""
    found = settled(check, planned(prometheus=why, grafana=why, portainer=why, logging=why))
    assert found.judgement.outcome is Outcome.SKIP
    assert "plans no" in found.judgement.summary
    assert found.target.name in {"monitoring.prometheus", "monitoring.grafana", "monitoring.portainer", "logging"}


@pytest.mark.parametrize(
    ("check", "name", "probe"),
    [
        (PrometheusRuns, "10.10.2.62:9090", AskPrometheus.of("boot", PROMETHEUS)),
        (GrafanaRuns, "grafana.acme.example:443", AskGrafana.of("boot", GRAFANA)),
        (ContainerMonitoringRuns, "p.acme.example:9443", AskPortainer.of("boot", PORTAINER)),
    ],
)
def test_elements_without_a_row_are_asked_from_the_bootstrap_vm(
    check: type[AnyCheck], name: str, probe: object
) -> None:
    """They are named as declared, and asked once."""
    found = target(check)
    assert found.name == name
    assert check().needs(found) == (probe,)


@pytest.mark.parametrize(
    ("bootstrap", "vantage"),
    [
        (Absent.UNDECLARED, AUDITOR),
        (Absent.NONE, AUDITOR),
        (Bootstrap(name="boot", host=None), AUDITOR),
        (Bootstrap(name="boot", host=None, local=True), "boot"),
        (BOOT, "boot"),
    ],
)
@pytest.mark.parametrize("check", WITHOUT_ROW)
def test_without_a_bootstrap_vm_the_auditor_asks(
    check: type[AnyCheck], bootstrap: Bootstrap | Absent, vantage: str
) -> None:
    """A bootstrap VM that is only planned cannot ask."""
    assert target(check, planned(bootstrap=bootstrap)).vantages == (vantage,)


def test_prometheus_with_ssh_is_asked_on_its_own_host() -> None:
    """Where SSH to it is declared, nothing on the way can hide how it is."""
    assert target(PrometheusRuns, planned(prometheus=replace(PROMETHEUS, ssh=True))).vantages == ("prometheus",)


def test_prometheus_without_a_url_cannot_be_asked() -> None:
    """Its host alone serves the inbound rows; for this one its URL has to be declared."""
    found = settled(PrometheusRuns, planned(prometheus=replace(PROMETHEUS, url=None)))
    assert found.judgement.reason is not None
    assert (found.target.name, found.judgement.reason.code) == ("10.10.2.62", Cause.UNDECLARED)


def test_logs_are_asked_for_from_every_vm() -> None:
    """In the order excs, exas, excp, by the same questions that the connectivity row puts."""
    found = target(LoggingRuns)
    assert LoggingRuns().needs(found) == tuple(
        Attempt(AskLogging.of(name, LOGGING)) for name in ("excs-1", "exas-1", "excp-1")
    )


def test_logs_without_a_vm_that_is_built_are_unknown() -> None:
    """Nobody is there who could ask."""
    found = settled(LoggingRuns, planned(vms=tuple(replace(vm, host=None) for vm in VMS)))
    assert found.judgement.reason is not None
    assert found.judgement.reason.code is Cause.UNDECLARED


# -- what answers come to ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS)
def test_an_element_that_says_it_is_well_passes(check: type[AnyCheck]) -> None:
    """With its name, its version and its own word, until its certificate ends at the latest."""
    found = judged(check, answer(check))
    product, version, condition = PRODUCTS[check]
    assert status(check, found) is Status.PASS
    assert all(word in found.summary for word in (product, version, condition))
    assert found.valid_until == NOON + timedelta(days=90)
    assert "over verified TLS" in found.reasoning
    assert {piece.level for piece in found.evidence} == {Level.PROTOCOL}


def test_an_account_that_was_let_in_raises_the_level() -> None:
    """And where everybody is let in, the account is said to prove nothing."""
    found = judged(LoggingRuns, answer(LoggingRuns, login=Login.ACCEPTED))
    levels = {piece.label: piece.level for piece in found.evidence}
    assert levels == {
        "Product": Level.AUTHENTICATED,
        "Health": Level.AUTHENTICATED,
        "Account": Level.AUTHENTICATED,
        "GET /health, without credentials": Level.PROTOCOL,
        "Certificate": Level.PROTOCOL,
    }
    assert "let the declared account in" in found.reasoning
    open_door = judged(LoggingRuns, answer(LoggingRuns, login=Login.NOT_NEEDED, certificate=None))
    assert "proves nothing" in open_door.reasoning
    assert "in plain HTTP" in open_door.reasoning
    assert open_door.valid_until is None


@pytest.mark.parametrize(("days", "expected"), [(30, Status.WARN), (31, Status.PASS)])
@pytest.mark.parametrize("check", CHECKS)
def test_a_certificate_that_ends_soon_warns(check: type[AnyCheck], days: int, expected: Status) -> None:
    """Thirty days are the limit, as for every certificate."""
    found = judged(check, answer(check, certificate=certificate(days)))
    assert status(check, found) is expected
    assert (found.lane is Lane.TLS) is (expected is Status.WARN)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    ("ending", "expected", "lane", "cause"),
    [
        (Ending.UNWELL, Status.WARN, Lane.SERVICE, None),
        (Ending.LOOKALIKE, Status.WARN, Lane.CONFIGURATION, None),
        (Ending.FOREIGN, Status.WARN, Lane.CONFIGURATION, None),
        (Ending.LOGIN_REFUSED, Status.WARN, Lane.AUTH, None),
        (Ending.FAILING, Status.WARN, Lane.SERVICE, None),
        (Ending.WANTS_TLS, Status.WARN, Lane.CONFIGURATION, None),
        (Ending.WITHHELD, Status.UNKNOWN, Lane.AUTH, Cause.PERMISSION),
        (Ending.LOGIN_MISSING, Status.UNKNOWN, Lane.AUTH, Cause.UNDECLARED),
        (Ending.FORBIDDEN, Status.UNKNOWN, Lane.AUTH, Cause.PERMISSION),
        (Ending.MOVED, Status.UNKNOWN, Lane.CONFIGURATION, Cause.UNSUPPORTED),
        (Ending.OVERLOADED, Status.UNKNOWN, Lane.SERVICE, Cause.OVERLOAD),
        (Ending.UNREADABLE, Status.UNKNOWN, Lane.SERVICE, Cause.PARSE),
    ],
)
def test_every_other_answer_has_its_status(
    check: type[AnyCheck], ending: Ending, expected: Status, lane: Lane, cause: Cause | None
) -> None:
    """What shows trouble warns, what does not show how it is stays unknown; nothing passes."""
    found = judged(check, answer(check, ending))
    assert (status(check, found), found.lane) == (expected, lane)
    assert (found.reason.code if found.reason is not None else None) is cause
    _is_whole(found)


def test_who_may_not_be_told_is_told_what_it_lacks() -> None:
    """An account that was let in lacks a privilege; where nobody was asked, something stands before the element."""
    let_in = judged(LoggingRuns, answer(LoggingRuns, Ending.WITHHELD, login=Login.ACCEPTED))
    assert "cluster privilege `monitor`" in let_in.remedy
    assert "cluster privilege" not in judged(LoggingRuns, answer(LoggingRuns, Ending.WITHHELD)).remedy
    grafana = answer(GrafanaRuns, Ending.WITHHELD, login=Login.ACCEPTED)
    assert "cluster privilege" not in judged(GrafanaRuns, grafana).remedy


def test_every_ending_is_judged() -> None:
    """An ending that somebody adds cannot be forgotten here."""
    for ending in Ending:
        if ending not in (Ending.UNREACHED, Ending.WELL):
            _is_whole(judged(GrafanaRuns, answer(GrafanaRuns, ending)))


@pytest.mark.parametrize(
    ("check", "verdict", "expected", "lane"),
    [
        *((check, PathVerdict.REFUSED, Status.WARN, Lane.SERVICE) for check in CHECKS),
        *((check, PathVerdict.TIMEOUT, Status.UNKNOWN, Lane.FIREWALL) for check in WITHOUT_ROW),
        *((check, PathVerdict.NO_ROUTE, Status.UNKNOWN, Lane.ROUTE) for check in WITHOUT_ROW),
        *((check, PathVerdict.DENIED, Status.UNKNOWN, Lane.FIREWALL) for check in WITHOUT_ROW),
        *((check, None, Status.UNKNOWN, Lane.DNS) for check in WITHOUT_ROW),
        (LoggingRuns, PathVerdict.TIMEOUT, Status.WARN, Lane.FIREWALL),
        (LoggingRuns, PathVerdict.NO_ROUTE, Status.WARN, Lane.ROUTE),
        (LoggingRuns, None, Status.WARN, Lane.DNS),
    ],
)
def test_a_closed_path_counts_only_where_the_page_asks_for_it(
    check: type[AnyCheck], verdict: PathVerdict | None, expected: Status, lane: Lane
) -> None:
    """From the bootstrap VM or the auditor the page asks for no path; from the VMs to the logs it does."""
    found = judged(check, unreached(check, RefusalKind.PATH, verdict=verdict))
    assert (status(check, found), found.lane) == (expected, lane)
    if expected is Status.UNKNOWN:
        assert found.reason is not None
        assert found.reason.code is Cause.UNREACHABLE
        assert "boot" in found.reason.detail
    assert {piece.level for piece in found.evidence} == {Level.DECLARED if verdict is None else Level.TCP}
    _is_whole(found)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("kind", [RefusalKind.SILENT, RefusalKind.CLOSED, RefusalKind.NOT_HTTP, RefusalKind.TOO_LONG])
def test_a_peer_that_never_answers_warns(check: type[AnyCheck], kind: RefusalKind) -> None:
    """It accepted the connection, so the path is not to blame."""
    found = judged(check, unreached(check, kind))
    assert (status(check, found), found.lane) == (Status.WARN, Lane.SERVICE)
    _is_whole(found)


@pytest.mark.parametrize(
    ("trouble", "declared", "expected"),
    [
        (TlsTrouble.UNTRUSTED_ISSUER, False, Status.UNKNOWN),
        (TlsTrouble.UNTRUSTED_ISSUER, True, Status.WARN),
        (TlsTrouble.EXPIRED, False, Status.WARN),
        (TlsTrouble.WRONG_NAME, True, Status.WARN),
        (TlsTrouble.PLAINTEXT, False, Status.WARN),
        (TlsTrouble.WANTS_CERTIFICATE, False, Status.WARN),
    ],
)
def test_an_authority_that_is_not_declared_is_unknown(trouble: TlsTrouble, declared: bool, expected: Status) -> None:
    """What is wrong with a certificate warns; only whose it is cannot be told without the authority's own."""
    grafana = replace(GRAFANA, ca_file=Path("acme-ca.pem") if declared else None)
    failure = TlsFailure(trouble=trouble, text="raw words", certificate=certificate(90))
    found = judged(GrafanaRuns, unreached(GrafanaRuns, RefusalKind.TLS, tls=failure), site=planned(grafana=grafana))
    assert status(GrafanaRuns, found) is expected
    if expected is Status.UNKNOWN:
        assert "monitoring.grafana.ca_file" in found.remedy
    assert any("CN=ACME CA" in piece.value for piece in found.evidence)
    _is_whole(found)


def test_a_known_product_in_the_place_of_another_is_named() -> None:
    """Kibana is no log system, though it stands beside one; what is not known may be one."""
    kibana = judged(LoggingRuns, answer(LoggingRuns, Ending.FOREIGN, product=Product.KIBANA))
    assert kibana.outcome is Outcome.MISSED
    assert "Kibana" in kibana.summary
    other = judged(LoggingRuns, answer(LoggingRuns, Ending.FOREIGN))
    assert other.outcome is Outcome.WEAK
    assert "Graylog" in other.reasoning
    assert judged(GrafanaRuns, answer(GrafanaRuns, Ending.FOREIGN)).outcome is Outcome.MISSED


# -- several VMs ---------------------------------------------------------------------------------------------------

LOST = Unread(reason=Reason(code=Cause.UNREACHABLE, detail="excs-1 does not answer", enable="Start it."))
SHUT = unreached(LoggingRuns, RefusalKind.PATH, verdict=PathVerdict.TIMEOUT)


@pytest.mark.parametrize(
    ("answers", "expected", "vantage"),
    [
        ((LOST, SHUT, answer(LoggingRuns, vantage="excp-1")), Status.PASS, "excp-1"),
        ((answer(LoggingRuns), SHUT, LOST), Status.PASS, "excs-1"),
        ((LOST, replace(SHUT, vantage="exas-1"), LOST), Status.WARN, "exas-1"),
        ((answer(LoggingRuns, Ending.UNWELL), answer(LoggingRuns, vantage="exas-1"), LOST), Status.WARN, "excs-1"),
    ],
)
def test_the_first_vm_that_reaches_the_logs_decides(
    answers: tuple[ElementAnswer | Unread, ...], expected: Status, vantage: str
) -> None:
    """A VM that cannot be asked or finds no path is passed by; that is its own row's matter."""
    found = judged(LoggingRuns, *answers)
    assert status(LoggingRuns, found) is expected
    assert {piece.vantage for piece in found.evidence} == {vantage}


def test_logs_that_no_vm_could_ask_for_are_unknown() -> None:
    """With the first reason, and what would mend it."""
    found = judged(LoggingRuns, LOST, LOST, LOST)
    assert found.reason == LOST.reason
    assert status(LoggingRuns, found) is Status.UNKNOWN


# -- words ---------------------------------------------------------------------------------------------------------


def _is_whole(found: Judgement) -> None:
    """Whatever is not well says what was expected and seen, why, and what to do."""
    assert found.summary.endswith(".")
    assert found.expected
    assert found.observed
    assert found.reasoning.endswith(".")
    assert found.remedy
    assert found.evidence
    assert "None" not in " ".join((found.summary, found.observed, found.reasoning, found.remedy, found.job))
    if found.outcome in (Outcome.MISSED, Outcome.WEAK):
        assert found.job
        assert not found.job.endswith(".")


def test_a_remedy_names_the_host_and_never_a_password() -> None:
    """Commands are for that very machine and URL, quoted for a shell."""
    evil = replace(LOGGING, username="o'hara; reboot")
    refused = answer(LoggingRuns, Ending.LOGIN_REFUSED, login=Login.REFUSED)
    found = judged(LoggingRuns, refused, site=planned(logging=evil))
    assert "-u 'o'\"'\"'hara; reboot'" in found.remedy
    assert "excs-1" in found.remedy
    assert owner_of(found.lane, LoggingRuns.requirement.owner) is Owner.DEPLOYER


@pytest.mark.parametrize("check", CHECKS)
def test_the_catalogue_names_every_status_it_can_take(check: type[AnyCheck]) -> None:
    """Optional elements never fail, and nothing about them is left to a person's word alone."""
    requirement = check.requirement
    assert requirement.obligation is Obligation.OPTIONAL
    assert set(requirement.outcomes) == {Status.PASS, Status.WARN, Status.UNKNOWN, Status.SKIP}


# -- a whole audit ---------------------------------------------------------------------------------------------------


async def test_an_audit_asks_for_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From this machine as the bootstrap VM: four elements that are well, and each of them gone."""
    monkeypatch.setenv("METRICS_PASSWORD", "c4nary-Of-Metrics")
    guarded = elements.behind_a_login(elements.PROMETHEUS_READY, user="exec", password="c4nary-Of-Metrics")
    async with (
        HttpsServer(guarded, tls=None) as metrics,
        HttpsServer(elements.GRAFANA, tls=None) as dashboards,
        HttpsServer(elements.PORTAINER, tls=None) as containers,
    ):
        found = await _audited(tmp_path, metrics.port, dashboards.port, containers.port)
        ports = metrics.port, dashboards.port, containers.port
    gone = await _audited(tmp_path, *ports)
    checks = ("optional.prometheus", "optional.grafana", "optional.container-monitoring")
    for check, port, level in zip(checks, ports, ("authenticated", "protocol", "protocol"), strict=True):
        id = f"{check}[127.0.0.1:{port}]"
        assert found[id] == ("pass", level)
        assert gone[id] == ("warn", "tcp")


async def _audited(folder: Path, *ports: int) -> Mapping[str, tuple[str, str]]:
    file = folder / "site.yaml"
    prometheus, grafana, portainer = (f"http://127.0.0.1:{port}" for port in ports)
    account = "username: exec, password: {env: METRICS_PASSWORD}"
    file.write_text(
        "site: {name: Elements}\nbootstrap: {name: boot, local: true}\nlimits: {connect: 2, conversation: 4}\n"
        f"monitoring:\n  prometheus: {{url: '{prometheus}', {account}}}\n"
        f"  grafana: {{url: '{grafana}'}}\n  portainer: {{url: '{portainer}'}}\n"
    )
    document = await audit(plan(load_site(file), CHECKS))
    return {each["id"]: (each["status"], each["level"]) for each in document["findings"]}

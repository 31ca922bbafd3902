"""Optional elements: monitoring, dashboards, logs and container views, where the site plans them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from readiness import (
    Attempt,
    Check,
    Evidence,
    Judgement,
    Level,
    Needs,
    Obligation,
    Owner,
    Requirement,
    Settled,
    Status,
    Target,
    TargetKind,
    Unread,
)
from readiness.probes.monitoring import AskGrafana, AskLogging, AskPortainer, AskPrometheus, ElementAnswer
from readiness.site import (
    Absent,
    Element,
    Endpoint,
    Logging,
    Prometheus,
    ServiceTarget,
    Site,
    WebElement,
    lookout,
)
from readiness.site.syntax import endpoint_of
from readiness_checks.optional_words import Sought, is_path_closed, judged

ServiceT = TypeVar("ServiceT")

SECTION = "Optional Environment Elements"
VALID_FOR = timedelta(days=30)


class PrometheusRuns(Check[ServiceTarget[Prometheus], ElementAnswer]):
    requirement = Requirement(
        id="optional.prometheus",
        section=SECTION,
        text="Where monitoring is planned, a Prometheus is there to collect the metrics of EXEC's components.",
        proof=(
            "Its URL is asked for `/-/ready` and for its version, and where it is not ready for `/-/healthy`: from its"
            " own host where SSH to it is declared, else from the bootstrap VM, else from the auditor."
        ),
        outcomes={
            Status.PASS: "Prometheus named itself and said that it is ready.",
            Status.WARN: (
                "It refuses the connection or stays silent, is not ready, refuses the declared account, its certificate"
                " does not do or ends within 30 days, or something else answers at its URL."
            ),
            Status.UNKNOWN: (
                "Its URL is not declared, the machine that asks has no way to it, it demands an account that is not"
                " declared, or its certificate comes from an authority that is not declared."
            ),
            Status.SKIP: "The site plans no Prometheus.",
        },
        remedy=(
            "See on its host whether it is ready, and why it is not:\n\n"
            "    curl -sS -i http://localhost:9090/-/ready\n    journalctl -u prometheus -n 50"
        ),
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
        obligation=Obligation.OPTIONAL,
    )
    sought = Sought(
        name="Prometheus",
        key="monitoring.prometheus",
        expected="a Prometheus that says it is ready",
        path="/-/ready",
        look="systemctl status prometheus\n    journalctl -u prometheus -n 50",
        has_row=False,
        like="Thanos, Mimir or VictoriaMetrics",
        beside="Whether it reaches the components is decided by the inbound rows of the connectivity table.",
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[Prometheus] | Settled]:
        prometheus = site.monitoring.prometheus
        if isinstance(prometheus, Absent):
            return (Settled.unplanned("monitoring.prometheus", what="Prometheus"),)
        if prometheus.url is None:
            target = Target(kind=TargetKind.SERVICE, name=prometheus.host, host=prometheus.host)
            judgement = Judgement.undeclared("monitoring.prometheus.url", what="URL of Prometheus")
            return (Settled(target=target, judgement=judgement),)
        vantage = "prometheus" if prometheus.ssh else lookout(site)
        return (_service(endpoint_of(prometheus.url), prometheus, (vantage,), site),)

    def needs(self, target: ServiceTarget[Prometheus]) -> Needs:
        return (AskPrometheus.of(target.vantages[0], target.service),)

    def judge(self, target: ServiceTarget[Prometheus], answer: ElementAnswer) -> Judgement:
        return judged(self.sought, target, answer)


class GrafanaRuns(Check[ServiceTarget[WebElement], ElementAnswer]):
    requirement = Requirement(
        id="optional.grafana",
        section=SECTION,
        text="Where dashboards are planned, a Grafana is there to draw EXEC's metrics and raise alerts.",
        proof="Its URL is asked for `/api/health` from the bootstrap VM, else from the auditor.",
        outcomes={
            Status.PASS: "Grafana answered that its database is well, without which it shows nothing.",
            Status.WARN: (
                "It refuses the connection or stays silent, its database fails, it refuses the declared account, its"
                " certificate does not do or ends within 30 days, or something else answers at its URL."
            ),
            Status.UNKNOWN: (
                "Neither the bootstrap VM nor the auditor has a way to it, it stands behind a login, or its certificate"
                " comes from an authority that is not declared."
            ),
            Status.SKIP: "The site plans no Grafana.",
        },
        remedy=(
            "See on its host whether it is well, and why it is not:\n\n"
            "    curl -sS -i http://localhost:3000/api/health\n    journalctl -u grafana-server -n 50"
        ),
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
        obligation=Obligation.OPTIONAL,
    )
    sought = Sought(
        name="Grafana",
        key="monitoring.grafana",
        expected="a Grafana whose database is well",
        path="/api/health",
        look="systemctl status grafana-server\n    journalctl -u grafana-server -n 50",
        has_row=False,
        beside="Its dashboards and alerts are not looked at.",
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[WebElement] | Settled]:
        return (_web_element("grafana", "Grafana", site.monitoring.grafana, site),)

    def needs(self, target: ServiceTarget[WebElement]) -> Needs:
        return (AskGrafana.of(target.vantages[0], target.service),)

    def judge(self, target: ServiceTarget[WebElement], answer: ElementAnswer) -> Judgement:
        return judged(self.sought, target, answer)


class LoggingRuns(Check[ServiceTarget[Logging], *tuple[ElementAnswer | Unread, ...]]):
    requirement = Requirement(
        id="optional.logging",
        section=SECTION,
        text="Where central logs are planned, a system is there that collects and indexes EXEC's logs.",
        proof=(
            "The declared URL is asked from the first EXEC VM that reaches it, and with the declared account:"
            " Elasticsearch and OpenSearch for their name, version and cluster health, Loki for its build and whether"
            " it is ready. Nothing is stored."
        ),
        outcomes={
            Status.PASS: "A log system that is known here answered, and said that it is well.",
            Status.WARN: (
                "No EXEC VM reaches it, it is not well, refuses the declared account, its certificate does not do or"
                " ends within 30 days, or what answers is no log system that is known here."
            ),
            Status.UNKNOWN: (
                "No EXEC VM could ask, it demands an account that is not declared, does not show the account whether"
                " it is well, or its certificate comes from an authority that is not declared."
            ),
            Status.SKIP: "The site plans no central logging.",
        },
        remedy=(
            "Ask from an EXEC VM, Elasticsearch and OpenSearch by the first, Loki by the second; then open the path,"
            " mend the service, or correct the account, as that shows:\n\n"
            "    curl -sS -i -u <account> <url>/_cluster/health\n    curl -sS -i <url>/ready"
        ),
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
        obligation=Obligation.OPTIONAL,
    )
    sought = Sought(
        name="the log system",
        key="logging",
        expected="Elasticsearch, OpenSearch or Loki, and that it is well",
        path="/",
        look="systemctl status elasticsearch opensearch loki\n    docker ps",
        has_row=True,
        instead="Graylog, Splunk or Logstash",
        beside="That it takes EXEC's logs is seen only once a log agent runs: the audit stores nothing.",
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[Logging] | Settled]:
        if isinstance(site.logging, Absent):
            return (Settled.unplanned("logging", what="central logging"),)
        target = ServiceTarget.of(site.logging.endpoint, site.logging, site.vms_of(), site)
        if not target.vantages:
            judgement = Judgement.undeclared("vms[].host", what="EXEC VM that can be asked from")
            return (Settled(target=target, judgement=judgement),)
        return (target,)

    def needs(self, target: ServiceTarget[Logging]) -> Needs:
        return tuple(Attempt(AskLogging.of(vantage, target.service)) for vantage in target.vantages)

    def judge(self, target: ServiceTarget[Logging], *answers: ElementAnswer | Unread) -> Judgement:
        told = [answer for answer in answers if isinstance(answer, ElementAnswer)]
        reached = [answer for answer in told if not is_path_closed(answer)]
        if told:
            return judged(self.sought, target, (reached or told)[0])
        first = next(answer for answer in answers if isinstance(answer, Unread))
        reason = first.reason
        return Judgement.unknown(
            f"No EXEC VM could ask {self.sought.name} at {target.name}: {reason.detail}.",
            reason.code,
            reason.detail,
            enable=reason.enable or "Mend what the reason names and run the audit again.",
            by=reason.by,
            expected=self.sought.expected,
            observed="nobody could be asked",
            reasoning="The questions failed on the auditor's side of them, so nothing is known of the log system.",
            evidence=(Evidence(label="No answer", value=reason.detail, level=Level.DECLARED, of=first),),
        )


class ContainerMonitoringRuns(Check[ServiceTarget[WebElement], ElementAnswer]):
    requirement = Requirement(
        id="optional.container-monitoring",
        section=SECTION,
        text="Where a view of the containers is planned, a tool such as Portainer is there to show them.",
        proof=(
            "Its URL is asked for Portainer's `/api/system/status`, or `/api/status` of older releases, from the"
            " bootstrap VM, else from the auditor."
        ),
        outcomes={
            Status.PASS: "Portainer answered with its version.",
            Status.WARN: (
                "It refuses the connection or stays silent, has locked itself because its set-up was never finished,"
                " its certificate does not do or ends within 30 days, or something else answers at its URL."
            ),
            Status.UNKNOWN: (
                "Neither the bootstrap VM nor the auditor has a way to it, it stands behind a login, or its certificate"
                " comes from an authority that is not declared."
            ),
            Status.SKIP: "The site plans no container monitoring.",
        },
        remedy=(
            "See on its host whether it runs, and why it does not answer:\n\n"
            "    docker ps --filter name=portainer\n    docker logs --tail 50 portainer"
        ),
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
        obligation=Obligation.OPTIONAL,
    )
    sought = Sought(
        name="Portainer",
        key="monitoring.portainer",
        expected="a Portainer that answers with its status",
        path="/api/system/status",
        look="docker ps --filter name=portainer\n    docker logs --tail 50 portainer",
        has_row=False,
        beside="Which engines it looks after is not asked: that would need an account of its own.",
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[WebElement] | Settled]:
        return (_web_element("portainer", "container monitoring", site.monitoring.portainer, site),)

    def needs(self, target: ServiceTarget[WebElement]) -> Needs:
        return (AskPortainer.of(target.vantages[0], target.service),)

    def judge(self, target: ServiceTarget[WebElement], answer: ElementAnswer) -> Judgement:
        return judged(self.sought, target, answer)


def _web_element(key: str, what: str, element: Element[WebElement], site: Site) -> ServiceTarget[WebElement] | Settled:
    if isinstance(element, Absent):
        return Settled.unplanned(f"monitoring.{key}", what=what)
    return _service(element.endpoint, element, (lookout(site),), site)


def _service(endpoint: Endpoint, service: ServiceT, vantages: tuple[str, ...], site: Site) -> ServiceTarget[ServiceT]:
    return ServiceTarget(
        kind=TargetKind.SERVICE,
        name=str(endpoint),
        host=endpoint.host,
        port=endpoint.port,
        service=service,
        vantages=vantages,
        site=site,
    )

"""Optional elements: monitoring, dashboards, logs and container views, where the site plans them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from readiness.check import Settled, Unbuilt
from readiness.model import Judgement, Obligation, Owner, Requirement, Status, Target, TargetKind
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

ServiceT = TypeVar("ServiceT")

SECTION = "Optional Environment Elements"


class PrometheusRuns(Unbuilt):
    requirement = Requirement(
        id="optional.prometheus",
        section=SECTION,
        text="Where monitoring is planned, a Prometheus is there to collect the metrics of EXEC's components.",
        proof=(
            "Prometheus is asked whether it is ready, from its own host where SSH to it is declared, else from outside."
        ),
        outcomes={
            Status.PASS: "Prometheus answered that it is ready.",
            Status.WARN: "It does not answer, is not ready, or something else answers at its URL.",
            Status.UNKNOWN: "No vantage has a way to it, or its URL is not declared.",
            Status.SKIP: "The site plans no Prometheus.",
        },
        remedy="On its host: curl -s http://localhost:9090/-/ready ; journalctl -u prometheus shows why it is not.",
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=30),
        obligation=Obligation.OPTIONAL,
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


class GrafanaRuns(Unbuilt):
    requirement = Requirement(
        id="optional.grafana",
        section=SECTION,
        text="Where dashboards are planned, a Grafana is there to draw EXEC's metrics and raise alerts.",
        proof="Grafana is asked for its health from the bootstrap VM, else from the auditor.",
        outcomes={
            Status.PASS: "Grafana answered that it and its database are well.",
            Status.WARN: "It does not answer, is not well, or something else answers at its URL.",
            Status.UNKNOWN: "Neither the bootstrap VM nor the auditor has a way to it.",
            Status.SKIP: "The site plans no Grafana.",
        },
        remedy=(
            "On its host: curl -s http://localhost:3000/api/health ; journalctl -u grafana-server shows why it is not."
        ),
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=30),
        obligation=Obligation.OPTIONAL,
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[WebElement] | Settled]:
        return (_web_element("grafana", "Grafana", site.monitoring.grafana, site),)


class LoggingRuns(Unbuilt):
    requirement = Requirement(
        id="optional.logging",
        section=SECTION,
        text="Where central logs are planned, a system is there that collects and indexes EXEC's logs.",
        proof=(
            "The declared URL is asked from an EXEC VM, with the declared account; Elasticsearch, OpenSearch and Loki"
            " are recognised by what they answer."
        ),
        outcomes={
            Status.PASS: "A log system that is known answered and is ready.",
            Status.WARN: "It does not answer, is not ready, refuses the account, or is none that is recognised.",
            Status.UNKNOWN: "No EXEC VM could ask.",
            Status.SKIP: "The site plans no central logging.",
        },
        remedy=(
            "From an EXEC VM: curl -v <url> ; open the path, start the service, or correct the account as that shows."
        ),
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=30),
        obligation=Obligation.OPTIONAL,
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[Logging] | Settled]:
        if isinstance(site.logging, Absent):
            return (Settled.unplanned("logging", what="central logging"),)
        return (ServiceTarget.of(site.logging.endpoint, site.logging, site.vms_of(), site),)


class ContainerMonitoringRuns(Unbuilt):
    requirement = Requirement(
        id="optional.container-monitoring",
        section=SECTION,
        text="Where a view of the containers is planned, a tool such as Portainer is there to show them.",
        proof="Portainer is asked for its status from the bootstrap VM, else from the auditor.",
        outcomes={
            Status.PASS: "Portainer answered with its version.",
            Status.WARN: "It does not answer, or something else answers at its URL.",
            Status.UNKNOWN: "Neither the bootstrap VM nor the auditor has a way to it.",
            Status.SKIP: "The site plans no container monitoring.",
        },
        remedy="On its host: docker ps --filter name=portainer ; docker logs portainer shows why it does not answer.",
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=30),
        obligation=Obligation.OPTIONAL,
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[WebElement] | Settled]:
        return (_web_element("portainer", "container monitoring", site.monitoring.portainer, site),)


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

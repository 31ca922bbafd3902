"""What the catalogue says of each requirement: how strongly, from where, who mends it, how long a proof counts."""

from __future__ import annotations

from datetime import timedelta

from readiness_checks import PACK

CATALOGUE = """
planning.limitations-reviewed mandatory page deployer 180
redis.version mandatory page dba 30
redis.edition mandatory page dba 30
redis.cluster-mode mandatory page dba 30
redis.memory mandatory page dba 30
redis.outside-docker mandatory page dba 30
redis.scalability mandatory page dba 180
redis.resiliency mandatory page dba 30
redis.data-protection mandatory page dba 7
redis.dba-owned mandatory page dba 180
redis.security optional beyond dba 30
redis.eviction optional beyond dba 30
redis.latency optional beyond network 7
registry.reachable mandatory page deployer 30
registry.images mandatory page deployer 7
registry.trusted-by-vms mandatory page deployer 30
vm.roles mandatory page virtualisation 30
vm.one-component-each mandatory page virtualisation 7
vm.os mandatory page virtualisation 7
vm.kernel mandatory page virtualisation 7
vm.cpu recommended page virtualisation 7
vm.memory recommended page virtualisation 7
vm.disk recommended page virtualisation 7
vm.docker mandatory page virtualisation 7
vm.compose mandatory implied virtualisation 7
vm.time-sync mandatory page virtualisation 1
vm.clock-offset optional beyond virtualisation 1
vm.ports-free optional beyond virtualisation 7
network.segment mandatory page virtualisation 30
network.interconnect mandatory page network 7
network.name-resolution mandatory page network 7
network.docker-overlap optional beyond deployer 30
connectivity.config-db mandatory page dba 7
connectivity.stat-server-primary mandatory page engage 7
connectivity.stat-server-backup mandatory page engage 7
connectivity.sip-server mandatory page engage 7
connectivity.excs-api mandatory page deployer 7
connectivity.excs-inbound mandatory page deployer 7
connectivity.exas-inbound mandatory page deployer 7
connectivity.excp-inbound mandatory page deployer 7
connectivity.redis mandatory page dba 7
connectivity.logging optional page deployer 7
connectivity.genesys-cloud mandatory page network 7
connectivity.registry mandatory implied deployer 7
bootstrap.os mandatory page virtualisation 14
bootstrap.docker mandatory page deployer 14
bootstrap.python mandatory page deployer 14
bootstrap.pip mandatory page deployer 14
bootstrap.ssh mandatory page network 14
genesys-cloud.organization mandatory page genesys_cloud 7
genesys-cloud.oauth-client mandatory page genesys_cloud 7
genesys-cloud.role mandatory page genesys_cloud 7
genesys-cloud.tls-interception optional beyond network 7
engage.config-db mandatory page dba 30
engage.stat-server mandatory page engage 7
engage.sip-server mandatory page engage 7
engage.version mandatory page engage 90
engage.inventory optional beyond engage 30
engage.read-only-account optional beyond dba 90
optional.prometheus optional page deployer 30
optional.grafana optional page deployer 30
optional.logging optional page deployer 30
optional.container-monitoring optional page deployer 30
recording.webdav mandatory page virtualisation 30
recording.load-balancer mandatory page network 30
connectivity.mcp-webdav mandatory page network 30
connectivity.mcp-load-balancer mandatory page network 30
connectivity.load-balancer-excp mandatory page network 30
connectivity.exrp mandatory page network 30
"""


def test_the_catalogue_is_what_was_reviewed() -> None:
    """Id, obligation, origin, usual owner, days for which a proof counts."""
    said = [
        f"{one.id} {one.obligation} {one.origin} {one.owner} {one.valid_for / timedelta(days=1):g}"
        for one in (check.requirement for check in PACK)
    ]
    assert said == CATALOGUE.strip().splitlines()

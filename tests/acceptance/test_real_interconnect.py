"""Three machines in one real segment, with packet filters and a service of their own: what each direction comes to."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from readiness_checks.network import Interconnect, OneSegment

from readiness.gather import gather
from readiness.model import Finding, Level, Status
from readiness.plan import plan
from readiness.report import judge
from readiness.secret import Redactor
from readiness.site import Role, Vm
from readiness.vantage import Limits, Vantages
from readiness.vantage.host import Consent
from tests.lab.engine import site
from tests.lab.segments import Segments, needs_namespaces, segments
from tests.probes.test_probe_listener import NamespaceMachine

pytestmark = [pytest.mark.root, needs_namespaces]

ADDRESSES = {"excs-1": "10.89.0.1", "exas-1": "10.89.0.2", "excp-1": "10.89.0.3"}
ROLES = {"excs-1": Role.EXCS, "exas-1": Role.EXAS, "excp-1": Role.EXCP}
FILTERS = {
    "excs-1": ["-s {exas-1} -p tcp --dport 3640 -j DROP"],
    "excp-1": [
        "-s {excs-1} -p tcp --dport 3650 -j REJECT --reject-with tcp-reset",
        "-s {exas-1} -p tcp --dport 3650 -j DROP",
    ],
}
LIMITS = Limits(connect=1.5, script=10.0)


@pytest.fixture
def segment() -> Iterator[Segments]:
    if shutil.which("iptables") is None:
        pytest.skip("needs iptables")
    with segments() as made:
        try:
            made.switch("sw", *((name, f"{address}/24") for name, address in ADDRESSES.items()))
            for name, rules in FILTERS.items():
                for rule in rules:
                    words = f"iptables -A INPUT {rule.format(**ADDRESSES)}".split()
                    subprocess.run(["ip", "netns", "exec", made.machine(name).namespace, *words], check=True)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network can be built here: {error}")
        yield made


async def directions(made: Segments) -> dict[str, Finding]:
    vms = tuple(
        Vm(name=name, role=ROLES[name], host=address, address=address, port=None) for name, address in ADDRESSES.items()
    )
    of = site(vms=vms, limits=LIMITS)
    machines = []
    for name in ADDRESSES:
        machine = NamespaceMachine(name, limits=LIMITS, secrets={}, redact=Redactor(), consent=Consent())
        machine.namespace = made.machine(name).namespace
        machines.append(machine)
    vantages = Vantages(machines, limits=LIMITS)
    planned = plan(of, [Interconnect, OneSegment])
    try:
        gathered = await gather(planned, vantages)
    finally:
        await vantages.close()
    now = datetime.now(UTC)
    found = [judge(instance, gathered.readings, at=now, site=of) for instance in planned.instances]
    return {finding.target.name: finding for finding in found}


async def test_each_direction_of_a_real_segment(segment: Segments) -> None:
    """A nonce passes, so does a service or a reset of a neighbour; silence fails where EXCS is called, else warns."""
    there = segment.machine("exas-1").namespace
    serve = "import socket, time\ns = socket.create_server(('', 3630))\nprint('up', flush=True)\ntime.sleep(60)"
    service = await asyncio.create_subprocess_exec(
        "ip", "netns", "exec", there, sys.executable, "-c", serve, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert service.stdout is not None
        assert await service.stdout.readline() == b"up\n"
        found = await directions(segment)
    finally:
        service.kill()
        await service.wait()
    statuses = {name: (finding.status, finding.level) for name, finding in found.items() if "->" in name}
    assert statuses == {
        "excs-1->exas-1": (Status.PASS, Level.TCP),
        "excs-1->excp-1": (Status.PASS, Level.TCP),
        "exas-1->excs-1": (Status.FAIL, Level.TCP),
        "exas-1->excp-1": (Status.WARN, Level.TCP),
        "excp-1->excs-1": (Status.PASS, Level.PROTOCOL),
        "excp-1->exas-1": (Status.PASS, Level.TCP),
    }
    assert "a packet filter turned the connect" in found["excs-1->excp-1"].judgement.reasoning
    assert "in use" in {piece.label: piece.value for piece in found["excp-1->exas-1"].judgement.evidence}["Port 3630"]
    assert found["excs-1,exas-1"].status is Status.PASS

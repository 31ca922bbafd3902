"""Docker's networks, from what Docker Engine 20.10.24 of Debian 12 and ip of iproute2 6.1 printed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from readiness.host_script import compose, split
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe
from readiness.probes.docker_networks import DEFAULT_POOLS, DockerNetworks, ReadDockerNetworks

PROBE = ReadDockerNetworks("excs-1")

ADDRESSES = r"""=== addresses
1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever preferred_lft forever
3: eth0    inet 10.10.1.11/24 scope global eth0\       valid_lft forever preferred_lft forever
4: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0\       valid_lft forever preferred_lft forever
5: br-85cce8d25988    inet 172.18.0.1/16 brd 172.18.255.255 scope global br-85cce8d25988\       valid_lft forever

--- 0
"""
NETWORKS = """=== networks
bridge [{"Subnet":"172.17.0.0/16"}]
host []
none []
shop [{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.1"}]

--- 0
"""
DENIED = """=== networks
permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \
"http://%2Fvar%2Frun%2Fdocker.sock/v1.24/networks": dial unix /var/run/docker.sock: connect: permission denied

--- 1
"""
STOPPED = """=== networks
Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?

--- 1
"""


def fact(output: str) -> DockerNetworks:
    return PROBE.parse(HostProbe.recorded(output, 0))


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ("null", list(map(str, DEFAULT_POOLS))),
        ('[{"Base":"10.200.0.0/16","Size":24}]', ["10.200.0.0/16"]),
        ("nonsense", list(map(str, DEFAULT_POOLS))),
    ],
)
def test_the_engine_tells_its_networks_and_pools(pools: str, expected: list[str]) -> None:
    """Networks with their subnets, and where new ones come from; the engine's own defaults where none are chosen."""
    found = fact(f"{NETWORKS}=== pools\n{pools}\n\n--- 0\n{ADDRESSES}")
    assert (found.asked, [str(network) for network in found.networks]) == (
        True,
        ["bridge 172.17.0.0/16", "shop 172.18.0.0/16"],
    )
    assert [str(pool) for pool in found.pools or ()] == expected
    assert [str(subnet) for subnet in found.own] == ["10.10.1.0/24"]


@pytest.mark.parametrize("refusal", [DENIED, STOPPED, ""])
def test_its_bridges_tell_where_the_engine_does_not(refusal: str) -> None:
    """Without the engine's answer the interfaces show the same subnets, and the pools stay unknown."""
    found = fact(refusal + ADDRESSES)
    assert (found.asked, found.pools, found.stopped) == (False, None, refusal is STOPPED)
    assert (found.client, found.refusal) == (bool(refusal), "")
    assert [str(network) for network in found.networks] == ["docker0 172.17.0.0/16", "br-85cce8d25988 172.18.0.0/16"]


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("", Cause.TOOL_MISSING),
        (DENIED, Cause.PERMISSION),
        (STOPPED, Cause.BLOCKED),
        ("=== networks\nunknown shorthand flag: 'q'\n\n--- 125\n", Cause.UNSUPPORTED),
        ("garbage", Cause.TOOL_MISSING),
    ],
)
def test_no_networks_to_be_seen_is_no_fact(output: str, code: Cause) -> None:
    """No engine, no right and no daemon are told apart, and none of them is 'no networks'."""
    bare = "=== addresses\n3: eth0    inet 10.10.1.11/24 scope global eth0\n\n--- 0\n"
    with pytest.raises(ProbeError) as caught:
        fact(output + bare)
    assert caught.value.reason.code is code
    assert caught.value.reason.by == ("vm.docker[excs-1]" if code is Cause.BLOCKED else None)


@pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2")
def test_the_script_asks_the_engine_for_all_networks_at_once(tmp_path: Path) -> None:
    """A stand-in for docker sees the two questions that a real engine answered above."""
    stand_in = tmp_path / "docker"
    stand_in.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "'network ls -q --no-trunc') echo one; echo two;;\n"
        "'network inspect --format {{.Name}} {{json .IPAM.Config}} one two')\n"
        """echo 'bridge [{"Subnet":"172.17.0.0/16"}]';;\n"""
        """'info --format {{json .DefaultAddressPools}}') echo '[{"Base":"10.9.0.0/16","Size":24}]';;\n"""
        "*) exit 1;;\n"
        "esac\n"
    )
    stand_in.chmod(0o755)
    script = compose([PROBE], token="T" * 12)
    done = subprocess.run(
        ["sh"],
        input=script.encode(),
        capture_output=True,
        check=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    response = split(done.stdout, "T" * 12)["docker-networks"]
    assert isinstance(response, str)
    found = PROBE.parse(response)
    assert ([str(network) for network in found.networks], [str(pool) for pool in found.pools or ()]) == (
        ["bridge 172.17.0.0/16"],
        ["10.9.0.0/16"],
    )

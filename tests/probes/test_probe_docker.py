"""Docker and Compose, as clients and engines of several distributions and versions answer."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe
from readiness.probes.docker import Compose, Engine, ReadCompose, ReadDocker
from tests.lab.recorded import every, read, response


@pytest.mark.parametrize(
    ("name", "engine", "version", "numbers"),
    [
        ("rhel-9", Engine.ANSWERS, "26.1.3", (26, 1, 3)),
        ("rocky-9", Engine.ANSWERS, "26.1.3", (26, 1, 3)),
        ("ubuntu-22.04", Engine.ANSWERS, "24.0.7", (24, 0, 7)),
        ("debian-11", Engine.ANSWERS, "20.10.5+dfsg1", (20, 10, 5)),
        ("debian-12", Engine.ANSWERS, "20.10.24+dfsg1", (20, 10, 24)),
        ("sles-15", Engine.ANSWERS, "24.0.7-ce", (24, 0, 7)),
        ("amazon-2", Engine.ANSWERS, "20.10.25", (20, 10, 25)),
        ("amazon-2023", Engine.ANSWERS, "25.0.3", (25, 0, 3)),
        ("ubuntu-20.04~19-03", Engine.ANSWERS, "19.03.15", (19, 3, 15)),
        ("ubuntu-24.04~rootless", Engine.ANSWERS, "26.1.3", (26, 1, 3)),
        ("rhel-9~stopped", Engine.STOPPED, "", ()),
        ("ubuntu-22.04~waiting", Engine.STOPPED, "", ()),
        ("ubuntu-20.04~client-only", Engine.CLIENT_ONLY, "", ()),
        ("rhel-8~podman", Engine.PODMAN, "", ()),
        ("rocky-9~podman-socket", Engine.PODMAN, "4.9.4", (4, 9, 4)),
        ("debian-11~absent", Engine.ABSENT, "", ()),
    ],
)
def test_what_stands_behind_the_docker_command(
    name: str, engine: Engine, version: str, numbers: tuple[int, ...]
) -> None:
    """An engine by its own version; stopped, client only, Podman's shim, Podman's socket and nothing told apart."""
    fact = read(ReadDocker("vm"), name)
    assert (fact.engine, fact.version, fact.numbers) == (engine, version, numbers)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("debian-12~no-right", Cause.PERMISSION),
        ("ubuntu-24.04~no-right", Cause.PERMISSION),
        ("debian-11~no-client", Cause.TOOL_MISSING),
    ],
)
def test_what_could_not_be_asked_is_no_finding(name: str, code: Cause) -> None:
    """No right to the socket and no client to ask with are our trouble, not the machine's."""
    with pytest.raises(ProbeError) as raised:
        read(ReadDocker("vm"), name)
    assert raised.value.reason.code is code
    assert raised.value.reason.enable


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (
            "Error response from daemon: client version 1.52 is too new. Maximum supported API version is 1.41",
            Cause.PARSE,
        ),
        ("dial unix /var/run/docker.sock: connect: permission denied", Cause.PERMISSION),
        (
            "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
            Cause.PERMISSION,
        ),
        ("", Cause.PARSE),
    ],
)
def test_other_words_of_a_client_are_no_version(said: str, code: Cause) -> None:
    """A client that gives no engine's version for another reason proves nothing about the engine."""
    output = response("ubuntu-24.04~no-right", "docker")
    there, _, rest = output.partition("permission denied")
    with pytest.raises(ProbeError) as raised:
        ReadDocker("vm").parse(f"{there}{said}{rest[rest.index(chr(10)) :]}")
    assert raised.value.reason.code is code


def test_the_data_root_and_its_file_system_are_shown() -> None:
    """Where the engine keeps images, and on what; a path of a rootless engine too."""
    fact = read(ReadDocker("vm"), "debian-12")
    assert fact.data is not None
    assert (fact.data_root, fact.data.device) == ("/var/lib/docker", "/dev/sda1")
    rootless = read(ReadDocker("vm"), "ubuntu-24.04~rootless")
    assert rootless.data_root == "/home/exec/.local/share/docker"
    assert rootless.socket == "/run/user/1001/docker.sock"


def test_a_socket_that_systemd_holds_is_not_touched() -> None:
    """The recording ends before the engine is asked, since to connect would have started it."""
    fact = read(ReadDocker("vm"), "ubuntu-22.04~waiting")
    assert fact.waiting
    assert "=== docker version" not in response("ubuntu-22.04~waiting", "docker")
    assert "*SubState=listening*) exit 0" in ReadDocker.script


def test_units_are_systemds_words() -> None:
    """active, inactive and not-found; without systemd there is none."""
    units = {
        name: read(ReadDocker("vm"), name).unit for name in ("rhel-9", "rhel-9~stopped", "ubuntu-20.04~client-only")
    }
    assert units == {"rhel-9": "active", "rhel-9~stopped": "inactive", "ubuntu-20.04~client-only": "not-found"}


@pytest.mark.parametrize(
    ("name", "compose"),
    [
        ("rhel-9", Compose("docker compose", "2.27.0")),
        ("ubuntu-22.04", Compose("docker compose", "2.20.2+ds1-0ubuntu1~22.04.1")),
        ("debian-12", Compose("docker-compose", "1.29.2")),
        ("ubuntu-20.04~v1", Compose("docker-compose", "1.29.2")),
        ("amazon-2~standalone", Compose("docker-compose", "2.23.0")),
        ("rhel-8~no-docker", Compose("", "")),
    ],
)
def test_compose_as_plugin_and_as_a_command(name: str, compose: Compose) -> None:
    """The plugin with and without a v before its version, Compose 1, and the plugin as a command of its own."""
    assert read(ReadCompose("vm"), name) == compose


@pytest.mark.parametrize("name", ["debian-11~none", "ubuntu-24.04~none"])
def test_a_docker_without_compose_says_so(name: str) -> None:
    """The refusal of an old and of a new client are both positive proof that there is no plugin."""
    fact = read(ReadCompose("vm"), name)
    assert fact.command == ""
    assert "compose" in fact.said


@pytest.mark.parametrize(
    "said",
    [
        "docker-compose: error while loading shared libraries: libz.so.1: cannot open shared object file",
        "Traceback (most recent call last):\nimportlib.metadata.PackageNotFoundError: docker-compose",
    ],
)
def test_a_compose_that_does_not_run_is_not_missing(said: str) -> None:
    """It is there and broken: that is unknown, with its own words."""
    plugin = "=== docker compose\ndocker: 'compose' is not a docker command.\n--- 1\n"
    with pytest.raises(ProbeError) as raised:
        ReadCompose("vm").understand(f"{plugin}=== docker-compose\n{said}\n--- 1\n", 1)
    assert raised.value.reason.code is Cause.PARSE


@pytest.mark.parametrize("probe", [ReadDocker("vm"), ReadCompose("vm")], ids=lambda probe: probe.section)
def test_any_text_is_a_fact_or_a_reason(probe: HostProbe[object]) -> None:
    """Whatever a machine prints, and however a real answer is torn, nothing else than a ProbeError is raised."""
    real = every(probe.section)

    @given(st.data())
    def survives(data: st.DataObject) -> None:
        text = data.draw(st.sampled_from([*real, ""]))
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        noise = data.draw(st.text(max_size=30) | st.sampled_from(['{"Server":' * 2000, "[" * 99999, '{"Server":[]}\n']))
        torn = text[:start] + noise + text[end:]
        for answer in (torn, f"{torn}\n[exit 0]"):
            with contextlib.suppress(ProbeError):
                probe.parse(answer)

    survives()

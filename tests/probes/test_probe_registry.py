"""A registry as an engine meets it: a stand-in for every scheme, and the real docker-registry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from readiness.lab.registry import Form, Image, Registry, RegistryState
from readiness.lab.registry import Login as LabLogin
from readiness.model import Cause, ProbeError
from readiness.probes.http import HttpAnswer, HttpRefusal, RefusalKind
from readiness.probes.registry import AskRegistry, Holding, Login, RegistryTalk, Scheme, split_image
from readiness.probes.tls import TlsTrouble
from readiness.secret import SecretRef
from readiness.vantage import PathVerdict
from tests.lab.mapped import Authority, Mapped, Talk, free_port, gathered, listening
from tests.lab.oci_registry import PASSWORD, USER, needs_registry, oci_registry

PASS = SecretRef(env="REGISTRY_PASSWORD")
WRONG = SecretRef(env="WRONG_PASSWORD")
SECRETS = {PASS: "pull-secret", WRONG: "not-the-secret"}
IMAGES = {
    "exec/excs:1": Image(architectures=("amd64", "arm64")),
    "exec/exas:1": Image(architectures=("amd64",), indexed=False),
    "exec/excp:1": Image(architectures=("arm64",), form=Form.OCI, indexed=False),
    "exec/hidden:1": Image(),
}


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[tuple[Registry, Authority]]:
    authority = Authority.found(tmp_path)
    state = RegistryState(images=dict(IMAGES), users={"pull": "pull-secret"}, hidden=frozenset({"exec/hidden"}))
    async with Registry(state, name="registry.example", tls=authority.serving("registry.example")) as registry:
        yield registry, authority


def question(authority: Authority | None, *images: str, password: SecretRef | None = PASS) -> AskRegistry:
    return AskRegistry(
        asked_from=("excs-1",),
        url="https://registry.example",
        username="pull" if password is not None else None,
        password=password,
        ca_file=authority.ca_file if authority is not None else None,
        images=images,
    )


async def talk(probe: AskRegistry, *machines: Mapped) -> tuple[RegistryTalk, str]:
    vantages = gathered(*machines, secrets=SECRETS)
    response = await probe.read(vantages)
    assert vantages.redact(response) == response, "a secret was recorded"
    return probe.parse(response), response


@pytest.mark.parametrize("login", list(LabLogin))
async def test_images_are_told_apart_under_every_scheme(lab: tuple[Registry, Authority], login: LabLogin) -> None:
    """Basic, Bearer and no login: what is held with its platforms, what is missing, and what is denied."""
    registry, authority = lab
    registry.state.login = login
    images = (*IMAGES, "exec/gone:1", "exec/excs:2", f"exec/excs@{registry.digest('exec/excs:1')}")
    found, response = await talk(question(authority, *images), Mapped("excs-1", {"registry.example": registry.port}))
    assert found.is_registry
    assert found.scheme.value == (login.value if login is not LabLogin.NONE else "open")
    assert found.login is (Login.NONE if login is LabLogin.NONE else Login.TAKEN)
    assert found.images["exec/excs:1"].platforms == ("linux/amd64", "linux/arm64")
    assert found.images["exec/excs:1"].digest == registry.digest("exec/excs:1")
    assert found.images["exec/exas:1"].platforms == ("linux/amd64",)
    assert found.images["exec/excp:1"].platforms == ("linux/arm64",)
    assert found.images[images[-1]].platforms == ("linux/amd64", "linux/arm64")
    assert {found.images[one].holding for one in ("exec/gone:1", "exec/excs:2")} == {Holding.MISSING}
    denied = Holding.HELD if login is LabLogin.NONE else Holding.DENIED
    assert found.images["exec/hidden:1"].holding is denied
    assert '"Labels"' not in response, "an image's configuration is not recorded"


@pytest.mark.parametrize("login", [LabLogin.BASIC, LabLogin.BEARER])
async def test_a_refused_account_is_told(lab: tuple[Registry, Authority], login: LabLogin) -> None:
    """A wrong password leaves a registry that is there and images that are denied."""
    registry, authority = lab
    registry.state.login = login
    probe = question(authority, "exec/excs:1", password=WRONG)
    found, _ = await talk(probe, Mapped("excs-1", {"registry.example": registry.port}))
    assert (found.is_registry, found.login) == (True, Login.REFUSED)
    assert "authentication required" in found.login_said
    assert found.images["exec/excs:1"].holding is Holding.DENIED


async def test_without_an_account_nobody_is_logged_in(lab: tuple[Registry, Authority]) -> None:
    """An open question stays one: no login is tried, and the images are denied."""
    registry, authority = lab
    probe = question(authority, "exec/excs:1", password=None)
    found, _ = await talk(probe, Mapped("excs-1", {"registry.example": registry.port}))
    assert (found.login, found.images["exec/excs:1"].holding) == (Login.NONE, Holding.DENIED)


async def test_the_first_machine_that_reaches_it_speaks(lab: tuple[Registry, Authority]) -> None:
    """A machine that cannot be asked, and one that finds no path, are passed by and named."""
    registry, authority = lab
    probe = replace(question(authority, "exec/excs:1"), asked_from=("excs-1", "exas-1", "excp-1"))
    found, _ = await talk(
        probe,
        Mapped("excs-1", lost=True),
        Mapped("exas-1", {"registry.example": PathVerdict.TIMEOUT}),
        Mapped("excp-1", {"registry.example": registry.port}),
    )
    assert (found.spoken_from, list(found.passed_by)) == ("excp-1", ["excs-1", "exas-1"])
    assert found.images["exec/excs:1"].holding is Holding.HELD


async def test_no_path_from_any_machine_is_bad_news() -> None:
    """The first machine's news stands where none gets through."""
    probe = replace(question(None, "exec/excs:1"), asked_from=("excs-1", "exas-1"))
    found, _ = await talk(
        probe, Mapped("excs-1", {"registry.example": free_port()}), Mapped("exas-1", {"registry.example": 1})
    )
    assert isinstance(found.door, HttpRefusal)
    assert (found.spoken_from, found.door.kind, found.images) == ("excs-1", RefusalKind.PATH, {})


async def test_no_machine_to_ask_is_no_news() -> None:
    """Where every machine is lost, the reason of ours is told."""
    with pytest.raises(ProbeError) as caught:
        await talk(question(None), Mapped("excs-1", lost=True))
    assert caught.value.reason.code is Cause.UNREACHABLE


async def test_a_private_authority_is_not_trusted_by_itself(lab: tuple[Registry, Authority]) -> None:
    """Without the declared authority the certificate is refused, and nothing is said to the registry."""
    registry, _ = lab
    found, _ = await talk(question(None, "exec/excs:1"), Mapped("excs-1", {"registry.example": registry.port}))
    assert isinstance(found.door, HttpRefusal)
    assert found.door.tls is not None
    assert found.door.tls.trouble is TlsTrouble.UNTRUSTED_ISSUER


@pytest.mark.parametrize(
    ("answer", "registry"),
    [
        ("200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 2\r\n\r\n{}", True),
        ("200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
        (
            '401 No\r\nWWW-Authenticate: Bearer realm="https://r.x/token",service="r"\r\nContent-Length: 0\r\n\r\n',
            True,
        ),
        ("401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n", True),
        ("401 No\r\nContent-Length: 0\r\n\r\n", False),
        ("401 No\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n", False),
        ("200 OK\r\nContent-Length: 15\r\n\r\n<html>It works!", False),
        ("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", False),
        ("200 OK\r\nContent-Length: 9000\r\n\r\n" + " " * 9000, False),
        ("404 Not Found\r\nContent-Length: 0\r\n\r\n", False),
        ("302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", False),
        ("503 Busy\r\nContent-Length: 0\r\n\r\n", False),
    ],
)
async def test_only_a_registrys_door_counts(answer: str, registry: bool) -> None:
    """200 with a registry's body, or a challenge, is one; a web server's page is none."""
    async with listening(_always(answer)) as port:
        probe = replace(question(None), url="http://registry.example")
        found, _ = await talk(probe, Mapped("excs-1", {"registry.example": port}))
    assert isinstance(found.door, HttpAnswer)
    assert found.is_registry is registry


async def test_no_password_is_shown_to_a_token_service_without_tls(tmp_path: Path) -> None:
    """A registry behind TLS that sends its clients to a plain realm learns nothing."""
    heard: list[bytes] = []
    authority = Authority.found(tmp_path)
    challenge = 'Bearer realm="http://token.example/token",service="r"'
    answer = f"401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
    async with (
        listening(_always(answer), tls=authority.serving("registry.example")) as port,
        listening(_always("200 OK\r\nContent-Length: 0\r\n\r\n", heard)) as plain,
    ):
        machine = Mapped("excs-1", {"registry.example": port, "token.example": plain})
        found, _ = await talk(question(authority, "exec/excs:1"), machine)
    assert heard == []
    assert (found.login, found.images["exec/excs:1"].holding) == (Login.UNTOLD, Holding.UNCLEAR)


@pytest.mark.parametrize(
    ("realm", "token_service", "shown"),
    [
        ("https://registry.example/token", None, True),
        ("https://REGISTRY.example/token", None, True),
        ("https://token.example/token", None, False),
        ("https://registry.example.evil.example/token", None, False),
        ("https://registry.example@token.example/token", None, False),
        ("https://token.example/token", "https://token.example", True),
        ("https://token.example/token", "https://token.example:443/", True),
        ("https://token.example:8443/token", "https://token.example", False),
        ("https://token.example:99999/token", "https://token.example", False),
        ("https://token.example/token", "https://other.example", False),
    ],
)
async def test_the_account_follows_to_no_host_that_the_site_does_not_name(
    tmp_path: Path, realm: str, token_service: str | None, shown: bool
) -> None:
    """Whoever answers for the registry may name any token service; only its own host and a declared one are asked."""
    heard: list[bytes] = []
    authority = Authority.found(tmp_path)
    names = ("registry.example", "token.example", "registry.example.evil.example")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if asked.startswith(b"GET /token"):
            heard.append(asked)
        challenge = f'WWW-Authenticate: Bearer realm="{realm}",service="r"'
        writer.write(f"HTTP/1.1 401 No\r\n{challenge}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async with listening(serve, tls=authority.serving(*names)) as port:
        probe = replace(question(authority, "exec/excs:1"), token_service=token_service)
        found, _ = await talk(probe, Mapped("excs-1", dict.fromkeys(names, port)))
    assert any(b"authorization: basic" in asked.lower() for asked in heard) is shown
    assert bool(heard) is shown
    if not shown:
        assert found.login is Login.UNTOLD
        assert found.images["exec/excs:1"].holding is Holding.UNCLEAR


async def test_a_stranger_asks_any_token_service(tmp_path: Path) -> None:
    """Without an account there is nothing to betray: the realm is followed, as an engine does."""
    heard: list[bytes] = []
    authority = Authority.found(tmp_path)
    challenge = 'Bearer realm="https://token.example/token",service="r"'
    answer = f"401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
    async with (
        listening(_always(answer), tls=authority.serving("registry.example")) as port,
        listening(
            _always("200 OK\r\nContent-Length: 0\r\n\r\n", heard), tls=authority.serving("token.example")
        ) as there,
    ):
        probe = replace(question(authority, "exec/excs:1"), username=None, password=None)
        await talk(probe, Mapped("excs-1", {"registry.example": port, "token.example": there}))
    assert heard
    assert not any(b"authorization" in asked.lower() for asked in heard)


@pytest.mark.parametrize("realm", ["http://[::1", "ftp://x/", "", "https://exec:pw@token.example/"])
async def test_a_realm_that_makes_no_sense_is_no_crash(tmp_path: Path, realm: str) -> None:
    """A registry can name anything as its token service; then nothing is asked there."""
    authority = Authority.found(tmp_path)
    answer = f'401 No\r\nWWW-Authenticate: Bearer realm="{realm}",service="r"\r\nContent-Length: 0\r\n\r\n'
    async with listening(_always(answer), tls=authority.serving("registry.example")) as port:
        found, _ = await talk(question(authority, "exec/excs:1"), Mapped("excs-1", {"registry.example": port}))
    assert (found.login, found.images["exec/excs:1"].holding) == (Login.UNTOLD, Holding.UNCLEAR)


MANIFEST = '{"schemaVersion": 2, "config": {"digest": "sha256:%s"}}' % ("a" * 64)
CONFIG = '{"os": "linux", "architecture": "s390x", "config": {"Env": ["TOKEN=in-the-image"]}}'


@pytest.mark.parametrize(
    ("location", "platforms"),
    [
        ("https://store.example/blob?sig=1", ("linux/s390x",)),
        ("http://store.example/blob", ()),
        ("http://[::1", ()),
        ("", ()),
    ],
)
async def test_a_configuration_kept_elsewhere_is_read_without_credentials(
    tmp_path: Path, location: str, platforms: tuple[str, ...]
) -> None:
    """A redirect to a store is followed once inside TLS, and the store is shown no password."""
    heard: list[bytes] = []
    authority = Authority.found(tmp_path)

    async def registry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body, status = "{}", "200 OK\r\nDocker-Distribution-Api-Version: registry/2.0"
        if b"authorization: basic" not in asked.lower():
            status = "401 No\r\nWWW-Authenticate: Basic realm=x"
        elif b"/manifests/" in asked:
            body = MANIFEST
        elif b"/blobs/" in asked:
            status = f"307 Moved\r\nLocation: {location}"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    store = f"200 OK\r\nContent-Length: {len(CONFIG)}\r\n\r\n{CONFIG}"
    async with (
        listening(registry, tls=authority.serving("registry.example")) as port,
        listening(_always(store, heard), tls=authority.serving("store.example")) as kept,
    ):
        machine = Mapped("excs-1", {"registry.example": port, "store.example": kept})
        found, response = await talk(question(authority, "exec/excs:1"), machine)
    assert found.images["exec/excs:1"].platforms == platforms
    assert not any(b"authorization" in asked.lower() for asked in heard)
    assert "in-the-image" not in response


@pytest.mark.parametrize(
    ("image", "parted"),
    [
        ("exec/excs:100.0.1", ("exec/excs", "100.0.1")),
        ("excs@sha256:" + "a" * 64, ("excs", "sha256:" + "a" * 64)),
        ("a/b/excs:1@sha256:" + "b" * 64, ("a/b/excs", "sha256:" + "b" * 64)),
    ],
)
def test_a_digest_outweighs_a_tag(image: str, parted: tuple[str, str]) -> None:
    """An image parts into its repository and what is asked for."""
    assert split_image(image) == parted


@pytest.mark.parametrize("response", ["", "[]", "{}", '{"door": {}}', '{"door": 1, "images": {}}', "[" * 9999])
def test_a_recording_that_is_none_is_an_error(response: str) -> None:
    """Whatever stands in a report does not crash the parser."""
    with pytest.raises(ProbeError):
        question(None).parse(response)


async def test_a_recording_gives_the_same_fact_again(lab: tuple[Registry, Authority]) -> None:
    """The fact is a function of what was recorded."""
    registry, authority = lab
    probe = question(authority, "exec/excs:1", "exec/gone:1")
    found, response = await talk(probe, Mapped("excs-1", {"registry.example": registry.port}))
    assert probe.parse(json.dumps(json.loads(response))) == found


@needs_registry
@pytest.mark.server
async def test_a_real_registry_is_understood(tmp_path: Path) -> None:
    """docker-registry over TLS with htpasswd: login, index, single image, missing image, wrong password."""
    async with oci_registry(tmp_path) as registry:
        await registry.push("exec/excs", "1", "amd64", "arm64", indexed=True)
        await registry.push("exec/exas", "1", "arm64")
        probe = AskRegistry(
            asked_from=("excs-1",),
            url=registry.url,
            username=USER,
            password=PASS,
            ca_file=registry.authority.ca_file,
            images=("exec/excs:1", "exec/exas:1", "exec/excp:1"),
        )
        machine = Mapped("excs-1", {"127.0.0.1": registry.port})
        found, response = await talk(probe, machine)
        refused, _ = await talk(replace(probe, password=WRONG), machine)
    assert (found.is_registry, found.scheme, found.login) == (True, Scheme.BASIC, Login.TAKEN)
    assert found.images["exec/excs:1"].platforms == ("linux/amd64", "linux/arm64")
    assert found.images["exec/exas:1"].platforms == ("linux/arm64",)
    assert found.images["exec/excp:1"].holding is Holding.MISSING
    assert "MANIFEST_UNKNOWN" in found.images["exec/excp:1"].said
    assert PASSWORD not in response
    assert "in-the-image" not in response
    assert (refused.login, refused.images["exec/excs:1"].holding) == (Login.REFUSED, Holding.DENIED)


def _always(answer: str, heard: list[bytes] | None = None) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(asked)
        writer.write(f"HTTP/1.1 {answer}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return talk

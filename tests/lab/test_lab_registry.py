"""The registry stand-in keeps the OCI distribution specification where an audit meets it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from readiness.lab.registry import Form, Image, Login, Registry, RegistryState

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EVERY_TYPE = {"Accept": ", ".join((DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST))}
PULL = httpx.BasicAuth("pull", "secret")
IMAGES = {
    "exec/excs:100.0.1": Image(architectures=("amd64", "arm64")),
    "exec/excp:100.0.1": Image(architectures=("arm64",), form=Form.OCI, indexed=False),
}


@dataclass
class Asking:
    state: RegistryState
    http: httpx.AsyncClient
    registry: Registry


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    state = RegistryState(images=dict(IMAGES), users={"pull": "secret"})
    async with (
        Registry(state, name="registry.example", tls=None) as registry,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{registry.port}", trust_env=False) as http,
    ):
        yield Asking(state, http, registry)


def errors(answer: httpx.Response) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


async def test_a_stranger_is_asked_for_basic_credentials(asking: Asking) -> None:
    """Without credentials, or with wrong ones, /v2/ answers 401 with a Basic challenge and an error list."""
    for auth in (None, httpx.BasicAuth("pull", "wrong"), httpx.BasicAuth("nobody", "secret")):
        answer = await asking.http.get("/v2/", auth=auth)
        assert (answer.status_code, errors(answer)) == (401, ["UNAUTHORIZED"])
        assert answer.headers["www-authenticate"] == 'Basic realm="registry.example"'


async def test_a_user_sees_a_registry(asking: Asking) -> None:
    """With credentials /v2/ answers 200 and names the API's version."""
    answer = await asking.http.get("/v2/", auth=PULL)
    assert (answer.status_code, answer.headers["docker-distribution-api-version"]) == (200, "registry/2.0")


async def test_a_manifest_is_what_its_digest_says(asking: Asking) -> None:
    """HEAD and GET agree on type, length and digest, the digest is the body's own, and it leads to the same body."""
    head = await asking.http.head("/v2/exec/excs/manifests/100.0.1", auth=PULL, headers=EVERY_TYPE)
    got = await asking.http.get("/v2/exec/excs/manifests/100.0.1", auth=PULL, headers=EVERY_TYPE)
    digest = got.headers["docker-content-digest"]
    again = await asking.http.get(f"/v2/exec/excs/manifests/{digest}", auth=PULL, headers=EVERY_TYPE)
    assert head.content == b""
    for name in ("content-type", "content-length", "docker-content-digest"):
        assert head.headers[name] == got.headers[name]
    assert got.headers["content-type"] == DOCKER_LIST
    assert digest == f"sha256:{hashlib.sha256(got.content).hexdigest()}" == asking.registry.digest("exec/excs:100.0.1")
    assert again.content == got.content


async def test_an_index_leads_to_every_architecture(asking: Asking) -> None:
    """Each entry of a list has a platform, and its digest leads to a manifest whose configuration says the same."""
    index = (await asking.http.get("/v2/exec/excs/manifests/100.0.1", auth=PULL, headers=EVERY_TYPE)).json()
    found = []
    for entry in index["manifests"]:
        manifest = await asking.http.get(
            f"/v2/exec/excs/manifests/{entry['digest']}", auth=PULL, headers={"Accept": DOCKER_MANIFEST}
        )
        assert len(manifest.content) == entry["size"]
        config = await asking.http.get(f"/v2/exec/excs/blobs/{manifest.json()['config']['digest']}", auth=PULL)
        assert entry["platform"] == {"architecture": config.json()["architecture"], "os": "linux"}
        found.append(entry["platform"]["architecture"])
    assert found == ["amd64", "arm64"]


@pytest.mark.parametrize(
    ("image", "accept", "status", "given"),
    [
        ("exec/excs", DOCKER_LIST, 200, DOCKER_LIST),
        ("exec/excs", DOCKER_MANIFEST, 200, DOCKER_MANIFEST),
        ("exec/excs", "*/*", 200, DOCKER_LIST),
        ("exec/excp", f"{DOCKER_MANIFEST}, {OCI_MANIFEST};q=0.5", 200, OCI_MANIFEST),
        ("exec/excp", DOCKER_MANIFEST, 404, None),
    ],
)
async def test_a_client_gets_what_it_accepts(
    asking: Asking, image: str, accept: str, status: int, given: str | None
) -> None:
    """A type that the client does not accept is never served; one without lists is given its own architecture."""
    answer = await asking.http.get(f"/v2/{image}/manifests/100.0.1", auth=PULL, headers={"Accept": accept})
    assert answer.status_code == status
    if given is not None:
        assert answer.headers["content-type"] == given
    else:
        assert errors(answer) == ["MANIFEST_UNKNOWN"]


@pytest.mark.parametrize(
    ("path", "status", "codes"),
    [
        ("/v2/exec/excs/manifests/9.9", 404, ["MANIFEST_UNKNOWN"]),
        (f"/v2/exec/excs/manifests/sha256:{'0' * 64}", 404, ["MANIFEST_UNKNOWN"]),
        ("/v2/exec/excs/manifests/sha256:beef", 400, ["DIGEST_INVALID"]),
        ("/v2/exec/nothing/manifests/1", 404, ["NAME_UNKNOWN"]),
        ("/v2/EXEC/excs/manifests/1", 400, ["NAME_INVALID"]),
        (f"/v2/exec/excs/blobs/sha256:{'0' * 64}", 404, ["BLOB_UNKNOWN"]),
    ],
)
async def test_what_is_not_there_has_its_own_code(asking: Asking, path: str, status: int, codes: list[str]) -> None:
    """Errors carry the specification's codes."""
    answer = await asking.http.get(path, auth=PULL, headers=EVERY_TYPE)
    assert (answer.status_code, errors(answer)) == (status, codes)


async def test_tags_are_listed(asking: Asking) -> None:
    """A repository's tags are listed under its name."""
    answer = await asking.http.get("/v2/exec/excs/tags/list", auth=PULL)
    assert answer.json() == {"name": "exec/excs", "tags": ["100.0.1"]}


async def test_nothing_can_be_written(asking: Asking) -> None:
    """A write is refused and changes nothing."""
    answer = await asking.http.put("/v2/exec/excs/manifests/new", auth=PULL, content=b"{}")
    assert (answer.status_code, errors(answer)) == (405, ["UNSUPPORTED"])
    assert asking.state.images == IMAGES


async def test_a_hidden_repository_is_denied(asking: Asking) -> None:
    """A user without the right to a repository is told so, and may still see that this is a registry."""
    asking.state.hidden = frozenset({"exec/excs"})
    answer = await asking.http.get("/v2/exec/excs/manifests/100.0.1", auth=PULL, headers=EVERY_TYPE)
    assert (answer.status_code, errors(answer)) == (403, ["DENIED"])
    assert (await asking.http.get("/v2/", auth=PULL)).status_code == 200


async def test_the_token_flow_opens_what_its_scope_names(asking: Asking) -> None:
    """The challenge names realm, service and scope; the token from there opens that repository and no other."""
    asking.state.login = Login.BEARER
    challenge = (await asking.http.get("/v2/exec/excs/manifests/100.0.1")).headers["www-authenticate"]
    assert challenge == (
        'Bearer realm="http://registry.example/token",service="registry.example",scope="repository:exec/excs:pull"'
    )
    answer = await asking.http.get(
        "/token", params={"service": "registry.example", "scope": "repository:exec/excs:pull"}, auth=PULL
    )
    said = answer.json()
    assert said["token"] == said["access_token"]
    bearer = {"Authorization": f"Bearer {said['token']}", **EVERY_TYPE}
    opened = await asking.http.head("/v2/exec/excs/manifests/100.0.1", headers=bearer)
    closed = await asking.http.get("/v2/exec/excp/manifests/100.0.1", headers=bearer)
    assert (opened.status_code, closed.status_code) == (200, 401)
    assert 'error="insufficient_scope"' in closed.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("auth", "status"), [(None, 200), (PULL, 200), (httpx.BasicAuth("pull", "wrong"), 401)], ids=["none", "user", "bad"]
)
async def test_a_token_proves_nothing(asking: Asking, auth: httpx.BasicAuth | None, status: int) -> None:
    """A token is given even to the nameless, and to users for what they may not read; only bad credentials get none."""
    asking.state.login = Login.BEARER
    asking.state.hidden = frozenset({"exec/excs"})
    answer = await asking.http.get("/token", params={"scope": "repository:exec/excs:pull"}, auth=auth)
    assert answer.status_code == status
    if status == 200:
        bearer = {"Authorization": f"Bearer {json.loads(answer.content)['token']}", **EVERY_TYPE}
        assert (await asking.http.get("/v2/exec/excs/manifests/100.0.1", headers=bearer)).status_code == 401


async def test_an_invented_token_is_refused(asking: Asking) -> None:
    """A token that the registry did not issue is no token."""
    asking.state.login = Login.BEARER
    answer = await asking.http.get("/v2/", headers={"Authorization": "Bearer abc"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_what_is_no_registry_path_is_plain_404(asking: Asking) -> None:
    """Outside /v2/ there is an ordinary web server's 404, without an error list."""
    answer = await asking.http.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain")

"""A stand-in of a container registry: the pull side of the OCI distribution specification, version 1.1.

It holds images without layers, since an audit never pulls one: manifests, indexes and configurations are real, with
true digests. Errors, challenges and the token flow are those of the specification and of Docker's token
authentication (https://distribution.github.io/distribution/spec/auth/token/).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

from readiness.lab.https import Answer, Asked, HttpsServer, Reply

TOKEN_SECONDS = 300
"""Seconds that a bearer token is said to be good for."""

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*\Z")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags)/(?P<reference>[^/]+)\Z")


class Form(StrEnum):
    """Whose media types an image is kept in."""

    DOCKER = "docker"
    OCI = "oci"

    @property
    def manifest_type(self) -> str:
        return f"application/vnd.{_VENDOR[self]}manifest.{_VERSION[self]}+json"

    @property
    def index_type(self) -> str:
        kind = "manifest.list.v2" if self is Form.DOCKER else "index.v1"
        return f"application/vnd.{_VENDOR[self]}{kind}+json"

    @property
    def config_type(self) -> str:
        return (
            "application/vnd.docker.container.image.v1+json"
            if self is Form.DOCKER
            else "application/vnd.oci.image.config.v1+json"
        )


_VENDOR = {Form.DOCKER: "docker.distribution.", Form.OCI: "oci.image."}
_VERSION = {Form.DOCKER: "v2", Form.OCI: "v1"}


class Login(StrEnum):
    """How the registry wants its clients to prove who they are."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image: the architectures that it is built for, and whether an index stands before the manifests."""

    architectures: tuple[str, ...] = ("amd64",)
    form: Form = Form.DOCKER
    indexed: bool = True


@dataclass
class RegistryState:
    """What the registry holds and who may read it; changes count from the next request on.

    ``images`` by ``repository:tag``; ``users``: passwords by name; ``hidden``: repositories that no user may pull.
    """

    images: dict[str, Image] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict, repr=False)
    login: Login = Login.BASIC
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Content:
    media_type: str
    body: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"


@dataclass(frozen=True)
class _Built:
    """An image as its registry serves it: the content behind its tag, each manifest by architecture, all by digest."""

    top: _Content
    manifests: Mapping[str, _Content]
    by_digest: Mapping[str, _Content]


class Registry:
    """Serves one state over HTTPS; an async context.

    ``name``: the host that clients know it by, as it stands in the realm of its bearer challenge.
    """

    def __init__(self, state: RegistryState, *, name: str, tls: ssl.SSLContext | None) -> None:
        self.state = state
        self.name = name
        self.server = HttpsServer(self._answer, tls=tls)
        self._scheme = "https" if tls is not None else "http"
        self._tokens: dict[str, frozenset[str]] = {}

    @property
    def port(self) -> int:
        return self.server.port

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.close()

    def digest(self, image: str) -> str:
        """The digest that ``repository:tag`` leads to."""
        return _built(image.rpartition(":")[0], self.state.images[image]).top.digest

    def _answer(self, asked: Asked) -> Answer:
        if asked.path == "/token" and self.state.login is Login.BEARER:
            return self._token(asked)
        if asked.path != "/v2" and not asked.path.startswith("/v2/"):
            return Reply(status=404, headers=(("Content-Type", "text/plain"),), body=b"404 page not found\n")
        if asked.path in ("/v2", "/v2/"):
            return self._guarded(asked, None) or _json(200, {})
        found = _PATH.match(asked.path)
        if found is None:
            return Reply(status=404, headers=(_API,), body=b"404 page not found\n")
        name = found["name"]
        refused = self._guarded(asked, name)
        if refused is not None:
            return refused
        if asked.method not in ("GET", "HEAD"):
            return _error(405, "UNSUPPORTED", "The operation is unsupported.")
        if not _NAME.match(name):
            return _error(400, "NAME_INVALID", "invalid repository name")
        images = {tag.rpartition(":")[2]: _built(name, image) for tag, image in self._of(name).items()}
        if not images:
            return _error(404, "NAME_UNKNOWN", "repository name not known to registry", {"name": name})
        match found["kind"]:
            case "tags":
                known = found["reference"] == "list"
                return _json(200, {"name": name, "tags": sorted(images)}) if known else _error(404, "UNSUPPORTED", "")
            case "blobs":
                return _blob(images, found["reference"])
            case _:
                return _manifest(images, found["reference"], _accepted(asked))

    def _of(self, name: str) -> dict[str, Image]:
        return {tag: image for tag, image in self.state.images.items() if tag.rpartition(":")[0] == name}

    def _guarded(self, asked: Asked, name: str | None) -> Reply | None:
        scheme, _, given = asked.header("authorization").partition(" ")
        match self.state.login:
            case Login.NONE:
                return None
            case Login.BASIC:
                if scheme.lower() != "basic" or self._user(given) is None:
                    return _unauthorized(f'Basic realm="{self.name}"')
                allowed = name not in self.state.hidden
                return None if allowed else _error(403, "DENIED", "requested access to the resource is denied")
            case Login.BEARER:
                return self._bearer(scheme, given, name)

    def _bearer(self, scheme: str, given: str, name: str | None) -> Reply | None:
        challenge = f'Bearer realm="{self._scheme}://{self.name}/token",service="{self.name}"'
        if name is not None:
            challenge += f',scope="repository:{name}:pull"'
        if scheme.lower() != "bearer":
            return _unauthorized(challenge)
        if given not in self._tokens:
            return _unauthorized(f'{challenge},error="invalid_token"')
        if name is not None and name not in self._tokens[given]:
            return _unauthorized(f'{challenge},error="insufficient_scope"')
        return None

    def _token(self, asked: Asked) -> Reply:
        """Hand out a token; as the real thing does, even where it will open nothing that was asked for."""
        scheme, _, given = asked.header("authorization").partition(" ")
        user = self._user(given) if scheme.lower() == "basic" else None
        if scheme and user is None:
            return _unauthorized(f'Basic realm="{self.name}"')
        wanted = [value.split(":") for key, value in asked.query if key == "scope"]
        pulls = {
            name
            for kind, name, actions in (s for s in wanted if len(s) == 3)
            if kind == "repository" and "pull" in actions.split(",")
        }
        opened = frozenset(pulls - self.state.hidden) if user is not None else frozenset[str]()
        token = secrets.token_urlsafe(48)
        self._tokens[token] = opened
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return _json(200, {"token": token, "access_token": token, "expires_in": TOKEN_SECONDS, "issued_at": now})

    def _user(self, given: str) -> str | None:
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        known = self.state.users.get(user)
        return user if known is not None and secrets.compare_digest(known.encode(), password.encode()) else None


_API = ("Docker-Distribution-Api-Version", "registry/2.0")


def _built(name: str, image: Image) -> _Built:
    manifests: dict[str, _Content] = {}
    everything: list[_Content] = []
    for architecture in image.architectures:
        config = _content(
            image.form.config_type,
            {"architecture": architecture, "os": "linux", "config": {"Labels": {"repository": name}},
             "rootfs": {"type": "layers", "diff_ids": []}},
        )  # fmt: skip
        manifest = _content(
            image.form.manifest_type,
            {"schemaVersion": 2, "mediaType": image.form.manifest_type, "config": _descriptor(config), "layers": []},
        )
        manifests[architecture] = manifest
        everything += (config, manifest)
    top = next(iter(manifests.values()))
    if image.indexed:
        entries = [
            _descriptor(manifest) | {"platform": {"architecture": architecture, "os": "linux"}}
            for architecture, manifest in manifests.items()
        ]
        top = _content(
            image.form.index_type, {"schemaVersion": 2, "mediaType": image.form.index_type, "manifests": entries}
        )
        everything.append(top)
    return _Built(top, manifests, {content.digest: content for content in everything})


def _content(media_type: str, value: object) -> _Content:
    return _Content(media_type, json.dumps(value, separators=(",", ":")).encode())


def _descriptor(content: _Content) -> dict[str, object]:
    return {"mediaType": content.media_type, "size": len(content.body), "digest": content.digest}


def _accepted(asked: Asked) -> frozenset[str]:
    said = (part for name, value in asked.headers if name == "accept" for part in value.split(","))
    return frozenset(part.partition(";")[0].strip().lower() for part in said)


def _manifest(images: Mapping[str, _Built], reference: str, accepted: frozenset[str]) -> Reply:
    if _DIGEST.match(reference):
        content = next((built.by_digest[reference] for built in images.values() if reference in built.by_digest), None)
        return _served(content, accepted) if content is not None else _unknown(reference)
    if ":" in reference:
        return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    if not _TAG.match(reference):
        return _error(400, "TAG_INVALID", "manifest tag did not match URI")
    built = images.get(reference)
    if built is None:
        return _unknown(reference)
    if not _takes(built.top, accepted) and "amd64" in built.manifests:
        return _served(built.manifests["amd64"], accepted)  # what old clients are given in the place of a list
    return _served(built.top, accepted)


def _served(content: _Content, accepted: frozenset[str]) -> Reply:
    if not _takes(content, accepted):
        return _error(404, "MANIFEST_UNKNOWN", "manifest found, but accept header does not support its media type")
    return _whole(content)


def _takes(content: _Content, accepted: frozenset[str]) -> bool:
    return not accepted or bool(accepted & {content.media_type.lower(), "*/*", "application/*"})


def _blob(images: Mapping[str, _Built], digest: str) -> Reply:
    if not _DIGEST.match(digest):
        return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    content = next((built.by_digest[digest] for built in images.values() if digest in built.by_digest), None)
    return _whole(content) if content is not None else _error(404, "BLOB_UNKNOWN", "blob unknown to registry")


def _whole(content: _Content) -> Reply:
    headers = (
        ("Content-Type", content.media_type),
        ("Docker-Content-Digest", content.digest),
        ("Etag", f'"{content.digest}"'),
        _API,
    )
    return Reply(headers=headers, body=content.body)


def _unknown(reference: str) -> Reply:
    return _error(404, "MANIFEST_UNKNOWN", "manifest unknown", {"Tag": reference})


def _unauthorized(challenge: str) -> Reply:
    return _error(401, "UNAUTHORIZED", "authentication required", None, ("Www-Authenticate", challenge))


def _error(
    status: int, code: str, message: str, detail: Mapping[str, str] | None = None, *extra: tuple[str, str]
) -> Reply:
    return _json(status, {"errors": [{"code": code, "message": message, "detail": detail}]}, *extra)


def _json(status: int, value: object, *extra: tuple[str, str]) -> Reply:
    headers: Sequence[tuple[str, str]] = (("Content-Type", "application/json; charset=utf-8"), _API, *extra)
    return Reply(status=status, headers=tuple(headers), body=json.dumps(value).encode())

"""A container registry as an engine meets it: the pull side of the OCI distribution specification.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md, with Basic credentials (RFC 7617) or Docker's
token flow (https://distribution.github.io/distribution/spec/auth/token/). Manifests are read, nothing is pulled.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from readiness.model import Cause, ProbeError, Reason
from readiness.probe import Probe
from readiness.probes.http import (
    BodyEnd,
    HttpAnswer,
    HttpRefusal,
    HttpResult,
    Json,
    RefusalKind,
    json_of,
    request,
    result_from_json,
)
from readiness.probes.tls import one_line
from readiness.secret import Secret, SecretRef
from readiness.site import Registry
from readiness.vantage import Limits, Vantages

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
AT_ONCE = 4
"""Images that are asked for at the same time."""

WordT = TypeVar("WordT", bound=StrEnum)

_MAX_MANIFEST = 1024 * 1024
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,16384}")


class Scheme(StrEnum):
    """How a registry wants its clients to prove who they are."""

    OPEN = "open"
    BASIC = "basic"
    BEARER = "bearer"
    OTHER = "other"


class Login(StrEnum):
    """What became of the declared account: nothing to try, taken, refused, or no answer to tell."""

    NONE = "none"
    TAKEN = "taken"
    REFUSED = "refused"
    UNTOLD = "untold"


class Holding(StrEnum):
    """What a registry says of one image."""

    HELD = "held"
    MISSING = "missing"
    DENIED = "denied"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True)
class ImageAnswer:
    """What the registry says of one image.

    ``platforms`` as "linux/amd64"; empty where the registry shows none. ``digest`` is the content's own.
    ``said`` are the registry's words where it does not hold the image out; ``reason`` is why there is no answer.
    """

    image: str
    holding: Holding
    status: int | None = None
    digest: str = ""
    platforms: tuple[str, ...] = ()
    said: str = ""
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class RegistryTalk:
    """One conversation with a registry, from the first machine that reached it.

    ``door`` is the answer to ``/v2/`` without credentials. ``passed_by`` are the machines that could not reach it
    before, with their reasons.
    """

    spoken_from: str
    door: HttpResult
    scheme: Scheme
    login: Login
    login_said: str
    images: Mapping[str, ImageAnswer]
    passed_by: Mapping[str, str]

    @property
    def is_registry(self) -> bool:
        """Whether the door is one that only a registry has."""
        if not isinstance(self.door, HttpAnswer):
            return False
        if self.door.status == 401:
            return self.scheme is not Scheme.OTHER
        known = (self.door.header("docker-distribution-api-version") or "").startswith("registry/2")
        bare = self.door.body_end is BodyEnd.WHOLE and self.door.body.strip() in ("", "{}")
        return self.door.status == 200 and (known or bare)


@dataclass(frozen=True, kw_only=True)
class AskRegistry(Probe[RegistryTalk]):
    """Knock at ``/v2/``, log in as the site declares, and ask for the manifest of every image."""

    method: ClassVar[str] = "OCI distribution API"

    asked_from: tuple[str, ...]
    url: str
    username: str | None
    password: SecretRef | None
    ca_file: Path | None
    token_service: str | None = None
    images: tuple[str, ...]

    @staticmethod
    def of(registry: Registry, asked_from: tuple[str, ...]) -> AskRegistry:
        """The conversation that a site declares."""
        return AskRegistry(
            asked_from=asked_from,
            url=registry.url,
            username=registry.username,
            password=registry.password,
            ca_file=registry.ca_file,
            token_service=registry.token_service,
            images=registry.images,
        )

    @property
    def vantages(self) -> tuple[str, ...]:
        return self.asked_from

    def describe(self) -> str:
        account = f" as {self.username}" if self.username is not None else ""
        return (
            f"ask {self.url} for {len(self.images)} manifests{account}, from the first of {', '.join(self.asked_from)}"
        )

    def limit(self, limits: Limits) -> float:
        rounds = 2 + -(-len(self.images) // AT_ONCE) * 4
        return len(self.asked_from) * limits.connect + rounds * limits.conversation

    async def read(self, vantages: Vantages) -> str:
        passed_by: dict[str, str] = {}
        last: tuple[str, HttpResult] | None = None
        trouble: ProbeError | None = None
        for vantage in self.asked_from:
            try:
                door = await self._get(vantages, vantage, f"{self.url}/v2/", max_body=4096)
            except ProbeError as error:
                trouble = error
                passed_by[vantage] = error.reason.detail
                continue
            if isinstance(door, HttpRefusal) and door.kind in (RefusalKind.PATH, RefusalKind.SILENT):
                passed_by[vantage] = f"{door.words} ({door.text})"
                last = last or (vantage, door)
                continue
            last = (vantage, door)
            break
        if last is None:
            raise trouble or ProbeError(
                Cause.UNDECLARED,
                "no EXEC VM is built that could ask",
                enable="Give a VM its `host` in the site file.",
            )
        vantage, door = last
        passed_by.pop(vantage, None)
        talk = _Talk(self, vantages, vantage, _challenge(door))
        return json.dumps(
            {
                "from": vantage,
                "passed_by": passed_by,
                "door": door.as_json(),
                "login": await talk.login() if isinstance(door, HttpAnswer) else None,
                "images": await talk.images() if _may_hold(door) else [],
            }
        )

    async def _get(
        self,
        vantages: Vantages,
        vantage: str,
        url: str,
        *,
        basic: tuple[str, Secret] | None = None,
        bearer: Secret | None = None,
        headers: Sequence[tuple[str, str]] = (),
        max_body: int = 64 * 1024,
    ) -> HttpResult:
        return await request(
            vantages,
            vantage,
            "GET",
            url,
            ca_file=self.ca_file,
            basic=basic,
            bearer=bearer,
            headers=headers,
            max_body=max_body,
        )

    def parse(self, response: str) -> RegistryTalk:
        recorded = _object(json_of(response))
        door = result_from_json(recorded.get("door"))
        login = recorded.get("login")
        told = _object(login) if login is not None else {}
        return RegistryTalk(
            spoken_from=str(recorded.get("from")),
            door=door,
            scheme=_challenge(door).scheme,
            login=_word(Login, told.get("login", Login.NONE)),
            login_said=str(told.get("said", "")),
            images={
                str(image.get("image")): _image_answer(image) for image in map(_object, _list(recorded.get("images")))
            },
            passed_by={name: str(why) for name, why in _object(recorded.get("passed_by")).items()},
        )


def _may_hold(door: HttpResult) -> bool:
    return isinstance(door, HttpAnswer) and door.status in (200, 401)


@dataclass(frozen=True, kw_only=True)
class _Challenge:
    """What a door demands (RFC 9110, section 11.6.1); ``realm`` and ``service`` belong to Bearer."""

    scheme: Scheme
    realm: str = ""
    service: str = ""


def _challenge(door: HttpResult) -> _Challenge:
    if not isinstance(door, HttpAnswer):
        return _Challenge(scheme=Scheme.OTHER)
    if door.status == 200:
        return _Challenge(scheme=Scheme.OPEN)
    offered = [value for name, value in door.headers if name == "www-authenticate"]
    for value in offered:
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            fields = dict(re.findall(r'([A-Za-z]+)="([^"]*)"', rest))
            return _Challenge(scheme=Scheme.BEARER, realm=fields.get("realm", ""), service=fields.get("service", ""))
        if scheme.lower() == "basic":
            return _Challenge(scheme=Scheme.BASIC)
    return _Challenge(scheme=Scheme.OTHER)


class _Talk:
    """The conversation after the door, by the scheme that it demands."""

    def __init__(self, probe: AskRegistry, vantages: Vantages, vantage: str, challenge: _Challenge) -> None:
        self._probe = probe
        self._vantages = vantages
        self._vantage = vantage
        self._challenge = challenge
        self._at_once = asyncio.Semaphore(AT_ONCE)

    @property
    def _account(self) -> tuple[str, Secret] | None:
        probe = self._probe
        if probe.username is None or probe.password is None:
            return None
        return probe.username, self._vantages.secret(probe.password)

    async def login(self) -> dict[str, object]:
        """Try the account once, as an engine's login would."""
        if self._challenge.scheme in (Scheme.OPEN, Scheme.OTHER) or self._probe.username is None:
            return {"login": Login.NONE.value, "said": ""}
        try:
            result = await self._try_account()
        except ProbeError as error:
            return {"login": Login.UNTOLD.value, "said": error.reason.detail}
        if isinstance(result, HttpRefusal):
            return {"login": Login.UNTOLD.value, "said": f"{result.words} ({result.text})"}
        if result.status == 200:
            return {"login": Login.TAKEN.value, "said": "status 200"}
        said = f"status {result.status}{_errors(result)}"
        return {"login": (Login.REFUSED if result.status in (401, 403) else Login.UNTOLD).value, "said": said}

    async def _try_account(self) -> HttpResult:
        if self._challenge.scheme is Scheme.BEARER:
            return await self._ask_token(None)
        return await self._probe._get(
            self._vantages, self._vantage, f"{self._probe.url}/v2/", basic=self._account, max_body=4096
        )

    async def images(self) -> list[dict[str, object]]:
        return list(await asyncio.gather(*(self._image(image) for image in self._probe.images)))

    async def _image(self, image: str) -> dict[str, object]:
        async with self._at_once:
            try:
                return await self._asked_for(image)
            except ProbeError as error:
                reason = error.reason
                return {"image": image, "unread": {"code": reason.code.value, "detail": reason.detail}}

    async def _asked_for(self, image: str) -> dict[str, object]:
        repository, reference = split_image(image)
        basic, bearer = None, None
        if self._challenge.scheme is Scheme.BASIC:
            basic = self._account
        elif self._challenge.scheme is Scheme.BEARER:
            answered = await self._ask_token(repository)
            bearer = self._token(answered)
            if bearer is None:
                return {"image": image, "token": _brief(answered)}
        accept = [("Accept", ", ".join(MANIFEST_TYPES))]
        url = f"{self._probe.url}/v2/{repository}/manifests/{quote(reference, safe=':')}"
        result = await self._probe._get(
            self._vantages, self._vantage, url, basic=basic, bearer=bearer, headers=accept, max_body=_MAX_MANIFEST
        )
        told: dict[str, object] = {"image": image, "manifest": _brief(result)}
        if isinstance(result, HttpAnswer) and result.status == 200:
            manifest = _manifest(result)
            told |= {"digest": (result.header("docker-content-digest") or "")[:100], "platforms": manifest.platforms}
            if manifest.config and not manifest.platforms:
                blob = f"{self._probe.url}/v2/{repository}/blobs/{manifest.config}"
                told["platforms"] = await self._platform_of(blob, basic, bearer)
        return told

    async def _platform_of(self, url: str, basic: tuple[str, Secret] | None, bearer: Secret | None) -> list[str]:
        """The platform in an image's configuration; of all that stands there, nothing else is kept."""
        result = await self._probe._get(
            self._vantages, self._vantage, url, basic=basic, bearer=bearer, max_body=_MAX_MANIFEST
        )
        moved = _moved(url, result)
        if moved is not None:
            # The content lies in a store of its own, which is never shown the registry's credentials.
            result = await self._probe._get(self._vantages, self._vantage, moved, max_body=_MAX_MANIFEST)
        if not isinstance(result, HttpAnswer) or result.status != 200:
            return []
        config = _lenient(result)
        named = _platform(config)
        return [named] if named else []

    async def _ask_token(self, repository: str | None) -> HttpResult:
        """Ask the token service of the challenge; without a repository the account alone is tried."""
        try:
            realm = urlsplit(self._challenge.realm)
        except ValueError:
            raise ProbeError(Cause.PARSE, "the registry names a token service whose URL makes no sense") from None
        if realm.scheme not in ("http", "https") or (realm.scheme == "http" and self._probe.url.startswith("https")):
            raise ProbeError(
                Cause.UNSUPPORTED,
                "the registry sends its clients to a token service without TLS, where no password is shown",
                enable="Set the registry's token realm to an https URL.",
            )
        if self._account is not None and not self._may_know(realm):
            service = one_line(f"{realm.scheme}://{realm.netloc.rpartition('@')[2]}", 200)
            raise ProbeError(
                Cause.UNSUPPORTED,
                f"the registry sends its clients to another host for a token, {service}, which was not shown the "
                "account (declare it as `registry.token_service` where it is yours)",
                enable=f"Declare `registry.token_service: {service}` in the site file, where that host is yours.",
            )
        query = [("service", self._challenge.service)] if self._challenge.service else []
        if repository is not None:
            query.append(("scope", f"repository:{repository}:pull"))
        elif self._probe.username is not None:
            query.append(("account", self._probe.username))
        asked = "&".join(f"{key}={quote(value, safe='')}" for key, value in query)
        url = self._challenge.realm + ("&" if realm.query else "?") + asked
        result = await self._probe._get(self._vantages, self._vantage, url, basic=self._account)
        self._token(result)
        return result

    def _may_know(self, realm: SplitResult) -> bool:
        """Whether the account is meant for that host: whoever answers for the registry may name any."""
        if realm.hostname == urlsplit(self._probe.url).hostname:
            return True
        declared = self._probe.token_service
        try:
            return declared is not None and _origin(realm) == _origin(urlsplit(declared))
        except ValueError:  # a port that is none
            return False

    def _token(self, result: HttpResult) -> Secret | None:
        if not isinstance(result, HttpAnswer) or result.status != 200:
            return None
        told = _lenient(result)
        value = told.get("token") or told.get("access_token")
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            return None
        token = Secret(value)
        self._vantages.learn(token)
        return token


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or {"http": 80, "https": 443}.get(url.scheme)


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    platforms: list[str]
    config: str


def _manifest(result: HttpAnswer) -> _Manifest:
    """The platforms of an index, or the digest of a single image's configuration."""
    told = _lenient(result)
    listed = told.get("manifests")
    if isinstance(listed, list):
        named = [_platform(entry.get("platform")) for entry in listed if isinstance(entry, dict)]
        return _Manifest(platforms=[name for name in dict.fromkeys(named) if name], config="")
    if told.get("schemaVersion") == 1:
        named = [_platform({"os": "linux", "architecture": told.get("architecture")})]
        return _Manifest(platforms=[name for name in named if name], config="")
    config = told.get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    return _Manifest(platforms=[], config=digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else "")


def _platform(told: Json) -> str:
    if not isinstance(told, dict):
        return ""
    system, architecture = told.get("os"), told.get("architecture")
    if not isinstance(system, str) or not isinstance(architecture, str) or "unknown" in (system, architecture):
        return ""
    return one_line(f"{system}/{architecture}", 60)


def _moved(url: str, result: HttpResult) -> str | None:
    """Where a redirect leads, as long as it does not lead out of TLS."""
    if not isinstance(result, HttpAnswer) or result.status not in (302, 303, 307):
        return None
    try:
        there = urljoin(url, result.header("location") or "")
    except ValueError:
        return None
    return there if there.startswith("https://") or url.startswith("http://") else None


def _lenient(result: HttpAnswer) -> dict[str, Json]:
    """The body as a JSON object, empty where it is none."""
    if result.body_end is not BodyEnd.WHOLE:
        return {}
    try:
        told = json_of(result.body)
    except ProbeError:
        return {}
    return told if isinstance(told, dict) else {}


def _brief(result: HttpResult) -> dict[str, object]:
    """What an answer to a pull request says, without its body."""
    if isinstance(result, HttpRefusal):
        return {"status": None, "said": f"{result.words} ({result.text})"}
    return {"status": result.status, "said": _errors(result).removeprefix(", ")}


def _errors(result: HttpAnswer) -> str:
    """The codes and messages of the specification's error list."""
    listed = _lenient(result).get("errors")
    said = [
        f"{error.get('code')}: {error.get('message')}"
        for error in (listed if isinstance(listed, list) else ())
        if isinstance(error, dict)
    ]
    return f", {one_line('; '.join(said))}" if said else ""


def split_image(image: str) -> tuple[str, str]:
    """Part an image into its repository and its reference; a digest outweighs a tag."""
    name, _, digest = image.partition("@")
    repository, _, tag = name.partition(":")
    return repository, digest or tag or "latest"


def _image_answer(told: Mapping[str, Json]) -> ImageAnswer:
    image = str(told.get("image"))
    if "unread" in told:
        unread = _object(told["unread"])
        reason = Reason(code=_word(Cause, unread.get("code")), detail=str(unread.get("detail")))
        return ImageAnswer(image=image, holding=Holding.UNCLEAR, reason=reason)
    manifest = _object(told.get("manifest", told.get("token")))
    status, said = manifest.get("status"), str(manifest.get("said", ""))
    if not isinstance(status, int):
        return ImageAnswer(image=image, holding=Holding.UNCLEAR, said=said)
    platforms = tuple(str(one) for one in _list(told.get("platforms", [])))
    return ImageAnswer(
        image=image,
        holding=_holding(status, "token" in told),
        status=status,
        digest=str(told.get("digest", "")),
        platforms=platforms,
        said=said,
    )


def _holding(status: int, token_only: bool) -> Holding:
    if status in (401, 403):
        return Holding.DENIED
    if token_only:
        return Holding.UNCLEAR
    return {200: Holding.HELD, 404: Holding.MISSING}.get(status, Holding.UNCLEAR)


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ProbeError(Cause.PARSE, "the recorded conversation with the registry makes no sense")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise ProbeError(Cause.PARSE, "the recorded conversation with the registry makes no sense")
    return value


def _word(kind: type[WordT], value: Json) -> WordT:
    try:
        return kind(str(value))
    except ValueError:
        raise ProbeError(Cause.PARSE, "the recorded conversation with the registry makes no sense") from None

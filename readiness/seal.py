"""The seal of a report's folder: a manifest of every file in it, signed with an SSH key.

The signature is OpenSSH's own (PROTOCOL.sshsig), so that ``ssh-keygen -Y verify`` needs nothing of readiness.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path, PurePosixPath

import asyncssh

from readiness.sshsig import Unsound, is_allowed, signer_of

NAMESPACE = "readiness-report"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"

_VERSION = "1.0"
_KIND = "readiness seal"
_MOST_BYTES = 16 << 20
_MOST_SIGNATURE_BYTES = 64 << 10
_IDENTITY = re.compile(r"[^\s,\"*?!#\x00-\x20\x7f-\x9f]{1,200}")


class Unsealable(Exception):
    """A folder or a key that no seal can be made with, with the reason as a sentence."""


class KeyLocked(Unsealable):
    """The key is protected by a passphrase, which was not given."""


@dataclass(frozen=True, kw_only=True)
class SealedFile:
    """One file as it was sealed: its path below the folder with ``/`` in it, its SHA-256 in hex, its size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is sealed, by whom and when; ``identity`` is whom the signature has to be checked against."""

    identity: str
    sealed_at: str
    files: tuple[SealedFile, ...]

    def text(self) -> str:
        """The manifest as the JSON text whose bytes are signed."""
        document = {
            "kind": _KIND,
            "version": _VERSION,
            "namespace": NAMESPACE,
            "identity": self.identity,
            "sealed_at": self.sealed_at,
            "files": [{"path": each.path, "sha256": each.sha256, "size": each.size} for each in self.files],
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


class Standing(Enum):
    """``SEALED``: by an allowed signer. ``INTACT``: as it was signed, by whomever. ``BROKEN``: anything else."""

    SEALED = "sealed"
    INTACT = "intact"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What a seal turned out to be; ``problems`` are sentences, each naming the file that it is about.

    ``fingerprint`` is that of the key which made the signature, ``None`` where there is no sound signature.
    """

    standing: Standing
    problems: tuple[str, ...]
    manifest: Manifest | None
    fingerprint: str | None


def files_of(folder: Path) -> tuple[SealedFile, ...]:
    """Every file below a folder but the seal itself, in the order of their paths.

    Raises:
        Unsealable: there is something that a seal cannot cover (a link, a device), or that cannot be read.
    """
    found, problems = _listing(folder)
    if problems:
        raise Unsealable("; ".join(problems))
    return tuple(_sealed(folder, path) for path in sorted(found))


def open_key(path: Path, passphrase: str | None = None) -> asyncssh.SSHKey:
    """Load the private key that will sign.

    Raises:
        KeyLocked: it needs a passphrase and got none.
        Unsealable: it cannot be read, it is no private key, or the passphrase is wrong.
    """
    try:
        return asyncssh.read_private_key(path, passphrase)
    except OSError as error:
        raise Unsealable(f"the key {path} cannot be read: {error.strerror or type(error).__name__}") from None
    except asyncssh.KeyEncryptionError:
        raise Unsealable(f"the passphrase does not open the key {path}") from None
    except asyncssh.KeyImportError as error:
        if passphrase is None and "passphrase" in str(error).lower():
            raise KeyLocked(f"the key {path} is protected by a passphrase") from None
        raise Unsealable(_no_private_key(path)) from None
    except ValueError:
        raise Unsealable(f"the key {path} is of a kind that cannot sign here (one on a security token?)") from None


def _no_private_key(path: Path) -> str:
    try:
        asyncssh.read_public_key(path)
    except (OSError, ValueError):
        return f"{path} is no private SSH key"
    return f"{path} is a public key: name the private one, usually {path.with_suffix('')}"


def identity_of(key: asyncssh.SSHKey) -> str | None:
    """The name in a key's comment, where it can stand in a list of allowed signers."""
    comment = (key.get_comment() or "") if key.has_comment() else ""  # else asyncssh names the file
    return comment if _IDENTITY.fullmatch(comment) else None


def seal(folder: Path, key: asyncssh.SSHKey, identity: str, *, at: datetime) -> tuple[str, str]:
    """The texts of the manifest and of its signature, for every file that is in a folder now.

    Raises:
        Unsealable: the identity cannot stand in a list of allowed signers, or a file cannot be covered.
    """
    if not _IDENTITY.fullmatch(identity):
        raise Unsealable(
            f"'{identity}' cannot name a signer: take a word such as jane@acme.example, without spaces, commas, quotes "
            "and wildcards"
        )
    files = files_of(folder)
    stamp = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    text = Manifest(identity=identity, sealed_at=stamp, files=files).text()
    return text, asyncssh.create_sshsig(key, text.encode(), namespace=NAMESPACE).decode("ascii")


def fingerprint(key: asyncssh.SSHKey) -> str:
    """A key as ssh-keygen names it: ``SHA256:...``."""
    return key.get_fingerprint()


def examine(folder: Path, allowed_signers: bytes | None = None) -> Examination:
    """Hold a folder against its seal; whatever is not as it was sealed is a problem.

    ``allowed_signers``: the content of a file as ssh-keygen(1) describes it under ALLOWED SIGNERS.
    """
    problems: list[str] = []
    manifest: Manifest | None = None
    signer: asyncssh.SSHKey | None = None
    data = _read(folder / MANIFEST, _MOST_BYTES, problems)
    signature = _read(folder / SIGNATURE, _MOST_SIGNATURE_BYTES, problems)
    if data is not None:
        try:
            manifest = _manifest(data)
        except Unsound as error:
            problems.append(f"{MANIFEST} {error}")
    if data is not None and signature is not None:
        try:
            signer = signer_of(data, signature, namespace=NAMESPACE)
        except Unsound as error:
            problems.append(f"{SIGNATURE} {error}")
        else:
            if manifest is not None and allowed_signers is not None:
                problems += _not_allowed(data, signature, manifest.identity, allowed_signers)
    if manifest is not None:
        problems += _differences(folder, manifest)
    sound = not problems and manifest is not None and signer is not None
    standing = Standing.BROKEN
    if sound:
        standing = Standing.INTACT if allowed_signers is None else Standing.SEALED
    return Examination(
        standing=standing,
        problems=tuple(problems),
        manifest=manifest,
        fingerprint=None if signer is None else fingerprint(signer),
    )


def _differences(folder: Path, manifest: Manifest) -> Iterator[str]:
    found, problems = _listing(folder)
    yield from problems
    listed = {each.path: each for each in manifest.files}
    for path, sealed in listed.items():
        if path not in found:
            yield f"{path} is missing"
            continue
        try:
            now = _sealed(folder, path)
        except Unsealable as error:
            yield str(error)
            continue
        if now != sealed:
            yield f"{path} was changed after it was sealed"
    for path in sorted(found - listed.keys()):
        yield f"{path} is not covered by the seal"


def _not_allowed(data: bytes, signature: bytes, identity: str, allowed_signers: bytes) -> Iterator[str]:
    try:
        allowed = is_allowed(data, signature, identity, allowed_signers)
    except ValueError:
        yield "the list of allowed signers cannot be understood, or names nobody"
        return
    if not allowed:
        yield f"{SIGNATURE} was not made by a key that the list of allowed signers gives to {identity}"


def _listing(folder: Path) -> tuple[set[str], list[str]]:
    """All files below a folder but the seal's own, and what cannot be covered."""
    found: set[str] = set()
    problems: list[str] = []
    if not folder.is_dir():
        return found, [f"{folder} is no folder"]
    for root, folders, names in os.walk(folder, onerror=lambda error: problems.append(_unread(folder, error))):
        for name in (*folders, *names):
            path = Path(root, name)
            shown = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                problems.append(f"{shown} is a link, and what it leads to cannot be sealed")
            elif stat.S_ISREG(mode):
                found.add(shown)
            elif not stat.S_ISDIR(mode):
                problems.append(f"{shown} is no ordinary file")
    unnamed = {name for name in found if not _is_text(name)}
    problems += [f"{name!a} has a name that is no text" for name in sorted(unnamed)]
    return found - unnamed - {MANIFEST, SIGNATURE}, problems


def _unread(folder: Path, error: OSError) -> str:
    where = Path(error.filename).relative_to(folder).as_posix() if error.filename else "a folder"
    return f"{where} cannot be read: {error.strerror}"


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sealed(folder: Path, path: str) -> SealedFile:
    try:
        handle = os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Unsealable(f"{path} is no ordinary file")
            digest = hashlib.file_digest(file, "sha256")
            return SealedFile(path=path, sha256=digest.hexdigest(), size=file.tell())
    except OSError as error:
        raise Unsealable(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None


def _read(path: Path, most: int, problems: list[str]) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        problems.append(f"{path.name} is missing")
        return None
    except OSError as error:
        problems.append(f"{path.name} cannot be read: {error.strerror or type(error).__name__}")
        return None
    if len(data) > most:
        problems.append(f"{path.name} is larger than any seal's")
        return None
    return data


def _manifest(data: bytes) -> Manifest:
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        raise Unsound("is no JSON document") from None
    if not isinstance(document, dict) or document.get("kind") != _KIND or document.get("namespace") != NAMESPACE:
        raise Unsound("is not the manifest of a seal")
    if document.get("version") != _VERSION:
        raise Unsound("is of a version that this readiness does not read")
    identity, sealed_at, files = document.get("identity"), document.get("sealed_at"), document.get("files")
    if not isinstance(identity, str) or not _IDENTITY.fullmatch(identity):
        raise Unsound("names no signer")
    if not isinstance(sealed_at, str) or not isinstance(files, list) or not files:
        raise Unsound("lists no files")
    listed = tuple(_listed(each) for each in files)
    if len({each.path for each in listed}) < len(listed):
        raise Unsound("lists a file twice")
    return Manifest(identity=identity, sealed_at=sealed_at[:40], files=listed)


def _listed(entry: object) -> SealedFile:
    if not isinstance(entry, dict):
        raise Unsound("lists something that is no file")
    path, digest, size = entry.get("path"), entry.get("sha256"), entry.get("size")
    if not isinstance(path, str) or not _within(path):
        raise Unsound("lists a path that does not lie below the folder")
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise Unsound(f"lists {path} without its SHA-256")
    if isinstance(size, bool) or not isinstance(size, int):
        raise Unsound(f"lists {path} without its size")
    return SealedFile(path=path, sha256=digest, size=size)


def _within(path: str) -> bool:
    steps = PurePosixPath(path).parts
    return bool(steps) and "/".join(steps) == path and not {"..", "/", "."} & set(steps) and "\0" not in path


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def manifest_of(data: bytes) -> Manifest | None:
    """Read a manifest; ``None`` where it is none."""
    try:
        return _manifest(data)
    except Unsound:
        return None

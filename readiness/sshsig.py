"""SSH signatures over files: who made one, and whether a list of allowed signers knows the key (PROTOCOL.sshsig)."""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass

import asyncssh

_TRUSTED = re.compile(rb"(?!ssh-rsa$|ssh-dss$)[a-z0-9@.-]+")
_CERTIFICATE = b"-cert-v01@openssh.com"


class Unsound(Exception):
    """Why something is not sound, as the rest of a sentence that begins with its name."""


def signer_of(data: bytes, signature: bytes, *, namespace: str) -> asyncssh.SSHKey:
    """The key that made an armoured signature over ``data``.

    Raises:
        Unsound: it is no signature, does not fit the data, was made for another namespace, or by a method that is
            broken (RSA with SHA-1, DSA).
    """
    raw = _unarmoured(signature)
    blob = _Blob(raw)
    if blob.take(6) != b"SSHSIG" or blob.number() != 1:
        raise Unsound("is no SSH signature")
    public, purpose, _, _, made = (blob.text() for _ in range(5))
    if blob.rest:
        raise Unsound("is no SSH signature")
    if purpose != namespace.encode():
        raise Unsound(f"was made for another purpose than {namespace}")
    if not _TRUSTED.fullmatch(_Blob(made).text()):
        raise Unsound("was made by a method that is not trusted any more")
    key = _public_key(public)
    try:
        sound = asyncssh.validate_sshsig(data, raw, "anybody", b"* " + key.export_public_key())
    except ValueError:
        sound = False
    if not sound:
        raise Unsound("does not fit what it was made for: one of the two was changed")
    return key


def is_allowed(data: bytes, signature: bytes, identity: str, allowed_signers: bytes) -> bool:
    """Whether a list of allowed signers gives the signature's key to ``identity``, for its namespace and today.

    ``allowed_signers``: the content of a file as ssh-keygen(1) describes it under ALLOWED SIGNERS. Only asked of a
    signature that ``signer_of`` has found sound.

    Raises:
        ValueError: the list cannot be understood, or names nobody.
    """
    return asyncssh.validate_sshsig(data, _unarmoured(signature), identity, allowed_signers)


def _public_key(blob: bytes) -> asyncssh.SSHKey:
    algorithm = _Blob(blob).text()
    line = algorithm + b" " + b64encode(blob)
    try:
        if not algorithm.endswith(_CERTIFICATE):
            return asyncssh.import_public_key(line)
        key: object = getattr(asyncssh.import_certificate(line), "key", None)
    except (ValueError, asyncssh.KeyImportError):
        key = None
    if not isinstance(key, asyncssh.SSHKey):
        raise Unsound("was made by a key of a kind that is not known here")
    return key


def _unarmoured(signature: bytes) -> bytes:
    lines = signature.replace(b"\r\n", b"\n").strip().split(b"\n")
    if lines[0] != b"-----BEGIN SSH SIGNATURE-----" or lines[-1] != b"-----END SSH SIGNATURE-----":
        raise Unsound("is no SSH signature")
    try:
        return binascii.a2b_base64(b"".join(lines[1:-1]), strict_mode=True)
    except binascii.Error:
        raise Unsound("is no SSH signature") from None


@dataclass
class _Blob:
    """Bytes in SSH's wire format (RFC 4251, section 5), read from their beginning."""

    rest: bytes

    def take(self, count: int) -> bytes:
        if count > len(self.rest):
            raise Unsound("is no SSH signature")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def text(self) -> bytes:
        return self.take(self.number())

"""What a login is shown: one credential, loaded once and off the event loop, since some keys take long to open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from readiness.model import Cause, ProbeError
from readiness.secret import Secret, SecretRef
from readiness.vantage.route import Identity

Offer = asyncssh.SSHKey | asyncssh.SSHKeyPair | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]

_AGENT_LIMIT = 5.0


@dataclass(frozen=True, kw_only=True)
class Credential:
    """What one login is shown: keys in their order, or a password, never both.

    ``what`` names it in prose. ``agent`` stays open while a key of its own may have to sign. ``by_all_means``: nothing
    was declared, so whatever ssh itself would use is welcome.
    """

    what: str
    keys: tuple[Offer, ...] = ()
    password: Secret | None = None
    agent: asyncssh.SSHAgentClient | None = None
    by_all_means: bool = False

    def close(self) -> None:
        if self.agent is not None:
            self.agent.close()


class Credentials:
    """All keys of a run; each file is read once, whoever needs it."""

    def __init__(self, secrets: Mapping[SecretRef, Secret]) -> None:
        self._secrets = secrets
        self._loaded: dict[tuple[Path, SecretRef | None], asyncio.Future[_KeyFile]] = {}

    async def of(
        self,
        identity: Identity,
        *,
        identity_file: Path | None,
        password: SecretRef | None,
        passphrase: SecretRef | None,
    ) -> Credential:
        """The one credential of a host: its key file, else its password, else what ssh and its agent would offer.

        Raises:
            ProbeError: it cannot be read.
        """
        if identity_file is not None:
            return await self._from_file(identity, identity_file, passphrase)
        if password is not None:
            return Credential(what=f"the password at {password}", password=self._secret(password))
        return await self._as_openssh_does(identity, passphrase)

    def _secret(self, ref: SecretRef) -> Secret:
        try:
            return self._secrets[ref]
        except KeyError:
            raise ProbeError(
                Cause.AUTH, f"the secret at {ref} could not be read", enable=f"Provide {ref} and run the audit again."
            ) from None

    async def _from_file(self, identity: Identity, path: Path, passphrase: SecretRef | None) -> Credential:
        loaded = await self._load(path, passphrase)
        if loaded.offer is not None:
            return Credential(what=f"the key {path}", keys=(loaded.offer,))
        if loaded.locked and loaded.public is not None:
            agent, keys = await _agent_keys(identity.agent)
            own = [key for key in keys if key.public_data == loaded.public.public_data]
            if own:
                return Credential(what=f"the key {path} by the agent", keys=tuple(own[:1]), agent=agent)
            if agent is not None:
                agent.close()
        raise ProbeError(Cause.AUTH, f"the key {path} cannot be used: {loaded.trouble}", enable=loaded.enable)

    async def _as_openssh_does(self, identity: Identity, passphrase: SecretRef | None) -> Credential:
        files = [
            await self._load(path, passphrase) for path in identity.files if await asyncio.to_thread(_exists, path)
        ]
        agent, held = await _agent_keys(identity.agent)
        named = [file.public.public_data for file in files if file.public is not None]
        keys: list[Offer] = [key for key in held if key.public_data in named]
        if not identity.only:
            keys += [key for key in held if key.public_data not in named]
        in_agent = {key.public_data for key in held}
        keys += [
            file.offer
            for file in files
            if file.offer is not None and (file.public is None or file.public.public_data not in in_agent)
        ]
        shown = f"{len(keys)} keys" if len(keys) != 1 else "the one key"
        return Credential(
            what=f"{shown} of your SSH agent and ~/.ssh", keys=tuple(keys), agent=agent, by_all_means=True
        )

    async def _load(self, path: Path, passphrase: SecretRef | None) -> _KeyFile:
        key = (path, passphrase)
        if key not in self._loaded:
            secret = self._secret(passphrase) if passphrase is not None else None
            self._loaded[key] = asyncio.ensure_future(asyncio.to_thread(_open_key, path, secret, passphrase))
        return await asyncio.shield(self._loaded[key])


@dataclass(frozen=True, kw_only=True)
class _KeyFile:
    """One key file as it was found; ``offer`` is ``None`` where ``trouble`` says why."""

    offer: Offer | None = None
    public: asyncssh.SSHKey | None = None
    locked: bool = False
    trouble: str = ""
    enable: str = ""


def _exists(path: Path) -> bool:
    return path.is_file()


def _at_home(path: str) -> str:
    return str(Path(path).expanduser())


def _open_key(path: Path, passphrase: Secret | None, ref: SecretRef | None) -> _KeyFile:
    public = _public_half(path)
    try:
        key = asyncssh.read_private_key(path, passphrase.reveal() if passphrase is not None else None)
    except OSError as problem:
        return _KeyFile(
            trouble=problem.strerror or "it cannot be read",
            enable=f"Check the path under `ssh.identity_file` and the rights of {path}.",
        )
    except asyncssh.KeyEncryptionError:
        return _KeyFile(
            public=public,
            locked=passphrase is None,
            trouble=f"the passphrase at {ref} does not open it" if ref else "it is locked in a way we cannot open",
            enable=f"Correct the passphrase at {ref}." if ref else "Load it into your agent: `ssh-add`.",
        )
    except asyncssh.KeyImportError as problem:
        locked = "passphrase" in str(problem).lower()
        return _KeyFile(
            public=public,
            locked=locked,
            trouble="it is locked with a passphrase" if locked else "it is not a private key in a form we know",
            enable=f"Load it into your agent (`ssh-add {path}`), or give `ssh.passphrase` in the site file."
            if locked
            else f"Check the path under `ssh.identity_file`: {path} must be the private key.",
        )
    except (ValueError, asyncssh.KeyGenerationError):
        return _KeyFile(
            public=public,
            locked=True,
            trouble="it is of a kind that only an agent can use",
            enable=f"Load it into your agent: `ssh-add {path}`.",
        )
    certificate = _certificate(path)
    return _KeyFile(offer=(key, certificate) if certificate is not None else key, public=key.convert_to_public())


def _public_half(path: Path) -> asyncssh.SSHKey | None:
    for candidate in (path.with_name(f"{path.name}.pub"), path):
        try:
            return asyncssh.read_public_key(candidate)
        except (OSError, ValueError, asyncssh.KeyImportError):
            continue
    return None


def _certificate(path: Path) -> asyncssh.SSHCertificate | None:
    try:
        return asyncssh.read_certificate(path.with_name(f"{path.name}-cert.pub"))
    except (OSError, ValueError, asyncssh.KeyImportError):
        return None


async def _agent_keys(
    socket: str | None,
) -> tuple[asyncssh.SSHAgentClient | None, Sequence[asyncssh.SSHKeyPair]]:
    """The keys of an agent, and the agent, which the caller closes; neither where there is no agent."""
    path = os.environ.get("SSH_AUTH_SOCK", "") if socket == "SSH_AUTH_SOCK" else socket
    if not path:
        return None, ()
    agent = asyncssh.SSHAgentClient(_at_home(path))
    try:
        async with asyncio.timeout(_AGENT_LIMIT):
            return agent, await agent.get_keys()
    except (OSError, ValueError, TimeoutError):
        agent.close()
        return None, ()

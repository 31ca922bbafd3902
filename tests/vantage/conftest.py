"""Real sshd's for these tests, started once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from readiness.secret import Redactor, Secret, SecretRef
from readiness.vantage import HostAccess, Limits, Vantages, open_vantages
from tests.lab.sshd import Sshd, SshdLab, sshd_lab

LIMITS = Limits(ssh=3.0, script=5.0, connect=3.0, conversation=4.0)

Open = Callable[..., AbstractAsyncContextManager[Vantages]]


@pytest.fixture(scope="session")
def lab() -> Iterator[SshdLab]:
    # Not below pytest's own folder: that one is closed to other accounts of this machine.
    with TemporaryDirectory(prefix="readiness-sshd-") as folder:
        Path(folder).chmod(0o755)
        with sshd_lab(Path(folder)) as running:
            yield running


@pytest.fixture(scope="session")
def plain(lab: SshdLab) -> Sshd:
    """An sshd as distributions ship it."""
    return lab.start("plain")


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens vantages and closes them again; no ssh_config or agent of whoever runs the tests has a say."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    @asynccontextmanager
    async def open_them(
        *accesses: HostAccess,
        secrets: dict[SecretRef, Secret] | None = None,
        limits: Limits = LIMITS,
        exec_allowed: bool = True,
    ) -> AsyncIterator[Vantages]:
        redact = Redactor()
        for secret in (secrets or {}).values():
            redact.learn(secret)
        vantages = await open_vantages(
            accesses, limits=limits, secrets=secrets or {}, redact=redact, exec_allowed=exec_allowed
        )
        try:
            yield vantages
        finally:
            await vantages.close()

    return open_them

"""All vantages of one run, made from what the site file says of its hosts; nothing is connected before it is asked."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from readiness.secret import Redactor, Secret, SecretRef
from readiness.vantage.base import AUDITOR, HostAccess, Limits, Vantage, Vantages
from readiness.vantage.host import Consent
from readiness.vantage.local import LocalVantage
from readiness.vantage.login import Door
from readiness.vantage.ssh import SshVantage
from readiness.vantage.turns import Turns


class OpenVantages(Vantages):
    """Vantages that share their jump hosts, which are closed last."""

    def __init__(
        self,
        vantages: Iterable[Vantage],
        *,
        door: Door,
        limits: Limits,
        secrets: Mapping[SecretRef, Secret],
        redact: Redactor,
    ) -> None:
        super().__init__(vantages, limits=limits, secrets=secrets, redact=redact)
        self._door = door

    async def close(self) -> None:
        await super().close()
        await self._door.close()


async def open_vantages(
    accesses: Sequence[HostAccess],
    *,
    limits: Limits,
    secrets: Mapping[SecretRef, Secret],
    redact: Redactor,
    exec_allowed: bool = True,
    turns: Turns | None = None,
) -> Vantages:
    """Make a vantage of every host, and one of the auditor's own machine; each connects once it is asked.

    Args:
        secrets: what was resolved before; a host whose secret is missing fails when it connects.
        exec_allowed: the site file's ``probing.exec``; where it is ``False`` no command runs on any host of the site.
        turns: shared by the runs that go on at the same time, so that no SSH server meets more logins than it takes.
    """
    quieten()
    door = Door(limits=limits, secrets=secrets, redact=redact, turns=turns)
    vantages: list[Vantage] = [LocalVantage(AUDITOR, limits=limits, secrets=secrets, redact=redact, consent=Consent())]
    for access in accesses:
        consent = Consent(exec=exec_allowed, sudo=access.sudo)
        if access.local:
            vantages.append(LocalVantage(access.name, limits=limits, secrets=secrets, redact=redact, consent=consent))
        else:
            vantages.append(SshVantage(access, door=door, secrets=secrets, redact=redact, consent=consent))
    return OpenVantages(vantages, door=door, limits=limits, secrets=secrets, redact=redact)


def quieten() -> None:
    """Switch the SSH library's own log off: it repeats what servers and tools say, unread and uncut."""
    logger = logging.getLogger("asyncssh")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)

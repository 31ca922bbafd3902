"""``readiness hostkeys``: the first contact with all hosts of a site as one confirmation."""

from __future__ import annotations

from pathlib import Path

from readiness_reports.as_text import Line, paint
from readiness_reports.words import clean
from rich.text import Text

from readiness.cli.console import complain, console
from readiness.secret import Secret, SecretError, SecretRef, resolve
from readiness.site import Site
from readiness.vantage.host_keys import HostKeys, KeyState, append_known_hosts, host_keys

_WORDS = {
    KeyState.KNOWN: ("known", "green"),
    KeyState.UNKNOWN: ("unknown", "yellow"),
    KeyState.CHANGED: ("changed", "bold red"),
    KeyState.UNREACHABLE: ("unreachable", "magenta"),
}


async def show(site: Site, *, write: bool) -> int:
    """Print every host's keys; with ``write`` keep the unknown ones. 0 when all are confirmed by then, else 1."""
    hosts = await _asked(site)
    if write:
        while new := [host for host in hosts if host.new_lines]:
            if not _kept(new):
                return 1
            if not any(host.behind for host in hosts):
                break
            hosts = (*new, *[host for host in await _asked(site) if host.label not in {each.label for each in new}])
    for host in hosts:
        paint(console(), _lines(host, kept=write))
    unconfirmed = [host for host in hosts if host.state is KeyState.UNKNOWN]
    if unconfirmed and not write:
        console().print(
            f"\nCompare the fingerprints of the unknown ones with what each machine says itself "
            f"(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: readiness hostkeys {site.path} --write",
            soft_wrap=True,
        )
    good = {KeyState.KNOWN, KeyState.UNKNOWN} if write else {KeyState.KNOWN}
    return 0 if all(host.state in good for host in hosts) else 1


async def _asked(site: Site) -> tuple[HostKeys, ...]:
    secrets: dict[SecretRef, Secret] = {}
    for access in site.access:
        for ref in (access.password, access.passphrase):
            if ref is not None and access.jump is not None:  # only a jump host is logged in to
                try:
                    secrets[ref] = resolve(ref)
                except SecretError as error:
                    complain(f"A secret is missing: {error}.")
    return await host_keys(site.access, limits=site.limits, secrets=secrets)


def _kept(hosts: list[HostKeys]) -> bool:
    by_path: dict[Path, list[HostKeys]] = {}
    for host in hosts:
        by_path.setdefault(host.path, []).append(host)
    for path, those in by_path.items():
        try:
            added = append_known_hosts(path, those)
        except OSError as error:
            complain(f"{path} cannot be written: {error.strerror}")
            return False
        console().print(f"Added {added} keys to {path}.", soft_wrap=True)
    return True


def _lines(host: HostKeys, *, kept: bool) -> list[Line]:
    word, style = _WORDS[host.state]
    if kept and host.state is KeyState.UNKNOWN:
        word, style = "added", "green"
    serves = ("jump host of " if host.jump else "") + ", ".join(host.names)
    rows = [Line(Text.assemble((f"{word:<12}", style), (clean(host.label), "bold"), f"  {clean(serves)}"))]
    rows += [Line(Text(f"{key.kind:<20} {key.fingerprint}"), indent=12, whole=True) for key in host.keys]
    if host.state is KeyState.CHANGED:
        rows += [
            Line(Text(f"confirmed before: {known}", style="bold red"), indent=12, whole=True) for known in host.known
        ]
    if host.reason is not None:
        rows.append(Line(Text(clean(host.reason.detail)), indent=12))
        if host.reason.enable:
            rows.append(Line(Text(clean(host.reason.enable), style="dim"), indent=12, whole=True))
    return rows

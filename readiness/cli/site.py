"""``readiness init``, ``validate`` and ``hostkeys``."""

from __future__ import annotations

from pathlib import Path

from readiness.cli.console import complain, load, say


def init(file: Path) -> int:
    """Write the commented site file; an existing file is never overwritten."""
    from readiness.site.starter import starter

    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(starter())
    except FileExistsError:
        complain(f"{file} exists already and was left as it is; name another file: readiness init other.yaml")
        return 2
    except OSError as error:
        complain(f"{file} cannot be written: {error.strerror}")
        return 2
    say(
        f"Wrote {file}. Fill in its blanks, then: readiness validate {file}, readiness hostkeys {file} --write, "
        f"readiness audit {file}",
    )
    return 0


def validate(file: Path) -> int:
    """Say every problem of a site file."""
    site = load(file)
    if site is None:
        return 2
    built = sum(vm.built for vm in site.vms)
    say(f"{file}: valid. {site.name}: {built} of {len(site.vms)} VMs built.")
    return 0


def hostkeys(file: Path, *, write: bool) -> int:
    """Show each host's keys; with ``write`` the unknown ones are added to the known_hosts file.

    Exits 0 when every host is known by then, 1 when one is unknown, changed or not reached.
    """
    import asyncio

    from readiness.cli.hostkeys import show

    site = load(file)
    if site is None:
        return 2
    return asyncio.run(show(site, write=write))

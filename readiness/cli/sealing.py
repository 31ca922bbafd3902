"""``readiness sign`` and ``readiness verify``: the seal of a report's folder."""

from __future__ import annotations

import getpass
import socket
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
from readiness_reports import as_json, words
from readiness_reports.as_text import MARKS, Line, paint
from readiness_reports.words import clean
from rich.text import Text

from readiness.cli.console import complain, console
from readiness.seal import (
    MANIFEST,
    SIGNATURE,
    Examination,
    KeyLocked,
    SealedFile,
    Standing,
    Unsealable,
    examine,
    files_of,
    fingerprint,
    identity_of,
    manifest_of,
    open_key,
    seal,
)


def sign(folder: Path, key: Path, identity: str | None) -> int:
    """Seal every file of a report's folder."""
    try:
        files = files_of(folder)
        _demand_reports(folder, files)
        if (folder / MANIFEST).exists() and manifest_of((folder / MANIFEST).read_bytes()) is None:
            raise Unsealable(f"{folder / MANIFEST} is there already and is no seal's")
        signer = _opened(key)
        name = identity or identity_of(signer) or _account()
        text, signature = seal(folder, signer, name, at=datetime.now(UTC))
    except Unsealable as error:
        complain(f"Not sealed: {error}.")
        return 2
    (folder / SIGNATURE).unlink(missing_ok=True)
    as_json.write(folder / MANIFEST, text)
    as_json.write(folder / SIGNATURE, signature)
    print_ = console().print
    print_(
        f"Sealed {words.count(len(files), 'file')} in {folder} as {name} with {fingerprint(signer)}.", soft_wrap=True
    )
    print_("To check it, with or without readiness:", soft_wrap=True)
    print_(f"  readiness verify {folder} --allowed-signers FILE", soft_wrap=True)
    print_(
        f"  cd {folder} && ssh-keygen -Y verify -f FILE -I {name} -n readiness-report -s {SIGNATURE} < {MANIFEST}",
        soft_wrap=True,
    )
    public = signer.export_public_key().decode().split()
    print_(
        f'A line of FILE that allows this signer: {name} namespaces="readiness-report" {" ".join(public[:2])}',
        soft_wrap=True,
    )
    return 0


def _account() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _demand_reports(folder: Path, files: Sequence[SealedFile]) -> None:
    """Refuse to seal what is no report, what was changed after it was written, and what is never for sign-off."""
    reports = [folder / each.path for each in files if Path(each.path).name == "report.json"]
    if not reports:
        raise Unsealable(f"there is no report.json in {folder}")
    for path in reports:
        try:
            document = as_json.read(path)
        except as_json.ReportUnreadable as error:
            raise Unsealable(f"{path}: {error}") from None
        if document["run"]["rejudged_from"] is not None:
            raise Unsealable(f"{path} was judged again from a record, which is never for sign-off")
        for drawn in (path.with_name("report.html"), path.with_name("report.md")):
            if drawn.exists() and document.get("digest", "") not in drawn.read_text("utf-8", "replace"):
                raise Unsealable(f"{drawn} was not drawn from {path.name} beside it; draw it again: readiness render")


def _opened(path: Path) -> asyncssh.SSHKey:
    """The key, its passphrase asked for where there is a terminal to ask on."""
    try:
        return open_key(path)
    except KeyLocked as locked:
        if not sys.stdin.isatty():
            raise Unsealable(f"{locked}, and there is no terminal to ask for it on") from None
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                passphrase = getpass.getpass(f"Passphrase of {path}: ")
            except (getpass.GetPassWarning, EOFError):
                raise Unsealable(f"{locked}, and this terminal cannot ask for it unseen") from None
        return open_key(path, passphrase)


def verify(folder: Path, allowed_signers: Path | None) -> int:
    """Hold a folder against its seal: 0 sealed by an allowed signer, 3 intact but signer not checked, 1 otherwise."""
    allowed = None
    if allowed_signers is not None:
        try:
            allowed = allowed_signers.read_bytes()
        except OSError as error:
            complain(f"{allowed_signers} cannot be read: {error.strerror}")
            return 1
    found = examine(folder, allowed)
    paint(console(), _examination_lines(folder, found))
    return {Standing.SEALED: 0, Standing.INTACT: 3, Standing.BROKEN: 1}[found.standing]


def _examination_lines(folder: Path, found: Examination) -> Iterator[Line]:
    manifest = found.manifest
    match found.standing:
        case Standing.SEALED:
            yield Line(Text(f"Sealed: every file in {folder} is as an allowed signer sealed it.", style="bold green"))
        case Standing.INTACT:
            yield Line(Text(f"Intact: every file in {folder} is as it was sealed.", style="bold yellow"))
            yield Line(Text("Who sealed it was not checked: name those who may with --allowed-signers FILE."), indent=2)
        case Standing.BROKEN:
            yield Line(Text(f"Not sealed: {folder} is not what somebody signed.", style="bold red"))
    for problem in found.problems:
        yield Line(Text(f"{MARKS['fail']} {clean(problem)}", style="red"), indent=2, hang=2)
    if manifest is not None and found.fingerprint is not None:
        files = words.count(len(manifest.files), "file")
        who = f"{manifest.identity}, {manifest.sealed_at}, {found.fingerprint}, {files}"
        claimed = "Sealed by" if found.standing is Standing.SEALED else "It says of itself"
        yield Line(Text(f"{claimed}: {clean(who)}", style="dim"), indent=2, hang=2)

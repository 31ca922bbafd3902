"""Secrets: where they are kept, and how they are kept out of everything else."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from urllib.parse import quote, quote_plus

_LONG = 4
"""Characters of a secret from which on it is replaced inside words too."""

_TELLING = 8
"""Characters of a secret's beginning that are replaced at the end of a text or of a quoted string."""

_CUT = ("…", "\\u2026", "...")
"""What shows that a text was cut off."""

_CLOSED = ('"', '\\"')
"""What a quoted string ends with."""

_JSON_IN_JSON = 2


class Secret:
    """A value that prints as ``***``; ``reveal()`` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True)
class SecretRef:
    """Where a secret is to be had: exactly one of ``env``, ``file`` or ``command``; carries no value itself."""

    env: str | None = None
    file: Path | None = None
    command: tuple[str, ...] | None = None

    def __str__(self) -> str:
        if self.env is not None:
            return f"env:{self.env}"
        if self.file is not None:
            return f"file:{self.file}"
        return f"command:{(self.command or ('',))[0]}"

    __repr__ = __str__


class SecretError(Exception):
    """A secret could not be had; the text names the reference and what to do, never a value."""


FETCHING = 15.0
"""Seconds that a secret's command may take."""


def resolve(ref: SecretRef, *, limit: float = FETCHING) -> Secret:
    """Fetch a secret from the auditor's own machine; one trailing newline is dropped.

    Raises:
        SecretError: the variable is unset, the file unreadable, the command failed or the value is empty.
    """
    if ref.env is not None:
        value = os.environ.get(ref.env, "")
        if not value:
            raise SecretError(f"the environment variable {ref.env} is not set: export {ref.env}=... and run again")
    elif ref.file is not None:
        try:
            value = _without_newline(ref.file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"the secret file {ref.file} cannot be read: {_why(error)}") from None
    else:
        value = _from_command(ref.command or (), limit)
    if not value:
        raise SecretError(f"the secret at {ref} is empty")
    return Secret(value)


def _from_command(command: tuple[str, ...], limit: float) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (the site file's own program, argv as written, no shell)
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise SecretError(f"the secret command {command[0]} gave no answer in {limit:g} s") from None
    except (OSError, ValueError) as error:
        raise SecretError(f"the secret command {command[0]} cannot be run: {_why(error)}") from None
    if done.returncode != 0:
        raise SecretError(f"the secret command {command[0]} ended with status {done.returncode}")
    try:
        return _without_newline(done.stdout.decode())
    except UnicodeDecodeError:
        raise SecretError(f"the secret command {command[0]} printed what is not UTF-8") from None


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _why(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else type(error).__name__


class Redactor:
    """Replaces known secrets in text: raw, base64 (alone or as ``user:secret``), URL-quoted, JSON and HTML forms.

    A secret of fewer than four characters is replaced only where it stands as a whole word, since
    it would otherwise tear ordinary text apart. The beginning of one is replaced where it was cut off.
    """

    MASK = "***"

    def __init__(self) -> None:
        self._long: set[str] = set()
        self._short: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._beginnings: re.Pattern[str] | None = None
        self._begun: dict[str, list[str]] = {}

    def learn(self, secret: Secret, *, users: Iterable[str] = ()) -> None:
        """Remember a secret; ``users`` are the names it is joined with in Basic credentials."""
        value = secret.reveal()
        marked = html.escape(value)
        forms = {value, repr(value)[1:-1], marked, html.escape(value, quote=False)}
        forms.add(marked.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"))
        for quoted in (quote(value, safe=""), quote(value), quote_plus(value), quote_plus(value, safe="/")):
            forms |= {quoted, re.sub("%..", lambda octet: octet[0].lower(), quoted)}
        for _ in range(_JSON_IN_JSON):
            forms |= {json.dumps(form, ensure_ascii=ascii_)[1:-1] for form in forms for ascii_ in (True, False)}
        for text in (value, *(f"{user}:{value}" for user in users)):
            raw = text.encode()
            forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
            forms |= {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
        for line in value.splitlines():
            if len(line) >= 16:
                forms.add(line)
        self._long |= {form for form in forms if len(form) >= _LONG}
        self._short |= {form for form in forms if 0 < len(form) < _LONG}
        self._pattern = self._beginnings = None

    def __call__(self, text: str) -> str:
        if not (self._long or self._short):
            return text
        if self._pattern is None or self._beginnings is None:
            whole = [re.escape(form) for form in sorted(self._long, key=len, reverse=True)]
            words = [rf"(?<!\w){re.escape(form)}(?!\w)" for form in sorted(self._short, key=len, reverse=True)]
            self._pattern = re.compile("|".join(whole + words))
            self._begun = {form[:_LONG]: [] for form in self._long}
            for form in self._long:
                self._begun[form[:_LONG]].append(form)
            self._beginnings = re.compile("|".join(map(re.escape, self._begun)) or "(?!)")
        return self._without_beginnings(self._pattern.sub(self.MASK, text), self._beginnings)

    def _without_beginnings(self, text: str, beginnings: re.Pattern[str]) -> str:
        kept, at = [], 0
        while (found := beginnings.search(text, at)) is not None:
            start = found.start()
            end = max(_agree(text, start, form) for form in self._begun[found[0]])
            ends = end == len(text) or text.startswith(_CLOSED, end)
            cut_off = text.startswith(_CUT, end) or (ends and end - start >= _TELLING)
            kept += [text[at:start], self.MASK] if cut_off else [text[at:end]]
            at = end
        return "".join([*kept, text[at:]])


def _agree(text: str, start: int, form: str) -> int:
    """How far a text goes on as this form of a secret does."""
    pairs = zip(text[start : start + len(form)], form, strict=False)
    return start + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

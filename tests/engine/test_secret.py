"""Secrets are fetched from where they are kept and shown nowhere."""

from __future__ import annotations

import base64
import copy
import html
import json
import pickle
import re
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from readiness.secret import Redactor, Secret, SecretError, SecretRef, resolve

CANARY = "c4nary/with+odd=chars&more"


def test_a_secret_prints_as_stars() -> None:
    """No way of printing, formatting or copying it to disk shows the value."""
    secret = Secret(CANARY)
    assert {str(secret), repr(secret), f"{secret}", f"{secret!r:>3}", "%s" % secret} == {"***"}  # noqa: UP031
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
    assert secret.reveal() == CANARY


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``{env: NAME}``; an unset variable says what to export."""
    monkeypatch.setenv("READINESS_TEST", CANARY)
    assert resolve(SecretRef(env="READINESS_TEST")).reveal() == CANARY
    monkeypatch.delenv("READINESS_TEST")
    with pytest.raises(SecretError, match="export READINESS_TEST="):
        resolve(SecretRef(env="READINESS_TEST"))


def test_a_secret_comes_from_a_file_without_its_newline(tmp_path: Path) -> None:
    """``{file: PATH}``; inner and leading blanks belong to the secret."""
    (tmp_path / "secret").write_text(f" {CANARY} \n")
    assert resolve(SecretRef(file=tmp_path / "secret")).reveal() == f" {CANARY} "
    with pytest.raises(SecretError, match="cannot be read"):
        resolve(SecretRef(file=tmp_path / "none"))


def test_a_secret_comes_from_a_command() -> None:
    """``{command: [...]}`` is run as written, without a shell; its output never stands in an error."""
    assert resolve(SecretRef(command=("printf", "%s\\n", CANARY))).reveal() == CANARY
    with pytest.raises(SecretError, match="status 3") as caught:
        resolve(SecretRef(command=(sys.executable, "-c", f"print('{CANARY}'); raise SystemExit(3)")))
    assert CANARY not in str(caught.value)
    with pytest.raises(SecretError, match="cannot be run"):
        resolve(SecretRef(command=("/no/such/program",)))
    with pytest.raises(SecretError, match="no answer in"):
        resolve(SecretRef(command=(sys.executable, "-c", "import time; time.sleep(60)")), limit=0.2)


def test_an_empty_secret_is_no_secret(tmp_path: Path) -> None:
    """An empty file or answer is an error rather than an empty password."""
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(SecretError, match="is empty"):
        resolve(SecretRef(file=tmp_path / "secret"))


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        quote(CANARY, safe=""),
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(f"exec:{CANARY}".encode()).decode(),
        base64.urlsafe_b64encode(CANARY.encode()).decode(),
        quote(CANARY),
        re.sub("%..", lambda octet: octet[0].lower(), quote(CANARY, safe="")),
        html.escape(CANARY),
        html.escape(CANARY, quote=False),
        json.dumps(CANARY)[1:-1],
        repr(CANARY)[1:-1],
        html.escape(CANARY).replace("&#x27;", "&#39;"),
        json.dumps(html.escape(CANARY))[1:-1],
        json.dumps(json.dumps(CANARY))[3:-3],
    ],
)
def test_every_form_of_a_secret_is_masked(form: str) -> None:
    """Raw, base64 alone and as Basic credentials, and as URLs, JSON and HTML quote it."""
    redact = Redactor()
    redact.learn(Secret(CANARY), users=["exec"])
    assert redact(f"before {form} after") == "before *** after"


@pytest.mark.parametrize("after", ["…", "...", "\\u2026", "", '"}', '\\"}'])
def test_the_beginning_of_a_secret_is_masked_where_it_was_cut_off(after: str) -> None:
    """A peer that repeats a password at the very end of what is kept of its words betrays no part of it."""
    redact = Redactor()
    redact.learn(Secret(CANARY), users=["exec"])
    for form in (CANARY, base64.b64encode(f"exec:{CANARY}".encode()).decode()):
        for length in range(8, len(form.rstrip("="))):
            assert redact(f"said {form[:length]}{after}") == f"said ***{after}"
    assert redact("said " + CANARY[:4] + "…") == "said ***…"


def test_a_text_of_nothing_but_beginnings_is_read_in_no_time() -> None:
    """A peer that knows how a password begins cannot keep the auditor busy with it."""
    redact = Redactor()
    redact.learn(Secret(CANARY), users=["exec"])
    text = CANARY[:5] * 200_000
    began = time.process_time()
    assert redact(text) == text
    assert time.process_time() - began < 5


def test_a_word_that_a_secret_begins_with_is_left_alone() -> None:
    """A password that begins as some product's name does not hide the product."""
    redact = Redactor()
    redact.learn(Secret("postgresql-2024"))
    assert redact("it is postgresql 15, postgresq, postg") == "it is postgresql 15, postgresq, postg"
    assert redact('{"kind": "post"}') == '{"kind": "post"}'


def test_a_short_secret_does_not_tear_words_apart() -> None:
    """A password of three letters is masked as a word only."""
    redact = Redactor()
    redact.learn(Secret("abc"))
    assert redact("abc abcd 'abc' xabc") == "*** abcd '***' xabc"


def test_a_longer_secret_is_masked_before_the_one_inside_it() -> None:
    """Nothing of the longer one is left over."""
    redact = Redactor()
    redact.learn(Secret("hunter"))
    redact.learn(Secret("hunter2000"))
    assert redact("hunter2000 hunter") == "*** ***"


def test_a_private_key_is_masked_line_by_line() -> None:
    """A tool that prints one line of a secret of many lines prints a mask."""
    redact = Redactor()
    redact.learn(Secret("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END KEY-----"))
    assert redact("saw MIIEvQIBADANBgkqhkiG9w0BAQ here") == "saw *** here"


def test_a_reference_names_its_place_and_no_value() -> None:
    """What plans and reports print instead of a secret."""
    assert str(SecretRef(env="X")) == "env:X"
    assert str(SecretRef(file=Path("a/b"))) == "file:a/b"
    assert str(SecretRef(command=("vault", "read", CANARY))) == "command:vault"

"""The report document itself: sealed by its digest, held to its schema, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import rfc8785
from readiness_schemas import load
from readiness_schemas.conformity import Test, conformity
from readiness_schemas.portfolio import PortfolioDocument
from readiness_schemas.report import ReportDocument

from readiness_reports.words import UNSEEN

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SCHEMA_VERSION = "1.0"

MAX_BYTES = 256 * 1024 * 1024
"""Bytes of the largest report that is read."""

MAX_DEPTH = 100
"""The deepest nesting of arrays and objects that is read."""


class ReportUnreadable(Exception):
    """A report that cannot be used, with the reason as a sentence: no such file, too large, no JSON document."""


class ReportInvalid(ReportUnreadable):
    """The document breaks the schema; ``where`` is the JSON path of the first offence, ``$.findings[3].status``."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


class DigestDiffers(ReportUnreadable):
    """The document is not the one that was sealed; both digests are hex."""

    def __init__(self, stated: str, computed: str) -> None:
        super().__init__(
            f"the report was changed after it was written: it states the digest {stated}, its content has {computed}"
        )
        self.stated = stated
        self.computed = computed


def digest(document: ReportDocument) -> str:
    """The SHA-256, in hex, over the RFC 8785 form of everything but ``digest`` itself.

    Raises:
        ReportInvalid: the document holds what JSON cannot say (NaN, a lone surrogate, an integer beyond 2^53).
    """
    return _digest(cast("Mapping[str, Any]", document))


def seal_digest(document: ReportDocument) -> ReportDocument:
    """Fill in the document's digest; the last thing that is done to it. Gives back the same document.

    Raises:
        ReportInvalid: the document holds what JSON cannot say.
    """
    document["digest"] = digest(document)
    return document


def validate(document: ReportDocument) -> None:
    """Hold a sealed document to the schema, and its finding ids to being distinct.

    Raises:
        ReportInvalid: it breaks one of them, or its digest is missing.
    """
    _validate(document)


def dumps(document: ReportDocument) -> str:
    """The document as indented JSON; a terminal that shows it meets no control character."""
    return text_of(document)


def text_of(document: ReportDocument | PortfolioDocument) -> str:
    """A report, or the index of several, as indented JSON; a terminal that shows it meets no control character."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return UNSEEN.sub(_escaped, text) + "\n"


def loads(text: str) -> ReportDocument:
    """Read a report from its text, whoever wrote it.

    Raises:
        ReportUnreadable: it is no JSON document, or nested too deeply.
        ReportInvalid: it breaks the schema.
        DigestDiffers: it is not as it was written.
    """
    try:
        document = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except RecursionError:
        raise ReportUnreadable(f"it is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:
        raise ReportUnreadable(f"it is not a JSON document: {error}") from None
    if _depth(document) > MAX_DEPTH:
        raise ReportUnreadable(f"it is nested more than {MAX_DEPTH} levels deep")
    _validate(document)
    computed = _digest(document)
    if document["digest"] != computed:
        raise DigestDiffers(document["digest"], computed)
    return cast("ReportDocument", document)


def read(path: Path) -> ReportDocument:
    """Read a report from its file.

    Raises:
        ReportUnreadable: there is no such file, it is too large, or it is no JSON document.
        ReportInvalid: it breaks the schema.
        DigestDiffers: it is not as it was written.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ReportUnreadable(f"{path} is not a file")
        if found.st_size > MAX_BYTES:
            raise ReportUnreadable(f"{path} is larger than {MAX_BYTES // 2**20} MiB")
        raw = path.read_bytes()
    except OSError as error:
        raise ReportUnreadable(f"{path} cannot be read: {error.strerror}") from None
    try:
        return loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ReportUnreadable(f"{path} is not UTF-8") from None


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What a report's file says of itself, taken on trust; ``whole``: a full run that came to its end."""

    slug: str
    started_at: str
    whole: bool


def glance(path: Path) -> Glance | None:
    """Look what a file claims to be, which takes a fraction of reading it; ``None`` where it is no report."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        document = json.loads(path.read_bytes())
        run = document["run"]
        return Glance(
            slug=str(document["site"]["slug"]),
            started_at=str(run["started_at"]),
            whole=run["complete"] is True and run["scope"] == "full" and run["rejudged_from"] is None,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write(path: Path, text: str) -> None:
    """Put ``text`` into a file that appears whole or not at all, mode 0600; folders made for it get 0700.

    Raises:
        OSError: the folder or the file cannot be written; no part of the file is left behind.
    """
    _make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _digest(document: Mapping[str, Any]) -> str:
    content = {key: value for key, value in document.items() if key != "digest"}
    try:
        return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
    except rfc8785.CanonicalizationError as error:
        raise ReportInvalid("$", f"it has no canonical JSON form: {error}") from None


def _validate(document: Any) -> None:
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, str) and version != SCHEMA_VERSION:
        raise ReportInvalid(
            "$.schema_version", f"the report has schema {version[:20]!r}, this readiness reads {SCHEMA_VERSION!r}"
        )
    if not _conforms()(document):
        _explain(document)
    seen: set[str] = set()
    for number, finding in enumerate(document["findings"]):
        if finding["id"] in seen:
            raise ReportInvalid(f"$.findings[{number}].id", f"another finding is {_shortened(finding['id'])!r} already")
        seen.add(finding["id"])


@cache
def _conforms() -> Test:
    return conformity(load("report"))


def _explain(document: Any) -> None:
    """Raise what is wrong with a document in the words of jsonschema, which takes ten times as long to find it."""
    from jsonschema.exceptions import best_match

    for error in _validator().iter_errors(document):
        clearest = best_match([error]) or error
        raise ReportInvalid(clearest.json_path, _shortened(clearest.message))


@cache
def _validator() -> Validator:
    from jsonschema import Draft202012Validator, ValidationError, validators

    patterns: dict[str, re.Pattern[str]] = {}

    def pattern(_: Validator, given: str, instance: object, __: object) -> Iterator[ValidationError]:
        """JSON Schema's ``$`` is the very end; Python's also stands before a last newline."""
        if not isinstance(instance, str):
            return
        compiled = patterns.get(given)
        if compiled is None:
            compiled = patterns[given] = re.compile(re.sub(r"\$$", r"\\Z", given))
        if not compiled.search(instance):
            yield ValidationError(f"{instance!r} does not match {given!r}")

    extended = validators.extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
    schema = load("report")
    return cast("Validator", extended(_inlined(schema, schema.pop("$defs"))))


def _inlined(part: Any, definitions: Mapping[str, Any]) -> Any:
    """The same schema without its references: looking them up takes half of the time."""
    if isinstance(part, list):
        return [_inlined(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        part = definitions[part["$ref"].removeprefix("#/$defs/")] | {k: v for k, v in part.items() if k != "$ref"}
    return {key: _inlined(value, definitions) for key, value in part.items()}


def _shortened(message: str, limit: int = 300) -> str:
    return message if len(message) <= limit else f"{message[: limit // 2]} ... {message[-limit // 2 :]}"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _depth(document: object) -> int:
    depth = 0
    level: list[Any] = [document]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]

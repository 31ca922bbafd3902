"""A YAML 1.2 text as a tree that keeps every scalar as it was written, and its place.

The tree is built from parser events and not from a loader: no type is guessed (``8.10`` and ``no`` stay text),
nothing is expanded, and a hostile text is bounded before it is understood.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

MAX_BYTES = 1 << 20
MAX_DEPTH = 24
MAX_NODES = 20_000


@dataclass(frozen=True)
class Place:
    """A line and a column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Scalar:
    """``plain`` where it stands without quotes."""

    text: str
    plain: bool
    place: Place


@dataclass(frozen=True)
class Lost:
    """Stands where a value was refused; its flaw is told already."""

    place: Place


@dataclass(frozen=True)
class Items:
    nodes: tuple[Node, ...]
    place: Place


@dataclass(frozen=True)
class Entry:
    key: str
    place: Place
    value: Node


@dataclass(frozen=True)
class Section:
    entries: tuple[Entry, ...]
    place: Place


Node: TypeAlias = Scalar | Items | Section | Lost
Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions (from 0) that lead to a value."""


@dataclass(frozen=True)
class Flaw:
    """Why a text is not a usable document, and where."""

    place: Place
    message: str
    expected: str = ""
    path: Path = ()


class Unusable(Exception):
    """The text ends here as a document; what comes after cannot be told."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.message)
        self.flaw = flaw


def read_document(data: bytes) -> tuple[Node | None, tuple[Flaw, ...]]:
    """Read the bytes of a file; ``None`` for the tree where there is none, with the flaws that say why.

    Flaws beside a tree (a duplicate key) leave out the nodes they concern.
    """
    if len(data) > MAX_BYTES:
        return None, (Flaw(Place(1, 1), "the file is larger than 1 MiB", "a site file of a few kilobytes"),)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        return None, (Flaw(place, "this byte is not UTF-8", "a text saved as UTF-8"),)
    builder = _Builder(text)
    try:
        return builder.document(), tuple(builder.flaws)
    except Unusable as error:
        return None, (*builder.flaws, error.flaw)


class _Builder:
    def __init__(self, text: str) -> None:
        self.flaws: list[Flaw] = []
        self._text = text
        self._nodes = 0
        self._last = Place(1, 1)
        self._events = self._parsed()

    def document(self) -> Node | None:
        from ruamel.yaml.events import DocumentStartEvent, StreamEndEvent

        self._take()  # the start of the stream
        if isinstance(self._take(), StreamEndEvent):
            return None
        root = self._node(self._take(), ())
        self._take()  # the end of the document
        following = self._take()
        if isinstance(following, DocumentStartEvent):
            raise Unusable(Flaw(_place(following), "a second document begins here", "one document, one site"))
        return root

    def _parsed(self) -> Iterator[object]:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            yield from YAML(typ="safe", pure=True).parse(self._text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(mark.line + 1, mark.column + 1) if mark is not None else self._last
            raise Unusable(Flaw(place, f"this is not YAML: {_without_values(error.problem or '')}")) from None
        except (YAMLError, ValueError, OverflowError):
            raise Unusable(Flaw(self._last, "this is not YAML: a character here cannot be in a text")) from None

    def _take(self) -> object:
        event = next(self._events)
        self._last = _place(event)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Unusable(Flaw(self._last, f"the file has more than {MAX_NODES} values", "a site file"))
        return event

    def _node(self, event: object, path: Path) -> Node:
        from ruamel.yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

        place = _place(event)
        if len(path) > MAX_DEPTH:
            raise Unusable(Flaw(place, f"values are nested more than {MAX_DEPTH} deep here", "a site file"))
        if isinstance(event, AliasEvent):
            return self._lose(place, path, "aliases (`*name`) are not followed", "*")
        assert isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent)
        if isinstance(event, ScalarEvent):
            node: Node = self._scalar(str(event.value), event.style in (None, ""), place, path)
        elif isinstance(event, SequenceStartEvent):
            node = Items(tuple(self._items(path)), place)
        else:
            node = Section(tuple(self._entries(path)), place)
        if event.anchor is not None:
            return self._lose(place, path, "anchors (`&name`) are not used here", "&")
        if event.ctag is not None:
            return self._lose(place, path, "tags (`!name`) are not used here", "!")
        return node

    def _lose(self, place: Place, path: Path, message: str, sign: str) -> Lost:
        self.flaws.append(Flaw(place, message, f"the value itself, in quotes if it begins with {sign}", path))
        return Lost(place)

    def _items(self, path: Path) -> Iterator[Node]:
        from ruamel.yaml.events import SequenceEndEvent

        count = 0
        while not isinstance(event := self._take(), SequenceEndEvent):
            yield self._node(event, (*path, count))
            count += 1

    def _entries(self, path: Path) -> Iterator[Entry]:
        from ruamel.yaml.events import MappingEndEvent

        seen: dict[str, Place] = {}
        while not isinstance(event := self._take(), MappingEndEvent):
            key = self._node(event, (*path, "a key"))
            name = key.text if isinstance(key, Scalar) else "a key"
            value = self._node(self._take(), (*path, name))
            if isinstance(key, Items | Section):
                expected = "a plain word; quote a value that begins with { or ["
                self.flaws.append(Flaw(key.place, "a list or a section cannot be a key", expected, path))
            elif name in seen:
                message = f"this key stands here a second time; the first is on line {seen[name].line}"
                self.flaws.append(Flaw(key.place, message, "each key once", (*path, name)))
            elif isinstance(key, Scalar):
                seen[name] = key.place
                yield Entry(name, key.place, value)

    def _scalar(self, text: str, plain: bool, place: Place, path: Path) -> Scalar | Lost:
        if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in text):
            self.flaws.append(Flaw(place, "this text has control characters in it", "printable text", path))
            return Lost(place)
        return Scalar(text, plain, place)


def _place(event: object) -> Place:
    mark = event.start_mark  # type: ignore[attr-defined]
    return Place(mark.line + 1, mark.column + 1)


def _without_values(problem: str) -> str:
    """The parser's own words, less what it quotes from the file: that may be a part of a secret."""

    def shorten(quoted: re.Match[str]) -> str:
        inner = quoted[0][1:-1]
        return quoted[0] if len(inner) <= 1 or inner.startswith("<") else "what stands here"

    return re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", shorten, problem)

"""Site files without a file: one that a report has kept, and settings that a what-if lays over one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from readiness.site.document import Entry, Items, Node, Place, Scalar, Section, read_document

NOWHERE = Place(0, 0)
"""The place of what stands in no file; a problem there is told without line and column."""

_STEP = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]*)|\[([^\[\]]{1,100})\]")


class Unsettable(ValueError):
    """A setting that cannot be laid over the site file, with the reason as a sentence."""


@dataclass(frozen=True)
class Setting:
    """One value to put in place: the way to it, and what stands there then.

    ``path`` is made of keys, list positions from 0, and names of list entries; ``key`` is the same as it was written.
    """

    path: tuple[str | int, ...]
    value: Node
    key: str


def setting(text: str) -> Setting:
    """Read ``capacity.agents=3000``, ``sip_servers[0].port=8001`` or ``vms[excs-1].address=10.1.1.9``.

    The value is read as YAML, so that lists and sections can be given too; its type comes from the schema.

    Raises:
        Unsettable: there is no key, no value, or the value is no YAML.
    """
    way, equals, value = text.partition("=")
    if not equals:
        raise Unsettable(f"{text} has no value: write KEY=VALUE, such as capacity.agents=3000")
    path = _path(way.strip())
    root, flaws = read_document(value.encode("utf-8", "replace"))
    if flaws or root is None:
        why = f"has a value that cannot be read: {flaws[0].message}" if flaws else "is given no value"
        raise Unsettable(f"{way.strip()} {why}")
    return Setting(path, _placed(root), way.strip())


def tree(value: object) -> Node:
    """A JSON value as the tree of the text that it was read from; places are nowhere.

    Raises:
        Unsettable: it holds what no site file can say.
    """
    match value:
        case bool():
            return Scalar(str(value).lower(), True, NOWHERE)
        case int():
            return Scalar(str(value), True, NOWHERE)
        case float():
            return Scalar(format(Decimal(repr(value)), "f"), True, NOWHERE)
        case str():
            return Scalar(value, False, NOWHERE)
        case list():
            return Items(tuple(tree(item) for item in value), NOWHERE)
        case dict():
            return Section(tuple(Entry(str(key), NOWHERE, tree(item)) for key, item in value.items()), NOWHERE)
    raise Unsettable("the report's record of its site file holds a value that no site file can hold")


def laid_over(root: Node, settings: Sequence[Setting]) -> Node:
    """The same tree with every setting in its place, the later ones last.

    Raises:
        Unsettable: a setting's way ends before its value's place.
    """
    for each in settings:
        root = _with(root, each.path, each.value, each.key)
    return root


def recorded_value(declared: Mapping[str, object], path: Iterable[str | int]) -> object:
    """What a site file as loaded says at a setting's place, ``None`` where it says nothing."""
    found: object = declared
    for step in path:
        match found, step:
            case dict(), str():
                found = found.get(step)
            case list(), int() if step < len(found):
                found = found[step]
            case list(), str():
                found = next((item for item in found if isinstance(item, dict) and item.get("name") == step), None)
            case _:
                return None
    return found


def _path(way: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    position = 0
    while position < len(way):
        step = _STEP.match(way, position)
        if step is None or (step[0].startswith(".") != bool(steps) and step[1] is not None):
            break
        key, index = step[1], step[2]
        steps.append(key if key is not None else int(index) if re.fullmatch(r"[0-9]{1,4}", index) else index)
        position = step.end()
    if not steps or position < len(way) or isinstance(steps[0], int) or way.startswith("["):
        raise Unsettable(
            f"'{way}' is no key of a site file: write it as redis.port, sip_servers[0].port or vms[excs-1].host"
        )
    return tuple(steps)


def _placed(node: Node) -> Node:
    """The same node without the places that it had in its own text."""
    match node:
        case Scalar():
            return Scalar(node.text, node.plain, NOWHERE)
        case Items():
            return Items(tuple(_placed(item) for item in node.nodes), NOWHERE)
        case Section():
            return Section(tuple(Entry(e.key, NOWHERE, _placed(e.value)) for e in node.entries), NOWHERE)
    return node


def _with(node: Node, path: tuple[str | int, ...], value: Node, key: str) -> Node:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(node, Section) and isinstance(step, str):
        found = next((entry for entry in node.entries if entry.key == step), None)
        inner = found.value if found is not None else Section((), node.place)
        entry = Entry(step, found.place if found is not None else node.place, _with(inner, rest, value, key))
        kept = tuple(entry if old is found else old for old in node.entries)
        return Section(kept if found is not None else (*kept, entry), node.place)
    if isinstance(node, Items):
        index = step if isinstance(step, int) else _named(node, step)
        if index is not None and index < len(node.nodes):
            changed = _with(node.nodes[index], rest, value, key)
            return Items((*node.nodes[:index], changed, *node.nodes[index + 1 :]), node.place)
        raise Unsettable(f"{key} cannot be set: the list has no entry [{step}]")
    raise Unsettable(f"{key} cannot be set: there is no place for `{step}` in the site file")


def _named(node: Items, name: str) -> int | None:
    for index, item in enumerate(node.nodes):
        entries = item.entries if isinstance(item, Section) else ()
        if any(e.key == "name" and isinstance(e.value, Scalar) and e.value.text == name for e in entries):
            return index
    return None

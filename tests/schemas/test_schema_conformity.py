"""The quick test of a document: it says yes and no exactly where jsonschema does."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from readiness_schemas import load
from readiness_schemas.conformity import conformity

from tests.reports.documents import sample

ODD: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 1.0, 2.5, 70000, 1e9),
    *("", "x", "pass", "fail", "unknown", "manual", "edge", "2026-11-23", "2026-11-23T09:14:07Z", "10d", "a b"),
    *([], [None], ["x"], {}, {"x": 1}, {"kind": "edge"}, {"env": "NAME"}),
)
"""Values that fit somewhere and nowhere."""


def small_report() -> dict[str, Any]:
    """The sample with one finding of each status, and one of most else."""
    report: dict[str, Any] = deepcopy(dict(sample()))
    report["findings"] = list({finding["status"]: finding for finding in report["findings"]}.values())
    for name in ("requirements", "observations", "blockers"):
        report[name] = report[name][:1]
    return report


SITE: dict[str, Any] = {
    "site": {"name": "ACME", "environment": "lab"},
    "capacity": {"agents": 1000, "caps": 5},
    "ssh": {"user": "exec", "sudo": {"password": {"file": "sudo"}}, "jump_host": {"host": "bastion", "port": 22}},
    "vms": [{"name": "excs-1", "role": "excs", "host": "10.10.1.11"}, {"name": "excp-1", "role": "excp"}],
    "redis": {"host": "redis", "tls": {"ca_file": "ca.pem"}, "password": {"command": ["pass", "redis"]}},
    "stat_servers": {"primary": {"host": "stat", "port": 2060}, "backup": "none"},
    "sip_servers": [{"host": "sip", "port": 8000}],
    "limits": {"connect": 2.5},
    "report": {"lead_times": {"network": "10d"}},
}
DOCUMENTS = {"report": small_report(), "site": SITE}


def formats(schema: object) -> Iterator[str]:
    """Every format that a schema names."""
    if isinstance(schema, dict):
        if isinstance(schema.get("format"), str):
            yield schema["format"]
        schema = list(schema.values())
    for part in schema if isinstance(schema, list) else ():
        yield from formats(part)


QUICK = {
    name: conformity(load(name), formats=dict.fromkeys(formats(load(name)), lambda _: True))
    for name in ("report", "site")
}
THOROUGH = {name: Draft202012Validator(load(name)) for name in ("report", "site")}


def places(part: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path of a document but the root's."""
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


PLACES = {name: list(places(document)) for name, document in DOCUMENTS.items()}


@pytest.mark.parametrize("name", ["report", "site"])
def test_whole_documents_fit(name: str) -> None:
    """Both tests say yes to a document as it should be, so that what follows has something to spoil."""
    assert THOROUGH[name].is_valid(DOCUMENTS[name])
    assert QUICK[name](DOCUMENTS[name])


@pytest.mark.parametrize("name", ["report", "site"])
@given(data=st.data())
def test_both_say_the_same_of_any_change(name: str, data: st.DataObject) -> None:
    """A value replaced, a key added or taken away, twice: the quick test agrees with jsonschema on all of it."""
    document: Any = deepcopy(DOCUMENTS[name])
    for _ in range(2):
        path = data.draw(st.sampled_from(PLACES[name]))
        inside: Any = document
        try:
            for step in path[:-1]:
                inside = inside[step]
            match data.draw(st.sampled_from(["replace", "remove", "add"])):
                case "replace":
                    inside[path[-1]] = deepcopy(data.draw(st.sampled_from(ODD)))
                case "remove":
                    del inside[path[-1]]
                case _:
                    inside[path[-1]]["surprise"] = 1
        except (TypeError, LookupError):
            continue  # the change before took this place away
    assert QUICK[name](document) is THOROUGH[name].is_valid(document)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": ["number", "null"]},
        {"enum": [1, "x", None, False]},
        {"const": 0},
        {"const": True},
        {"minimum": 1, "maximum": 2.5},
        {"exclusiveMinimum": 1},
        {"minLength": 1, "maxLength": 2},
        {"pattern": "^a b$"},
        {"items": {"type": "string"}, "minItems": 1, "maxItems": 1},
        {"properties": {"x": {"type": "integer"}}, "additionalProperties": False},
        {"required": ["x"], "minProperties": 1, "maxProperties": 1},
        {"propertyNames": {"pattern": "^e"}, "additionalProperties": {"type": "string"}},
        {"anyOf": [{"type": "null"}, {"minimum": 1}]},
        {"allOf": [{"type": "number"}, {"minimum": 1}]},
        {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "boolean"}},
        {"if": {"type": "string"}, "else": False},
        {
            "$ref": "#/$defs/tree",
            "$defs": {"tree": {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}}},
        },
    ],
    ids=lambda schema: " ".join(schema),
)
def test_each_word_means_what_it_means_to_jsonschema(schema: dict[str, Any]) -> None:
    """Numbers that are whole, truth that is no number, texts where a list is asked for: told apart alike."""
    quick, thorough = conformity(schema), Draft202012Validator(schema)
    told = {repr(value): quick(value) for value in ODD}
    assert told == {repr(value): thorough.is_valid(value) for value in ODD}


@pytest.mark.parametrize(
    "schema",
    [
        {"uniqueItems": True},
        {"properties": {"x": {"oneOf": []}}},
        {"$ref": "other.json"},
        {"$ref": "#/$defs/none"},
        {"enum": [[1]]},
        {"format": "e-mail"},
    ],
    ids=str,
)
def test_a_word_that_it_does_not_know_is_never_passed_over(schema: dict[str, Any]) -> None:
    """A schema that says more than it understands is refused when the test is made, not half obeyed."""
    with pytest.raises(ValueError, match="not understood"):
        conformity(schema)


def test_the_end_is_the_very_end() -> None:
    """``$`` does not stand before a last newline, as it does in Python."""
    assert conformity({"pattern": "^a$"})("a")
    assert not conformity({"pattern": "^a$"})("a\n")


def test_only_texts_are_put_to_a_format() -> None:
    """A format judges texts; what else there is, other words judge."""
    test = conformity({"format": "short"}, formats={"short": lambda text: len(text) < 3})
    assert [test(value) for value in ("ab", "abc", 5, None)] == [True, False, True, True]

"""The JSON Schema of the site file."""

from __future__ import annotations

from collections.abc import Iterator

import jsonschema
import pytest
from readiness_schemas import load

from readiness.model import Owner
from readiness.site import PAGES, Engine, Environment, Role

SCHEMA = load("site")


def objects(schema: object) -> Iterator[dict[str, object]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_it_is_a_schema_of_its_draft() -> None:
    """Editors that know draft 2020-12 can use it."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_no_section_takes_unknown_keys() -> None:
    """A misspelt key is an error in every section."""
    assert all(section.get("additionalProperties") is False for section in objects(SCHEMA))


def test_every_section_has_a_title() -> None:
    """Editors show what a section is."""
    assert [section for section in objects(SCHEMA) if "title" not in section] == []


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (("properties", "page", "properties", "revision"), list(PAGES)),
        (("properties", "site", "properties", "environment"), list(Environment)),
        (("$defs", "vm", "properties", "role"), list(Role)),
        (("$defs", "config_db", "properties", "engine"), list(Engine)),
    ],
)
def test_its_words_are_those_of_the_code(where: tuple[str, ...], words: list[str]) -> None:
    """No revision, role or engine exists in one of the two only."""
    schema: object = SCHEMA
    for step in where:
        assert isinstance(schema, dict)
        schema = schema[step]
    assert isinstance(schema, dict)
    assert sorted(schema["enum"]) == sorted(words)


def test_every_owner_can_have_a_lead_time() -> None:
    """The owners of the schema are those of the model."""
    assert list(SCHEMA["properties"]["report"]["properties"]["lead_times"]["properties"]) == list(Owner)

"""Whether a document fits a schema, told in one quick pass; what is wrong with one that does not, jsonschema tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

Test: TypeAlias = Callable[[Any], bool]
Schema: TypeAlias = Mapping[str, Any] | bool

_ABOUT = {"$schema", "$id", "$defs", "title", "description"}
_OF_OBJECTS = {
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
}
_OF_LISTS = {"items", "minItems", "maxItems"}
_OF_TEXTS = {"minLength", "maxLength", "pattern", "format"}
_OF_NUMBERS = {"minimum", "maximum", "exclusiveMinimum"}
_BRANCHING = {"if", "then", "else"}
_KNOWN = _ABOUT | _OF_OBJECTS | _OF_LISTS | _OF_TEXTS | _OF_NUMBERS | _BRANCHING
_KNOWN |= {"$ref", "type", "enum", "const", "anyOf", "allOf"}
_HERE = "#/$defs/"


def conformity(schema: Mapping[str, Any], *, formats: Mapping[str, Test] | None = None) -> Test:
    """Make of a schema the test whether an instance is valid under it.

    It says what JSON Schema 2020-12 says, for the words that our schemas use; in a pattern ``$`` is the very end.
    ``formats``: the test of each format by its name; only texts are put to it.

    Raises:
        ValueError: the schema uses what is not understood here.
    """
    return _Making(schema.get("$defs", {}), formats or {}).test(schema)


def _anything(_: Any) -> bool:
    return True


def _nothing(_: Any) -> bool:
    return False


def _is_number(instance: Any) -> bool:
    return isinstance(instance, int | float) and not isinstance(instance, bool)


def _is_integer(instance: Any) -> bool:
    return _is_number(instance) and (isinstance(instance, int) or instance.is_integer())


_TYPES: Mapping[str, Test] = {
    "object": lambda instance: isinstance(instance, dict),
    "array": lambda instance: isinstance(instance, list),
    "string": lambda instance: isinstance(instance, str),
    "boolean": lambda instance: isinstance(instance, bool),
    "null": lambda instance: instance is None,
    "number": _is_number,
    "integer": _is_integer,
}


class _Making:
    """Makes tests out of the parts of one schema."""

    def __init__(self, definitions: Mapping[str, Schema], formats: Mapping[str, Test]) -> None:
        self._definitions = definitions
        self._formats = formats
        self._made: dict[str, Test] = {}

    def test(self, schema: Schema) -> Test:
        if isinstance(schema, bool):
            return _anything if schema else _nothing
        unknown = schema.keys() - _KNOWN
        if unknown:
            raise ValueError(f"not understood in a schema: {', '.join(sorted(unknown))}")
        tests = []
        if "$ref" in schema:
            tests.append(self._referred(schema["$ref"]))
        if "type" in schema:
            tests.append(_typed(schema["type"]))
        if "enum" in schema or "const" in schema:
            tests.append(_one_of(schema["enum"] if "enum" in schema else [schema["const"]]))
        if not _OF_OBJECTS.isdisjoint(schema):
            tests.append(self._object(schema))
        if not _OF_LISTS.isdisjoint(schema):
            tests.append(self._list(schema))
        if not _OF_TEXTS.isdisjoint(schema):
            tests.append(self._text(schema))
        if not _OF_NUMBERS.isdisjoint(schema):
            tests.append(_number(schema))
        if "anyOf" in schema:
            tests.append(_any(tuple(self.test(each) for each in schema["anyOf"])))
        tests.extend(self.test(each) for each in schema.get("allOf", ()))
        if "if" in schema:
            tests.append(self._branching(schema))
        return _all(tuple(tests))

    def _referred(self, reference: str) -> Test:
        name = reference.removeprefix(_HERE)
        if name == reference or name not in self._definitions:
            raise ValueError(f"not understood in a schema: a reference to {reference}")
        if name not in self._made:
            # What is made refers to itself by name, so that a definition may hold itself.
            self._made[name] = lambda instance: self._made[name](instance)
            self._made[name] = self.test(self._definitions[name])
        return self._made[name]

    def _object(self, schema: Mapping[str, Any]) -> Test:
        required = frozenset(schema.get("required", ()))
        properties = {name: self.test(each) for name, each in schema.get("properties", {}).items()}
        others = self.test(schema.get("additionalProperties", True))
        names = self.test(schema.get("propertyNames", True))
        least, most = schema.get("minProperties", 0), schema.get("maxProperties", float("inf"))

        def fits(instance: Any) -> bool:
            if not isinstance(instance, dict):
                return True
            if not required <= instance.keys() or not least <= len(instance) <= most:
                return False
            return all(properties.get(key, others)(value) for key, value in instance.items()) and (
                names is _anything or all(map(names, instance))
            )

        return fits

    def _list(self, schema: Mapping[str, Any]) -> Test:
        item = self.test(schema.get("items", True))
        least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))

        def fits(instance: Any) -> bool:
            if not isinstance(instance, list):
                return True
            return least <= len(instance) <= most and (item is _anything or all(map(item, instance)))

        return fits

    def _text(self, schema: Mapping[str, Any]) -> Test:
        least, most = schema.get("minLength", 0), schema.get("maxLength", float("inf"))
        search = re.compile(re.sub(r"\$$", r"\\Z", schema.get("pattern", ""))).search
        fitting = self._formats.get(schema.get("format", ""), _anything)
        if "format" in schema and fitting is _anything:
            raise ValueError(f"not understood in a schema: the format {schema['format']}")

        def fits(instance: Any) -> bool:
            if not isinstance(instance, str):
                return True
            return least <= len(instance) <= most and search(instance) is not None and fitting(instance)

        return fits

    def _branching(self, schema: Mapping[str, Any]) -> Test:
        asked, then, otherwise = (self.test(schema.get(word, True)) for word in ("if", "then", "else"))
        return lambda instance: then(instance) if asked(instance) else otherwise(instance)


def _typed(names: str | Iterable[str]) -> Test:
    tests = tuple(_TYPES[name] for name in ([names] if isinstance(names, str) else names))
    return _any(tests)


def _one_of(values: Iterable[Any]) -> Test:
    """Equality as JSON has it: 1 and 1.0 are one number, and neither is true."""
    allowed = tuple(values)
    if not all(value is None or isinstance(value, str | int | float) for value in allowed):
        raise ValueError("not understood in a schema: a value that is a list or an object")
    texts = frozenset(value for value in allowed if isinstance(value, str))
    others = tuple(value for value in allowed if not isinstance(value, str))

    def fits(instance: Any) -> bool:
        if isinstance(instance, str):
            return instance in texts
        return any(instance == value and isinstance(instance, bool) is isinstance(value, bool) for value in others)

    return fits


def _number(schema: Mapping[str, Any]) -> Test:
    least, most = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
    above = schema.get("exclusiveMinimum")

    def fits(instance: Any) -> bool:
        if not _is_number(instance):
            return True
        return least <= instance <= most and (above is None or instance > above)

    return fits


def _any(tests: tuple[Test, ...]) -> Test:
    return tests[0] if len(tests) == 1 else lambda instance: any(test(instance) for test in tests)


def _all(tests: tuple[Test, ...]) -> Test:
    if not tests:
        return _anything
    return tests[0] if len(tests) == 1 else lambda instance: all(test(instance) for test in tests)

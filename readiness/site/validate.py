"""From a document's tree to a checked instance: types by the schema, then its rules, then those between keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, TypeAlias

from readiness_schemas.conformity import conformity

from readiness.site import syntax
from readiness.site.document import Entry, Flaw, Items, Lost, Node, Path, Place, Scalar, Section
from readiness.site.problems import Problem
from readiness.site.syntax import Misfit, nearest

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool"
Schema: TypeAlias = Mapping[str, object]
KnownChecks: TypeAlias = Callable[[], Collection[str]]
"""Gives the ids of all checks there are; called when one is named."""

OTHER_SECRETS = "`{file: PATH}` and `{command: [PROGRAM, ARGUMENT]}`"
WHERE_SECRETS_ARE = "`{env: NAME}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`"

_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
_NULL = ("~", "null", "Null", "NULL")
_BLANK = re.compile(r"<[^<>]*>")


class Dropped:
    """A value that was refused already: it is left out, and nothing more is said about it."""


def shown(path: Path) -> str:
    """A path as people write it: ``vms[1].role``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


class Validation:
    """One file on its way from a tree to a checked instance; ``problems`` grows as it goes."""

    def __init__(
        self,
        file: str,
        schema: Schema,
        *,
        base: FilePath,
        known_checks: KnownChecks | None = None,
        files: bool = True,
    ) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._schema = schema
        self._base = base
        self._known_checks = known_checks
        self._files = files
        self._places: dict[Path, Place] = {(): Place(1, 1)}
        self._keys: dict[Path, Place] = {}
        self._refused: set[Path] = set()
        self._misspelt: set[Path] = set()

    def run(self, root: Node | None, flaws: Iterable[Flaw]) -> Json:
        """The checked instance; sound where ``problems`` stays empty."""
        for flaw in flaws:
            self._problem(flaw.path, flaw.message, expected=flaw.expected, place=flaw.place)
            self._refused.add(flaw.path)
        if root is None:
            if not self.problems:
                self._problem((), "the file is empty", expected="a site file; `readiness init` writes one")
            return {}
        instance = self._typed(root, self._schema, ())
        if not isinstance(instance, dict):
            if not isinstance(instance, Dropped):
                self._problem((), "the file is not a list of keys", expected="a site file; `readiness init` writes one")
            return {}
        self._apply_schema(instance)
        for rule in RULES:
            rule(instance, self)
        self.problems.sort(key=lambda problem: (problem.line, problem.column))
        return instance

    def refuse(self, path: Path, message: str, *, expected: str = "", near: str | None = None) -> None:
        """Note a problem that a rule between keys has found."""
        self._problem(path, message, expected=expected, near=near)

    # -- types ---------------------------------------------------------------------------------------------

    def _typed(self, node: Node, schema: Schema, path: Path) -> Json | Dropped:
        self._places[path] = node.place
        if isinstance(node, Lost):
            self._refused.add(path)
            return Dropped()
        schema = self._resolved(schema)
        if self._is_secret(schema):
            return self._secret(node, path)
        if isinstance(node, Scalar):
            return self._scalar(node, schema, path)
        branch = self._branch(schema, "object" if isinstance(node, Section) else "array")
        if branch is None:
            return self._reject(path, _wrong_kind(node), expected=self._expected(schema))
        return self._section(node, branch, path) if isinstance(node, Section) else self._list(node, branch, path)

    def _section(self, node: Section, schema: Schema, path: Path) -> Json:
        properties = _mapping(schema.get("properties"))
        section: dict[str, Json] = {}
        for entry in node.entries:
            here = (*path, entry.key)
            self._keys[here] = entry.place
            known = properties.get(entry.key)
            if known is None:
                self._unknown_key(entry, properties, path)
                continue
            value = self._typed(entry.value, _mapping(known), here)
            if not isinstance(value, Dropped):
                section[entry.key] = value
        return section

    def _unknown_key(self, entry: Entry, properties: Schema, path: Path) -> None:
        names = ", ".join(f"`{name}`" for name in properties)
        near = nearest(entry.key, list(properties))
        self._misspelt.add((*path, near or entry.key))
        self._problem(
            (*path, entry.key),
            "there is no such key" + (" here" if path else ""),
            expected=f"one of {names}",
            near=near,
            place=entry.place,
        )

    def _list(self, node: Items, schema: Schema, path: Path) -> Json:
        kind = _mapping(schema.get("items"))
        typed = [self._typed(item, kind, (*path, index)) for index, item in enumerate(node.nodes)]
        # Positions must stay those of the file, so a refused item leaves an empty text that no rule looks at.
        return ["" if isinstance(value, Dropped) else value for value in typed]

    def _scalar(self, node: Scalar, schema: Schema, path: Path) -> Json | Dropped:
        text = node.text
        if _is_blank(node):
            return self._reject_blank(path, node, self._expected(schema))
        if node.plain and text in _NULL:
            return self._reject(path, f"`{text}` says nothing here", expected="a value, or the key left out")
        for branch in self._scalar_branches(schema):
            if text in _words(branch):
                return text
            match branch.get("type"):
                case "boolean" if text in _TRUE or text in _FALSE:
                    return text in _TRUE
                case "integer" if re.fullmatch(r"[-+]?[0-9]{1,15}", text):
                    return int(text)
                case "number" if re.fullmatch(r"[-+]?[0-9]{1,15}", text):
                    return int(text)
                case "number" if re.fullmatch(
                    r"[-+]?(?:[0-9]{1,15}\.[0-9]{0,15}|\.[0-9]{1,15})(?:[eE][-+]?[0-9]{1,2})?", text
                ):
                    return float(text)
                case "string":
                    return text
        words = [word for branch in self._scalar_branches(schema) for word in _words(branch)]
        booleans = any(branch.get("type") == "boolean" for branch in self._scalar_branches(schema))
        near = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.lower()) if booleans else None
        return self._reject(
            path, "has a value that does not fit", expected=self._expected(schema), near=near or nearest(text, words)
        )

    def _secret(self, node: Node, path: Path) -> Json | Dropped:
        name = path[-1]
        if not isinstance(node, Section):
            expected = f"`{name}: {{env: NAME}}`; {OTHER_SECRETS} will do too"
            if isinstance(node, Scalar) and _is_blank(node):
                return self._reject_blank(path, node, expected)
            return self._reject(path, "a secret is never written into a site file", expected=expected)
        entries = {entry.key: entry.value for entry in node.entries}
        if len(entries) != 1 or not entries.keys() <= {"env", "file", "command"}:
            return self._reject(
                path, "does not say where the secret is", expected=f"exactly one of {WHERE_SECRETS_ARE}"
            )
        key, value = next(iter(entries.items()))
        self._keys[(*path, key)] = node.entries[0].place
        self._places[(*path, key)] = value.place
        if isinstance(value, Lost):
            return Dropped()
        if key == "command":
            words = value.nodes if isinstance(value, Items) else ()
            argv = [word.text for word in words if isinstance(word, Scalar) and word.text]
            if not argv or len(argv) != len(words):
                return self._reject((*path, key), "is no list of words", expected="`{command: [PROGRAM, ARGUMENT]}`")
            return {key: list(argv)}
        if not isinstance(value, Scalar):
            return self._reject((*path, key), "is no text", expected=f"exactly one of {WHERE_SECRETS_ARE}")
        if _is_blank(value) or not value.text:
            return self._reject_blank((*path, key), value, f"exactly one of {WHERE_SECRETS_ARE}")
        if key == "env" and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value.text):
            expected = "the name of an environment variable: letters, digits and underscores"
            return self._reject((*path, key), "is no variable's name", expected=expected)
        if key == "file":
            try:
                syntax.path(value.text, self._base)
            except Misfit as error:
                return self._reject((*path, key), str(error), expected=error.expected or "a file name")
        return {key: value.text}

    # -- the schema ----------------------------------------------------------------------------------------

    def _apply_schema(self, instance: Json) -> None:
        formats = self._formats()
        if conformity(self._schema, formats={name: _passing(test) for name, test in formats.items()})(instance):
            return
        from jsonschema import Draft202012Validator, FormatChecker

        checker = FormatChecker(formats=())
        for name, test in formats.items():
            checker.checks(name, raises=Misfit)(_put_texts_to(test))
        validator = Draft202012Validator(self._schema, format_checker=checker)
        for error in validator.iter_errors(instance):
            self._translate(error)

    def _translate(self, error: ValidationError) -> None:
        path = tuple(error.absolute_path)
        schema = _mapping(error.schema)
        if self._silenced(path):
            return
        if error.validator == "anyOf":
            kind = _kind(error.instance)
            branches = list(self._branches(schema))
            for child in error.context or ():
                if branches[int(child.schema_path[0])].get("type") == kind:
                    self._translate(child)
        elif error.validator == "required":
            for key in _texts(schema.get("required")):
                here = (*path, key)
                said = here in self._misspelt or self._silenced(here)
                if isinstance(error.instance, dict) and key not in error.instance and not said:
                    self._refused.add(here)
                    self._missing(path, key, schema)
        elif error.validator == "format" and isinstance(error.cause, Misfit):
            expected = error.cause.expected or self._expected(schema)
            self._refused.add(path)
            self._problem(path, str(error.cause), expected=expected, near=error.cause.nearest)
        else:
            self._refused.add(path)
            self._problem(path, _complaint(str(error.validator)), expected=self._expected(schema))

    def _missing(self, path: Path, key: str, schema: Schema) -> None:
        wanted = self._expected(self._resolved(_mapping(_mapping(schema.get("properties")).get(key))))
        place = self._keys.get(path, self._places[path])
        self._problem(path, f"`{key}` is missing", expected=f"`{key}`: {wanted}", place=place)

    def _silenced(self, path: Path) -> bool:
        return any(path[:length] in self._refused for length in range(1, len(path) + 1))

    def _formats(self) -> Mapping[str, Callable[[str], object]]:
        """The test of each format by its name; it raises ``Misfit``."""
        known = self._known_checks
        return {
            "line": syntax.line,
            "host": syntax.host,
            "web-url": syntax.web_url,
            "web-origin": syntax.web_origin,
            "region": syntax.region,
            "day": syntax.day,
            "span": syntax.span,
            "work-days": syntax.work_days,
            "hex-id": syntax.hex_id,
            "version": syntax.version,
            "image": syntax.image,
            "machine-name": syntax.machine_name,
            "path": lambda text: syntax.path(text, self._base),
            "check-id": lambda text: syntax.check_id(text, known() if known is not None else None),
            "existing-file": self._existing_file,
        }

    def _existing_file(self, text: str) -> None:
        if self._files:
            syntax.existing_file(text, self._base)
        else:
            syntax.path(text, self._base)

    # -- the schema's words ----------------------------------------------------------------------------------

    def _resolved(self, schema: Schema) -> Schema:
        ref = schema.get("$ref")
        if not isinstance(ref, str):
            return schema
        named = _mapping(_mapping(self._schema["$defs"])[ref.removeprefix("#/$defs/")])
        return self._resolved({**named, **{key: value for key, value in schema.items() if key != "$ref"}})

    def _is_secret(self, schema: Schema) -> bool:
        return schema.get("title") == _mapping(_mapping(self._schema["$defs"])["secret"])["title"]

    def _branches(self, schema: Schema) -> Iterator[Schema]:
        either = schema.get("anyOf")
        if not isinstance(either, list):
            yield schema
            return
        for branch in either:
            yield self._resolved(_mapping(branch))

    def _branch(self, schema: Schema, kind: str) -> Schema | None:
        return next((branch for branch in self._branches(schema) if branch.get("type") == kind), None)

    def _scalar_branches(self, schema: Schema) -> list[Schema]:
        return [branch for branch in self._branches(schema) if branch.get("type") not in ("object", "array")]

    def _expected(self, schema: Schema) -> str:
        """What would be right, in words."""
        if isinstance(schema.get("anyOf"), list):
            return " or ".join(self._expected(branch) for branch in self._branches(schema))
        words = _words(schema)
        if words:
            return " or ".join(f"`{word}`" for word in words)
        kind, title = schema.get("type"), schema.get("title")
        match kind:
            case "boolean":
                return "`true` or `false`"
            case "integer":
                what = title if isinstance(title, str) else "a whole number"
                return f"{what} from {schema['minimum']} to {schema['maximum']}"
            case "number":
                return f"a number above {schema['exclusiveMinimum']} and up to {schema['maximum']}"
            case "array":
                least = "with at least one entry " if schema.get("minItems") else ""
                return f"a list {least}of at most {schema['maxItems']}"
            case "object":
                names = _texts(schema.get("required")) or list(_mapping(schema.get("properties")))
                return "a section with " + ", ".join(f"`{name}`" for name in names)
        return str(title or "a text")

    # -- problems --------------------------------------------------------------------------------------------

    def _reject(self, path: Path, message: str, *, expected: str = "", near: str | None = None) -> Dropped:
        self._refused.add(path)
        self._problem(path, message, expected=expected, near=near)
        return Dropped()

    def _reject_blank(self, path: Path, node: Scalar, expected: str) -> Dropped:
        # The parser places an empty value where the next token begins, often lines later.
        self._refused.add(path)
        place = node.place if node.text else self._keys.get(path, node.place)
        self._problem(path, "is still blank", expected=expected, place=place)
        return Dropped()

    def _problem(
        self, path: Path, message: str, *, expected: str = "", near: str | None = None, place: Place | None = None
    ) -> None:
        if place is None:
            place = self._places.get(path) or self._keys.get(path) or Place(1, 1)
        self.problems.append(
            Problem(
                file=self._file,
                line=place.line,
                column=place.column,
                where=shown(path),
                message=message,
                expected=expected,
                nearest=near,
            )
        )


def _passing(test: Callable[[str], object]) -> Callable[[str], bool]:
    def passes(text: str) -> bool:
        try:
            test(text)
        except Misfit:
            return False
        return True

    return passes


def _put_texts_to(test: Callable[[str], object]) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        if isinstance(value, str):
            test(value)
        return True

    return fits


def _is_blank(node: Scalar) -> bool:
    """Whether nothing was filled in: no value at all, or a ``<description>`` of one."""
    return (node.plain and node.text == "") or _BLANK.fullmatch(node.text) is not None


def _mapping(value: object) -> Schema:
    return value if isinstance(value, Mapping) else {}


def _words(schema: Schema) -> list[str]:
    if "const" in schema:
        return [str(schema["const"])]
    return _texts(schema.get("enum"))


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _kind(instance: object) -> str:
    match instance:
        case dict():
            return "object"
        case list():
            return "array"
        case bool():
            return "boolean"
        case _:
            return "string"


def _wrong_kind(node: Section | Items) -> str:
    return "is a section" if isinstance(node, Section) else "is a list"


def _complaint(validator: str) -> str:
    match validator:
        case "type" | "enum" | "const":
            return "has a value that does not fit"
        case "minimum" | "maximum" | "exclusiveMinimum":
            return "is out of range"
        case "minLength" | "minItems":
            return "is empty"
        case "maxLength":
            return "is too long"
        case "maxItems":
            return "has too many entries"
        case _:
            return "is not written as it must be"


# -- rules between keys --------------------------------------------------------------------------------------


def _dig(instance: Json, *path: str | int) -> Json | None:
    """The value at a path, ``None`` where the way ends earlier."""
    for step in path:
        match instance, step:
            case dict(), str() if step in instance:
                instance = instance[step]
            case list(), int() if step < len(instance):
                instance = instance[step]
            case _:
                return None
    return instance


def _count(instance: Json, *path: str | int) -> int:
    found = _dig(instance, *path)
    return len(found) if isinstance(found, list) else 0


def _distinct_machines(instance: Json, validation: Validation) -> None:
    places: list[Path] = [("vms", index, "name") for index in range(_count(instance, "vms"))]
    seen: dict[str, Path] = {}
    for path in (*places, ("bootstrap", "name")):
        name = _dig(instance, *path)
        if path == ("bootstrap", "name") and name is None and isinstance(_dig(instance, "bootstrap"), dict):
            name, path = "bootstrap", ("bootstrap",)
        if not isinstance(name, str) or not name:
            continue
        if name.lower() in seen:
            first = shown(seen[name.lower()])
            validation.refuse(path, f"the name is taken by {first}", expected="a name that no other machine has")
        else:
            seen[name.lower()] = path


def _recording_roles(instance: Json, validation: Validation) -> None:
    if _dig(instance, "page", "revision") == "recording":
        return
    expected = "`page: {revision: recording}`, or another role"
    for index in range(_count(instance, "vms")):
        if _dig(instance, "vms", index, "role") == "exrp":
            validation.refuse(
                ("vms", index, "role"), "EXRP belongs to the page's revision `recording`", expected=expected
            )
    if _dig(instance, "components", "exrp") is not None:
        validation.refuse(("components", "exrp"), "EXRP belongs to the page's revision `recording`", expected=expected)


def _bootstrap_place(instance: Json, validation: Validation) -> None:
    if _dig(instance, "bootstrap", "local") is not True:
        return
    for key in ("host", "ssh"):
        if _dig(instance, "bootstrap", key) is not None:
            validation.refuse(
                ("bootstrap", key), "the bootstrap VM is `local`", expected=f"`local` or `{key}`, not both"
            )


def _client_pairs(instance: Json, validation: Validation) -> None:
    for path in (("redis", "tls"), ("config_db", "tls")):
        for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
            if _dig(instance, *path, key) is not None and _dig(instance, *path, other) is None:
                validation.refuse((*path, key), f"stands without `{other}`", expected=f"`{key}` and `{other}` together")


def _prometheus_host(instance: Json, validation: Validation) -> None:
    prometheus = _dig(instance, "monitoring", "prometheus")
    if isinstance(prometheus, dict) and not {"host", "url"} & prometheus.keys():
        validation.refuse(("monitoring", "prometheus"), "neither `host` nor `url` is there", expected="its `host`")


def _distinct_servers(instance: Json, validation: Validation) -> None:
    """Two Engage servers behind one endpoint would share their findings' ids."""
    servers: list[tuple[Path, int]] = [(("config_db",), _database_port(instance))]
    servers += [(("stat_servers", which), 2060) for which in ("primary", "backup")]
    servers += [(("sip_servers", index), 8000) for index in range(_count(instance, "sip_servers"))]
    seen: dict[tuple[str, int], Path] = {}
    for path, default in servers:
        host, port = _dig(instance, *path, "host"), _dig(instance, *path, "port")
        if not isinstance(host, str):
            continue
        endpoint = (host.lower(), port if isinstance(port, int) else default)
        if endpoint in seen:
            validation.refuse(
                path, f"is the same host and port as {shown(seen[endpoint])}", expected="each server once"
            )
        else:
            seen[endpoint] = path


def _database_port(instance: Json) -> int:
    return {"mssql": 1433, "oracle": 1521}.get(str(_dig(instance, "config_db", "engine")), 5432)


def _images(instance: Json, validation: Validation) -> None:
    url = _dig(instance, "registry", "url")
    try:
        own = syntax.endpoint_of(url).host if isinstance(url, str) else None
    except Misfit:
        own = None
    seen: dict[str, int] = {}
    for index in range(_count(instance, "registry", "images")):
        image = _dig(instance, "registry", "images", index)
        if not isinstance(image, str) or not image:
            continue
        path: Path = ("registry", "images", index)
        if own is not None and image.lower().startswith(f"{own}/"):
            validation.refuse(path, "begins with the registry's own host", near=image[len(own) + 1 :])
        if image in seen:
            validation.refuse(
                path, f"stands here a second time; the first is entry {seen[image] + 1}", expected="each image once"
            )
        seen.setdefault(image, index)


def _dates(instance: Json, validation: Validation) -> None:
    for part in ("attestations", "waivers"):
        for index in range(_count(instance, part)):
            signed, expires = _dig(instance, part, index, "date"), _dig(instance, part, index, "expires")
            if isinstance(signed, str) and isinstance(expires, str):
                try:
                    early = syntax.day(expires) < syntax.day(signed)
                except Misfit:
                    continue
                if early:
                    validation.refuse(
                        (part, index, "expires"), "ends before it begins", expected=f"a day from {signed}"
                    )


RULES: tuple[Callable[[Json, Validation], None], ...] = (
    _distinct_machines,
    _recording_roles,
    _bootstrap_place,
    _client_pairs,
    _prometheus_host,
    _distinct_servers,
    _images,
    _dates,
)

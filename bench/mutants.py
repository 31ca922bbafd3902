"""What is changed in a module, one thing at a time: by mutmut's operators, and those that a judgement needs beyond."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation import mutators

ENUMS = {
    "Status": ("FAIL", "UNKNOWN", "MANUAL", "WARN", "PASS", "SKIP"),
    "Outcome": ("MET", "WEAK", "MISSED", "UNKNOWN", "MANUAL", "SKIP"),
    "Obligation": ("MANDATORY", "RECOMMENDED", "OPTIONAL"),
    "Origin": ("PAGE", "IMPLIED", "BEYOND"),
    "Level": ("DECLARED", "TCP", "PROTOCOL", "AUTHENTICATED"),
    "Lane": (
        *("DNS", "ROUTE", "FIREWALL", "SERVICE", "TLS", "AUTH", "CAPACITY", "VERSION", "CONFIGURATION", "TIME"),
        "PROBE",
    ),
    "Owner": ("NETWORK", "DBA", "VIRTUALISATION", "GENESYS_CLOUD", "ENGAGE", "DEPLOYER"),
    "Cause": (
        *("UNREACHABLE", "AUTH", "HOST_KEY", "PERMISSION", "TOOL_MISSING", "TIMEOUT", "PARSE", "UNSUPPORTED"),
        *("OVERLOAD", "CANCELLED", "CRASH", "BLOCKED", "UNDECLARED", "NOT_SELECTED", "NOT_OBSERVED", "NOT_BUILT"),
    ),
    "Verdict": ("READY", "READY_WITH_EXCEPTIONS", "NOT_READY", "NOT_PROVEN"),
    "TargetKind": ("SITE", "VM", "SERVICE", "EDGE"),
    "Absent": ("UNDECLARED", "NONE"),
    "Role": ("EXCS", "EXAS", "EXCP"),
}
SWAPPED_METHODS = {"weak": "missed", "missed": "weak"}
_SPOKEN = re.compile(
    r"str|tuple\[str(, str)*(, \.\.\.)?\]"
).fullmatch  # a sentence, a line of a job with its why, commands
WORDING_ARGUMENTS = frozenset(
    {
        *("summary", "expected", "observed", "reasoning", "remedy", "job", "detail", "enable", "label", "value"),
        *("text", "proof", "outcomes", "what", "why", "words"),
    }
)


class How(StrEnum):
    """How a mutant is run."""

    IN_PLACE = "in place"  # the function's code is replaced in a fork in which all is imported
    AFRESH = "afresh"  # module and tests are imported again in a fork: constants, class bodies, default values


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of a module: ``source[start:end]`` becomes ``text``.

    ``where`` is the qualified name of the function or class, ``lines`` the first and last line of the statement that
    is changed, ``before`` and ``after`` its lines that differ; ``wording`` says that the change can only show in prose.
    """

    module: str
    path: Path
    where: str
    start: int
    end: int
    text: str
    lines: tuple[int, int]
    before: str
    after: str
    how: How
    wording: bool
    nth: int = 1

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What a mutant is known by when lines have moved."""
        return (self.module, self.where, self.before, self.after, self.nth)

    def applied(self, source: str) -> str:
        return source[: self.start] + self.text + source[self.end :]


def mutants_of(module: str, path: Path) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines; those that differ in prose alone are marked."""
    source = path.read_text()
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    visitor = _Visitor(module, path, source, wrapper)
    wrapper.visit(visitor)
    seen: dict[tuple[str, str, str, str, int], int] = {}
    spans: set[tuple[int, int, str]] = set()
    numbered = []
    for mutant in sorted(visitor.found, key=lambda each: each.start):
        span = (mutant.start, mutant.end, mutant.text)
        if span in spans:
            continue
        spans.add(span)
        seen[mutant.key] = seen.get(mutant.key, 0) + 1
        nth = seen[mutant.key]
        numbered.append(mutant if nth == 1 else Mutant(**{**vars(mutant), "nth": nth}))
    return numbered


class _Visitor(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (WhitespaceInclusivePositionProvider,)

    def __init__(self, module: str, path: Path, source: str, wrapper: MetadataWrapper) -> None:
        super().__init__()
        self.module, self.path, self.source, self.tree = module, path, source, wrapper.module
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.stack: list[cst.CSTNode] = []
        self.found: list[Mutant] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom | cst.Assert):
            return False
        if isinstance(node, cst.If) and isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING":
            return False
        self.stack.append(node)
        for start, end, text in self._changes(node):
            self._add(node, start, end, text)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self.stack and self.stack[-1] is original_node:
            self.stack.pop()

    def _span(self, node: cst.CSTNode) -> tuple[int, int]:
        place = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        return (
            self.starts[place.start.line - 1] + place.start.column,
            self.starts[place.end.line - 1] + place.end.column,
        )

    def _changes(self, node: cst.CSTNode) -> Iterator[tuple[int, int, str]]:
        if isinstance(node, cst.Match):
            for case in node.cases if len(node.cases) > 1 else ():
                start, end = self._span(case)
                yield start, end, ""
            return
        for new in operated(node, self.stack):
            start, end = self._span(node)
            # libcst writes a node without the indentation around it, which means nothing within brackets
            assert self.source[start:end].split() == self.tree.code_for_node(node).split(), (self.path, start)
            yield start, end, self.tree.code_for_node(new)

    def _add(self, node: cst.CSTNode, start: int, end: int, text: str) -> None:
        mutated = self.source[:start] + text + self.source[end:]
        before, after = _difference(self.source, mutated, start, end)
        definitions = [each for each in self.stack if isinstance(each, cst.FunctionDef | cst.ClassDef)]
        inside = next((each for each in self.stack if isinstance(each, cst.FunctionDef)), None)
        in_body = inside is not None and any(each is inside.body for each in self.stack[self.stack.index(inside) :])
        statement = next(
            each
            for each in reversed([self.tree, *self.stack])
            if isinstance(each, cst.SimpleStatementLine | cst.BaseCompoundStatement | cst.Module)
        )
        self.found.append(
            Mutant(
                module=self.module,
                path=self.path,
                where=".".join(each.name.value for each in definitions) or "(module)",
                start=start,
                end=end,
                text=text,
                lines=self._lines(statement),
                before=before,
                after=after,
                how=How.IN_PLACE if in_body else How.AFRESH,
                wording=_wording([*self.stack]),
            )
        )

    def _lines(self, statement: cst.CSTNode) -> tuple[int, int]:
        place = self.get_metadata(WhitespaceInclusivePositionProvider, statement)
        last = place.end.line
        body = getattr(statement, "body", None)
        if isinstance(statement, cst.BaseCompoundStatement) and isinstance(body, cst.BaseSuite):
            last = self.get_metadata(WhitespaceInclusivePositionProvider, body).start.line
        return place.start.line, last


def _difference(source: str, mutated: str, start: int, end: int) -> tuple[str, str]:
    first = source.rfind("\n", 0, start) + 1
    last = source.find("\n", end)
    length = len(mutated) - (len(source) - last)
    return " ".join(source[first:last].split()), " ".join(mutated[first:length].split())


def operated(node: cst.CSTNode, stack: list[cst.CSTNode]) -> Iterable[cst.CSTNode]:
    """What the operators make of one node; ``stack`` holds it and what encloses it, the module first."""
    match node:
        case cst.BaseNumber():
            yield from mutators.operator_number(node)
        case cst.Name():
            if not (len(stack) > 1 and isinstance(stack[-2], cst.Attribute | cst.Arg) and _is_keyword(stack)):
                yield from mutators.operator_name(node)
        case cst.AugAssign():
            yield from mutators.operator_swap_op(node)
        case cst.UnaryOperation():
            yield from mutators.operator_remove_unary_ops(node)
            yield from mutators.operator_swap_op(node)
        case cst.BinaryOperation():
            if not _prose(node) and not (isinstance(node.operator, cst.BitOr) and _types(node)):
                yield from mutators.operator_swap_op(node)
        case cst.BooleanOperation():
            yield from mutators.operator_swap_op(node)
        case cst.ComparisonTarget():
            yield from mutators.operator_swap_op(node)
            for new in mutators.operator_keywords(node.operator):
                yield node.with_changes(operator=new)
        case cst.Break() | cst.Continue():
            yield from mutators.operator_keywords(node)
        case cst.IfExp():
            yield from mutators.operator_if_exp(node)
        case cst.Call():
            yield from mutators.operator_symmetric_string_methods_swap(node)
            yield from mutators.operator_unsymmetrical_string_methods_swap(node)
            name = node.func.attr if isinstance(node.func, cst.Attribute) else None
            if name is not None and name.value in SWAPPED_METHODS:
                yield node.with_deep_changes(name, value=SWAPPED_METHODS[name.value])
        case cst.Attribute(value=cst.Name(value=enum), attr=cst.Name(value=member)):
            members = ENUMS.get(enum, ())
            if member in members and not _pattern_of_a_call(stack):
                after = members[(members.index(member) + 1) % len(members)]
                yield node.with_changes(attr=cst.Name(after))
        case cst.SimpleString():
            if _decides(stack):
                yield from list(mutators.operator_string(node))[:1]
        case cst.If() | cst.While() | cst.CompIf():
            pass  # the test is mutated as an expression: see below
        case cst.Return(value=cst.BaseExpression() as value):
            if not (isinstance(value, cst.Name) and value.value == "None"):
                yield node.with_changes(value=cst.Name("None"))
        case cst.Slice(lower=lower, upper=upper):
            if lower is not None:
                yield node.with_changes(lower=None)
            if upper is not None:
                yield node.with_changes(upper=None)
    if isinstance(node, cst.BaseExpression) and _is_condition(stack) and not _negatable(node):
        inner = node if node.lpar or not isinstance(node, cst.BooleanOperation | cst.IfExp) else _in_brackets(node)
        yield cst.UnaryOperation(operator=cst.Not(), expression=inner)  # type: ignore[arg-type]


def _in_brackets(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _negatable(node: cst.BaseExpression) -> bool:
    """Whether another operator turns this condition into its opposite already."""
    if isinstance(node, cst.UnaryOperation):
        return isinstance(node.operator, cst.Not)
    turned = cst.Equal | cst.NotEqual | cst.Is | cst.IsNot | cst.In | cst.NotIn
    return (
        isinstance(node, cst.Comparison)
        and len(node.comparisons) == 1
        and isinstance(node.comparisons[0].operator, turned)
    )


def _is_condition(stack: list[cst.CSTNode]) -> bool:
    if len(stack) < 2:
        return False
    node, parent = stack[-1], stack[-2]
    return isinstance(parent, cst.If | cst.While | cst.CompIf) and parent.test is node


def _is_keyword(stack: list[cst.CSTNode]) -> bool:
    node, parent = stack[-1], stack[-2]
    return (isinstance(parent, cst.Arg) and parent.keyword is node) or (
        isinstance(parent, cst.Attribute) and parent.attr is node
    )


def _pattern_of_a_call(stack: list[cst.CSTNode]) -> bool:
    return len(stack) > 1 and isinstance(stack[-2], cst.MatchClass)


def _types(node: cst.BinaryOperation) -> bool:
    """``A | B`` of two names with a capital: a union of types."""
    return all(
        isinstance(side, cst.Name | cst.Attribute | cst.BinaryOperation | cst.Subscript)
        for side in (node.left, node.right)
    )


def _decides(stack: list[cst.CSTNode]) -> bool:
    """Whether a string is compared with something: an operand, a member of a compared set, a pattern."""
    for below, node in zip(reversed(stack), reversed(stack[:-1]), strict=False):
        if isinstance(node, cst.Comparison | cst.ComparisonTarget | cst.MatchValue):
            return True
        if not isinstance(node, cst.Set | cst.Tuple | cst.List | cst.Element) or below is None:
            return False
    return False


def _prose(node: cst.CSTNode | None) -> bool:
    match node:
        case cst.SimpleString() | cst.FormattedString() | cst.ConcatenatedString():
            return True
        case cst.IfExp(body=body, orelse=orelse):
            return _prose(body) and _prose(orelse)
        case cst.BinaryOperation(operator=cst.Add(), left=left, right=right):
            return _prose(left) or _prose(right)
    return False


def _speaks(node: cst.CSTNode) -> bool:
    """Whether a function is declared to return strings: it words what others have decided."""
    if not isinstance(node, cst.FunctionDef) or node.returns is None:
        return False
    return _SPOKEN(cst.Module([]).code_for_node(node.returns.annotation)) is not None


def _wording(stack: list[cst.CSTNode]) -> bool:
    for index, node in enumerate(stack):
        below = stack[index + 1] if index + 1 < len(stack) else None
        if isinstance(node, cst.FormattedString | cst.ConcatenatedString) or _speaks(node):
            return True
        if isinstance(node, cst.IfExp) and _prose(node):
            return True
        if isinstance(node, cst.Arg) and node.keyword is not None and node.keyword.value in WORDING_ARGUMENTS:
            return True
        if (
            isinstance(node, cst.Call)
            and isinstance(node.func, cst.Attribute)
            and node.func.attr.value in {"met", "weak", "missed", "unknown", "manual", "skip", "blocked"}
            and isinstance(below, cst.Arg)
            and below.keyword is None
            and _prose(below.value)
        ):
            return True
    return False

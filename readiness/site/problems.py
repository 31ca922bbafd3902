"""What is wrong with a site file, each thing with its place and what would be right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake. ``line`` and ``column`` count from 1, and are 0 where the file could not be read at all.

    ``where`` is the key as a path (``vms[1].role``), empty for the file as a whole. ``expected`` says what would be
    right, ``nearest`` the known word that comes closest. No text repeats a value that may be a secret.
    """

    file: str
    line: int
    column: int
    where: str
    message: str
    expected: str = ""
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.nearest is not None:
            text += f" (did you mean `{self.nearest}`?)"
        return text


class SiteFileError(Exception):
    """A site file that cannot be used; ``problems`` are all of them, in the file's order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

"""What an HTML page of ours is made of: templates that escape what is foreign, our own style, a strict policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from readiness_reports import words


@cache
def own(name: str) -> Markup:
    """A file of this package's templates: the only text that reaches a page unescaped."""
    return Markup(files("readiness_reports").joinpath("templates", name).read_text(encoding="utf-8"))  # noqa: S704


def policy(script: str, *styles: str) -> str:
    """A content security policy: nothing is loaded, and nothing but the page's own script and styles is obeyed."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {' '.join(_hash(style) for style in styles)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def new_environment() -> Environment:
    """Templates in which all text is escaped, and what acts unseen in it is shown."""
    made = Environment(
        loader=PackageLoader("readiness_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shapes: Mapping[str, Markup] = {
        status: Markup('<svg class="shape" aria-hidden="true"><use href="#s-{}"/></svg>').format(status)
        for status in words.WORST_FIRST
    }

    def badge(status: str, text: str) -> Markup:
        return Markup('<span class="st {}">{}{}</span>').format(status, shapes[status], text)

    made.globals.update(
        shape=shapes,
        badge={status: badge(status, status) for status in words.WORST_FIRST},
        badge_words=badge,
        meanings=words.MEANINGS,
        symbols=own("symbols.svg"),
    )
    made.filters["tally"] = words.tally
    return made


def _shown(value: object) -> object:
    return words.plain(value) if type(value) is str else value

"""The JSON Schemas of the site file, of the report and of a portfolio's index, and the latter two as types."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal


def load(name: Literal["site", "report", "portfolio"]) -> dict[str, Any]:
    """Read one schema as a JSON document."""
    text = files("readiness_schemas").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema

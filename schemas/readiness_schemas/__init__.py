"""The JSON Schemas of the site file and of the report, and the report's shape as types."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal


def load(name: Literal["site", "report"]) -> dict[str, Any]:
    """Read one schema as a JSON document."""
    text = files("readiness_schemas").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema

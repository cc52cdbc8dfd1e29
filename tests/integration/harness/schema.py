"""The JSON Schema of init's report, as init/README.md documents it, and a checker for it."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from .programs import ROOT

README = ROOT / "init" / "README.md"
TYPES = {"object": dict, "array": list, "string": str, "integer": int}
KEYWORDS = {"$schema", "type", "required", "additionalProperties", "properties", "const", "enum", "minimum", "items", "minItems", "pattern",
            "minLength", "maxLength"}


@functools.cache
def documented() -> dict[str, Any]:
    """The schema as documented."""
    (text,) = re.findall(r"```json\n(.*?)```", README.read_text(), re.S)
    schema: dict[str, Any] = json.loads(text)
    return schema


def violations(value: Any, schema: dict[str, Any], at: str = "$") -> list[str]:
    """What of a JSON Schema a value breaks; only the keywords that our schema has."""
    assert set(schema) <= KEYWORDS, f"the checker does not know {set(schema) - KEYWORDS}"
    wrong = []
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or isinstance(value, bool)):
        return [f"{at}: no {kind}"]
    if "const" in schema and value != schema["const"]:
        wrong.append(f"{at}: not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, int) and value < schema.get("minimum", value):
        wrong.append(f"{at}: too small")
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            wrong.append(f"{at}: {len(value)} characters")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            wrong.append(f"{at}: {value!r} does not match")
    if isinstance(value, dict):
        wrong += [f"{at}: no {name}" for name in schema.get("required", []) if name not in value]
        if schema.get("additionalProperties") is False:
            wrong += [f"{at}: unknown {name}" for name in value if name not in schema["properties"]]
        for name, part in schema.get("properties", {}).items():
            wrong += violations(value[name], part, f"{at}.{name}") if name in value else []
    if isinstance(value, list):
        wrong += [f"{at}: empty"] if len(value) < schema.get("minItems", 0) else []
        for index, item in enumerate(value):
            wrong += violations(item, schema.get("items", {}), f"{at}[{index}]")
    return wrong

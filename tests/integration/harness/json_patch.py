"""JSON patches (RFC 6902) as the API server applies them: to the object that it sent, operation by operation, and the first one that
cannot be applied refuses the whole."""

from __future__ import annotations

import copy
from typing import Any


class CannotApply(Exception):
    """An operation that the API server would refuse."""


def tokens(pointer: str) -> list[str]:
    """The parts of a JSON pointer (RFC 6901)."""
    if not pointer.startswith("/"):
        raise CannotApply(f"{pointer!r} is no pointer into the object")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def index_of(token: str, length: int) -> int:
    """An index of an array, without signs and leading zeros."""
    if not token.isdigit() or (len(token) > 1 and token[0] == "0") or int(token) > length:
        raise CannotApply(f"{token!r} is no index of an array of {length}")
    return int(token)


def step(node: Any, token: str) -> Any:
    """The member or element, which must be there."""
    if isinstance(node, dict) and token in node:
        return node[token]
    if isinstance(node, list):
        at = index_of(token, len(node))
        if at < len(node):
            return node[at]
    raise CannotApply(f"there is no {token!r}")


def add(document: Any, pointer: str, value: Any) -> None:
    """Into an object, or an array at an index or "-"; the parent must be there."""
    *parents, last = tokens(pointer)
    node = document
    for token in parents:
        node = step(node, token)
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list):
        node.insert(len(node) if last == "-" else index_of(last, len(node)), value)
    else:
        raise CannotApply(f"{pointer}: its parent is {type(node).__name__}")


def apply(document: Any, patch: list[dict[str, Any]]) -> Any:
    """A patched copy. The webhook writes operations `add` only."""
    out = copy.deepcopy(document)
    for operation in patch:
        if operation["op"] != "add" or set(operation) != {"op", "path", "value"}:
            raise CannotApply(f"not an operation that is expected: {operation}")
        add(out, operation["path"], copy.deepcopy(operation["value"]))
    return out

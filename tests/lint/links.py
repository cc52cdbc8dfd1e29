"""Links of the documentation to files and headings of this repository: links.py FILE...: prints those that lead nowhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def prose(path: Path) -> str:
    """Without blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Of the headings, as sites make them: lower case, without punctuation, blanks to dashes, -1 for the second of a name."""
    found: list[str] = []
    for line in prose(path).splitlines():
        if line.startswith("#"):
            name = re.sub(r"[^\w -]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
            found.append(f"{name}-{found.count(name)}" if name in found else name)
    return set(found)


def broken(path: Path) -> list[str]:
    text = prose(path)
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^]]+\]: (\S+)$", text, re.MULTILINE):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        page = path.parent / name if name else path
        if not page.exists():
            found.append(f"{path}: {target}: there is no such file")
        elif anchor and anchor not in anchors(page):
            found.append(f"{path}: {target}: there is no such heading")
    return found


if __name__ == "__main__":
    lines = [line for name in sys.argv[1:] for line in broken(Path(name))]
    print("\n".join(lines))
    sys.exit(1 if lines else 0)

"""Records a run of `make demo`: record.py FILE COMMAND...: runs COMMAND, and writes what it shows to FILE, if that has changed.

What differs from run to run (keys, ports, times, sizes) is no change: shape() is the text without it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

VARYING = [(r"\bASIA\w+|ASIA\.\.\.\w+", "KEY"), (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"), (r"\b[0-9A-F]{32}\b", "OIDC"),
           (r"/tmp/pod-identity-demo\.\w+", "FOLDER"), (r"details are in \S+", "details are in LOG"), (r"Could(?:n't| not) connect", "Could not connect"),
           (r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME"), (r"valid for (?:\d+h )?\d+m more", "valid for DURATION more"), (r"\d+", "N"), (r"\bN(?:ms|s)\b", "DURATION"), (r'next_in="[^"]*"', "next_in=DURATION"),
           (r"build/(?:amd|arm)N", "build/ARCH"), (r"\s+", " ")]


def shape(text: str) -> str:
    """What a run shows, in one line, without what differs from run to run."""
    for pattern, replacement in VARYING:
        text = re.sub(pattern, replacement, text)
    return text.strip()


def main(file: Path, command: list[str]) -> int:
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode != 0:
        print(run.stdout, file=sys.stderr)
        return 1
    if not file.exists() or shape(file.read_text(encoding="utf-8")) != shape(run.stdout):
        file.write_text(run.stdout, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))

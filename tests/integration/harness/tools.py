"""Programs of others that tests need: what tests/tools.sh put aside for them, else what the machine has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pod-identity" / "tools" / "bin"


def find(name: str) -> str | None:
    """The path of a program; None if there is none."""
    own = FOLDER / name
    return str(own) if os.access(own, os.X_OK) else shutil.which(name)

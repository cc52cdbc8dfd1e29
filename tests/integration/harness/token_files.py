"""A mounted service account token, laid out as the kubelet does (kubernetes pkg/volume/util/atomic_writer.go)."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from pathlib import Path
from typing import Callable

_count = itertools.count()


class ProjectedToken:
    """`token -> ..data/token`, `..data -> ..2026_11_23_12_00_00.000000001/`; rotated by renaming a link onto `..data`."""

    def __init__(self, folder: Path, text: str | bytes, name: str = "eks-pod-identity-token",
                 on_write: Callable[[str], None] = lambda text: None) -> None:
        self.folder, self.name, self._on_write = folder, name, on_write
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / name
        self.rotate(text)
        os.symlink(f"..data/{name}", self.path)

    def __str__(self) -> str:
        return str(self.path)

    def rotate(self, text: str | bytes, mode: int = 0o644) -> None:
        """Publishes new content atomically, then removes the old folder."""
        data = text.encode() if isinstance(text, str) else text
        self._on_write(data.decode("latin-1"))
        stamp = f"..{time.strftime('%Y_%m_%d_%H_%M_%S', time.gmtime())}.{next(_count):09d}"
        new = self.folder / stamp
        new.mkdir(mode=0o755)
        file = new / self.name
        file.write_bytes(data)
        file.chmod(mode)
        link = self.folder / "..data"
        old = os.readlink(link) if link.is_symlink() else None
        temporary = self.folder / "..data_tmp"
        os.symlink(stamp, temporary)
        os.rename(temporary, link)
        if old:
            shutil.rmtree(self.folder / old)

    def real(self) -> Path:
        """The file behind the links, to change its mode or owner."""
        return self.path.resolve()

"""Rude neighbours of a sidecar: harness/hog.py as processes of their own, on one listener each."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Mapping

from . import hog
from .sidecar import Sidecar

COUNT = 1024  # more than there are places
LISTENERS = ("http", "imds", "metrics", "unix")


def rude(sidecar: Sidecar, ports: Mapping[str, int], listener: str, manner: str, count: int, seconds: float) -> subprocess.Popen[str]:
    """One of them, under way; on the Unix socket as a user who may not ask there. It prints how many connections it made."""
    where = ["unix", str(sidecar.socket_path)] if listener == "unix" else ["inet", "127.0.0.1", str(ports[listener])]
    uid = 65534 if listener == "unix" else os.geteuid()
    command = sidecar.runner.place.command([sys.executable, hog.__file__, manner, str(count), str(seconds), str(uid), *where])
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

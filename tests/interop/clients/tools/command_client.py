"""A command that reads an object of S3, each time anew: command_client.py VERSION COMMAND... with {s3} among its words or in its variables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import s3_loop  # noqa: E402

version, command = sys.argv[1], sys.argv[2:-2]
sys.argv[1:] = sys.argv[-2:]  # N and INTERVAL_MS, as the loop has them


def once(url: str) -> None:
    words = [word.replace("{s3}", url) for word in command]
    env = {name: value.replace("{s3}", url) for name, value in os.environ.items()}
    done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).strip()[-400:])


s3_loop.run(once, version)

"""Lets the folder be run: `python3 tests/emulator [options]` or `python3 -m emulator`."""

import os
import sys

if not __package__:
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from emulator.cli import main  # noqa: E402

sys.exit(main(sys.argv[1:]))

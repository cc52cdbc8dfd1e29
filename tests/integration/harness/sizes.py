"""What the kernel says of a process's memory."""

from __future__ import annotations

from pathlib import Path


def resident_kib(pid: int) -> int:
    """What it has in memory, counted page by page: the kernel's VmRSS is an estimate, off by some hundred KiB behind a change."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Rss:"))


def small_pages(pid: int) -> bool:
    """Whether it never gets 2 MiB for the first byte that it touches there, as the kernel gives them where transparent huge pages are on for all."""
    return "\nTHP_enabled:\t0\n" in Path(f"/proc/{pid}/status").read_text()


def memory_kib(pid: int) -> dict[str, int]:
    """The sizes of /proc/PID/status, such as VmRSS and VmHWM, in KiB."""
    sizes = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if value.strip().endswith(" kB"):
            sizes[name] = int(value.split()[0])
    return sizes

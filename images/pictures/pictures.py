"""The pictures of the documentation: `make pictures`, which is pictures.py FOLDER. Same sources, same bytes.

FOLDER/demo.txt is a recorded run of `make demo` (record.py makes it); all else is drawn here."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from svg import Picture

TEXT_X, LINE_HEIGHT, CHARACTER = 14, 18, 7.8


def where_each_program_sits() -> Picture:
    p = Picture(860, 330, "Where each program sits: agent and STS outside the pod; init, then the sidecar, then your app inside it")
    p.words(20, 30, "the node, or AWS", "strong")
    p.labelled(20, 46, 210, 62, ["EKS Pod Identity Agent", "169.254.170.23, on each node", "answers with credentials"])
    p.labelled(20, 206, 210, 62, ["STS", "with IRSA, and for roles", "of other accounts"])
    p.box(290, 12, 550, 304)
    p.words(306, 34, "the pod", "strong")
    p.labelled(306, 46, 240, 80, ["1. pod-identity-init", "init container: checks what was", "injected, waits, exits; or stops the", "pod with one reason and one remedy"], "ours")
    p.labelled(306, 190, 240, 80, ["2. pod-identity-sidecar", "native sidecar: fetches once,", "refreshes in time, serves until the", "credentials really expire"], "ours")
    p.labelled(620, 46, 206, 62, ["3. your app, AWS SDK", "asks 127.0.0.1:9911, as it would", "ask the agent"])
    p.labelled(620, 140, 206, 62, ["credential_process", "pod-identity-get asks the", "sidecar's socket"])
    p.labelled(620, 234, 206, 62, ["jobs and tools", "read files, or ask the socket", "with curl"])
    p.arrow((306, 77), (230, 77))
    p.arrow((306, 237), (230, 237))
    p.arrow((306, 210), (262, 210), (262, 94), (230, 94))
    p.arrow((426, 126), (426, 190))
    p.words(434, 162, "then", "small")
    p.line((546, 230), (584, 230))
    p.arrow((584, 230), (584, 77), (620, 77))
    p.arrow((584, 171), (620, 171))
    p.arrow((584, 230), (584, 265), (620, 265))
    return p


def life_of_a_credential() -> Picture:
    p = Picture(860, 372, "The life of a credential: refreshed at half of its life; if the agent is away, served until it expires, then 503")
    left, hour = 40, 125

    def at(hours: float) -> int:
        return round(left + hours * hour)

    def axis(y: int) -> None:
        p.line((left, y), (at(6.3), y))
        for number in range(7):
            p.line((at(number), y - 4), (at(number), y + 4))
            p.words(at(number), y + 20, f"{number} h", "small", "middle")

    p.words(20, 30, "All is well: credentials of 6 hours", "strong")
    p.box(at(0), 46, at(3) - at(0) - 6, 30, "ours")
    p.words(at(0) + 10, 66, "first credentials")
    p.box(at(2.85), 84, at(6.3) - at(2.85), 30, "ours")
    p.words(at(2.85) + 10, 104, "new ones, for all processes at once: socket, endpoint, files")
    p.words(at(2.85) - 10, 104, "refresh at half of what was left, less up to 10 %", "small", "end")
    axis(134)
    p.words(20, 196, "The agent is away from the first hour on", "strong")
    p.box(at(0), 212, at(6) - at(0), 30, "ours")
    p.words(at(0) + 10, 232, "first credentials: served until they really expire")
    p.box(at(2.85), 250, at(6) - at(2.85), 30)
    p.words(at(2.85) + 10, 270, "tries again, 1 s to 60 s apart")
    p.box(at(6), 212, at(6.3) - at(6), 68, "bad")
    axis(300)
    p.words(at(5.75) - 8, 342, "15 min before the end: some SDKs now ask at each use", "small", "end")
    p.line((at(5.75), 206), (at(5.75), 346))
    p.words(at(6.3), 360, "then 503, with the reason; never expired credentials", "small", "end")
    p.line((at(6.15), 280), (at(6.15), 348))
    return p


def kind_of(line: str) -> str:
    if line.startswith("== "):
        return "step"
    if re.match(r"  (exit code [1-9]|[A-Z_]{6,}: )", line):
        return "fault"
    if re.match(r"  (result: ok|.* ok, \d+ s$|still served|all three|access key id)", line) or line.startswith("demo: "):
        return "good"
    return ""


def terminal(lines: list[str], title: str) -> Picture:
    p = Picture(round(2 * TEXT_X + 100 * CHARACTER), 24 + LINE_HEIGHT * len(lines), title)
    p.parts.append('<g class="terminal" xml:space="preserve">')
    for number, line in enumerate(lines):
        if line.strip():
            indent = len(line) - len(line.lstrip())
            p.words(round(TEXT_X + indent * CHARACTER), 26 + LINE_HEIGHT * number, line.strip(), kind_of(line))
            width = len(line.strip()) * CHARACTER
            p.parts[-1] = p.parts[-1].replace("<text ", f'<text textLength="{width:.1f}" ', 1)
    p.parts.append("</g>")
    return p


def session(text: str, last: int | None = None) -> list[str]:
    """Its lines; up to the end of that step, if one is given."""
    lines = ["$ make demo", *text.splitlines()]
    if last is not None:
        end = next(number for number, line in enumerate(lines) if line.startswith(f"== {last + 1}. "))
        lines = lines[:end - 1]
    return lines


def all_pictures(folder: Path) -> dict[str, str]:
    """The files, by name."""
    recorded = (folder / "demo.txt").read_text(encoding="utf-8")
    return {"programs.svg": where_each_program_sits().text(), "life.svg": life_of_a_credential().text(),
            "demo.svg": terminal(session(recorded), "make demo, a recorded run").text(),
            "demo-faults.svg": terminal(session(recorded, 3), "make demo, its first three steps: three pods that fail, each with the line that says why").text()}


if __name__ == "__main__":
    for name, content in all_pictures(Path(sys.argv[1])).items():
        (Path(sys.argv[1]) / name).write_text(content, encoding="utf-8")

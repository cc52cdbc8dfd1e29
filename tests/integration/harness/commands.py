"""The commands of the documentation: every block of shell, and what tests can say of its commands without a cluster.

A block of shell says in its first line, or in the line above it, what is done with it:

run by WHO                        a test, or a target that tests run, does what it says
form checked, not run             each aws, kubectl and pod-identity command in it is one that exists, with options that exist
not run: REASON                   for what has no such check"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from .programs import ROOT

FOLDERS = ("common", "init", "sidecar", "agent")
PAGES = sorted(path for folder in (".", *FOLDERS, "images", "images/kubernetes/any-cluster", "images/kubernetes/admission", "images/helm/pod-identity-toolkit", "tests/bench") for path in (ROOT / folder).glob("*.md"))
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"\((form checked, not run|not run: [^)]+)\)|^# (run by [^\n]+|form checked, not run[^\n]*|not run: [^\n]+)", re.MULTILINE)
WORD = r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"|;&<>()`]+)"
OURS = ("pod-identity-init", "pod-identity-sidecar", "pod-identity-get")


@dataclass
class Block:
    path: Path
    line: int
    text: str
    mark: str  # "" if it has none
    commands: list[list[str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def commands_of(text: str) -> list[list[str]]:
    """Each simple command, as words: no comments, texts that are fed to it, or assignments in front."""
    text = re.sub(r"<<'(\w+)'\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ")
    text = re.sub(r"(?<!\")\$\([^)]*\)", "", text)
    found = []
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in ("&&", ";", "|"):
                while words and re.match(r"[A-Z0-9_]+=", words[0]):
                    words.pop(0)
                found += [words] if words else []
                words = []
            else:
                words.append(word)
    return found


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        above = text[:match.start()].rstrip().rsplit("\n", 1)[-1]
        mark = MARK.search(above) or MARK.match(match[1])
        found.append(Block(path, text[:match.start()].count("\n") + 2, match[1], (mark[1] or mark[2]) if mark else "", commands_of(match[1])))
    return found


def all_blocks() -> list[Block]:
    return [block for path in PAGES for block in blocks(path)]


def unescaped(literal: str) -> str:
    """Of C. A number is a phrase of common/base/failure.h: what stands there is another command's."""
    return re.sub(r"\\([0-7]+|.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], ";" if m[1].isdigit() else m[1]), literal)


def in_prose(program: str) -> list[tuple[str, list[str]]]:
    """Commands of that program in code within sentences, and in the texts of our programs: (where, words)."""
    found = []
    for path in PAGES:
        prose = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for code in re.findall(rf"`({program} [^`]+)`", prose):
            found.append((str(path.relative_to(ROOT)), shlex.split(" ".join(code.split()))))
    for path in sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.c")):
        source = path.read_text(encoding="utf-8")
        if program not in source:
            continue
        literals = re.sub(r'"\s*(?:[A-Z][A-Z0-9_]+\s*)?\\?\s*"', "", source)  # texts that go on in the next line
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', literals):
            for command in re.findall(rf"\b{program}(?: (?:-{{0,2}}[\w%][\w%./=:\[\]'-]*))+", unescaped(literal)):
                found.append((str(path.relative_to(ROOT)), command.replace("%s", "NAME").split()))
    return found

"""The reasons of images/TROUBLESHOOTING.md, made from what `pod-identity-init explain` prints: one source for both.

python3 tests/integration/harness/explained.py PROGRAM: writes them anew, after a change in common/pod/explain_texts.h."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

PAGE = Path(__file__).parents[3] / "images" / "TROUBLESHOOTING.md"
START = "<!-- From here to the end of the reasons: made by tests/integration/harness/explained.py. -->\n"
END = "<!-- The end of the reasons. -->\n"
WIDTH = 100
PLAIN = re.compile(r"""(?x)
    --[a-z][a-z-]+ (?:=[a-z-]+)? | https?://\S+(?<![.,;)]) | /var/[\w./-]+(?<![.,;]) | AWS_[A-Z_]+ (?:=\S+)? | NO_PROXY | HTTPS_PROXY
    | \$\{NAME\} | \$\(NAME\) | \{".*\}(?=[.,]) | (?:eks-auth|sts):[A-Z]\w+ | \w+\.amazonaws\.REGION\.[a-z-]+ | [a-z]+\.eks\.amazonaws\.com[\w/-]*
    | aws\ eks\ [a-z-]+(?:\ --[a-z-]+\ [A-Z]+)+ | \d+\.\d+\.\d+\.\d+(?:/\d+)? | fd00:ec2::23(?:/\d+)?""")


CHECK = {"TLS_FAILED": "not run: needs the other server"}
LABEL = re.compile(r"[^.:]{3,60}: ")  # "refused: nothing listens"


def parts(text: str) -> tuple[str, dict[str, list[str]]]:
    """The heading of what `explain` printed, and its three parts, unwrapped: a sentence or a command each."""
    heading, *rest = re.split(r"\n(Cause|Confirm|Fix)\n", text)
    found: dict[str, list[str]] = {}
    for title, body in zip(rest[::2], rest[1::2]):
        lines: list[str] = []
        for line in body.splitlines():
            if line.startswith("    ") and title != "Confirm":
                lines[-1] += " " + line.strip()
            elif line.strip():
                lines.append(line.strip())
        found[title] = lines
    return heading.strip(), found


def prose(lines: list[str]) -> list[str]:
    """A paragraph, or, of several lines, a list, whose first line may lead to it."""
    marked = [PLAIN.sub(r"`\g<0>`", line) for line in lines]
    out: list[str] = []
    for number, line in enumerate(marked):
        leads = number == 0 and not LABEL.match(line) and all(map(LABEL.match, marked[1:]))
        marker = "- " if len(marked) > 1 and not leads else ""
        out += textwrap.wrap(line, WIDTH, initial_indent=marker, subsequent_indent=" " * len(marker), break_long_words=False,
                             break_on_hyphens=False)
        out += [""] if leads and len(marked) > 1 else []
    return out


def section(text: str) -> str:
    heading, found = parts(text)
    reason, code = re.fullmatch(r"(\w+) \(exit code (\d+)\)", heading).groups()  # type: ignore[union-attr]
    out = [f"### {reason}", "", f"Exit code {code}.", "", "**Cause**", "", *prose(found["Cause"]), "", f"**Confirm** ({CHECK.get(reason, 'form checked, not run')})", ""]
    out += ["```sh", *found["Confirm"], "```", "", "**Fix**", "", *prose(found["Fix"]), ""]
    return "\n".join(out) + "\n"


def reasons_of(page: str) -> str:
    return page.split(START)[1].split(END)[0]


def main() -> None:
    def told(*words: str) -> str:
        return subprocess.run([sys.argv[1], "explain", *words], capture_output=True, text=True, check=False).stdout
    page = PAGE.read_text(encoding="utf-8")
    exits = [line.split("|")[1].strip() for line in page.splitlines() if re.match(r"\| \d+ \|", line)]
    made = "\n" + "".join(section(text) for text in map(told, exits) if text)
    PAGE.write_text(page.split(START)[0] + START + made + END + page.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()

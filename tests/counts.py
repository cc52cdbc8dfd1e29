"""What a run of pytest came to, from its JUnit files: counts.py RESULTS NAME FILE...

RESULTS/NAME.counts   passed failed skipped
RESULTS/NAME.parts    NAME/FOLDER passed failed skipped, for each folder of tests; NAME/others for what lies above the folders
RESULTS/NAME.skips    count, a tab, reason
"""

import ast
import collections
import os
import sys
import xml.etree.ElementTree as ElementTree


def part_of(classname: str) -> str:
    """The folder of a test, from `tests.integration.sidecar.test_x.TestY`, or `others`."""
    words = classname.split(".")[2:]
    return words[0] if words and not words[0].startswith("test_") else "others"


def reason_of(skip: ElementTree.Element) -> str:
    """Why it was skipped. Of a whole file pytest says so in the text only: ('PATH', LINE, 'Skipped: REASON')."""
    message = skip.get("message") or "no reason given"
    if message == "collection skipped":
        try:
            message = str(ast.literal_eval((skip.text or "").strip())[2]).removeprefix("Skipped: ")
        except (SyntaxError, ValueError, IndexError, TypeError):
            pass
    return " ".join(message.split())


def main(results: str, name: str, paths: list[str]) -> int:
    parts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0])
    skips: collections.Counter[str] = collections.Counter()
    files: set[tuple[str, str]] = set()
    for path in paths:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            skip = case.find("skipped")
            if skip is not None and skip.get("message") == "collection skipped":
                file = (case.get("classname", ""), case.get("name", ""))
                if file in files:
                    continue  # each run of pytest collects it, and skips it
                files.add(file)
            failed = case.find("failure") is not None or case.find("error") is not None
            parts[part_of(case.get("classname") or case.get("name", ""))][1 if failed else 2 if skip is not None else 0] += 1
            if skip is not None and not failed:
                skips[reason_of(skip)] += 1
    with open(os.path.join(results, f"{name}.parts"), "w", encoding="utf-8") as file:
        file.writelines(f"{name}/{part} {counts[0]} {counts[1]} {counts[2]}\n" for part, counts in sorted(parts.items()))
    with open(os.path.join(results, f"{name}.skips"), "w", encoding="utf-8") as file:
        file.writelines(f"{count}\t{reason}\n" for reason, count in skips.most_common())
    with open(os.path.join(results, f"{name}.counts"), "w", encoding="utf-8") as file:
        file.write(" ".join(str(sum(column)) for column in zip(*parts.values())) + "\n" if parts else "0 0 0\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))

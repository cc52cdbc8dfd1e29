"""Holds the includes of our C files against tests/lint/layers.txt: layers.py [--circles] FILE... prints what is wrong, and fails if anything is.

A file names what it includes by its full path, and includes only its own folder and folders of layers below it. The programs
(folders outside common/) never include each other. No circle of includes, nor of calls between files: a module is a .c file with
its header, and it depends on another if it includes its header, or names a function that only the other defines and that its
own or an included header declares.
"""

import os
import re
import sys

LAYERS = "tests/lint/layers.txt"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]*)"', re.M)
DEFINED = re.compile(r"^(?!static\b)[a-z][\w \t*]*?\b(\w+)\([^;]*?\)\s*\{$", re.M)
# Functions that are declared by the name of their type: `check_function check_a, check_b;`
TYPED = re.compile(r"^(?!typedef\b|extern\b|struct\b|enum\b|union\b)[a-z]\w+ (\w+(?:,\s*\w+)*);", re.M)
NAME = re.compile(r"\b[a-z_]\w+\b")
DECLARED = re.compile(r"\b(\w+)\([^;{]*\)[^;{]*;")
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|^[ \t]*#[^\n]*', re.S | re.M)


def layers():
    allowed, below = {}, []
    with open(LAYERS, encoding="utf-8") as f:
        for line in f:
            if line.startswith("#") or not line.strip():
                continue
            folder, _, only = line.partition(":")
            folder = folder.strip()
            lower = only.split() or [b for b in below if b.startswith("common/")]
            allowed[folder] = {folder, *lower}
            below.append(folder)
    return allowed


def module(path):
    return os.path.splitext(path)[0]


def circles(edges):
    """Each circle of a directed graph {node: {node: why}} that a walk in order meets, as a list of nodes."""
    found, done, path = [], set(), []

    def visit(node):
        if node in path:
            found.append(path[path.index(node):] + [node])
            return
        if node in done:
            return
        path.append(node)
        for other in sorted(edges.get(node, ())):
            visit(other)
        path.pop()
        done.add(node)

    for node in sorted(edges):
        visit(node)
    return found


def seen_by(path, text, cache):
    """All headers of ours that path includes, and those that they include."""
    if path not in cache:
        cache[path] = set()
        for included in INCLUDE.findall(text.get(path, "")):
            cache[path] |= {included} | seen_by(included, text, cache)
    return cache[path]


def main(paths, with_circles):
    wrong, allowed = [], layers()
    declares, cache = {}, {}
    text, edges, defines = {}, {}, {}
    for path in paths:
        with open(path, encoding="utf-8") as f:
            text[path] = f.read()
        code = NOT_CODE.sub("", text[path])
        if path.endswith(".h"):
            for name in DECLARED.findall(code) + re.split(r",\s*", ", ".join(TYPED.findall(code))):
                declares.setdefault(name, set()).add(path)
        for name in DEFINED.findall(code):
            defines[name] = module(path) if defines.get(name, module(path)) == module(path) else None
    for path in paths:
        folder, own = os.path.dirname(path), edges.setdefault(module(path), {})
        if folder not in allowed:
            wrong.append(f"{path}: its folder has no layer in {LAYERS}")
            continue
        for included in INCLUDE.findall(text[path]):
            target = os.path.dirname(included)
            if target not in allowed or not included.endswith(".h"):
                wrong.append(f'{path}: includes "{included}", which is no full path of a header of ours')
            elif target not in allowed[folder]:
                wrong.append(f'{path}: includes "{included}", which is not below it')
            elif module(included) != module(path):
                own.setdefault(module(included), f'includes "{included}"')
        for name in set(NAME.findall(NOT_CODE.sub("", text[path]))):
            other = defines.get(name)
            if other and other != module(path) and declares.get(name, set()) & ({path} | seen_by(path, text, cache)):
                own.setdefault(other, f"names {name}")
    for circle in circles(edges) if with_circles else ():
        steps = "; ".join(f"{a} {edges[a][b]} of {b}" for a, b in zip(circle, circle[1:]))
        wrong.append(f"a circle: {steps}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    with_circles = sys.argv[1:2] == ["--circles"]
    sys.exit(main(sys.argv[1 + with_circles :], with_circles))

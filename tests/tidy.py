#!/usr/bin/env python3
"""Checks the part of docs/STYLE.md that a program can check. Every run first shows each rule a file that breaks it."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

HEADER_LINES_MAX = 250
SOURCE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
VAGUE_NAMES = {"core", "common", "util", "utils", "manager", "helper", "helpers", "misc"}
LEFTOVERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
MERGE_MARKS = re.compile(r"(<{7}|>{7}) |={7}$")
CXX = (".hpp", ".cpp")
TEXT = CXX + (".py", ".md", ".txt", ".cmake", ".in", ".json", ".toml", ".js", ".mjs", ".css", ".html", "")
# Test data: wrong on purpose, or kept byte for byte.
DATA = ("tests/fuzz/corpus/", "tests/wire_cases/", "tests/fuzz/")


def blank_literals(text):
    """The same text with comments, strings and characters blanked out; every line keeps its place."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def functions(text):
    """(line, lines) of each outermost function body, by matching braces: an approximation that suits formatted code."""
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", blank_literals(text), flags=re.MULTILINE)
    stack, head_start, found = [], 0, []
    for at, char in enumerate(text):
        if char == ";" and "function" not in stack:
            head_start = at + 1
        elif char == "{":
            head = text[head_start:at].strip()
            scope = re.search(r"\b(namespace|class|struct|union|enum|extern)\b[^()]*$", head) or not head
            kind = "scope" if scope else "function" if "(" in head else "value"
            if "function" not in stack:
                opened = at
                if kind != "value":
                    head_start = at + 1
            stack.append(kind)
        elif char == "}" and stack:
            kind = stack.pop()
            if "function" not in stack and kind != "value":
                head_start = at + 1
                if kind == "function":
                    first = text.count("\n", 0, opened) + 1
                    found.append((first, text.count("\n", 0, at) + 2 - first))
    return found


def check_text(path, text):
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            found.append(f"{path}:{number}: trailing whitespace")
        if MERGE_MARKS.match(line):
            found.append(f"{path}:{number}: a merge was not finished")
        if LEFTOVERS.search(line):
            found.append(f"{path}:{number}: unfinished: {line.strip()[:60]}")
    if text and not text.endswith("\n"):
        found.append(f"{path}: no newline at its end")
    return found


def check_name(path):
    words = {word for part in path.lower().split("/") for word in re.split(r"[._-]", part)}
    vague = words & VAGUE_NAMES
    return [f"{path}: the name '{word}' says nothing" for word in sorted(vague)]


def check_cxx(path, text):
    found = []
    lines = text.count("\n")
    limit = HEADER_LINES_MAX if path.endswith(".hpp") else SOURCE_LINES_MAX
    if lines >= limit:
        found.append(f"{path}: {lines} lines; less than {limit} are allowed")
    for first, length in functions(text):
        if length > FUNCTION_LINES_MAX:
            found.append(f"{path}:{first}: a function of {length} lines; {FUNCTION_LINES_MAX} are allowed")
    if path.endswith(".hpp"):
        if not re.match(r"(?:[ \t]*(?://[^\n]*)?\n)*#pragma once\n", text):
            found.append(f"{path}: does not begin with #pragma once")
        if not path.startswith("tests/"):
            found += check_documented(path, text)
    return found


def check_documented(path, text):
    """Every class that a header defines outside of others has a doc comment right above it."""
    found = []
    lines = text.split("\n")
    for at, line in enumerate(lines):
        definition = re.match(r"(?:class|struct|enum class|enum)\s+(?:\[\[\w+\]\]\s*)?([\w:]+)[^;()]*\{", line)
        if not definition or line.endswith("};"):  # A one-line enum says it all.
            continue
        above = at - 1
        while above >= 0 and re.match(r"(template|requires|\[\[)", lines[above]):
            above -= 1
        if above < 0 or not lines[above].startswith("///"):
            found.append(f"{path}:{at + 1}: {definition.group(1)} has no doc comment")
    return found


def slug(heading):
    """The anchor that a heading gets where Markdown is shown."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def check_links(path, text, exists, anchors_of):
    found = []
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        to = (Path(path).parent / name).as_posix() if name else path
        parts = []
        for part in to.split("/"):
            if part == ".." and parts:
                parts.pop()
            elif part != ".":
                parts.append(part)
        to = "/".join(parts)
        if not exists(to):
            found.append(f"{path}: the link {target} leads nowhere")
        elif anchor and anchor not in anchors_of(to):
            found.append(f"{path}: {name or 'this page'} has no heading #{anchor}")
    return found


def check(files):
    """Every violation among `files`, a map from path to text."""
    found = []
    folders = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    anchors_of = lambda path: {slug(line.lstrip("#")) for line in files.get(path, "").split("\n") if line.startswith("#")}
    for path, text in sorted(files.items()):
        found += check_name(path)
        if path.startswith(DATA) and not path.endswith(CXX):
            continue
        found += check_text(path, text)
        if path.endswith(CXX):
            found += check_cxx(path, text)
        if path.endswith(".md"):
            found += check_links(path, text, lambda to: to in files or to in folders, anchors_of)
    for folder in sorted(folder for folder in folders if "/" not in folder and not folder.startswith(".")):
        if f"{folder}/README.md" not in files:
            found.append(f"{folder}/: has no README.md")
    return found


CLEAN = {
    "actors/README.md": "# The cast\n\n[on](edge.hpp), [there](../actors), [here](#the-cast)\n",
    "actors/edge.hpp": "// What it is.\n#pragma once\n\nclass later;\n/// A link.\nclass link {\n  int f() const { return 1; }\n};\n",
    "actors/edge.cpp": 'const char* text = "}{";\nint f() {\n' + "  g();\n" * 68 + "}\n",
}
BROKEN = [
    ("actors/x.cpp", "int f() {\n" + "  g();\n" * 69 + "}\n", "a function of 71 lines"),
    ("actors/x.cpp", "namespace a {\nx::x() : a_{1}, b_(2) {\n" + "  g();\n" * 69 + "}\n}\n", "a function of 71 lines"),
    ("actors/x.cpp", "namespace a {\n" + "int a;\n" * 499 + "}\n", "less than 500"),
    ("actors/x.hpp", "#pragma once\n" + "int a;\n" * 249, "less than 250"),
    ("actors/x.hpp", "int a;\n#pragma once\n", "#pragma once"),
    ("actors/x.hpp", "#pragma once\n\nclass x {\n};\n", "no doc comment"),
    ("actors/x.hpp", "#pragma once\n\ntemplate <class T>\nstruct x : y {\n};\n", "no doc comment"),
    ("actors/x.py", "a = 1 \n", "trailing whitespace"),
    ("actors/x.py", "# TO" "DO: later\n", "unfinished"),
    ("docs/x.md", "<<<" "<<<< HEAD\nOne.\n", "a merge was not finished"),
    ("actors/x.py", "a = 1", "no newline"),
    ("actors/room_manager.cpp", "int a;\n", "says nothing"),
    ("actors/utils/x.cpp", "int a;\n", "says nothing"),
    ("actors/x.md", "[on](missing.hpp)\n", "leads nowhere"),
    ("actors/x.md", "[on](README.md#crew)\n", "no heading #crew"),
    ("stage/x.cpp", "int a;\n", "has no README.md"),
]


def self_test():
    assert check(CLEAN) == [], check(CLEAN)
    for path, text, words in BROKEN:
        found = check({**CLEAN, path: text})
        assert any(words in line for line in found), f"not found: {words} in {path}: {found}"
    ugly = subprocess.run([*formatter(), "--assume-filename=x.cpp"], input="int  f( ){return 1;}\n", cwd=ROOT,
                          capture_output=True, text=True) if formatter() else None
    assert ugly is None or ugly.returncode != 0, "clang-format accepts what is not formatted"


def formatter():
    tool = shutil.which("clang-format-14")
    return [tool, "--dry-run", "--Werror"] if tool else None


def check_format(names):
    names = [name for name in names if name.endswith(CXX)]
    if not formatter():
        print("tidy: there is no clang-format-14, the formatting is not checked")
        return []
    result = subprocess.run([*formatter(), *names], cwd=ROOT, capture_output=True, text=True)
    if result.returncode == 0:
        return []
    bad = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", result.stderr, re.MULTILINE)))
    return [f"{name}: not formatted (scripts/format)" for name in bad] or [result.stderr.strip()]


def main():
    self_test()
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, check=True).stdout.decode().split("\0")
    files = {}
    for name in sorted(set(filter(None, listed))):
        path = ROOT / name
        if path.is_file() and path.suffix in TEXT:
            files[name] = path.read_text(encoding="utf-8", errors="replace")
        elif path.is_file():
            files[name] = ""
    found = check(files) + check_format(files)
    for line in found:
        print(f"tidy: {line}")
    print(f"tidy: {len(files)} files, {len(found)} violations")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())

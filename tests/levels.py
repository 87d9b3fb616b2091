#!/usr/bin/env python3
"""Checks which file includes which: the folders' one direction, and who may see CAF, Asio and json.hpp.

The rules are those of docs/architecture.md. There are two exceptions, in the rules themselves: the loop
is where CAF and Asio meet, and the command line is a client of its own. Every run first shows each rule a tree that breaks it.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A folder includes folders of its own level and below. Inside of runtime/ the levels go on.
# include/ holds the one header that programs include, <troupe/troupe.hpp>.
LEVELS = {"runtime": 0, "actors": 1, "transports": 2, "include": 3, "apps": 4, "tests": 5}
RUNTIME_LEVELS = {"model": 0, "store": 0.5, "log": 0.7, "wire": 1, "system": 3}

# Where CAF and Asio may meet in one translation unit.
CAF_AND_ASIO = {"runtime/system/loop.cpp"}
# A client, and so no user of transports/asio.hpp, which is the server's.
ASIO_GUESTS = {"apps/troupe/server_link.cpp"}
# Measures the mailboxes of runtime/system themselves, so it speaks CAF.
CAF_GUESTS = {"apps/bench/micro_mailboxes.cpp"}


def is_asio_door(path):
    """Headers get Asio and Beast through transports/asio.hpp; a source of the transports may name what only it needs."""
    return path in CAF_AND_ASIO | ASIO_GUESTS or path == "transports/asio.hpp" or path.startswith("transports/") and path.endswith(".cpp")


# Programs that are not built on Troupe's folders: they see what was installed, or nothing of it.
FOREIGN = ("tests/outside/", "apps/bench/peers/")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def is_caf(name):
    return name.startswith("caf/")


def is_asio(name):
    return name.startswith(("boost/asio", "boost/beast"))


def is_json(name):
    return name.startswith("nlohmann/")


# Debian's headers of RocksDB take seconds to parse: one translation unit sees them.
ROCKSDB_DOOR = "runtime/store/rocks_store.cpp"


# What the event log may use besides the standard library: hashes and keys, files, the processor's own instructions.
LOG_SYSTEM = re.compile(r"[a-z_0-9]+|openssl/\w+\.h|fcntl\.h|unistd\.h|immintrin\.h|sys/(stat|file)\.h")


def is_rocksdb(name):
    return name.startswith("rocksdb/")


def folder_of(path):
    return path.split("/")[0]


def level_of(path):
    parts = path.split("/")
    level = LEVELS.get(parts[0])
    if level == 0 and len(parts) > 2:
        return RUNTIME_LEVELS.get(parts[1], 9) / 10
    return level


def is_program(path):
    """A program as a user writes it. Benchmarks measure the insides, so they may see them."""
    return path.startswith(("include/", "apps/")) and not path.startswith("apps/bench/")


class Tree:
    """The include graph of a set of files: `files` maps a path from the root to its text."""

    def __init__(self, files):
        self.quoted = {}
        self.system = {}
        for path, text in files.items():
            found = INCLUDE.findall(text)
            # A CAF or Boost header in quotes is as much a system header as one in angle brackets.
            outside = lambda kind, name: kind == "<" or is_caf(name) or is_asio(name) or is_json(name) or is_rocksdb(name)
            found = [("\"", "include/" + name) if name.startswith("troupe/") else (kind, name) for kind, name in found]
            self.quoted[path] = [name for kind, name in found if not outside(kind, name)]
            self.system[path] = [name for kind, name in found if outside(kind, name)]

    def reach(self, path):
        """The file and every project file that it includes, in any number of steps."""
        seen, todo = {path}, [path]
        while todo:
            for name in self.quoted.get(todo.pop(), []):
                if name in self.quoted and name not in seen:
                    seen.add(name)
                    todo.append(name)
        return seen

    def sees(self, path, which):
        """The first (file, header) through which `path` comes to a system header that `which` accepts."""
        for file in sorted(self.reach(path)):
            for name in self.system[file]:
                if which(name):
                    return file, name
        return None


def check(files):
    """Every violation in the tree, one sentence each."""
    tree = Tree(files)
    found = []
    for path in sorted(files):
        found += check_direct(tree, path)
        found += check_transitive(tree, path)
    return found


def check_direct(tree, path):
    found = []
    folder = folder_of(path)
    for name in tree.quoted[path]:
        if name not in tree.quoted:
            found.append(f"{path}: \"{name}\" is no file of the tree; includes are written from its root")
        elif level_of(name) is None or level_of(name) > level_of(path):
            found.append(f"{path}: includes {name}, which lies above it")
        elif path.startswith("runtime/log/") and not name.startswith(("runtime/log/", "runtime/model/")):
            found.append(f"{path}: includes {name}; runtime/log stands on runtime/model alone")
        elif folder != "tests" and folder_of(name) == "tests":
            found.append(f"{path}: includes the test file {name}")
    for name in tree.system[path]:
        if path.startswith("runtime/model/") and not re.fullmatch(r"[a-z_0-9]+", name):
            found.append(f"{path}: includes <{name}>; runtime/model uses the standard library only")
        if is_caf(name) and path not in CAF_GUESTS and not path.startswith(("runtime/system/", "actors/", "tests/")):
            found.append(f"{path}: includes <{name}>; CAF belongs to runtime/system and actors")
        if is_asio(name) and not is_asio_door(path) and folder != "tests":
            found.append(f"{path}: includes <{name}>; Asio and Beast come through transports/asio.hpp")
        if path.startswith("runtime/store/") and not re.fullmatch(r"[a-z_0-9]+", name) and not is_rocksdb(name):
            found.append(f"{path}: includes <{name}>; runtime/store uses the standard library and RocksDB only")
        if path.startswith("runtime/log/") and not LOG_SYSTEM.fullmatch(name):
            found.append(f"{path}: includes <{name}>; runtime/log uses the standard library, OpenSSL and files only")
        if is_rocksdb(name) and path != ROCKSDB_DOOR:
            found.append(f"{path}: includes <{name}>; RocksDB belongs to {ROCKSDB_DOOR}")
        if is_json(name) and not path.startswith(("runtime/wire/", "tests/")):
            found.append(f"{path}: includes <{name}>; json.hpp belongs to runtime/wire")
    return found


def check_transitive(tree, path):
    found = []
    caf, asio = tree.sees(path, is_caf), tree.sees(path, is_asio)
    if caf and asio and path not in CAF_AND_ASIO:
        found.append(f"{path}: sees both CAF (<{caf[1]}> in {caf[0]}) and Asio (<{asio[1]}> in {asio[0]})")
    if is_program(path):
        for what in (caf, None if path in ASIO_GUESTS else asio):
            if what:
                found.append(f"{path}: is a program, but comes to <{what[1]}> in {what[0]}: what programs include is free of it")
    for name in tree.quoted[path]:
        if name in tree.quoted and path in tree.reach(name):
            found.append(f"{path}: includes {name}, which leads back to it")
    return found


# A clean tree, and what one more file in it must make the check say.
CLEAN = {
    "runtime/model/a.hpp": "#include <string>\n",
    "runtime/store/store.hpp": '#include "runtime/model/a.hpp"\n#include <string>\n',
    "runtime/store/rocks_store.cpp": '#include "runtime/store/store.hpp"\n#include <rocksdb/db.h>\n',
    "runtime/wire/b.hpp": '#include "runtime/model/a.hpp"\n',
    "runtime/wire/b.cpp": '#include "runtime/wire/b.hpp"\n#include <nlohmann/json.hpp>\n',
    "runtime/system/loop.cpp": "#include <caf/all.hpp>\n#include <boost/asio/io_context.hpp>\n",
    "runtime/system/actor.hpp": "#include <caf/all.hpp>\n",
    "actors/edge.hpp": '#include "runtime/wire/b.hpp"\n',
    "actors/room.hpp": '#include "runtime/system/actor.hpp"\n',
    "transports/asio.hpp": "#include <boost/beast.hpp>\n",
    "transports/listener.cpp": '#include "transports/asio.hpp"\n#include "actors/edge.hpp"\n',
    "apps/main.cpp": '#include "actors/edge.hpp"\n',
    "apps/troupe/server_link.cpp": "#include <boost/beast/websocket.hpp>\n",
}
BROKEN = [
    ("runtime/wire/x.hpp", '#include "actors/edge.hpp"\n', "lies above"),
    ("runtime/model/x.hpp", '#include "runtime/wire/b.hpp"\n', "lies above"),
    ("runtime/wire/x.hpp", '#include "runtime/system/actor.hpp"\n', "lies above"),
    ("actors/x.hpp", '#include "transports/asio.hpp"\n', "lies above"),
    ("transports/x.cpp", '#include "apps/main.cpp"\n', "lies above"),
    ("runtime/model/x.hpp", "#include <fmt/format.h>\n", "standard library only"),
    ("runtime/log/x.hpp", '#include "runtime/wire/b.hpp"\n', "lies above"),
    ("runtime/log/x.hpp", '#include "runtime/store/store.hpp"\n', "runtime/model alone"),
    ("runtime/log/x.cpp", "#include <fmt/format.h>\n", "OpenSSL and files only"),
    ("runtime/store/x.hpp", '#include "runtime/wire/b.hpp"\n', "lies above"),
    ("runtime/store/x.hpp", "#include <rocksdb/slice.h>\n", "RocksDB belongs to"),
    ("actors/x.cpp", '#include "rocksdb/db.h"\n', "RocksDB belongs to"),
    ("runtime/store/x.cpp", "#include <fmt/format.h>\n", "standard library and RocksDB only"),
    ("runtime/wire/x.cpp", "#include <caf/actor.hpp>\n", "CAF belongs to"),
    ("transports/x.cpp", '#include "caf/actor.hpp"\n', "CAF belongs to"),
    ("transports/x.hpp", "#include <boost/asio/ssl.hpp>\n", "come through"),
    ("actors/x.cpp", "#include <boost/asio/ssl.hpp>\n", "come through"),
    ("actors/x.cpp", "  #  include <nlohmann/json_fwd.hpp>\n", "belongs to runtime/wire"),
    ("transports/x.cpp", '#include "transports/asio.hpp"\n#include "actors/room.hpp"\n', "sees both"),
    ("tests/x.cpp", '#include "transports/asio.hpp"\n#include "actors/room.hpp"\n', "sees both"),
    ("apps/x.cpp", '#include "actors/room.hpp"\n', "is a program"),
    ("apps/x.cpp", '#include "transports/asio.hpp"\n', "is a program"),
    ("apps/troupe/server_link.cpp", '#include <boost/beast.hpp>\n#include "actors/room.hpp"\n', "sees both"),
    ("apps/troupe/server_link.hpp", "#include <boost/beast.hpp>\n", "is a program"),
    ("include/troupe/troupe.hpp", '#include "actors/room.hpp"\n', "is a program"),
    ("transports/x.cpp", "#include <troupe/troupe.hpp>\n", "no file of the tree"),
    ("actors/x.cpp", '#include "edge.hpp"\n', "no file of the tree"),
    ("actors/x.hpp", '#include "actors/x.hpp"\n', "leads back"),
]


def self_test():
    assert check(CLEAN) == [], check(CLEAN)
    for path, text, words in BROKEN:
        found = check({**CLEAN, path: text})
        assert any(path in line and words in line for line in found), f"not found: {words} in {path}: {found}"


def main():
    self_test()
    files = {}
    for folder in LEVELS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in (".hpp", ".cpp") and not name.startswith(FOREIGN):
                files[name] = path.read_text(encoding="utf-8")
    found = check(files)
    for line in found:
        print(f"levels: {line}")
    print(f"levels: {len(files)} files, {len(found)} violations")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())

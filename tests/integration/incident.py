#!/usr/bin/env python3
"""Runs docs/tutorial-incident.md: every command of its console blocks, in order, and compares what the page says that it
prints with what it prints. Names, times, hashes and places in the log that are others in each run are left out of that.
Where a command names a place, it gets that of this run, found as the page tells its reader to: N is the INDEX of the
fourth message that the room has published, and the places around it are counted from N.

usage: incident.py BIN_FOLDER ROOT            checks the page
       incident.py BIN_FOLDER ROOT --renew    writes what the commands print now into the page
"""

import difflib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from log_world import PATIENCE_S
from server_world import Server, free_port, until

BLOCK = re.compile(r"(```console\n)(.*?)(```\n)", re.DOTALL)
PUBLISHED = re.compile(r"^ *(\d+)  audit  \S+  message\.published ", re.MULTILINE)
WRONG_LEADER = 3  # the fourth message
FAULT = re.compile(r"^record (\d+) differs", re.MULTILINE)
PLACE = re.compile(r"((?:--from|--to|--at|--diff)(?: \d+)? )(\d+)")
ADDRESS = "127.0.0.1:8081"


def steps_of(block):
    """@returns (command, output) for each command of a console block"""
    found = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:].rstrip("\n"), ""])
        elif not found:
            found.append(["", line])  # of the program that runs in another terminal
        else:
            found[-1][1] += line
    return found


def comparable(text, fault, command):
    """The text without what differs from run to run. Places in the log are counted from the faulty record."""
    if "log cat" in command:
        relative = "--from" in command
        text = re.sub(r"^ +(\d+)  ", lambda m: f"{int(m[1]) - fault if relative else 'N'} ", text, flags=re.MULTILINE)
    text = re.sub(r"record \d+,", "record N,", text)
    text = re.sub(r"record (\d+)", lambda m: f"record {int(m[1]) - fault:+}", text)
    for pattern, name in (
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
        (r"\b[0-9a-f]{64}\b", "HASH"),
        (r"[0-9A-Za-z+/]{43}=", "ROOT"),
        (r"\b\d{13}\b", "MS"),
        (r"(?m)(^  | of )[0-9a-z]{13}\b", r"\1CONNECTION"),
        (r"(epoch[ =\":]+)[0-9a-z]{10}\b", r"\1EPOCH"),
        (r"\d+ records \(0 to \d+\)", "N records"),
        (r"[\d,]+ bytes|byte \d+", "N bytes"),
    ):
        text = re.sub(pattern, name, text)
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    members = iter(sorted(line for line in lines if line.startswith("CONNECTION ")))  # they stand in the order of ids
    return [next(members) if line.startswith("CONNECTION ") else line for line in lines]


class Incident:
    """Runs the commands in a folder of its own; the server and the watcher of the page are processes beside them."""

    def __init__(self, programs, page):
        self.programs, self.page = programs, page
        self.folder = tempfile.mkdtemp(prefix="troupe-incident-")
        self.port = free_port()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}
        self.env["PATH"] = f"{programs}:{self.env['PATH']}"
        self.server = self.watcher = None
        self.was = self.fault = int(FAULT.search(page)[1])
        assert int(PUBLISHED.findall(page)[WRONG_LEADER]) == self.was - 1, "the page's own N is another record"
        self.wrong = 0

    def shell(self, command):
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.env, timeout=PATIENCE_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        return done.stdout

    def start_server(self, command):
        name, _, data = command.split()
        self.server = Server(
            os.path.join(self.programs, name), port=self.port, arguments=[f"127.0.0.1:{self.port}", f"{self.folder}/{data}"]
        )

    def start_watcher(self, command):
        self.watcher = subprocess.Popen(
            command.replace(ADDRESS, f"127.0.0.1:{self.port}").split(), env=self.env, stdout=subprocess.PIPE, text=True
        )
        until("somebody watches", lambda: self.server.metric("troupe_rooms") == 1)

    def end_all(self):
        """Ctrl-C for the watcher, then for the server. @returns what the watcher printed"""
        self.watcher.send_signal(signal.SIGINT)
        seen = self.watcher.communicate(timeout=PATIENCE_S)[0]
        self.server.send(signal.SIGINT)
        assert self.server.wait() == 0, self.server.log
        self.watcher = None
        listed = self.shell(
            "troupe log cat --data auction-data --class audit --room auction:lamp --kind message.published --format table"
        )
        self.fault = int(PUBLISHED.findall(listed)[WRONG_LEADER]) + 1  # the outcome stands behind the message
        return seen

    def run(self, command):
        if self.watcher:
            out = self.shell(command.replace(ADDRESS, f"127.0.0.1:{self.port}"))
            until("it has gone", lambda: self.server.metric("troupe_connections") == 1)
            return out
        return self.shell(command)

    def block(self, text):
        out = ""
        for command, want in steps_of(text):
            if not command:
                got = self.end_all() + "^C\n"
                self.compare("what the watcher has seen", want, got)
                out += got
                continue
            if command.startswith("auction_"):
                self.start_server(command)
                got = want
            elif command.startswith("troupe subscribe"):
                self.start_watcher(command)
                got = want
            else:
                command = PLACE.sub(lambda m: self.moved(m[1]) + str(int(m[2]) - self.was + self.fault), command)
                got = self.run(command)
            self.compare(command, want, got)
            out += f"$ {command}\n{got}"
        return out

    def moved(self, flag):
        """`--diff A ` with its first moment where it is in this run."""
        return re.sub(r"\d+", lambda m: str(int(m[0]) - self.was + self.fault), flag)

    def compare(self, command, want, got):
        want, got = comparable(want, self.was, command), comparable(got, self.fault, command)
        if want != got:
            self.wrong += 1
            print(f"the page is wrong about: {command}")
            print("\n".join(difflib.unified_diff(want, got, "the page", "the command", lineterm="")))

    def whole(self):
        """@returns the page with what the commands print"""
        try:
            return BLOCK.sub(lambda m: m[1] + self.block(m[2]) + m[3], self.page)
        finally:
            if self.watcher:
                self.watcher.kill()
                self.watcher.wait()
            if self.server:
                self.server.__exit__()
            shutil.rmtree(self.folder, ignore_errors=True)


def main():
    programs, root = os.path.abspath(sys.argv[1]), sys.argv[2]
    path = os.path.join(root, "docs", "tutorial-incident.md")
    with open(path, encoding="utf-8") as file:
        page = file.read()
    incident = Incident(programs, page)
    new = incident.whole()
    if sys.argv[3:] == ["--renew"]:
        with open(path, "w", encoding="utf-8") as file:
            file.write(new)
        return 0
    commands = sum(len(steps_of(m[2])) for m in BLOCK.finditer(page))
    assert commands >= 10, "the page has lost its commands"
    print(f"incident: {commands} commands, {incident.wrong} not as the page says")
    return 1 if incident.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

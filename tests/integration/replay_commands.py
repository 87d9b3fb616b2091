#!/usr/bin/env python3
"""`troupe replay` on a recording with known content: a moment, the difference of two, a check, a performance.

usage: replay_commands.py TROUPE TROUPED REPLAY_MAKER [unittest arguments]
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

from log_world import PATIENCE_S, CommandLine
from server_world import Server, opened, until

TROUPE = TROUPED = MAKER = ""


class Case(unittest.TestCase):
    """Has what replay_maker.cpp has recorded."""

    def setUp(self):
        self.troupe = CommandLine(TROUPE)
        self.folder = tempfile.mkdtemp(prefix="troupe-replay-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.data = os.path.join(self.folder, "data")
        subprocess.run([MAKER, self.data], check=True, timeout=PATIENCE_S)

    def replay(self, *arguments, code=0):
        answer = self.troupe("replay", *arguments, data=self.data)
        self.assertEqual(answer.code, code, answer)
        return answer

    def at(self, moment, *arguments):
        return json.loads(self.replay("--at", moment, "--format", "json", *arguments).out)


class Showing(Case):
    def test_the_end(self):
        state = self.at("end")
        self.assertEqual(state["at"]["class"], "audit")
        self.assertEqual(state["at"]["index"], 17)
        self.assertEqual((state["node"]["name"], state["node"]["version"], state["node"]["running"]), ("n1", "0.1.0", True))
        self.assertEqual(list(state["connections"]), ["c1"])
        lobby = state["rooms"]["lobby"]
        self.assertEqual((lobby["epoch"], lobby["seq"], lobby["messages"]), ("e1", 2, 2))
        ann = lobby["members"]["c1"]
        self.assertEqual((ann["user"], ann["state"], list(lobby["members"])), ("ann", {"mood": "busy"}, ["c1"]))
        quiet = state["rooms"]["quiet"]["members"]["c1"]
        self.assertEqual((quiet["state_recorded"], "state" in quiet), (False, False))
        logic = state["rooms"]["game"]["logic"]
        self.assertEqual((logic["code_version"], logic["steps_since"], logic["state_hash"]), ("rules-1", 2, "hash-2"))
        self.assertEqual((logic["snapshot"]["state"], logic["snapshot"]["index"]), ({"turn": 0}, 10))
        news = state["channels"]["news"]
        self.assertEqual((news["epoch"], news["first"], news["last"], news["messages"]), ("k1", 1, 3, 3))
        self.assertEqual(news["durable"], {"bob/reader": 2})
        self.assertEqual(self.replay("--json").out, self.replay("--at", "end", "--format", "json").out)

    def test_moments(self):
        self.assertEqual(self.at(2)["rooms"], {})
        self.assertEqual(list(self.at(3)["rooms"]["lobby"]["members"]), ["c1"])
        state = self.at("audit:5")
        self.assertEqual(list(state["rooms"]["lobby"]["members"]), ["c1", "c2"])
        self.assertEqual(state["rooms"]["lobby"]["members"]["c1"]["state"], {"mood": "fine"})
        self.assertEqual(state["channels"], {})
        self.assertEqual(self.at("channels:2")["channels"]["news"]["last"], 2)
        self.assertEqual(self.at(2, "--channel", "news")["channels"]["news"]["last"], 2)
        # The logs take turns: six records of the one, five of the other.
        for second in range(20):
            state = self.at(f"2026-01-01T00:00:{second:02}Z")
            counted = (state["at"]["index"], state["at"]["class"])
            want = (second, "audit") if second < 6 else (second - 6, "channels") if second < 11 else (second - 5, "audit")
            self.assertEqual(counted, want)
        self.assertIsNone(self.at("2025-12-31T23:59:59Z")["at"])

    def test_text(self):
        text = self.replay().out
        for line in (
            "room lobby: epoch e1, last seq 2, 2 messages recorded, 1 member\n",
            '  c1  ann  since 2026-01-01T00:00:03.000000Z  {"mood":"busy"}\n',
            "  c1  ann  since 2026-01-01T00:00:13.000000Z  presence state not recorded\n",
            "  2 steps since: what they made of it is not in the log, only its hash: hash-2\n",
            "channel news: epoch k1, offsets 1 to 3 (3 messages)\n  durable bob/reader: acknowledged up to 2\n",
        ):
            self.assertIn(line, text)
        self.assertNotIn("lobby", self.replay("--channel", "news").out)
        self.assertNotIn("news", self.replay("--room", "lo*").out)

    def test_nobody_survives_a_node_that_was_killed(self):
        subprocess.run([MAKER, self.data, "later"], check=True, timeout=PATIENCE_S)
        state = self.at("end")
        self.assertEqual((list(state["connections"]), state["node"]["version"]), (["c3"], "0.2.0"))
        self.assertEqual([room["members"] for room in state["rooms"].values()], [{}, {}, {}])

    def test_difference(self):
        answer = json.loads(self.replay("--diff", "audit:5", "end", "--json").out)
        self.assertEqual((answer["from"]["index"], answer["to"]["index"]), (5, 17))
        changes = {c["path"]: (c["change"], c.get("before"), c.get("after")) for c in answer["changes"]}
        self.assertEqual(changes["/rooms/lobby/seq"], ("changed", 1, 2))
        self.assertEqual(changes["/rooms/lobby/members/c1/state/mood"], ("changed", "fine", "busy"))
        self.assertEqual(changes["/rooms/lobby/members/c2"][0], "removed")
        self.assertEqual(changes["/channels/news"][0], "added")
        text = self.replay("--diff", "audit:5", "end", "--room", "lobby").out
        self.assertIn('~ /rooms/lobby/members/c1/state/mood "fine" -> "busy"\n', text)
        self.assertIn("- /rooms/lobby/members/c2 ", text)
        self.assertNotIn("news", text)
        self.assertEqual(self.replay("--diff", "end", "end").out, "no difference\n")

    def test_mistakes(self):
        for arguments, code, words in (
            (["--at", "soon"], 2, "a moment is"),
            (["--at", "99"], 3, "record 99 is not in the log audit"),
            (["--diff", "1"], 2, "needs a value"),
            (["--at", "1", "--diff", "1", "2"], 2, "different things"),
            (["--speed", "2"], 2, "goes with --into only"),
            (["--format", "xml"], 2, "text or json"),
            (["lobby"], 2, 'cannot take "lobby"'),
            (["--rom", "lobby"], 2, "is it --room?"),
        ):
            self.assertIn(words, self.replay(*arguments, code=code).err)

    def test_damage_is_said(self):
        path = os.path.join(self.data, "log", "audit", "0" * 20 + ".seg")
        with open(path, "r+b") as file:
            at = file.read().index(b'"hi"')
            file.seek(at)
            file.write(b'"ho"')
        answer = self.replay("--format", "json", code=1)
        self.assertIn("record 7", answer.err)
        self.assertEqual(json.loads(answer.out)["channels"]["news"]["last"], 3)


class Checking(Case):
    def program(self, text):
        path = os.path.join(self.folder, "program")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, stat.S_IRWXU)
        return path

    def check(self, text, *arguments, before=(), code=0):
        answer = self.troupe("replay", "--check", *before, "--data", self.data, "--program", self.program(text), *arguments)
        self.assertEqual(answer.code, code, answer)
        return answer

    def test_what_the_program_says_is_said(self):
        answer = self.check('echo "replay: $TROUPE_REPLAY_CHECK"; echo "[$TROUPE_REPLAY_FORMAT]" "$@"; echo warned >&2', "--port", "0")
        self.assertEqual(answer.out, f"replay: {self.data}\n[] --port 0\n")
        self.assertEqual(answer.err, "warned\n")
        self.assertEqual(self.check('echo "replay: 1 differs"; exit 1', code=1).out, "replay: 1 differs\n")
        self.assertEqual(self.check('echo "replay: cannot read"; exit 2', code=2).out, "replay: cannot read\n")
        answer = self.check("""echo "{\\"replay\\": \\"$TROUPE_REPLAY_FORMAT\\"}" """, before=["--json"])
        self.assertEqual(json.loads(answer.out), {"replay": "json"})

    def test_long_output(self):
        answer = self.check("echo 'replay: many'; seq 1 50000")
        self.assertEqual(answer.out.splitlines()[1:], [str(n) for n in range(1, 50001)])

    def test_other_programs(self):
        for text in ("echo hello; exec sleep 1000", "exit 0", "echo; echo 'replay: late'", "echo '{\"other\": 1}'"):
            answer = self.check(text, code=3)
            self.assertIn("did not replay", answer.err)
            self.assertEqual((answer.out, answer.err.count("\n")), ("", 1))
        self.assertIn("ended with status 7", self.check("exit 7", code=3).err)
        self.assertEqual(self.check("echo 'replay: x'; kill -9 $$", code=137).out, "replay: x\n")

    def test_no_program(self):
        self.assertIn("needs --program", self.replay("--check", code=2).err)
        answer = self.troupe("replay", "--check", "--data", self.data, "--program", "/nowhere/game")
        self.assertEqual(answer.code, 3, answer)
        self.assertIn("cannot start /nowhere/game: No such file", answer.err)
        answer = self.troupe("replay", "--check", "--data", "/nowhere", "--program", "true")
        self.assertIn("no data folder", answer.err)

    def test_the_token_is_not_passed_on(self):
        program = self.program('echo "replay: [$TROUPE_TOKEN]"')
        environment = {**os.environ, "TROUPE_TOKEN": "secret"}
        done = subprocess.run(
            [TROUPE, "replay", "--check", "--data", self.data, "--program", program],
            env=environment, capture_output=True, timeout=PATIENCE_S, check=True,
        )
        self.assertEqual(done.stdout, b"replay: []\n")


class Performing(Case):
    def setUp(self):
        super().setUp()
        self.server = Server(TROUPED)
        self.addCleanup(self.server.__exit__)
        self.url = f"ws://127.0.0.1:{self.server.port}/realtime"

    def perform(self, *arguments, code=0):
        return json.loads(self.replay("--into", self.url, "--json", *arguments, code=code).out)

    def history(self):
        answer = self.troupe("history", "--channel", "news", "--json", "--server", self.url)
        return [m["payload"]["n"] for m in answer.records]

    def test_everything(self):
        with opened(self.server.port, "/realtime?user=watcher") as watcher:
            watcher.join("lobby")
            counted = self.perform("--speed", "max")
            self.assertEqual(
                counted,
                {"sent": 6, "acknowledged": 6, "refused": 0, "requests_refused": 0, "without_payload": 1, "of_program": 1, "connections": 2},
            )
            seen = []
            while len(seen) < 7:
                message = watcher.receive()
                seen.append((message["type"], message["from"].get("user") if "from" in message else None, message.get("payload")))
            until("all have left", lambda: self.server.metric("troupe_connections") == 1)
        self.assertEqual([s[:2] for s in seen if s[0] == "room:joined"], [("room:joined", "ann"), ("room:joined", "bob")])
        chat = [(who, payload) for kind, who, payload in seen if kind == "chat:message"]
        self.assertEqual(chat, [("ann", {"text": "hello"}), ("bob", {"text": "hi"})])
        self.assertIn(("room:left", "bob"), [s[:2] for s in seen])
        self.assertEqual(self.history(), [1, 2, 3])

    def test_a_part(self):
        self.assertEqual(self.perform("--speed", "max", "--channel", "news")["sent"], 3)
        self.assertEqual(self.history(), [1, 2, 3])
        counted = self.perform("--speed", "max", "--room", "quiet", "--room", "lobby")
        self.assertEqual((counted["sent"], counted["without_payload"]), (2, 1))
        counted = self.perform("--speed", "max", "--from", "channels:2", "--to", "channels:3")
        self.assertEqual(counted["sent"], 1)
        self.assertEqual(self.history(), [1, 2, 3, 2])

    def test_rooms_with_logic_get_what_their_clients_sent(self):
        with opened(self.server.port, "/realtime?user=watcher") as watcher:
            watcher.join("game", presence=False)
            counted = self.perform("--speed", "max", "--room", "game")
            self.assertEqual((counted["sent"], counted["of_program"], counted["connections"]), (1, 1, 1))
            move = watcher.receive()
            self.assertEqual((move["type"], move["from"]["user"], move["payload"]), ("game:move", "ann", {"cell": 4}))

    def test_who_was_there_before_comes_in_first(self):
        with opened(self.server.port, "/realtime?user=watcher") as watcher:
            watcher.join("lobby")
            self.assertEqual(self.perform("--speed", "max", "--room", "lobby", "--from", "audit:6")["sent"], 1)
            seen = [watcher.receive() for _ in range(4)]
            joined = {m["from"]["user"]: m["payload"].get("state") for m in seen[:2]}
            self.assertEqual(joined, {"ann": {"mood": "fine"}, "bob": None})
            self.assertEqual([m["type"] for m in seen[2:]], ["presence:diff", "chat:message"])
            self.assertEqual(seen[3]["payload"], {"text": "hi"})

    def test_distances_in_time(self):
        # Between the first and the last record lie more than 19 seconds.
        start = time.monotonic()
        self.assertEqual(self.perform("--speed", "20")["acknowledged"], 6)
        self.assertGreaterEqual(time.monotonic() - start, 19 / 20)

    def test_ctrl_c(self):
        process = self.troupe.start("replay", "--into", self.url, data=self.data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            until("it has begun", lambda: self.server.metric("troupe_connections") == 1)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=PATIENCE_S)
            self.assertEqual(process.returncode, 130)
            self.assertIn(b"sent 0 over 1 connections", out)
        until("it has left", lambda: self.server.metric("troupe_connections") == 0)

    def test_nobody_there(self):
        self.server.stop()
        answer = self.replay("--into", self.url, "--speed", "max", code=3)
        self.assertIn("cannot connect to", answer.err)
        self.assertIn("0 acknowledged", answer.out)
        self.assertIn("--speed must be", self.replay("--into", self.url, "--speed", "0", code=2).err)


if __name__ == "__main__":
    TROUPE, TROUPED, MAKER = (os.path.abspath(a) for a in sys.argv[1:4])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)

#!/usr/bin/env python3
"""The audit log of a server, and recorded games that a program runs again.

usage: audit.py TROUPE TROUPED TURNS CHAT [unittest arguments]
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from log_world import PATIENCE_S, CommandLine
from server_world import Server, free_port, opened, until

TROUPE = TROUPED = TURNS = CHAT = ""


class AuditOfServer(unittest.TestCase):
    def start(self, *settings):
        server = Server(TROUPED, *settings)
        self.addCleanup(server.__exit__)
        return server

    def records(self, server, *arguments):
        answer = CommandLine(TROUPE)("log", *arguments, "--class", "audit", data=os.path.join(server.folder, "data"))
        self.assertEqual(answer.code, 0, answer)
        return answer

    def test_a_chat_is_recorded_and_verifies(self):
        server = self.start("rooms.audit=full")
        with opened(server.port, "/realtime?user=ann") as ann:
            ann.join("lobby")
            for n in range(20):
                self.assertEqual(ann.ask({"type": "say", "room": "lobby", "id": f"m{n}", "payload": {"n": n}})["type"], "ack")
        self.assertEqual(server.stop(), 0)
        self.records(server, "verify")
        records = self.records(server, "cat").records
        said = [r for r in records if r["kind"] == "message.published"]
        self.assertEqual([r["payload"] for r in said], [{"n": n} for n in range(20)])
        self.assertEqual([r["seq"] for r in said], list(range(1, 21)))
        kinds = [r["kind"] for r in records]
        self.assertEqual((kinds[0], kinds[-1]), ("node.started", "node.stopped"))
        self.assertIn("room.joined", kinds)
        self.assertEqual(kinds.count("connection.opened"), kinds.count("connection.closed"))

    def test_by_default_no_payload_is_recorded(self):
        server = self.start()
        with opened(server.port) as client:
            client.join("lobby", state="secret-mood")
            client.ask({"type": "say", "room": "lobby", "payload": "secret-word"})
        until("it is written", lambda: server.metric("troupe_audit_records") > 0)
        self.assertEqual(server.metric("troupe_audit_dropped_total"), 0)
        self.assertEqual(server.stop(), 0)
        text = json.dumps(self.records(server, "cat").records)
        self.assertIn("message.published", text)
        self.assertNotIn("secret", text)

    def test_who_wrote_to_whom_is_recorded_without_what(self):
        for level, hears in (("metadata", [("ben", None), (None, '["cleo","ben"]')]), ("off", [])):
            server = self.start(f"direct.audit={level}")
            with opened(server.port, "/realtime?user=ann") as ann, opened(server.port, "/realtime?user=ben"):
                for n, to in enumerate(({"user": "ben"}, {"users": ["cleo", "ben"]})):
                    ann.ask({"type": "dm", "to": to, "id": f"d{n}", "payload": "secret-word"})
                ann.ask({"type": "dm", "to": {"user": "ben"}, "id": "d9", "privacy": {"log": "none"}})
            self.assertEqual(server.stop(), 0)
            records = [r for r in self.records(server, "cat").records if r["kind"] == "message.received"]
            self.assertEqual([(r.get("target"), r.get("detail")) for r in records], hears)
            self.assertTrue(all((r["user"], r["type"]) == ("ann", "dm") for r in records))
            self.assertNotIn("secret", json.dumps(records))

    def test_killed_the_log_goes_on_and_verifies(self):
        server = self.start("rooms.audit=full", "journal.sync_interval=10ms")
        data = os.path.join(server.folder, "data")
        with opened(server.port) as client:
            client.join("lobby")
            for _ in range(50):
                client.ask({"type": "say", "room": "lobby", "payload": "x"})
            until("it is written", lambda: server.metric("troupe_audit_records") > 50)
        server.send(signal.SIGKILL)
        server.wait()
        again = Server(TROUPED, arguments=["--listen", f"127.0.0.1:{(port := free_port())}", "--data", data], port=port)
        self.addCleanup(again.__exit__)
        self.assertEqual(again.stop(), 0)
        self.records(server, "verify")
        kinds = [r["kind"] for r in self.records(server, "cat").records]
        self.assertEqual(kinds.count("node.started"), 2)
        self.assertEqual(kinds.count("node.stopped"), 1)


class Games(unittest.TestCase):
    def play(self):
        """A game and the start of another, by two players, one of whom comes and goes. @returns the data folder"""
        port = free_port()
        data = tempfile.mkdtemp(prefix="troupe-games-")
        self.addCleanup(shutil.rmtree, data)
        server = Server(TURNS, arguments=[f"127.0.0.1:{port}", data], port=port)
        self.addCleanup(server.__exit__)
        with opened(port, "/realtime?user=ann") as ann:
            ann.join("game:1")
            with opened(port, "/realtime?user=bob") as bob:
                bob.join("game:1")
                state = bob.receive_of("game:state")["payload"]
                while state["phase"] == "waiting":
                    state = bob.receive_of("game:state")["payload"]
                for cell in (0, 3, 1, 4, 2):
                    who = ann if (state["next"] == "X") == (state["players"][0] == "ann") else bob
                    move = {"cell": cell, "turn": state["turn"]}
                    self.assertEqual(who.ask({"type": "game:move", "room": "game:1", "payload": move})["type"], "ack")
                    again = who.ask({"type": "game:move", "room": "game:1", "payload": move})
                    self.assertEqual(again["type"], "error")
                    turn = state["turn"]
                    while state["turn"] == turn:
                        state = bob.receive_of("game:state")["payload"]
                self.assertEqual(state["phase"], "over")
                ann.ask({"type": "game:again", "room": "game:1"})
        server.send(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)
        return data

    def check(self, program, data, *arguments, format=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")} | {"TROUPE_REPLAY_CHECK": data}
        if format:
            env["TROUPE_REPLAY_FORMAT"] = format
        return subprocess.run([program, *arguments], env=env, capture_output=True, text=True, timeout=PATIENCE_S)

    def test_recorded_games_run_again(self):
        data = self.play()
        # The address is taken by nobody and stays so: it serves nothing.
        answer = self.check(TURNS, data, "127.0.0.1:1")
        self.assertEqual(answer.returncode, 0, answer)
        self.assertRegex(answer.stdout, r"^replay: 1[0-9] steps of 1 activation matched\n$")
        report = json.loads(self.check(TURNS, data, format="json").stdout)
        self.assertGreater(report["matched"], 10)
        self.assertEqual(report["differing"], 0)
        self.assertNotIn("first", report)
        self.assertEqual(CommandLine(TROUPE)("log", "verify", "--class", "audit", data=data).code, 0)

    def test_the_command_line_has_a_program_check_its_own_log(self):
        troupe = CommandLine(TROUPE)
        data = self.play()
        answer = troupe("replay", "--check", "--data", data, "--program", TURNS)
        self.assertEqual(answer.code, 0, answer)
        self.assertRegex(answer.out, r"^replay: 1[0-9] steps of 1 activation matched\n$")
        report = json.loads(troupe("replay", "--check", "--data", data, "--format", "json", "--program", TURNS).out)
        self.assertEqual(report["replay"], "matches")

    def test_another_program_has_no_such_room(self):
        report = json.loads(self.check(CHAT, self.play(), format="json").stdout)
        self.assertEqual(report["matched"], 0)
        self.assertGreater(report["not_replayable"], 10)
        self.assertEqual(report["notes"], ['the program has no room "game:1"'])

    def test_without_a_log_there_is_nothing_to_check(self):
        answer = self.check(TURNS, "/nonexistent")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("there is no /nonexistent/log/audit", answer.stdout)


if __name__ == "__main__":
    TROUPE, TROUPED, TURNS, CHAT = sys.argv[1:5]
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]])

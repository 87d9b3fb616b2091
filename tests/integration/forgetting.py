#!/usr/bin/env python3
"""Confidential payloads through the binaries: nowhere readable on the disk, served until their subject is forgotten.

usage: forgetting.py TROUPE TROUPED [unittest arguments]
"""

import hashlib
import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

from log_world import PATIENCE_S, CommandLine
from server_world import Server, free_port, opened, until

TROUPE = TROUPED = ""
SECRET = "the-diagnosis-of-ann-4711"
OPEN = "nothing-to-hide-4711"


def confidential(number, **where):
    return where | {"type": "note", "id": f"n{number}", "payload": {"n": number, "text": SECRET}, "privacy": {"subject": "ann"}}


def files_with(folder, text):
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(root, name), "rb") as file:
                if text.encode() in file.read():
                    found.append(os.path.join(root, name))
    return found


class Forgetting(unittest.TestCase):
    def setUp(self):
        self.troupe = CommandLine(TROUPE)
        self.folder = tempfile.mkdtemp(prefix="troupe-forgetting-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.data = os.path.join(self.folder, "data")
        self.server = None
        self.start()

    def start(self, *settings):
        port = free_port()
        arguments = ["--listen", f"127.0.0.1:{port}", "--data", self.data, "--set", "rooms.audit=full", *settings]
        self.server = Server(TROUPED, port=port, arguments=arguments)
        self.addCleanup(self.server.__exit__)

    def client(self, user):
        return opened(self.server.port, f"/realtime?user={user}")

    def run_troupe(self, *arguments, code=0, data=None):
        answer = self.troupe(*arguments, data=data or self.data)
        self.assertEqual(answer.code, code, answer)
        return answer

    def fill(self):
        """Two confidential messages in a channel, one in an inbox and one in a room; one that is not in the channel."""
        with self.client("ann") as ann:
            ann.join("ward")
            with self.client("carl") as carl:
                carl.send({"type": "channel:subscribe", "channel": "c", "id": "s"})
                carl.receive_of("ack")
                for message in (
                    confidential(1, channel="c", qos=1),
                    {"type": "note", "id": "open", "channel": "c", "qos": 1, "payload": {"n": 2, "text": OPEN}},
                    confidential(3, channel="c", qos=2),
                    confidential(4, to={"user": "eve"}, offline="queue", qos=1),
                    confidential(5, room="ward"),
                ):
                    answer = ann.ask(message)
                    self.assertEqual(answer["type"], "ack", answer)
                live = [carl.receive_of("note")["payload"] for _ in range(3)]
        self.assertEqual([m["n"] for m in live], [1, 2, 3])
        self.assertEqual(live[0]["text"], SECRET)

    def history(self):
        with self.client("bob") as bob:
            bob.send({"type": "channel:history", "channel": "c", "id": "h"})
            answer = bob.receive_of("channel:history", "error")
            self.assertEqual(answer["type"], "channel:history", answer)
            return [m["payload"]["n"] for m in answer["payload"]["messages"]]

    def catch_up(self):
        """What a subscriber from the beginning gets: numbers, and gaps as (from, to)."""
        with self.client("bob") as bob:
            bob.send({"type": "channel:subscribe", "channel": "c", "id": "s", "payload": {"from": "earliest"}})
            end = bob.receive_of("ack")["payload"]["offset"]
            self.assertEqual(end, 0)
            out, upto = [], 0
            while upto < 3:
                m = bob.receive_of("note", "gap")
                if m["type"] == "gap":
                    self.assertEqual(m["payload"]["reason"], "forgotten")
                    upto = m["payload"]["to"]
                    out.append((m["payload"]["from"], upto))
                else:
                    upto = m["offset"]
                    out.append(m["payload"]["n"])
            return out

    def inbox(self):
        with self.client("eve") as eve:
            m = eve.receive_of("note", "gap", "offline.queue.flushed")
            return m["payload"].get("reason") or m["payload"].get("n")

    def records(self, *arguments):
        return self.run_troupe("log", "cat", *arguments).records

    def check_nothing_is_readable(self):
        self.assertEqual(files_with(self.data, SECRET), [])
        self.assertNotEqual(files_with(self.data, OPEN), [])  # what is not confidential would be found

    def check_forgotten(self, times=1):
        self.assertEqual(self.history(), [2])
        self.assertEqual(self.catch_up(), [(1, 1), 2, (3, 3)])
        for one in ("channels", "audit"):
            found = self.records("--class", one, "--kind", "forgotten")
            self.assertEqual([r["subject"] for r in found], ["ann"] * times, one)
        told = self.records("--kind", "channel.published", "--channel", "c", "--decrypt")
        self.assertEqual([r.get("forgotten", False) for r in told], [True, False, True])
        self.run_troupe("log", "verify")
        self.check_nothing_is_readable()

    def test_beside_a_running_node(self):
        self.fill()
        self.check_nothing_is_readable()
        self.assertEqual(self.history(), [1, 2, 3])
        shown = self.records("--kind", "channel.published", "--channel", "c")
        self.assertEqual([r.get("encrypted", False) for r in shown], [True, False, True])
        self.assertNotIn("payload", shown[0])
        shown = self.records("--kind", "channel.published", "--channel", "c", "--decrypt")
        self.assertEqual([r["payload"]["n"] for r in shown], [1, 2, 3])
        until("the audit log", lambda: self.records("--class", "audit", "--kind", "message.published"))
        shown = self.records("--class", "audit", "--kind", "message.published", "--decrypt")
        self.assertEqual([r["payload"]["n"] for r in shown], [5])

        self.assertEqual(self.server.stop(), 0)
        self.check_nothing_is_readable()
        before = os.path.join(self.folder, "before")
        with open(before, "w", encoding="utf-8") as note:
            note.write(self.run_troupe("log", "head").out)
        self.start()
        self.assertEqual(self.history(), [1, 2, 3])
        self.assertEqual(self.catch_up(), [1, 2, 3])

        self.run_troupe("log", "forget", "ann", code=2)  # nobody can be asked
        said = json.loads(self.run_troupe("log", "forget", "ann", "--yes", "--json").out)
        self.assertEqual(said, {"subject": "ann", "records": 4, "by": "node"})
        self.check_forgotten()
        self.assertEqual(self.inbox(), "forgotten")
        self.run_troupe("log", "verify", "--expect", before)
        self.assertEqual(os.listdir(os.path.join(self.data, "subject-keys", "requests")), [])

        self.assertEqual(self.server.stop(), 0)
        self.start()
        self.check_forgotten()
        self.run_troupe("log", "verify", "--expect", before)

    def test_rings_give_nothing_back(self):
        with self.client("ann") as ann, self.client("bob") as bob:
            seen = bob.join("ward")
            ann.join("ward")
            ann.ask(confidential(1, room="ward"))
            ann.ask({"type": "note", "id": "open", "room": "ward", "payload": {"n": 2}})
            self.run_troupe("log", "forget", "ann", "--yes")
            with self.client("carl") as carl:
                since = {"epoch": seen["epoch"], "seq": seen["seq"]}
                self.assertTrue(carl.join("ward", since=since)["recovered"])
                self.assertEqual(carl.receive_of("note")["payload"], {"n": 2})

    def test_without_a_node(self):
        self.fill()
        self.assertEqual(self.server.stop(), 0)
        said = json.loads(self.run_troupe("log", "forget", "ann", "--yes", "--json").out)
        self.assertEqual(said, {"subject": "ann", "records": 4, "by": "command"})
        self.run_troupe("log", "verify")
        self.start()
        self.check_forgotten()
        self.assertEqual(self.inbox(), "forgotten")

    def test_without_a_node_a_clean_stop_stays_one(self):
        def epoch_after(number):
            with self.client("ann") as ann:
                return ann.ask(confidential(number, channel="loose", qos=1))["payload"]["epoch"]

        loose = ("--set", "channels.fsync=interval")  # after an unclean end of the machine a new epoch begins
        self.server.stop()
        self.start(*loose)
        epoch = epoch_after(1)
        self.assertEqual(self.server.stop(), 0)
        self.run_troupe("log", "forget", "ann", "--yes")
        self.start(*loose)
        self.assertEqual(epoch_after(2), epoch)
        until("all of it to be synced", lambda: len(self.records("--channel", "loose", "--kind", "channel.published")) == 2)
        self.server.send(signal.SIGKILL)
        self.server.wait()
        with open(os.path.join(self.data, "log", "channels", "boot"), "w", encoding="utf-8") as file:
            file.write("before the machine was started again")
        self.run_troupe("log", "forget", "ann", "--yes")
        self.start(*loose)
        self.assertNotEqual(epoch_after(3), epoch)

    def test_a_request_that_nobody_could_finish_is_done_at_the_start(self):
        self.fill()
        self.server.send(signal.SIGKILL)
        self.server.wait()
        requests = os.path.join(self.data, "subject-keys", "requests")
        os.makedirs(requests, exist_ok=True)
        path = os.path.join(requests, hashlib.sha256(b"ann").hexdigest())
        with open(path, "w", encoding="utf-8") as file:
            file.write("ann")
        self.start()
        self.assertEqual(self.history(), [2])
        until("the request to be done", lambda: not os.listdir(requests))
        self.check_forgotten()

    def test_a_node_that_does_not_come_to_it(self):
        self.fill()
        self.server.send(signal.SIGSTOP)
        try:
            answer = self.run_troupe("log", "forget", "ann", "--yes", "--wait", "0", code=3)
        finally:
            self.server.send(signal.SIGCONT)
        self.assertIn("has not done it within 0 s; the request stays in ", answer.err)
        requests = os.path.join(self.data, "subject-keys", "requests")
        until("the request to be done", lambda: not os.listdir(requests))
        self.check_forgotten()

    def test_a_person_is_asked(self):
        self.fill()
        until("the audit log", lambda: self.records("--class", "audit", "--kind", "message.published"))
        for said, code in ((b"n\n", 1), (b"\n", 1), (b"y\n", 0)):
            leader, follower = pty.openpty()
            with self.troupe.start("log", "forget", "ann", data=self.data, stdin=follower, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                os.close(follower)
                os.write(leader, said)
                out, err = process.communicate(timeout=PATIENCE_S)
                self.assertEqual(process.returncode, code, err)
                self.assertIn(b"The payloads of 4 records can then never be read again", err)
                self.assertEqual(b"ann is forgotten" in out, code == 0)
            os.close(leader)
            self.assertEqual(self.history(), [2] if code == 0 else [1, 2, 3])

    def test_what_makes_no_sense_is_named(self):
        self.run_troupe("log", "forget", code=2)
        self.run_troupe("log", "forget", "", "--yes", code=2)
        self.run_troupe("log", "forget", "ann", "--yes", "--wait", "soon", code=2)
        self.assertIn("no data folder", self.run_troupe("log", "forget", "ann", "--yes", data=self.folder + "/none", code=3).err)
        self.assertIn("no log", self.run_troupe("log", "forget", "ann", "--yes", data=self.folder, code=3).err)
        self.run_troupe("log", "forget", "nobody", "--yes")

    def test_replayed_to_a_server(self):
        self.fill()
        self.assertEqual(self.server.stop(), 0)

        def replayed(*arguments):
            with Server(TROUPED) as other:
                to = f"ws://127.0.0.1:{other.port}/realtime"
                answer = self.run_troupe("replay", "--into", to, "--speed", "max", "--json", *arguments)
                return {k: v for k, v in json.loads(answer.out).items() if k in ("sent", "without_payload")}

        self.assertEqual(replayed(), {"sent": 1, "without_payload": 3})
        self.assertEqual(replayed("--decrypt"), {"sent": 4, "without_payload": 0})
        self.run_troupe("log", "forget", "ann", "--yes")
        self.assertEqual(replayed("--decrypt"), {"sent": 1, "without_payload": 3})

    def test_backups_hold_keys_only_where_that_is_wanted(self):
        self.fill()
        without, with_keys = (os.path.join(self.folder, name) for name in ("without", "with"))
        self.run_troupe("backup", "--to", without)
        said = json.loads(self.run_troupe("backup", "--to", with_keys, "--with-subject-keys", "--json").out)
        self.assertEqual(said["subject_keys"], 1)
        self.assertFalse(os.path.exists(os.path.join(without, "subject-keys")))
        keys = os.path.join(with_keys, "subject-keys")
        self.assertEqual([stat.S_IMODE(os.stat(os.path.join(keys, k)).st_mode) for k in os.listdir(keys)], [0o600])
        arguments = ["log", "cat", "--class", "channels", "--channel", "c", "--kind", "channel.published", "--decrypt"]
        self.run_troupe("log", "forget", "ann", "--yes")
        self.assertTrue(self.run_troupe(*arguments, data=without).records[0]["forgotten"])
        self.assertEqual(self.run_troupe(*arguments, data=with_keys).records[0]["payload"]["text"], SECRET)
        self.run_troupe("log", "forget", "ann", "--yes", data=with_keys)
        self.assertTrue(self.run_troupe(*arguments, data=with_keys).records[0]["forgotten"])


if __name__ == "__main__":
    TROUPE, TROUPED = (os.path.abspath(a) for a in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)

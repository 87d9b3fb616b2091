#!/usr/bin/env python3
"""A server that is told to go on without what is damaged (--accept-loss), and what it says about it later.

usage: log_loss.py TROUPE TROUPED [unittest arguments]
"""

import os
import shutil
import sys
import tempfile
import unittest

from log_world import CommandLine
from server_world import Server, free_port, opened

TROUPE = TROUPED = ""
SMALL = ["journal.segment_bytes=1MiB", "offline.queue_ttl=1h"]


def segments(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".seg"))


class Loss(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="troupe-loss-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = os.path.join(self.folder, "data")
        self.logs = {name: os.path.join(self.data, "log", name) for name in ("channels", "audit")}
        self.log = self.logs["channels"]
        self.places = set()
        self.troupe = CommandLine(TROUPE)

    def start(self, accept=False):
        port = free_port()
        settings = [part for one in SMALL for part in ("--set", one)]
        flags = ["--accept-loss"] if accept else []
        arguments = [*flags, "--listen", f"127.0.0.1:{port}", "--data", self.data, *settings]
        server = Server(TROUPED, arguments=arguments, port=port)
        self.addCleanup(server.__exit__)
        return server

    def refused(self, accept=False):
        with self.assertRaises(AssertionError) as why:
            self.start(accept)
        return str(why.exception)

    def post(self, server, many=1, size=0):
        """In places that nobody was ever told before."""
        with opened(server.port, path="/realtime?user=ann") as client:
            for n in range(many):
                message = {"type": "post", "channel": "bank", "qos": 1, "payload": f"[{n}]" + "x" * size}
                answer = client.ask(message)
                self.assertEqual(answer["type"], "ack", answer)
                place = (answer["payload"]["epoch"], answer["payload"]["offset"])
                self.assertNotIn(place, self.places)
                self.places.add(place)

    def published(self, many=20, size=0):
        server = self.start()
        self.post(server, many, size)
        self.assertEqual(server.stop(), 0)

    def flip(self, path, at):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 0xFF]))

    def spoil(self, folder, name, text):
        with open(os.path.join(folder, name), "r+b") as file:
            file.seek(file.read().rindex(text))
            file.write(b"\0")

    def losses(self, *arguments):
        records = self.troupe("log", "cat", "--kind", "log.damaged", *arguments, data=self.data).records
        return [(r["class"], r["detail"]) for r in records]

    def verify(self):
        self.assertEqual(self.troupe("log", "verify", data=self.data).code, 0)

    def broken_off(self, log):
        """A start with consent that ends when the end of the log is cut, and nothing is recorded yet."""
        in_the_way = os.path.join(self.logs[log], "next.tmp", "x")
        os.makedirs(in_the_way)
        self.assertIn("next.tmp", self.refused(accept=True))
        shutil.rmtree(os.path.dirname(in_the_way))

    def test_a_start_that_is_broken_off_forgets_no_loss(self):
        self.published()
        self.spoil(self.log, segments(self.log)[-1], b"[14]")
        self.assertIn("--accept-loss goes on without", self.refused())
        self.broken_off("channels")
        refused = self.troupe("backup", "--to", os.path.join(self.folder, "copy"), data=self.data)
        self.assertEqual((refused.code, "start the node once" in refused.err), (3, True), refused.err)
        server = self.start()
        self.post(server, 20)
        self.assertIn("log_loss_accepted", server.log)
        self.assertEqual(server.stop(), 0)
        self.assertEqual([log for log, _ in self.losses()], ["channels"])
        server = self.start()
        self.post(server)
        self.assertNotIn("log_loss_accepted", server.log)
        self.assertEqual(server.stop(), 0)
        self.verify()

    def test_a_start_that_is_broken_off_forgets_no_loss_of_the_audit_log(self):
        server = self.start()
        with opened(server.port, path="/realtime?user=ann") as client:
            client.join("hall")
        self.assertEqual(server.stop(), 0)
        self.spoil(self.logs["audit"], segments(self.logs["audit"])[-1], b"hall")
        self.broken_off("audit")
        self.assertEqual(self.start().stop(), 0)
        self.assertEqual([log for log, _ in self.losses()], ["audit"])
        self.verify()

    def test_a_second_damage_is_accepted_with_the_first(self):
        self.published(25, 60_000)
        self.published()
        first, *_, last = segments(self.log)
        self.spoil(self.log, last, b"[14]")
        self.flip(os.path.join(self.log, first), 20)
        self.refused()
        server = self.start(accept=True)
        self.post(server, 20)
        self.assertEqual(server.stop(), 0)
        told = self.losses("--past-damage")
        self.assertEqual((last in told[0][1], first in told[1][1], len(told)), (True, True, 2))

    def test_what_is_advised_is_honoured_where_a_header_is_damaged(self):
        for log, which, without_index in (("channels", -1, False), ("channels", 0, True), ("audit", -1, False)):
            with self.subTest(log=log, which=which):
                shutil.rmtree(self.data, ignore_errors=True)
                self.published(45, 60_000)
                name = segments(self.logs[log])[which]
                self.flip(os.path.join(self.logs[log], name), 20)
                if without_index:
                    shutil.rmtree(os.path.join(self.data, "store"))
                self.assertRegex(self.refused(), f"{name}.*--accept-loss goes on without")
                server = self.start(accept=True)
                self.post(server, 50)
                self.assertEqual(server.stop(), 0)
                told = self.losses("--past-damage")
                self.assertEqual(({of for of, _ in told}, name in told[0][1]), ({log}, True))
                server = self.start()
                self.post(server, 3)
                self.assertEqual(server.stop(), 0)
                if not without_index:  # the header that is passed over stays where it is
                    self.verify()

    def queue(self, many):
        server = self.start()
        with opened(server.port, path="/realtime?user=ann") as client:
            for n in range(many):
                note = {"type": "note", "to": {"user": "bob"}, "qos": 1, "offline": "queue", "payload": f"note-{n}"}
                self.assertEqual(client.ask(note)["type"], "ack")
        self.assertEqual(server.stop(), 0)

    def waiting(self, server):
        with opened(server.port, path="/realtime?user=bob") as bob:
            told = []
            while not told or told[-1]["type"] != "offline.queue.flushed":
                told.append(bob.receive_of("note", "gap", "offline.queue.flushed"))
        return [m["payload"] for m in told]

    def test_damaged_checkpoints_cost_no_message(self):
        self.published(5)
        self.queue(3)
        checkpoints = os.path.join(self.log, "checkpoints")
        with open(checkpoints, "rb") as file:
            self.flip(checkpoints, file.read().index(b"\n") + 1)  # of the size
        self.assertIn("--accept-loss goes on without", self.refused())
        server = self.start(accept=True)
        self.assertEqual(self.waiting(server), ["note-0", "note-1", "note-2", {"delivered": 3, "dropped": 0}])
        self.post(server)
        self.assertEqual(len({epoch for epoch, _ in self.places}), 1)
        self.assertEqual(server.stop(), 0)
        ((_, detail),) = self.losses()
        self.assertIn("checkpoints.damaged", detail)
        shutil.rmtree(os.path.join(self.data, "store"))  # and an index that is made anew knows that as well
        server = self.start()
        self.post(server)
        self.assertEqual(len({epoch for epoch, _ in self.places}), 1)
        self.assertEqual(server.stop(), 0)
        self.verify()

    def test_an_inbox_that_begins_anew_says_what_is_gone(self):
        self.queue(3)
        self.published(5)
        self.spoil(self.log, segments(self.log)[-1], b"[4]")
        server = self.start(accept=True)
        self.assertEqual(self.waiting(server), [{"reason": "damaged", "count": 3}, {"delivered": 0, "dropped": 3}])
        self.assertEqual(server.metric('troupe_inbox_dropped_total{reason="damaged"}'), 3)
        self.assertEqual(server.stop(), 0)
        self.queue(1)
        server = self.start()
        self.assertEqual(self.waiting(server), ["note-0", {"delivered": 1, "dropped": 0}])
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    TROUPE, TROUPED = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])

#!/usr/bin/env python3
"""The log of a server against disks that lose what was not synced, are full or fail, torn ends, and clocks that jump.

usage: log_damage.py TROUPE TROUPED BAD_DISK [unittest arguments]
"""

import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from log_world import CommandLine, frames_of
from server_world import Closed, Server, free_port, opened, until

TROUPE = TROUPED = BAD_DISK = ""
NAMESPACE = "LOG_DAMAGE_NAMESPACE"  # "yes": this process has mounts of its own
KEPT = "channels.history_messages=100000000"
SEED = random.randrange(2**32)


class Publisher:
    """Publishes numbers, many at a time, and keeps what became of each."""

    def __init__(self, channel, size=0):
        self.channel, self.filling = channel, "x" * size
        self.count = 0
        self.places = {}  # of what was acknowledged, by id
        self.refused = {}

    def send(self, client, many=1, **fields):
        for _ in range(many):
            message = {"type": "post", "id": f"m{self.count}", "channel": self.channel, "qos": 1 + self.count % 2}
            client.send(message | {"payload": [self.count, self.filling]} | fields)
            self.count += 1

    def hear(self, client, many=1):
        for _ in range(many):
            answer = client.receive_of("ack", "error")
            if answer["type"] == "ack":
                assert answer["id"] not in self.places
                self.places[answer["id"]] = (answer["payload"]["epoch"], answer["payload"]["offset"])
            else:
                self.refused[answer["id"]] = answer["payload"]

    def publish(self, client, many=1, **fields):
        self.send(client, many, **fields)
        self.hear(client, many)


class Damage(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="troupe-damage-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.data, "log", "channels")
        self.dice = random.Random(SEED)
        self.troupe = CommandLine(TROUPE)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *settings, data=None, **bad_disk):
        env = {f"BAD_DISK_{name.upper()}": value for name, value in bad_disk.items()}
        if env:
            env |= {"LD_PRELOAD": BAD_DISK, "BAD_DISK_FOLDER": self.log}
        server = Server(TROUPED, KEPT, *settings, data=data or self.data, env=env)
        self.addCleanup(server.__exit__)
        return server

    def verify(self):
        answer = self.troupe("log", "verify", data=self.data)
        self.assertEqual(answer.code, 0, (SEED, answer))

    def stored(self, port, channel):
        """All that the channel has, by a subscriber from the beginning: (epoch, offset, id)."""
        with opened(port, path="/realtime?user=reader") as client:
            asked = {"type": "channel:history", "channel": channel, "id": "h", "payload": {"limit": 1, "reverse": True}}
            client.send(asked)
            last = client.receive_of("channel:history")["payload"]["messages"]
            found = []
            answer = client.ask({"type": "channel:subscribe", "channel": channel, "payload": {"from": "earliest"}})
            self.assertEqual(answer["type"], "ack", answer)
            while last and (not found or found[-1][1] != last[0]["offset"]):
                m = client.receive()
                self.assertNotEqual(m["type"], "gap", (SEED, m))
                if m["type"] != "post":
                    continue
                found.append((m["epoch"], m["offset"], m["id"]))
                client.send({"type": "ack", "payload": {"channel": channel, "offset": m["offset"]}})
            return found

    def check_all_there(self, port, publisher):
        """What was acknowledged is there, in its place, and nothing is there twice or missing between."""
        found = self.stored(port, publisher.channel)
        offsets = [offset for _, offset, _ in found]
        self.assertEqual(offsets, list(range(1, len(found) + 1)), SEED)
        places = {id: (epoch, offset) for epoch, offset, id in found}
        self.assertEqual(len(places), len(found), SEED)
        self.assertEqual(publisher.places, {id: places.get(id) for id in publisher.places}, SEED)
        for id in publisher.refused:
            self.assertNotIn(id, places, SEED)
        return found

    # -- all unsynced writes are gone

    def lose_what_was_not_synced(self, synced):
        """What the disk would have after a loss of power: the names and bytes that were synced."""
        lost = 0
        with open(os.path.join(synced, "names"), encoding="utf-8") as file:
            names = dict(reversed(line.split()) for line in file)
        for name in os.listdir(self.log):
            path = os.path.join(self.log, name)
            size = os.path.getsize(path)
            os.remove(path)
            if name not in names:
                continue
            copy = os.path.join(synced, names[name])
            with open(path, "wb") as file:
                if os.path.exists(copy):
                    with open(copy, "rb") as kept:
                        file.write(kept.read())
            lost += size - os.path.getsize(path)
        shutil.rmtree(synced)
        return lost

    def test_all_unsynced_writes_are_gone(self):
        publisher, loose = Publisher("bank", 500), Publisher("loose", 500)
        lost = 0
        for life in range(5):
            synced = self.path(f"synced-{life}")
            os.mkdir(synced)
            if life:
                for name in os.listdir(self.log):  # what is there at the start is on the disk
                    path = os.path.join(self.log, name)
                    shutil.copy(path, os.path.join(synced, str(os.stat(path).st_ino)))
            server = self.start("channels.patterns=[{name=\"loose\", fsync=\"never\"}]", synced=synced)
            with opened(server.port, path="/realtime?user=ann") as client:
                for _ in range(self.dice.randrange(1, 12)):
                    publisher.publish(client, self.dice.randrange(1, 40))
                publisher.send(client, 40)
                publisher.hear(client, self.dice.randrange(0, 40))
                loose.send(client, 40)
                if self.dice.random() < 0.5:
                    until("the log grows", lambda: server.metric("troupe_log_records") > len(publisher.places))
                server.process.kill()
                server.wait()
            lost += self.lose_what_was_not_synced(synced)
            if self.dice.random() < 0.5:
                shutil.rmtree(os.path.join(self.data, "store"))  # or it is ahead of the log
        self.assertGreater(lost, 0, "nothing was ever unsynced: this test shows nothing")
        server = self.start()
        self.check_all_there(server.port, publisher)
        self.assertEqual(server.stop(), 0)
        self.verify()

    # -- a sync that fails

    def test_a_failed_sync_ends_the_server_and_is_not_tried_again(self):
        trigger = self.path("eio")
        server = self.start(eio=trigger)
        publisher = Publisher("bank")
        with opened(server.port, path="/realtime?user=ann") as client:
            publisher.publish(client, 20)
            self.assertEqual(len(publisher.places), 20)
            with open(trigger, "wb"):
                pass
            publisher.send(client, 5)
            with self.assertRaises(Closed) as closed:
                while True:
                    answer = client.receive()
                    self.assertFalse(answer["type"] == "ack" and "offset" in answer.get("payload", {}), answer)
            self.assertEqual(closed.exception.code, 1012)
            self.assertNotEqual(server.wait(), 0)
        self.assertEqual(os.path.getsize(trigger), 1, "the sync was tried again")
        self.assertIn("log_sync_failed", server.log)
        server = self.start()
        self.check_all_there(server.port, publisher)
        self.assertEqual(server.stop(), 0)
        self.verify()

    # -- a full disk

    @unittest.skipUnless(os.environ.get(NAMESPACE) == "yes", "needs unshare -m and mount, which are not permitted here")
    def test_a_full_disk(self):
        disk = self.path("disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        self.data = os.path.join(disk, "data")
        self.log = os.path.join(self.data, "log", "channels")
        publishers = [Publisher(f"bank-{i}", 40_000) for i in range(3)]
        server = self.start("journal.segment_bytes=1MiB")
        ballast = os.path.join(disk, "ballast")
        with opened(server.port, path="/realtime?user=ann") as client, opened(server.port) as bob:
            for publisher in publishers:
                publisher.publish(client, 8)
            for round in range(2):
                with open(ballast, "wb") as file:
                    about = os.statvfs(disk)
                    file.write(b"b" * (about.f_bavail * about.f_bsize - self.dice.randrange(100_000, 900_000)))
                    file.flush()
                before = [len(p.refused) for p in publishers]
                while not all(len(p.refused) > n for p, n in zip(publishers, before)):
                    for publisher in publishers:  # some under way while others are refused
                        publisher.send(client, self.dice.randrange(1, 8))
                    self.hear_all(client, publishers)
                for publisher in publishers:
                    for why in publisher.refused.values():
                        self.assertEqual((why["code"], why["temporary"]), ("unavailable", True), (SEED, why))
                client.join(f"hall-{round}")  # rooms go on
                bob.join(f"hall-{round}")
                self.assertEqual(client.ask({"type": "say", "room": f"hall-{round}", "payload": round})["type"], "ack")
                self.assertEqual(bob.receive_of("say")["payload"], round)
                os.remove(ballast)
                for publisher in publishers:  # and so does the log, by itself
                    known = len(publisher.places)
                    until("there is room again", lambda: self.published(client, publisher, known))
        self.assertGreater(server.metric('troupe_backpressure_total{reason="log_refused"}'), 0)
        for _ in range(2):
            for publisher in publishers:
                self.check_all_there(server.port, publisher)
            self.assertEqual(server.stop(), 0)
            self.verify()
            shutil.rmtree(os.path.join(self.data, "store"))
            server = self.start("journal.segment_bytes=1MiB")

    def published(self, client, publisher, known):
        publisher.publish(client)
        return len(publisher.places) > known

    def hear_all(self, client, publishers):
        by_id = {}
        for publisher in publishers:
            for n in range(publisher.count):
                by_id.setdefault(f"m{n}", []).append(publisher)
        waited_for = sum(p.count - len(p.places) - len(p.refused) for p in publishers)
        for _ in range(waited_for):
            answer = client.receive_of("ack", "error")
            publisher = next(p for p in publishers if p.channel == answer["channel"])
            client.put_aside.insert(0, answer)
            publisher.hear(client)

    # -- torn ends

    def test_a_last_segment_cut_at_every_byte(self):
        sure, loose = Publisher("sure"), Publisher("loose")
        server = self.start("channels.patterns=[{name=\"loose\", fsync=\"never\"}]")
        with opened(server.port, path="/realtime?user=ann") as client:
            sure.publish(client, 5)
            loose.publish(client, 2)
        server.process.kill()
        server.wait()
        name = sorted(n for n in os.listdir(self.log) if n.endswith(".seg"))[-1]
        with open(os.path.join(self.log, name), "rb") as file:
            whole = file.read()
        end = len(whole.rstrip(b"\0"))  # behind it stands the space that the writer has set aside
        with open(os.path.join(self.log, "synced"), "rb") as file:
            synced = struct.unpack("<8sQQQI", file.read())[2]
        self.assertLess(synced, end, "nothing was unsynced: this test shows nothing")
        refused = {0, synced - 1, *(self.dice.randrange(synced) for _ in range(6))}
        for cut in [*range(end + 1), self.dice.randrange(end, len(whole)), len(whole)]:
            with self.subTest(cut=cut, seed=SEED):
                if cut >= synced:
                    self.goes_on_after_a_cut(name, cut, sure)
                else:  # what was acknowledged is missing: said, and not gone on without
                    self.is_found_cut(name, cut, whole, start=cut in refused)

    def goes_on_after_a_cut(self, name, cut, sure):
        memory = "/dev/shm"  # so many are synced here
        twin = tempfile.mkdtemp(prefix="troupe-twin-", dir=memory if os.path.isdir(memory) else None)
        self.addCleanup(shutil.rmtree, twin, ignore_errors=True)
        shutil.copytree(self.data, twin, dirs_exist_ok=True)
        with open(os.path.join(twin, "log", "channels", name), "r+b") as file:
            file.truncate(cut)
        server = self.start(data=twin)
        self.check_all_there(server.port, sure)
        server.process.kill()
        server.wait()
        self.assertEqual(self.troupe("log", "verify", data=twin).code, 0)
        shutil.rmtree(twin)

    def is_found_cut(self, name, cut, whole, start):
        path = os.path.join(self.log, name)
        with open(path, "r+b") as file:
            file.truncate(cut)
        answer = self.troupe("log", "verify", "--class", "channels", data=self.data)
        self.assertEqual((answer.code, f"{name}, record " in answer.out), (1, True), answer)
        if start:
            self.assertRegex(self.refused(), f"{name}, record")
        with open(path, "wb") as file:
            file.write(whole)

    # -- a sealed segment

    def test_a_damaged_record_costs_an_inbox_no_other_message(self):
        settings = ["journal.segment_bytes=1MiB", "offline.queue_ttl=1h"]
        server = self.start(*settings)
        note = lambda n: {"type": "note", "to": {"user": "bob"}, "id": f"n{n}", "qos": 1, "payload": f"note-{n}"}
        with opened(server.port, path="/realtime?user=ann") as ann:
            for n in range(1, 6):
                self.assertEqual(ann.ask(note(n) | {"offline": "queue"})["type"], "ack")
            Publisher("filling", 60_000).publish(ann, 25)
        self.assertEqual(server.stop(), 0)
        sealed, *more = sorted(n for n in os.listdir(self.log) if n.endswith(".seg"))
        self.assertTrue(more)
        with open(os.path.join(self.log, sealed), "r+b") as file:
            file.seek(file.read().index(b"note-3"))
            file.write(b"nope")
        server = self.start(*settings)
        with opened(server.port, path="/realtime?user=bob") as bob, opened(server.port) as ann:
            told = []
            while not told or told[-1]["type"] != "offline.queue.flushed":
                told.append(bob.receive_of("note", "gap", "offline.queue.flushed"))
            self.assertEqual([m["payload"] for m in told if m["type"] == "note"], [f"note-{n}" for n in (1, 2, 4, 5)])
            self.assertEqual(told[2]["payload"], {"reason": "damaged", "count": 1, "from": 3, "to": 3})
            self.assertEqual(told[-1]["payload"], {"delivered": 4, "dropped": 1})
            self.assertEqual(server.metric('troupe_inbox_dropped_total{reason="damaged"}'), 1)
            self.assertEqual(server.metric("troupe_log_damaged_total"), 1)
            self.assertIn(f"{sealed}, record ", server.wait_for_log("log_record_damaged"))
            self.assertEqual(ann.ask(note(6))["payload"], {"connections": 1})
            last = bob.receive_of("note")
            self.assertEqual((last["payload"], last["offset"]), ("note-6", 6))
            bob.send({"type": "ack", "payload": {"inbox": 6}})
            bob.ask({"type": "ping"})
            self.assertEqual(server.stop(), 0)
        server = self.start(*settings)  # and it is told once
        with opened(server.port, path="/realtime?user=bob") as bob, opened(server.port) as ann:
            self.assertEqual(ann.ask(note(7))["type"], "ack")
            self.assertEqual(bob.receive_of("note", "gap")["payload"], "note-7")
        self.assertEqual(server.stop(), 0)

    def inbox_of_twenty(self, pipelined, damage):
        """What bob is told of 20 notes, the log of which is damaged, and what the server counts; a segment is sealed."""
        settings = ["journal.segment_bytes=1MiB", "offline.queue_ttl=1h"]
        server = self.start(*settings)
        note = {"type": "note", "to": {"user": "bob"}, "qos": 1, "offline": "queue"}
        notes = [note | {"id": f"n{n}", "payload": f"note-{n:02}"} for n in range(1, 21)]
        with opened(server.port, path="/realtime?user=ann") as ann:
            if pipelined:
                for one in notes:
                    ann.send(one)
                self.assertEqual({ann.receive_of("ack", "error")["type"] for _ in notes}, {"ack"})
            else:
                self.assertEqual({ann.ask(one)["type"] for one in notes}, {"ack"})
            Publisher("filling", 60_000).publish(ann, 25)
        self.assertEqual(server.stop(), 0)
        sealed, *more = sorted(n for n in os.listdir(self.log) if n.endswith(".seg"))
        self.assertTrue(more)
        damage(os.path.join(self.log, sealed))
        server = self.start(*settings)
        with opened(server.port, path="/realtime?user=bob") as bob, opened(server.port) as ann:
            told = []
            while not told or told[-1]["type"] != "offline.queue.flushed":
                told.append(bob.receive_of("note", "gap", "offline.queue.flushed"))
            self.assertEqual(ann.ask(notes[0] | {"id": "later", "payload": "later"})["payload"], {"connections": 1})
            self.assertEqual(bob.receive_of("note")["payload"], "later")
            lines = server.metric("troupe_log_damaged_total")
        self.assertEqual(server.stop(), 0)
        gaps = [(m["payload"]["from"], m["payload"]["to"]) for m in told if m["type"] == "gap"]
        return [int(m["payload"][5:]) for m in told if m["type"] == "note"], gaps, lines

    @staticmethod
    def overwrite(with_what, marks):
        """Writes over the first place of each mark."""

        def damage(path):
            with open(path, "r+b") as file:
                content = file.read()
                for mark in marks:
                    file.seek(content.index(mark.encode()))
                    file.write(with_what)

        return damage

    def flip(self, *numbers):
        return self.overwrite(b"nope", [f"note-{n:02}" for n in numbers])

    def test_a_damaged_record_costs_no_other_of_those_that_were_stored_together(self):
        told = self.inbox_of_twenty(True, self.flip(3, 4, 9, 20))
        there = [n for n in range(1, 21) if n not in (3, 4, 9, 20)]
        self.assertEqual(told, (there, [(3, 4), (9, 9), (20, 20)], 3))

    def test_damaged_records_side_by_side_are_one_gap(self):
        told = self.inbox_of_twenty(False, self.flip(3, 4, 5))
        self.assertEqual(told, ([1, 2, *range(6, 21)], [(3, 5)], 1))

    def test_an_inbox_goes_on_without_the_end_of_a_sealed_segment(self):
        def cut(path):
            with open(path, "rb") as file:
                end = file.read().index(b"note-03") + 3
            os.truncate(path, end)

        self.assertEqual(self.inbox_of_twenty(False, cut), ([1, 2], [(3, 20)], 1))

    # -- a channel goes on behind what is damaged

    def damaged_channel(self, pipelined, damage, **more):
        """A server with 20 messages in a channel, the log of which is damaged where a segment is sealed."""
        settings = ["journal.segment_bytes=1MiB", *more.get("settings", ())]
        server = self.start(*settings)
        publisher = Publisher("bank")
        with opened(server.port, path="/realtime?user=ann") as ann:
            if pipelined:
                publisher.publish(ann, 20)
            else:
                for _ in range(20):
                    publisher.publish(ann)
            Publisher("filling", 60_000).publish(ann, 25)
        self.assertEqual(server.stop(), 0)
        sealed, *later = sorted(n for n in os.listdir(self.log) if n.endswith(".seg"))
        self.assertTrue(later)
        damage(os.path.join(self.log, sealed))
        return self.start(*settings), publisher

    def spoil_posts(self, *numbers):
        """Changes a byte in the payloads of these."""
        return self.overwrite(b"{", [f"[{n - 1}, " for n in numbers])

    @staticmethod
    def spoil_length(number):
        """Makes a frame as long as none can be."""

        def damage(path):
            with open(path, "r+b") as file:
                content = file.read()
                at = content.index(f"[{number - 1}, ".encode())
                frame = max(f.offset for f in frames_of(content)[2] if f.offset < at)
                file.seek(frame)
                file.write(b"\xff\xff\xff\x7f")

        return damage

    def caught_up(self, client, last, **subscription):
        """What a subscriber is told up to an offset: its messages, and its gaps."""
        asked = {"type": "channel:subscribe", "channel": "bank", "payload": subscription}
        self.assertEqual(client.ask(asked)["type"], "ack")
        posts, gaps, upto = [], [], 0
        while upto < last:
            m = client.receive_of("post", "gap", "error")
            self.assertNotEqual(m["type"], "error", m)
            if m["type"] == "gap":
                self.assertEqual((m["channel"], m["payload"]["reason"]), ("bank", "damaged"))
                self.assertGreater(m["payload"]["from"], upto)
                gaps.append((m["payload"]["from"], m["payload"]["to"]))
                upto = m["payload"]["to"]
            else:
                self.assertEqual((m["offset"], m["payload"][0] + 1), (max(upto + 1, m["offset"]), m["offset"]))
                upto = m["offset"]
                posts.append(upto)
                client.send({"type": "ack", "payload": {"channel": "bank", "offset": upto}})
        return posts, gaps

    def told_of_history(self, client, **asked):
        client.send({"type": "channel:history", "channel": "bank", "id": "h", "payload": asked})
        answer = client.receive_of("channel:history", "error")
        self.assertEqual(answer["type"], "channel:history", answer)
        gaps = [(g["reason"], g["from"], g["to"]) for g in answer["payload"].get("gaps", ())]
        self.assertEqual({reason for reason, _, _ in gaps} - {"damaged"}, set())
        return [m["offset"] for m in answer["payload"]["messages"]], [g[1:] for g in gaps]

    def check_what_is_told(self, server, publisher, gone):
        """@param gone the stretches that cannot be read, of 20"""
        lost = {n for first, last in gone for n in range(first, last + 1)}
        there = [n for n in range(1, 21) if n not in lost]
        with opened(server.port, path="/realtime?user=ann") as ann, opened(server.port, path="/realtime?user=bob") as bob:
            self.assertEqual(self.caught_up(bob, 20, **{"from": "earliest"}), (there, gone))
            publisher.publish(ann)
            self.assertEqual(bob.receive_of("post", "gap", "error")["offset"], 21)
            self.assertEqual(self.told_of_history(ann), ([*there, 21], gone))
            self.assertEqual(self.told_of_history(ann, reverse=True), ([21, *reversed(there)], gone[::-1]))
            epoch = publisher.places["m0"][0]
            for first, last in gone:  # from a place on, and up to one, in the middle of it too
                since = {"epoch": epoch, "offset": first}
                rest = [(max(a, first + 1), b) for a, b in gone if b > first]
                self.assertEqual(self.told_of_history(ann, since=since), ([n for n in there if n > first] + [21], rest))
                self.assertEqual(self.caught_up(ann, 21, **{"from": since}), ([n for n in there if n > first] + [21], rest))
                since["offset"] = last
                before = [(a, min(b, last - 1)) for a, b in gone if a < last]
                told = self.told_of_history(ann, since=since, reverse=True)
                self.assertEqual(told, ([n for n in reversed(there) if n < last], before[::-1]))
            one_by_one, at = [], 0  # as a client pages
            while at < 21:
                messages, gaps = self.told_of_history(ann, since={"epoch": epoch, "offset": at}, limit=1)
                one_by_one += messages
                at = max([*messages, *(to for _, to in gaps)])
            self.assertEqual(one_by_one, [*there, 21])
        self.assertEqual(server.stop(), 0)  # it is named once for all readers, beside what the window of qos 2 lacks
        named = re.findall(r'log_record_damaged.* channel=bank record="offsets (\d+) to (\d+): ', server.log)
        self.assertEqual(sorted((int(first), int(last)) for first, last in named), gone)

    def test_a_damaged_record_costs_a_channel_no_other_message(self):
        self.check_what_is_told(*self.damaged_channel(False, self.spoil_posts(10)), [(10, 10)])

    def test_damage_anywhere_in_what_was_stored_together(self):
        server, publisher = self.damaged_channel(True, self.spoil_posts(1, 9, 10, 20))
        self.check_what_is_told(server, publisher, [(1, 1), (9, 10), (20, 20)])

    def test_a_frame_whose_length_is_damaged(self):
        self.check_what_is_told(*self.damaged_channel(True, self.spoil_length(10)), [(10, 10)])

    def test_a_channel_goes_on_without_the_end_of_a_sealed_segment(self):
        def cut(path):
            with open(path, "rb") as file:
                end = file.read().index(b"[9, ") + 1
            os.truncate(path, end)

        self.check_what_is_told(*self.damaged_channel(True, cut), [(10, 20)])

    def test_a_durable_subscription_passes_damage_and_goes_on(self):
        server, publisher = self.damaged_channel(True, self.spoil_posts(4, 5))
        with opened(server.port, path="/realtime?user=bob") as bob:
            told = self.caught_up(bob, 20, **{"from": "earliest", "durable": "d"})
            self.assertEqual(told, ([1, 2, 3, *range(6, 21)], [(4, 5)]))
            self.assertEqual(bob.ask({"type": "channel:unsubscribe", "channel": "bank"})["type"], "ack")
        with opened(server.port, path="/realtime?user=ann") as ann, opened(server.port, path="/realtime?user=bob") as bob:
            publisher.publish(ann)
            self.assertEqual(self.caught_up(bob, 21, durable="d"), ([21], []))
        self.assertEqual(server.stop(), 0)

    # -- going on without what is damaged

    def spoil(self, log, name, text):
        with open(os.path.join(self.data, "log", log, name), "r+b") as file:
            file.seek(file.read().rindex(text))
            file.write(b"\0")

    def refused(self, *arguments):
        """What a server says that does not start."""
        with self.assertRaises(AssertionError) as why:
            self.start(*arguments)
        return str(why.exception)

    def start_with_consent(self, *settings):
        port = free_port()
        more = [part for one in (KEPT, *settings) for part in ("--set", one)]
        arguments = ["--accept-loss", "--listen", f"127.0.0.1:{port}", "--data", self.data, *more]
        server = Server(TROUPED, arguments=arguments, port=port)
        self.addCleanup(server.__exit__)
        return server

    def records(self, kind, *arguments):
        return self.troupe("log", "cat", "--kind", kind, *arguments, data=self.data).records

    def begin_anew(self, server, publisher, lost):
        """In a new epoch, which is told; and it is the same one from then on."""
        (before,) = {epoch for epoch, _ in publisher.places.values()}
        with opened(server.port, path="/realtime?user=ann") as client:
            asked = {"type": "channel:subscribe", "channel": publisher.channel}
            seen = client.ask(asked | {"payload": {"from": {"epoch": before, "offset": 20}}})["payload"]
            self.assertEqual((seen["recovered"], seen["epoch"] == before), (False, False))
            after = Publisher(publisher.channel)
            after.publish(client, 3)
            self.assertEqual(set(after.places.values()), {(seen["epoch"], n) for n in (1, 2, 3)})
        self.assertIn("log_loss_accepted", server.log)
        self.assertIn(lost, server.log)
        self.assertEqual(server.stop(), 0)
        shutil.rmtree(os.path.join(self.data, "store"))
        return after

    def test_a_damaged_end_is_gone_on_from_with_consent(self):
        server = self.start()
        publisher, quiet = Publisher("bank"), Publisher("quiet")
        with opened(server.port, path="/realtime?user=ann") as client:
            quiet.publish(client, 2)
            publisher.publish(client, 20)
        self.assertEqual(server.stop(), 0)
        name = f"{0:020}.seg"
        self.spoil("channels", name, b"[18")
        self.assertRegex(self.refused(), f"{name}, record .*--accept-loss goes on without")
        server = self.start_with_consent()
        after = self.begin_anew(server, publisher, f"{name}, record ")
        self.assertTrue([n for n in os.listdir(self.log) if n.endswith(".damaged")])
        (told,) = self.records("log.damaged")
        self.assertIn(f"{name}, record ", told["detail"])
        server = self.start()  # without the flag, and with an index that is made anew
        self.check_all_there(server.port, after)
        with opened(server.port) as client:  # one that nobody has used since
            quiet.publish(client)
            self.assertNotEqual(quiet.places["m2"][0], quiet.places["m1"][0])
        self.assertEqual(server.stop(), 0)
        server = self.start_with_consent()  # to nothing, now
        self.check_all_there(server.port, after)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(len(self.records("log.damaged")), 1)
        self.verify()

    def test_an_index_is_made_again_past_damage_with_consent(self):
        small = "journal.segment_bytes=1MiB"
        server = self.start(small)
        publisher, filling = Publisher("bank"), Publisher("filling", 60_000)
        with opened(server.port, path="/realtime?user=ann") as client:
            publisher.publish(client, 20)
            filling.publish(client, 25)
        self.assertEqual(server.stop(), 0)
        name = f"{0:020}.seg"
        self.spoil("channels", name, b"[18")
        server = self.start(small)  # nobody reads it
        with opened(server.port, path="/realtime?user=ann") as client:
            publisher.publish(client)
            self.assertEqual(self.told_of_history(client), ([*range(1, 19), 20, 21], [(19, 19)]))
        asked = ["history", "--channel", "bank", "--server", f"ws://127.0.0.1:{server.port}/realtime", "--json"]
        for more in ([], ["--limit", "7"], ["--reverse", "--limit", "all"]):
            told = self.troupe(*asked, *more)
            self.assertEqual(told.code, 0 if "7" in more else 1, told)
            self.assertEqual("a gap: 19 to 19 do not come (damaged)" in told.err, told.code == 1, told)
            self.assertEqual(len(told.records), 7 if "7" in more else 20, told)
        self.assertEqual(server.stop(), 0)
        self.assertIn(name, server.log)
        shutil.rmtree(os.path.join(self.data, "store"))
        self.assertRegex(self.refused(small), f"{name}, record .*--accept-loss goes on without")
        server = self.start_with_consent(small)
        self.begin_anew(server, publisher, f"passed over to the next segment: a record is damaged ({name}, record ")
        self.assertEqual(len(self.records("log.damaged", "--past-damage")), 1)

    def test_a_damaged_audit_log_is_gone_on_from_with_consent(self):
        server = self.start()
        with opened(server.port, path="/realtime?user=ann") as client:
            client.join("hall")
        self.assertEqual(server.stop(), 0)
        name = f"{0:020}.seg"
        self.spoil("audit", name, b"hall")
        self.assertRegex(self.refused(), f"the audit log .*{name}, record .*--accept-loss goes on without")
        server = self.start_with_consent()
        self.assertIn("log=audit", server.wait_for_log("log_loss_accepted"))
        self.assertEqual(server.stop(), 0)
        self.assertEqual([r["class"] for r in self.records("log.damaged")], ["audit"])
        self.verify()

    # -- retention, beside subscribers

    def test_a_subscriber_that_retention_overtakes_is_told_so(self):
        kept = ["journal.segment_bytes=1MiB", "journal.retention_bytes=2MiB", "channels.ring_messages=0"]
        server = self.start(*kept, "journal.retention_age=20s", "channels.window=4")  # looked at every 2 s
        publisher = Publisher("bank", 60_000)
        with opened(server.port, path="/realtime?user=ann") as ann, opened(server.port, path="/realtime?user=bob") as bob:
            bob.ask({"type": "channel:subscribe", "channel": "bank", "payload": {"durable": "d"}})
            publisher.publish(ann, 80)
            first = os.path.join(self.log, f"{0:020}.seg")
            until("the oldest goes", lambda: not os.path.exists(first))
            publisher.publish(ann, 1)
            offset, gaps = 0, []
            while offset != 81:
                m = bob.receive_of("post", "gap")
                if m["type"] == "gap":
                    gaps.append(m["payload"])
                    self.assertEqual((m["payload"]["reason"], m["payload"]["from"]), ("retention", offset + 1))
                    offset = m["payload"]["to"]
                else:
                    self.assertEqual(m["offset"], offset + 1)
                    offset += 1
                    bob.send({"type": "ack", "payload": {"channel": "bank", "offset": offset}})
            self.assertTrue(gaps)
        self.assertEqual(server.stop(), 0)
        self.verify()

    # -- a clock that jumps

    def test_a_clock_that_jumps(self):
        day_ns = 24 * 3600 * 10**9
        clock = self.path("clock")

        def jump(ns):
            with open(clock, "r+b" if os.path.exists(clock) else "wb") as file:
                file.write(struct.pack("<q", ns))

        jump(0)
        age_s = 40  # looked at every 4 s
        server = self.start("journal.segment_bytes=1MiB", f"journal.retention_age={age_s}s", clock=clock)
        publisher = Publisher("bank", 60_000)
        begun = time.monotonic()
        with opened(server.port, path="/realtime?user=ann") as client:
            for n, jumped in enumerate((0, day_ns, -day_ns, 365 * day_ns, 0)):
                jump(jumped)
                publisher.publish(client, 20, ttl_ms=600_000)
                self.check_all_there(server.port, publisher)
            jump(day_ns)
            publisher.publish(client, 20, ttl_ms=600_000)
            # What must not happen here cannot be waited for, so the time is: retention looks at the log meanwhile.
            while time.monotonic() < begun + 9:
                publisher.publish(client, 1, ttl_ms=600_000)
                time.sleep(0.1)
            if time.monotonic() < begun + age_s - 10:
                self.check_all_there(server.port, publisher)
            jump(-day_ns)
            short = {"type": "post", "id": "short", "channel": "brief", "qos": 1, "payload": 1, "ttl_ms": 300}
            self.assertEqual(client.ask(short)["type"], "ack")
            until("a short life ends", lambda: not self.history(client, "brief"))
        self.assertEqual(server.stop(), 0)
        self.verify()

    def history(self, client, channel):
        client.send({"type": "channel:history", "channel": channel, "id": "h", "payload": {}})
        return client.receive_of("channel:history")["payload"]["messages"]


if __name__ == "__main__":
    if NAMESPACE not in os.environ:
        with tempfile.TemporaryDirectory() as place:
            probe = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", place]
            can = shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0
        os.environ[NAMESPACE] = "yes" if can else "no"
        if can:
            os.execvp("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv])
    TROUPE, TROUPED, BAD_DISK = (os.path.abspath(a) for a in sys.argv[1:4])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)

#!/usr/bin/env python3
"""`troupe log` on a log with known content: what each command says, and what it says of damage.

usage: log_commands.py TROUPE LOG_MAKER SOURCE_DIR [unittest arguments]
"""

import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
import unittest

from log_world import PATIENCE_S, CommandLine, Log, frames_of, read_terminal, record_of, time_of

TROUPE = MAKER = SOURCE = ""
COUNT = 300
COMMANDS = ["status", "publish", "subscribe", "history", "replay", "backup", *(f"log {c}" for c in ("cat", "tail", "export", "head", "verify", "prove", "check-proof", "key"))]


def until(what, ready):
    end = time.monotonic() + PATIENCE_S
    while not (value := ready()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE_S} s for: {what}")
        time.sleep(0.01)
    return value


class Case(unittest.TestCase):
    """Has one log that nobody changes; whoever wants to damage one takes a copy."""

    @classmethod
    def setUpClass(cls):
        cls.troupe = CommandLine(TROUPE)
        cls.log = Log(MAKER, COUNT)
        cls.before = cls.log.fingerprint()

    @classmethod
    def tearDownClass(cls):
        # No command may change what it reads, nor leave anything there.
        with cls.log:
            assert cls.log.fingerprint() == cls.before, "a command has changed the data folder"

    def run_log(self, *arguments, code=0, data=None, **how):
        answer = self.troupe("log", *arguments, data=data or self.log.data, **how)
        self.assertEqual(answer.code, code, answer)
        return answer


class Reading(Case):
    def test_the_log_has_several_segments(self):
        self.assertGreater(len(self.log.segments), 4)

    def test_cat_says_every_field(self):
        self.assertEqual(self.run_log("cat").records, [record_of(i) for i in range(COUNT)])

    def test_filters(self):
        def wanted(**fields):
            return lambda r: all(r.get(name) == value for name, value in fields.items())

        cases = [
            (["--channel", "news"], wanted(channel="news")),
            (["--user", "ann", "--channel", "alerts"], wanted(user="ann", channel="alerts")),
            (["--user", "ann", "--user", "bob", "--kind", "position.acked"], wanted(kind="position.acked")),
            (["--room", "lobby"], wanted(room="lobby")),
            (["--room", "*"], wanted(room="lobby")),
            (["--channel", "ne*"], wanted(channel="news")),
            (["--connection", "c3"], wanted(connection="c3")),
            (["--kind", "channel.*"], wanted(kind="channel.published")),
            (["--kind", "kind.999"], wanted(kind="kind.999")),
            (["--type", "post"], wanted(type="post")),
            (["--type", "post*", "--user", "bob"], lambda r: r.get("type", "").startswith("post") and r["user"] == "bob"),
            (["--type", "pos"], lambda r: False),
            (["--kind=room.joined", "--kind=kind.999"], lambda r: r["kind"] in ("room.joined", "kind.999")),
            (["--user", "nobody"], lambda r: False),
            (["--from", 57, "--to", 58], lambda r: r["index"] == 57),
            (["--from", 113], lambda r: r["index"] >= 113),
            (["--to", 113], lambda r: r["index"] < 113),
            (["--from", COUNT + 5], lambda r: False),
            (["--from", time_of(20), "--to", time_of(250)], lambda r: 20 <= r["index"] < 250),
            (["--from", "2026-01-01T05:30:00.5+02:00"], lambda r: r["index"] > 210),
            (["--from", "-1h"], lambda r: False),
            (["--to", "-1h", "--from", 290], lambda r: r["index"] >= 290),
        ]
        for arguments, keep in cases:
            with self.subTest(arguments=arguments):
                want = [r for r in map(record_of, range(COUNT)) if keep(r)]
                self.assertEqual(self.run_log("cat", *arguments).records, want)

    def test_a_search_by_time_agrees_with_reading_everything(self):
        for index in range(0, COUNT, 7):
            found = self.run_log("cat", "--from", time_of(index), "--to", time_of(index + 3)).records
            self.assertEqual([r["index"] for r in found], [i for i in range(index, index + 3) if i < COUNT])

    def test_tail(self):
        every = [record_of(i) for i in range(COUNT)]
        self.assertEqual(self.run_log("tail").records, every[-10:])
        for count in (0, 1, 24, 25, 200, COUNT, COUNT + 100):
            self.assertEqual(self.run_log("tail", "-n", count).records, every[max(0, COUNT - count) :], count)
        rooms = [r for r in every if r["kind"] == "room.joined"]
        self.assertEqual(self.run_log("tail", "-n25", "--room", "lobby").records, rooms[-25:])
        middle = [r for r in every[60:200] if r.get("user") == "ann"]
        self.assertEqual(self.run_log("tail", "-n", 5, "--user", "ann", "--from", 60, "--to", 200).records, middle[-5:])
        self.run_log("tail", "-n", 10**9, code=2)

    def test_cloud_events(self):
        events = self.run_log("cat", "--format", "cloudevents").records
        self.assertEqual([e["id"] for e in events], [str(i) for i in range(COUNT)])
        self.assertEqual(sorted(e["sequence"] for e in events), [e["sequence"] for e in events])
        for event, record in zip(events, map(record_of, range(COUNT))):
            self.assertEqual(event["specversion"], "1.0")
            self.assertEqual(event["source"], "/troupe/n1/channels")
            self.assertEqual(event["type"], "troupe." + record["kind"])
            self.assertEqual(event["time"], record["time"])
            self.assertEqual(event.get("data"), record.get("payload"))
            self.assertEqual(event.get("data_base64"), record.get("payload_base64"))
            self.assertEqual("datacontenttype" in event, "payload" in record or "payload_base64" in record)
            self.assertIs(event.get("encrypted"), record.get("encrypted"))
            for name, value in event.items():
                if name not in ("data", "data_base64", "encrypted"):
                    self.assertRegex(name, r"^[a-z0-9]+$")
                    self.assertNotRegex(value, r"[\x00-\x1f\x7f]")

    def test_table(self):
        lines = self.run_log("cat", "--format", "table").out.splitlines()
        self.assertEqual(len(lines), COUNT + 1)
        self.assertEqual(lines[0].split(), ["INDEX", "CLASS", "TIME", "KIND", "WHERE", "WHO", "OFFSET", "WHAT"])
        at = {name: lines[0].index(name) for name in lines[0].split()}
        for index, line in enumerate(lines[1:]):
            record = record_of(index)
            self.assertEqual(line[: at["CLASS"]].split(), [str(index)])
            self.assertEqual(line[at["CLASS"] : at["TIME"]].strip(), "channels")
            self.assertEqual(line[at["TIME"] : at["KIND"]].strip(), record["time"])
            self.assertEqual(line[at["KIND"] : at["WHERE"]].strip(), record["kind"])
            self.assertNotRegex(line, "[\x00-\x1f\x7f-\x9f\u202e]")
        self.assertIn("<encrypted, 9 bytes>", lines[4])

    def test_a_terminal_gets_a_table_of_its_width(self):
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        with self.troupe.start("log", "tail", data=self.log.data, stdout=follower, stderr=follower) as process:
            os.close(follower)
            seen = read_terminal(leader)
            self.assertEqual(process.wait(PATIENCE_S), 0)
        lines = seen.decode().splitlines()
        self.assertEqual(len(lines), 11)
        self.assertLessEqual(max(map(len, lines)), 120)
        self.assertTrue(any(line.endswith("…") for line in lines), lines)

    def test_following(self):
        for arguments in (["tail", "-n", "2"], ["cat", "--from", str(COUNT - 2)]):
            with self.log.copy() as log:
                process = self.troupe.start("log", *arguments, "--follow", data=log.data, stdout=subprocess.PIPE)
                with process:
                    lines = [json.loads(process.stdout.readline()) for _ in range(2)]
                    log.append(80)  # into the next segment
                    lines += [json.loads(process.stdout.readline()) for _ in range(80)]
                    self.assertEqual(lines, [record_of(i) for i in range(COUNT - 2, COUNT + 80)])
                    process.send_signal(signal.SIGINT)
                    self.assertEqual(process.wait(PATIENCE_S), 0)
                    self.assertEqual(process.stdout.read(), b"")

    def test_what_is_not_synced_is_not_shown(self):
        with self.log.copy() as log:
            # As a writer leaves it that has written and not synced: the mark and the checkpoints are older.
            kept = {name: log.read(name) for name in ("synced", "checkpoints")}
            log.append(3)
            for name, data in kept.items():
                log.write(name, data)
            self.assertEqual(len(self.run_log("cat", data=log.data).records), COUNT)
            self.assertEqual(self.run_log("cat", "--unsynced", data=log.data).records[-1], record_of(COUNT + 2))

    def test_ctrl_c_tears_no_line(self):
        with Log(MAKER, 20_000, 1 << 20) as log:
            process = self.troupe.start("log", "cat", data=log.data, stdout=subprocess.PIPE)
            with process:
                first = process.stdout.read(1000)  # it writes now, and the pipe is about to be full
                process.send_signal(signal.SIGINT)
                text = (first + process.stdout.read()).decode()
                self.assertEqual(process.wait(PATIENCE_S), 130)
            self.assertTrue(text.endswith("\n"))
            lines = [json.loads(line)["index"] for line in text.splitlines()]
            self.assertEqual(lines, list(range(len(lines))))
            self.assertLess(len(lines), 20_000)

    def test_a_reader_that_stops_reading(self):
        with Log(MAKER, 20_000, 64 << 20) as log:
            process = self.troupe.start("log", "cat", data=log.data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            with process:
                process.stdout.readline()
                process.stdout.close()
                self.assertEqual(process.stderr.read(), b"")
                self.assertEqual(process.wait(PATIENCE_S), -signal.SIGPIPE)

    def test_a_full_disk_is_said(self):
        with open("/dev/full", "wb") as full:
            process = self.troupe.start("log", "cat", data=self.log.data, stdout=full, stderr=subprocess.PIPE)
            with process:
                self.assertIn(b"No space left", process.stderr.read())
                self.assertEqual(process.wait(PATIENCE_S), 3)


class Exporting(Case):
    def out(self, log, name):
        return os.path.join(log.folder, name)

    def test_sqlite(self):
        path = self.out(self.log, "all.db")
        self.run_log("export", "--format", "sqlite", "--out", path)
        self.assertFalse(os.path.exists(path + ".partial"))
        database = sqlite3.connect(path)
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM records ORDER BY idx").fetchall()
        self.assertEqual([r["idx"] for r in rows], list(range(COUNT)))
        for row, want in zip(rows, map(record_of, range(COUNT))):
            self.assertEqual((row["time"], row["kind"]), (want["time"], want["kind"]))
            for name in ("channel", "room", "user", "connection", "id", "type", "durable", "node", "offset", "qos"):
                self.assertEqual(row[name], want.get(name), name)
            if "payload" in want:
                self.assertEqual(json.loads(row["payload"]), want["payload"])
            elif "payload_base64" in want:
                self.assertIsInstance(row["payload"], bytes)
            else:
                self.assertIsNone(row["payload"])
        self.assertEqual(rows[3]["payload"], b"\x80\x00secret\xFF")
        self.assertEqual(rows[8]["code"], str(2**64 - 1))
        self.assertEqual([tuple(r) for r in database.execute("SELECT * FROM logs")], [("channels", "n1/channels")])
        self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        database.close()

    def test_files_are_not_overwritten_unasked(self):
        path = self.out(self.log, "kept")
        with open(path, "w", encoding="utf-8") as file:
            file.write("precious")
        answer = self.run_log("export", "--out", path, code=3)
        self.assertIn("--force", answer.err)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        self.run_log("export", "--out", path, "--force", "--kind", "room.joined")
        with open(path, encoding="utf-8") as file:
            self.assertEqual([json.loads(line)["index"] for line in file], list(range(7, COUNT, 10)))

    def test_standard_output(self):
        self.assertEqual(self.run_log("export").out, self.run_log("cat").out)
        self.assertEqual(
            self.run_log("export", "--format", "cloudevents").out, self.run_log("cat", "--format", "cloudevents").out
        )
        self.run_log("export", "--format", "sqlite", code=2)
        self.run_log("export", "--format", "table", code=2)

    def test_ctrl_c_and_damage_leave_no_file(self):
        with Log(MAKER, 300_000, 64 << 20) as log:
            for form in ("sqlite", "jsonl"):
                path = self.out(log, form)
                process = self.troupe.start(
                    "log", "export", "--format", form, "--out", path, data=log.data, stderr=subprocess.PIPE
                )
                with process:
                    until("the partial file", lambda p=path: os.path.exists(p + ".partial"))
                    process.send_signal(signal.SIGINT)
                    self.assertEqual(process.wait(PATIENCE_S), 130, process.stderr.read())
                self.assertFalse(os.path.exists(path) or os.path.exists(path + ".partial"))
        with self.log.copy() as log:
            data = bytearray(log.read(log.segments[2]))
            data[len(data) // 2] ^= 1
            log.write(log.segments[2], data)
            path = self.out(log, "damaged")
            self.assertIn(log.segments[2], self.run_log("export", "--out", path, data=log.data, code=1).err)
            self.assertFalse(os.path.exists(path) or os.path.exists(path + ".partial"))
            self.run_log("export", "--out", path, "--past-damage", data=log.data, code=1)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(json.loads(file.readlines()[-1]), record_of(COUNT - 1))

    def test_progress_is_for_terminals_and_long_work(self):
        with Log(MAKER, 600_000, 64 << 20) as log:
            leader, follower = pty.openpty()
            command = ["log", "export", "--format", "sqlite", "--out", self.out(log, "x.db")]
            with self.troupe.start(*command, data=log.data, stderr=follower) as process:
                os.close(follower)
                seen = b""
                while b"%" not in seen:
                    seen += os.read(leader, 4096)
                process.send_signal(signal.SIGINT)
                while process.poll() is None:
                    if select.select([leader], [], [], 0.05)[0]:
                        try:
                            os.read(leader, 4096)
                        except OSError:
                            break
                self.assertEqual(process.wait(PATIENCE_S), 130)
            os.close(leader)
            self.assertRegex(seen, rb"exporting \[#*\.*\] +\d+ %")


class Verifying(Case):
    def verify(self, log, *arguments, code=1):
        answer = self.run_log("verify", *arguments, data=log.data, code=code)
        report = json.loads(self.run_log("verify", "--json", *arguments, data=log.data, code=code).out)
        self.assertEqual(report["intact"], code == 0)
        self.assertEqual(answer.out.startswith("intact: " if code == 0 else "damaged: "), True, answer)
        return answer.out, report

    def keep(self, log):
        """The checkpoint and the key of a log, kept elsewhere."""
        note, key = os.path.join(log.folder, "note"), os.path.join(log.folder, "key")
        for path, command in ((note, "head"), (key, "key")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.run_log(command, data=log.data).out)
        return ["--expect", note, "--public-key", key]

    def test_intact(self):
        text, report = self.verify(self.log, code=0)
        self.assertIn(f"{COUNT} records (0 to {COUNT - 1}) in {len(self.log.segments)} segments", text)
        self.assertIn("2 fit", text)
        self.assertEqual((report["records"], report["size"], report["first"], report["checkpoints"]), (COUNT, COUNT, 0, 2))
        self.assertEqual(report["root"], self.run_log("head").out.splitlines()[2])
        self.assertNotIn("expected_fits", report)  # nothing was expected
        text, report = self.verify(self.log, *self.keep(self.log), code=0)
        self.assertIn("so does the expected one", text)
        self.assertTrue(report["expected_fits"] and report["signatures_checked"])

    def test_head_is_a_signed_note(self):
        lines = self.run_log("head").out.split("\n")
        self.assertEqual(lines[:2], ["n1/channels", str(COUNT)])
        self.assertEqual((lines[3], lines[5:]), ("", [""]))
        self.assertTrue(lines[4].startswith("— n1/channels "))

    def test_a_growing_log_fits_its_older_checkpoint(self):
        with self.log.copy() as log:
            kept = self.keep(log)
            log.append(100)
            self.verify(log, *kept, code=0)

    def test_every_flipped_byte_is_found_and_named(self):
        seed = random.randrange(2**32)
        dice = random.Random(seed)
        with self.log.copy() as log:
            for _ in range(200):
                name = dice.choice(log.segments)
                good = log.read(name)
                at = dice.randrange(len(good))
                log.write(name, good[:at] + bytes([good[at] ^ (1 << dice.randrange(8))]) + good[at + 1 :])
                text, report = self.verify(log)
                first = report["problems"][0]
                self.assertEqual(first["file"], name, (seed, at, text))
                self.assertLessEqual(first["byte"], at, (seed, at, text))
                self.assertIn(f"{name}, record {first['record']}, byte {first['byte']}", text.splitlines()[0])
                header, _, frames = frames_of(good)
                hit = [f.offset for f in frames if f.offset <= at < f.end]
                self.assertEqual(first["byte"], hit[0] if at >= header else 0, (seed, at, text))
                log.write(name, good)
            self.verify(log, code=0)

    def test_a_cut_tail_is_found(self):
        seed = random.randrange(2**32)
        dice = random.Random(seed)
        with self.log.copy() as log:
            name = log.segments[-1]
            good = log.read(name)
            for length in [0, len(good) - 1, *(dice.randrange(len(good)) for _ in range(20))]:
                log.write(name, good[:length])
                text, report = self.verify(log)
                self.assertEqual(report["problems"][0]["file"], name, (seed, length, text))
            os.remove(log.path(name))
            self.verify(log)

    def test_a_missing_segment_is_found(self):
        with self.log.copy() as log:
            gone = log.segments[2]
            os.remove(log.path(gone))
            text, report = self.verify(log)
            self.assertIn("missing", text)
            self.assertEqual(report["problems"][0]["file"], gone)

    def change(self, log, name, edit):
        """Changes the frames of a segment and writes them again with checksums that fit: what someone does who knows
        the format."""
        data = log.read(name)
        header, seed, frames = frames_of(data)
        edit(frames)
        out = data[:header]
        for frame in frames:
            out += frame.encoded(seed, len(out))
        log.write(name, out)

    def test_changes_with_right_checksums_are_found(self):
        def edit(frames):
            frames[5].body = frames[5].body[:-1] + bytes([frames[5].body[-1] ^ 1])

        def delete(frames):
            del frames[5]

        def reorder(frames):
            frames[5], frames[6] = frames[6], frames[5]

        def insert(frames):
            frames.insert(5, frames[6])

        for which in (0, 2, -1):  # the last one is held by the checkpoints alone
            for change in (edit, delete, reorder, insert):
                with self.subTest(which=which, change=change.__name__), self.log.copy() as log:
                    name = log.segments[which]
                    self.change(log, name, change)
                    text, report = self.verify(log)
                    if which == 0 or "checkpoint" not in text.splitlines()[0]:
                        self.assertEqual(report["problems"][0]["file"], name, text)
                    else:  # between two checkpoints nothing says more
                        self.assertIn(f"records {COUNT // 2} to {COUNT}", text.splitlines()[0])

    def test_only_a_checkpoint_from_outside_finds_another_log_in_its_place(self):
        with self.log.copy() as log:
            kept = self.keep(log)
            for count, shift, words in ((COUNT, 1, "are not those of the expected checkpoint"), (COUNT - 1, 0, "ends before")):
                for name in os.listdir(log.log):
                    os.remove(log.path(name))
                log.append(count, shift=shift)  # the same key signs it
                self.verify(log, code=0)
                text, _ = self.verify(log, *kept)
                self.assertIn(words, text)

    def test_keys(self):
        with Log(MAKER, 10) as other:
            key = self.run_log("key", data=other.data).out.strip()
            text, _ = self.verify(self.log, "--public-key", key)
            self.assertIn("not signed with this key", text)
        os.makedirs(os.path.join(self.log.folder, "x"), exist_ok=True)
        pem = os.path.join(self.log.folder, "x", "public.pem")
        private = os.path.join(self.log.data, "log.key")
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", pem], check=True)
        self.assertIn("signatures: checked", self.verify(self.log, "--public-key", pem, code=0)[0])
        with self.log.copy() as log:
            os.remove(os.path.join(log.data, "log.key"))
            self.assertIn("signatures: not checked", self.verify(log, code=0)[0])
            self.run_log("key", data=log.data, code=3)
            self.assertEqual(self.run_log("key", "--key", private, data=log.data).out, self.run_log("key").out)
        self.run_log("verify", "--public-key", "n1+00000000+nonsense", code=2)
        self.run_log("verify", "--public-key", "/nowhere", code=3)
        self.run_log("verify", "--expect", "/nowhere", code=3)
        self.assertIn("holds no checkpoint", self.run_log("verify", "--expect", pem, code=3).err)

    def test_reading_stops_at_damage_and_names_it(self):
        with self.log.copy() as log:
            name = log.segments[2]
            data = bytearray(log.read(name))
            frame = frames_of(bytes(data))[2][7]
            data[frame.offset + 15] ^= 1
            log.write(name, data)
            index = int(name[:20]) + 7
            place = f"{name}, record {index}, byte {frame.offset}"
            answer = self.run_log("cat", data=log.data, code=1)
            self.assertEqual(answer.records, [record_of(i) for i in range(index)])
            self.assertIn(place, answer.err)
            answer = self.run_log("cat", "--past-damage", data=log.data, code=1)
            after = int(log.segments[3][:20])
            self.assertEqual(answer.records, [record_of(i) for i in range(COUNT) if i < index or i >= after])
            self.assertIn(place, answer.err)
            self.assertEqual(len(self.run_log("tail", data=log.data).records), 10)
            self.assertIn(place, self.run_log("tail", "-n", COUNT, data=log.data, code=1).err)
            log.write(name, b"nonsense")  # not even a header
            self.assertIn(name, self.run_log("cat", "--from", index, data=log.data, code=1).err)
            kept = self.run_log("cat", "--from", index, "--past-damage", data=log.data, code=1).records
            self.assertEqual(kept, [record_of(i) for i in range(after, COUNT)])


class Several(unittest.TestCase):
    """A data folder with two logs, audit and channels, whose records have the same times."""

    @classmethod
    def setUpClass(cls):
        cls.troupe = CommandLine(TROUPE)
        cls.log = Log(MAKER, 60)
        cls.log.append(40, name="audit")
        cls.channels = [record_of(i) for i in range(60)]
        cls.audit = [record_of(i) | {"class": "audit"} for i in range(40)]

    @classmethod
    def tearDownClass(cls):
        cls.log.__exit__()

    def run_log(self, *arguments, code=0, **how):
        answer = self.troupe("log", *arguments, data=self.log.data, **how)
        self.assertEqual(answer.code, code, answer)
        return answer

    def merged(self):
        return sorted(self.audit + self.channels, key=lambda r: r["index"])  # stable: audit first

    def test_they_come_as_one_by_time(self):
        self.assertEqual(self.run_log("cat").records, self.merged())
        self.assertEqual(self.run_log("tail", "-n", 30).records, self.merged()[-30:])
        self.assertEqual(self.run_log("export").records, self.merged())
        both = [r for r in self.merged() if r.get("room") == "lobby"]
        self.assertEqual(self.run_log("cat", "--room", "lobby", "--from", time_of(0)).records, both)
        self.assertEqual(len({(e["source"], e["id"]) for e in self.run_log("cat", "--format", "cloudevents").records}), 100)

    def test_one_of_them(self):
        self.assertEqual(self.run_log("cat", "--class", "audit").records, self.audit)
        self.assertEqual(self.run_log("cat", "--class", "audit", "--from", 30).records, self.audit[30:])
        self.assertEqual(self.run_log("cat", "--class", "audit", "--class", "channels").records, self.merged())
        self.assertIn("--class (audit, channels)", self.run_log("cat", "--from", 30, code=2).err)
        self.assertIn("there are: audit, channels", self.run_log("cat", "--class", "rooms", code=3).err)

    def test_sqlite_holds_both(self):
        path = os.path.join(self.log.folder, "both.db")
        self.run_log("export", "--format", "sqlite", "--out", path)
        database = sqlite3.connect(path)
        counts = database.execute("SELECT class, count(*) FROM records GROUP BY class ORDER BY class").fetchall()
        self.assertEqual(counts, [("audit", 40), ("channels", 60)])
        logs = database.execute("SELECT * FROM logs ORDER BY class").fetchall()
        self.assertEqual(logs, [("audit", "n1/audit"), ("channels", "n1/channels")])
        database.close()

    def test_each_is_verified_against_its_checkpoint(self):
        note, key = os.path.join(self.log.folder, "note"), os.path.join(self.log.folder, "key")
        for path, command in ((note, "head"), (key, "key")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.run_log(command).out)
        reports = self.run_log("verify", "--json", "--expect", note, "--public-key", key).records
        self.assertEqual([(r["class"], r["records"], r["expected_fits"]) for r in reports], [("audit", 40, True), ("channels", 60, True)])
        self.assertEqual(self.run_log("verify").out.count("intact: "), 2)
        with Log(MAKER, 5) as other:
            other.append(5, name="elsewhere")
            with open(note, "w", encoding="utf-8") as file:
                file.write(self.troupe("log", "head", "--class", "elsewhere", data=other.data).out)
        self.assertIn("no log here goes by that name", self.run_log("verify", "--expect", note, code=1).err)

    def test_following_both(self):
        with Log(MAKER, 2) as log:
            log.append(1, name="audit")
            with self.troupe.start("log", "tail", "-f", data=log.data, stdout=subprocess.PIPE) as process:
                read = lambda: (lambda r: (r["class"], r["index"]))(json.loads(process.stdout.readline()))
                self.assertEqual([read() for _ in range(3)], [("audit", 0), ("channels", 0), ("channels", 1)])
                for index in range(1, 4):
                    log.append(1, name="audit")
                    self.assertEqual(read(), ("audit", index))
                    log.append(1)
                    self.assertEqual(read(), ("channels", index + 1))
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_a_proof_is_of_one_of_them(self):
        key = self.run_log("key").out.splitlines()[0]
        for name in ("audit", "channels"):
            heads = self.run_log("head").out.encode()  # of all logs: it takes its own
            for kept in ([], ["--checkpoint", "-"]):
                proof = self.run_log("prove", 7, "--class", name, *kept, stdin=heads).out.encode()
                answer = self.troupe("log", "check-proof", "-", "--public-key", key, stdin=proof)
                self.assertEqual(answer.code, 0, answer)
                self.assertIn(f"record 7 is in n1/{name}", answer.out)
        other = self.run_log("head", "--class", "audit").out.encode()
        why = self.run_log("prove", 7, "--checkpoint", "-", stdin=other, code=3).err
        self.assertIn("no checkpoint of the log channels", why)
        self.assertIn("n1/channels", self.run_log("prove", 7).out)

    def test_damage_of_one_does_not_hide_the_other(self):
        with self.log.copy() as log:
            path = os.path.join(log.data, "log", "audit", log.segments[0])
            with open(path, "r+b") as file:
                file.seek(-20, os.SEEK_END)
                file.write(b"!!!!")
            answer = self.troupe("log", "cat", data=log.data)
            self.assertEqual(answer.code, 1, answer)
            self.assertIn(f"{log.segments[0]}, record ", answer.err)
            self.assertEqual([r for r in answer.records if r["class"] == "channels"], self.channels)
            self.assertEqual(self.troupe("log", "verify", data=log.data).code, 1)


class Proving(Case):
    def test_proofs(self):
        key = self.run_log("key").out.strip()
        with Log(MAKER, 10) as other:
            wrong_key = self.run_log("key", data=other.data).out.strip()
        for index in (0, 1, 57, 58, 128, 255, 256, COUNT - 1):
            proof = self.run_log("prove", index).out.encode()
            answer = self.troupe("log", "check-proof", "-", "--public-key", key, stdin=proof)
            self.assertEqual(answer.code, 0, answer)
            self.assertIn(f"record {index} is in n1/channels", answer.out)
            want = {name: value for name, value in record_of(index).items() if name != "class"}
            self.assertEqual(json.loads(answer.out.splitlines()[1]), want)
            answer = self.troupe("log", "check-proof", "-", "--json", "--public-key", key, stdin=proof)
            self.assertEqual(json.loads(answer.out)["record"], want)
            self.assertEqual(self.troupe("log", "check-proof", "-", "--public-key", wrong_key, stdin=proof).code, 1)

    def test_a_changed_proof_proves_nothing(self):
        seed = random.randrange(2**32)
        dice = random.Random(seed)
        key = self.run_log("key").out.strip()
        proof = self.run_log("prove", 128).out.encode()
        for _ in range(60):
            at = dice.randrange(len(proof))
            bad = proof[:at] + bytes([proof[at] ^ (1 << dice.randrange(7))]) + proof[at + 1 :]
            answer = self.troupe("log", "check-proof", "-", "--public-key", key, stdin=bad)
            self.assertEqual(answer.code, 1, (seed, at, answer))
            self.assertIn("not proven: ", answer.out)

    def test_an_older_checkpoint(self):
        with self.log.copy() as log:
            note = os.path.join(log.folder, "note")
            with open(note, "w", encoding="utf-8") as file:
                file.write(self.run_log("head", data=log.data).out)
            log.append(100)
            self.assertIn(f"\n{COUNT + 100}\n", self.run_log("prove", 5, data=log.data).out)
            self.assertIn(f"\n{COUNT}\n", self.run_log("prove", 5, "--checkpoint", note, data=log.data).out)
            self.run_log("prove", COUNT, "--checkpoint", note, data=log.data, code=1)

    def test_what_cannot_be_proven(self):
        self.assertIn("came later", self.run_log("prove", COUNT, code=1).err)
        self.assertIn("whole number", self.run_log("prove", "seven", code=2).err)
        self.run_log("prove", code=2)
        proof = os.path.join(self.log.folder, "proof")
        self.assertEqual(self.troupe("log", "check-proof", proof).code, 2)
        key = self.run_log("key").out.strip()
        self.assertEqual(self.troupe("log", "check-proof", proof, "--public-key", key).code, 3)


class Usage(Case):
    def test_mistakes_are_named(self):
        cases = [
            (["log", "cat", "--chanel", "x"], "is it --channel?"),
            (["log", "verfy"], "is it log verify?"),
            (["stauts"], "is it status?"),
            (["repaly"], "is it replay?"),
            (["publsh"], "is it publish?"),
            (["backup", "--form", "x"], "backup has no flag --form"),
            (["subscribe", "--room", "a", "--from", "earliest"], "for channels"),
            (["subscribe", "--channel", "a", "--fron", "x"], "is it --from?"),
            (["log", "cat", "--kind", "room.jonied"], "is it room.joined?"),
            (["log", "cat", "--kind", "zebra.*"], "no kind"),
            (["log", "cat", "--from", "yesterday"], "--from must be"),
            (["log", "cat", "--from", "2026-02-30T00:00:00Z"], "--from must be"),
            (["log", "cat", "--format", "xml"], "--format must be"),
            (["log", "cat", "--follow", "--to", "7"], "--follow"),
            (["log", "cat", "--data"], "needs a value"),
            (["log", "cat", "--data", "--follow"], "needs a value"),
            (["log", "cat", "--follow=yes"], "takes no value"),
            (["log", "cat", "more"], 'cannot take "more"'),
            (["log", "cat", "--class", "../x"], "plain name"),
            (["log", "tail", "-x"], "has no flag -x"),
        ]
        for arguments, words in cases:
            with self.subTest(arguments=arguments):
                answer = self.troupe(*arguments)
                self.assertEqual((answer.code, answer.out), (2, ""), answer)
                self.assertIn(words, answer.err)
                self.assertEqual(answer.err.count("\n"), 1, answer)

    def test_folders_that_are_not_there(self):
        for command in ("cat", "tail", "export", "head", "verify", "key"):
            self.assertIn("no data folder", self.run_log(command, data="/nowhere", code=3).err)
        self.assertIn("there are: channels", self.run_log("cat", "--class", "rooms", code=3).err)
        self.assertIn("has none", self.run_log("cat", data=self.log.folder, code=3).err)

    def test_folders_that_one_may_not_read(self):
        """Root may read everything, so the commands run as nobody then."""
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}

        def troupe(*arguments):
            done = subprocess.run([TROUPE, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False, **other)
            return done.returncode, done.stdout, done.stderr

        try:
            troupe("--version")
        except PermissionError:
            self.skipTest("nobody may not run the program that is tested")
        with self.log.copy() as log:
            os.chmod(log.folder, 0o755)
            os.makedirs(os.path.join(log.data, "log", "audit"))
            inner = os.path.join(log.data, "log")
            # Of the data folder, of what is in it, and of one log: the path is what could not be looked at.
            for closed, named in ((log.folder, log.data), (log.data, inner), (inner, inner)):
                os.chmod(closed, 0o700 if other else 0o000)
                for command in (
                    *(["log", c] for c in ("cat", "tail", "export", "head", "verify", "key")),
                    ["log", "prove", "1"],
                    ["log", "forget", "ann", "--yes"],
                    ["replay"],
                    ["backup", "--to", os.path.join(log.folder, "copy")],
                ):
                    path = log.log if command[1:] == ["prove", "1"] and closed != log.folder else named
                    with self.subTest(command=command, closed=closed):
                        code, out, err = troupe(*command, "--data", log.data)
                        self.assertEqual((code, out, err), (3, "", f"troupe: cannot read {path}: Permission denied\n"))
                os.chmod(closed, 0o755)

    def test_an_empty_log(self):
        with Log(MAKER, 0) as log:
            self.assertEqual(self.run_log("cat", data=log.data).out, "")
            self.assertEqual(self.run_log("tail", data=log.data).out, "")
            self.assertIn("intact: 0 records", self.run_log("verify", data=log.data).out)
            log.append(0, name="audit")
            answer = self.run_log("head", data=log.data, code=3)
            self.assertEqual((answer.out, answer.err), ("", "".join(f"troupe: the log {c} has no checkpoint yet\n" for c in ("audit", "channels"))))
            answer = self.run_log("head", "--class", "audit", data=log.data, code=3)
            self.assertEqual((answer.out, answer.err), ("", "troupe: the log audit has no checkpoint yet\n"))
            log.append(5, name="audit")
            answer = self.run_log("head", data=log.data)
            self.assertEqual(answer.err, "troupe: the log channels has no checkpoint yet\n")
            self.assertEqual(answer.out.splitlines()[0], "n1/audit")

    def test_help(self):
        self.assertEqual(self.troupe().code, 2)
        overview = self.troupe("--help").out
        for command in COMMANDS:
            self.assertRegex(overview, rf"(?m)^  {command}\b")
            for answer in (self.troupe(*command.split(), "--help"), self.troupe("help", *command.split())):
                self.assertEqual(answer.code, 0)
                self.assertTrue(answer.out.startswith(f"usage: troupe {command}"), answer)
                self.assertIn("Exit status", answer.out)
                self.assertRegex(answer.out, rf"\nexamples:\n(  .*troupe {command}.*\n)+$")
        self.assertEqual(self.troupe("log", "--help").code, 0)
        self.assertRegex(self.troupe("--version").out, r"^troupe \d+\.\d+\.\d+\n$")

    def complete(self, *words):
        script = f"source {SOURCE}/apps/troupe/completion/troupe; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _troupe; "
        script += 'printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, check=True, timeout=PATIENCE_S)
        self.assertEqual(done.stderr, b"")
        return done.stdout.decode().split()

    def test_completion_knows_what_the_help_says(self):
        first = self.complete("troupe", "")
        self.assertEqual({c.split()[0] for c in COMMANDS} - set(first), set())
        self.assertEqual({c.split()[1] for c in COMMANDS if " " in c} - set(self.complete("troupe", "log", "")), set())
        for command in COMMANDS:
            said = set(self.flag_lines(command))
            self.assertEqual(set(self.complete("troupe", *command.split(), "--")), said | {"--help"}, command)
        listed = self.troupe("log", "cat", "--kind", "zebra").err
        kinds = re.search(r"kinds: (.*)\)", listed).group(1).split(", ")
        self.assertEqual(self.complete("troupe", "log", "cat", "--kind", ""), kinds)
        self.assertEqual(self.complete("troupe", "log", "cat", "--data", self.log.data, "--class", ""), ["channels"])
        self.assertEqual(self.complete("troupe", "log", "export", "--format", "s"), ["sqlite"])
        self.assertEqual(self.complete("troupe", "replay", "--format", ""), ["text", "json"])
        self.assertEqual(self.complete("troupe", "replay", "--speed", "m"), ["max"])
        self.assertEqual(self.complete("troupe", "subscribe", "--from", "e"), ["earliest"])
        self.assertIn(self.log.data, self.complete("troupe", "backup", "--to", self.log.folder + "/"))

    def flag_lines(self, command):
        for line in self.troupe(*command.split(), "--help").out.splitlines():
            if flag := re.match(r" +(?:-\w, )?(--[a-z-]+)", line):
                yield flag.group(1)


if __name__ == "__main__":
    TROUPE, MAKER, SOURCE = (os.path.abspath(a) for a in sys.argv[1:4])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)

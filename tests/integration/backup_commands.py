#!/usr/bin/env python3
"""`troupe backup` beside a server, what is restored from it, and who may open a data folder.

usage: backup_commands.py TROUPE TROUPED [unittest arguments]
"""

import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

from log_world import PATIENCE_S, CommandLine
from server_world import Server, free_port, opened

TROUPE = TROUPED = ""


def publish(client, *numbers):
    for n in numbers:
        answer = client.ask({"type": "post", "channel": "news", "qos": 1, "id": f"n{n}", "payload": {"n": n, "pad": "x" * 2000}})
        assert answer["type"] == "ack", answer


class Backup(unittest.TestCase):
    def setUp(self):
        self.troupe = CommandLine(TROUPE)
        self.folder = tempfile.mkdtemp(prefix="troupe-backup-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = Server(TROUPED, "journal.checkpoint_records=50", "journal.segment_bytes=1MiB")
        self.addCleanup(self.server.__exit__)
        self.data = os.path.join(self.server.folder, "data")
        self.copy = os.path.join(self.folder, "copy")

    def backup(self, *arguments, code=0, to=None):
        answer = self.troupe("backup", "--to", to or self.copy, *arguments, data=self.data)
        self.assertEqual(answer.code, code, answer)
        return answer

    def numbers(self, data):
        answer = self.troupe("log", "cat", "--class", "channels", "--kind", "channel.published", data=data)
        self.assertEqual(answer.code, 0, answer)
        return [r["payload"]["n"] for r in answer.records]

    def test_beside_a_running_server(self):
        with opened(self.server.port) as client:
            publish(client, *range(1300))
            said = json.loads(self.backup("--json").out)
            # Acknowledged is synced, and synced is copied.
            self.assertEqual(self.numbers(self.copy), list(range(1300)))
            self.assertGreater(said["segments_linked"], 0)
            self.assertTrue(said["signatures_checked"])
            publish(client, *range(1300, 1310))
        self.assertEqual(self.numbers(self.copy), list(range(1300)))  # the last segment is a copy, not a link
        self.assertEqual(self.troupe("log", "verify", data=self.copy).code, 0)
        self.assertEqual(stat.S_IMODE(os.stat(self.copy).st_mode), 0o700)
        self.assertFalse(os.path.exists(os.path.join(self.copy, "log.key")))
        self.assertFalse(os.path.exists(os.path.join(self.copy, "store")))
        self.assertEqual(os.listdir(self.folder), ["copy"])

    def test_a_server_starts_from_it(self):
        with opened(self.server.port) as client:
            publish(client, *range(60))
        self.assertEqual(self.server.stop(), 0)
        self.backup("--with-key", "--copy")
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.copy, "log.key")).st_mode), 0o600)
        port = free_port()
        with Server(TROUPED, port=port, arguments=["--listen", f"127.0.0.1:{port}", "--data", self.copy]) as restored:
            answer = self.troupe("history", "--channel", "news", "--limit", "all", "--json", "--server", f"ws://127.0.0.1:{port}")
            self.assertEqual([m["payload"]["n"] for m in answer.records], list(range(60)))
            with opened(port) as client:
                publish(client, 60)
            self.assertEqual(restored.stop(), 0)
            self.assertNotIn("log_key_changed", restored.log)
        self.assertEqual(self.numbers(self.copy), list(range(61)))
        answer = self.troupe("log", "verify", data=self.copy)
        self.assertEqual(answer.code, 0, answer)
        self.assertIn("signatures: checked", answer.out)

    def test_a_server_that_finds_no_key_says_what_that_means(self):
        with opened(self.server.port) as client:
            publish(client, *range(60))
        self.assertNotIn("log_key_changed", self.server.log)  # the first start makes one, and has signed nothing before
        self.assertEqual(self.server.stop(), 0)
        self.backup("--copy")
        with open(os.path.join(self.folder, "old.key"), "w", encoding="utf-8") as file:
            file.write(self.troupe("log", "key", data=self.data).out)
        for starts in range(2):
            port = free_port()
            with Server(TROUPED, port=port, arguments=["--listen", f"127.0.0.1:{port}", "--data", self.copy]) as restored:
                with opened(port) as client:
                    publish(client, 60 + starts)
                self.assertEqual(restored.stop(), 0)
                # Each log says it once; after that its last checkpoint is of the new key.
                for name in ("channels", "audit"):
                    self.assertEqual(restored.log.count(f"log_key_changed log={name} key={self.copy}/log.key"), 1 - starts, restored.log)
        self.assertEqual(self.troupe("log", "verify", "--class", "channels", data=self.copy).code, 1)

    def test_backups_while_it_is_written(self):
        with opened(self.server.port) as client:
            publish(client, *range(20))
            for n in range(20, 1500):
                client.send({"type": "post", "channel": "news", "qos": 1, "id": f"n{n}", "payload": {"n": n, "pad": "x" * 2000}})
            for part in range(5):
                to = os.path.join(self.folder, f"copy-{part}")
                self.backup(to=to)  # verifies what it has copied
                found = self.numbers(to)
                self.assertEqual(found, list(range(len(found))))
                self.assertGreaterEqual(len(found), 20)

    @unittest.skipUnless(os.path.isdir("/dev/shm") and os.stat("/dev/shm").st_dev != os.stat(tempfile.gettempdir()).st_dev, "needs two file systems")
    def test_on_another_file_system(self):
        with opened(self.server.port) as client:
            publish(client, *range(1300))
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="troupe-backup-") as elsewhere:
            said = json.loads(self.backup("--json", to=os.path.join(elsewhere, "copy")).out)
            self.assertEqual(said["segments_linked"], 0)
            self.assertGreater(said["segments_copied"], 1)
            self.assertEqual(self.numbers(os.path.join(elsewhere, "copy")), list(range(1300)))

    def test_where_it_will_not_write(self):
        os.mkdir(self.copy)
        with open(os.path.join(self.copy, "precious"), "w", encoding="utf-8") as file:
            file.write("x")
        answer = self.backup(code=3)
        self.assertEqual(answer.err.count("\n"), 1)
        self.assertIn("not empty", answer.err)
        self.assertEqual(os.listdir(self.copy), ["precious"])
        self.assertIn("not empty", self.backup(to=self.data, code=3).err)
        os.mkdir(self.copy + "2.partial")
        self.assertIn("of a backup that runs, or was killed", self.backup(to=self.copy + "2", code=3).err)
        os.mkdir(self.copy + "3")
        self.backup(to=self.copy + "3/")  # empty is good enough
        self.assertEqual(self.troupe("backup", data=self.data).code, 2)

    def test_damage_is_not_copied(self):
        with opened(self.server.port) as client:
            publish(client, *range(30))
        self.assertEqual(self.server.stop(), 0)
        segments = os.path.join(self.data, "log", "channels")
        name = min(n for n in os.listdir(segments) if n.endswith(".seg"))
        with open(os.path.join(segments, name), "r+b") as file:
            at = file.read().index(b'"n": 7')
            file.seek(at)
            file.write(b'"n": 8')
        answer = self.backup(code=1)
        self.assertIn(name, answer.err)
        self.assertEqual(os.listdir(self.folder), [])


class Opening(unittest.TestCase):
    def setUp(self):
        self.troupe = CommandLine(TROUPE)
        self.server = Server(TROUPED)
        self.addCleanup(self.server.__exit__)
        self.data = os.path.join(self.server.folder, "data")

    def start(self, data=None):
        arguments = [TROUPED, "--listen", f"127.0.0.1:{free_port()}", "--data", data or self.data]
        env = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}
        return subprocess.run(arguments, capture_output=True, timeout=PATIENCE_S, check=False, env=env)

    def test_one_server_a_data_folder(self):
        done = self.start()
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
        self.assertIn(b"is in use by another process (pid %d)" % self.server.process.pid, done.stderr)
        with opened(self.server.port) as client:
            publish(client, 1)  # the first one has taken no harm

    def test_reading_needs_no_lock(self):
        with opened(self.server.port) as client:
            publish(client, 1)
            for command in (["log", "cat"], ["log", "verify"], ["replay"], ["log", "tail"]):
                self.assertEqual(self.troupe(*command, data=self.data).code, 0)
            publish(client, 2)

    def test_a_format_of_the_future_is_refused_by_name(self):
        with opened(self.server.port) as client:
            publish(client, 1)
        self.server.send(signal.SIGKILL)
        self.server.wait()
        path = os.path.join(self.data, "log", "channels", "0" * 20 + ".seg")
        with open(path, "r+b") as file:
            length = struct.unpack("<H", file.read(12)[10:12])[0]
            file.seek(0)
            header = bytearray(file.read(length))
            struct.pack_into("<H", header, 8, 2)
            struct.pack_into("<I", header, length - 4, zlib.crc32(bytes(header[:-4])))
            file.seek(0)
            file.write(header)
        words = "a segment of format version 2, this program reads 1"
        for command in (["log", "cat"], ["log", "verify"], ["replay"], ["log", "key"]):
            answer = self.troupe(*command, data=self.data)
            self.assertNotEqual(answer.code, 0, answer)
            self.assertIn(words, answer.err + answer.out)
        done = self.start()
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
        self.assertIn(words.encode(), done.stderr)
        with open(path, "rb") as file:
            self.assertEqual(file.read(length), bytes(header))  # and left as it was


if __name__ == "__main__":
    TROUPE, TROUPED = (os.path.abspath(a) for a in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)

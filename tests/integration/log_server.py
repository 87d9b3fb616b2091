#!/usr/bin/env python3
"""`troupe log` on the log of a server: beside it while it runs, and after it has stopped.

usage: log_server.py TROUPE TROUPED [unittest arguments]
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import unittest

from log_world import PATIENCE_S, CommandLine
from server_world import Server, opened, until

TROUPE = TROUPED = ""


def publish(client, channel, number):
    answer = client.ask({"type": "post", "channel": channel, "qos": 1, "id": f"{channel}-{number}", "payload": {"n": number}})
    assert answer["type"] == "ack", answer
    return answer["payload"]


class LogOfServer(unittest.TestCase):
    def setUp(self):
        self.troupe = CommandLine(TROUPE)
        self.server = Server(TROUPED, "journal.checkpoint_records=10", "journal.segment_bytes=1MiB")
        self.addCleanup(self.server.__exit__)
        self.data = os.path.join(self.server.folder, "data")

    def run_log(self, *arguments, code=0, data=None):
        answer = self.troupe("log", *arguments, data=data or self.data)
        self.assertEqual(answer.code, code, answer)
        return answer

    def numbers(self, *arguments):
        return [r["payload"]["n"] for r in self.run_log("cat", "--kind", "channel.published", *arguments).records]

    def test_what_was_acknowledged_is_in_the_log(self):
        with opened(self.server.port) as client:
            offsets = [publish(client, "news", n)["offset"] for n in range(25)]
            publish(client, "alerts", 100)
            # Each was acknowledged, so each was synced and is seen at once.
            records = self.run_log("cat", "--channel", "news", "--kind", "channel.published").records
            self.assertEqual([r["offset"] for r in records], offsets)
            self.assertEqual([r["id"] for r in records], [f"news-{n}" for n in range(25)])
            self.assertEqual({r["type"] for r in records}, {"post"})
            self.assertEqual({r["connection"] for r in records}, {client.hello["payload"]["connection"]})
            self.assertEqual(self.numbers("--channel", "alerts"), [100])
            self.assertEqual(self.numbers("--from", "-5m"), [*range(25), 100])
            self.assertEqual(self.numbers("--to", "-5m"), [])
            self.run_log("verify")

    def test_a_table_that_is_no_terminal_s_is_whole(self):
        channel, payload = "c" * 200, {"text": "x" * 30_000}
        with opened(self.server.port, path="/realtime?user=" + "u" * 100) as client:
            client.ask({"type": "long:" + "t" * 100, "channel": channel, "payload": payload})
        lines = self.run_log("cat", "--format", "table", "--type", "long:*", "--class", "channels").out.splitlines()
        self.assertEqual(len(lines), 2)
        for whole in (f"channel {channel} ", " " + "u" * 100 + " ", " long:" + "t" * 100 + " ", json.dumps(payload)):
            self.assertIn(whole, lines[1])

    def test_channels_are_counted_by_pattern(self):
        patterns = 'channels.patterns=[{name="news:*", qos_floor=0}, {name="news:never"}]'
        with Server(TROUPED, patterns, "channels.idle_timeout=100ms") as server, opened(server.port) as client:
            said = lambda what, pattern: server.metric(f'troupe_channel_{what}{{pattern="{pattern}"}}')
            for channel in ("news:a", "news:b", "other"):
                client.ask({"type": "channel:subscribe", "channel": channel})
                publish(client, channel, 1)
            publish(client, "news:a", 2)
            self.assertEqual((said("stored_total", "news:*"), said("stored_total", "")), (3, 1))
            self.assertEqual((said("subscribers", "news:*"), said("subscribers", "")), (2, 1))
            client.ask({"type": "channel:unsubscribe", "channel": "news:a"})
            self.assertEqual(said("subscribers", "news:*"), 1)
            client.ask({"type": "channel:unsubscribe", "channel": "news:b"})
            until("they sleep", lambda: server.metric("troupe_channels") == 1)
            self.assertEqual((said("subscribers", "news:*"), said("stored_total", "news:*")), (0, 3))

    def test_following_a_running_server(self):
        with opened(self.server.port) as client:
            publish(client, "news", 0)
            arguments = ["log", "tail", "-f", "--kind", "channel.published", "--channel", "news"]
            with self.troupe.start(*arguments, data=self.data, stdout=subprocess.PIPE) as process:
                for number in range(20):
                    self.assertEqual(json.loads(process.stdout.readline())["payload"], {"n": number})
                    publish(client, "other", number)
                    publish(client, "news", number + 1)
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_a_checkpoint_kept_elsewhere(self):
        note, key = (os.path.join(self.server.folder, name) for name in ("note", "key"))
        kept = ["--expect", note, "--public-key", key]
        with opened(self.server.port) as client:
            for number in range(30):
                publish(client, "news", number)
        self.assertEqual(self.server.stop(), 0)
        for path, command in ((note, "head"), (key, "key")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.run_log(command).out)
        text = self.run_log("verify", *kept).out
        self.assertIn("so does the expected one", text)

        index = self.run_log("cat", "--kind", "channel.published").records[7]["index"]
        proof = os.path.join(self.server.folder, "proof")
        with open(proof, "w", encoding="utf-8") as file:
            file.write(self.run_log("prove", index).out)
        answer = self.troupe("log", "check-proof", proof, "--json", "--public-key", key)
        self.assertEqual(answer.code, 0, answer)
        self.assertEqual(json.loads(answer.out)["record"]["payload"], {"n": 7})

        # One letter of a message is changed.
        twin = os.path.join(self.server.folder, "twin")
        shutil.copytree(self.data, twin)
        segments = os.path.join(twin, "log", "channels")
        name = min(n for n in os.listdir(segments) if n.endswith(".seg"))
        with open(os.path.join(segments, name), "r+b") as file:
            at = file.read().index(b'{"n": 7}')
            file.seek(at)
            file.write(b'{"n": 8}')
        answer = self.run_log("verify", "--class", "channels", *kept, data=twin, code=1)
        self.assertIn(f"{name}, record {index}, byte ", answer.out)
        self.assertIn(f"{name}, record {index}, byte ", self.run_log("cat", data=twin, code=1).err)


if __name__ == "__main__":
    TROUPE, TROUPED = (os.path.abspath(a) for a in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)

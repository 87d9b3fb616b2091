#!/usr/bin/env python3
"""Many channels and long ones: what a node knows and has not awake costs little memory, and is there after a restart.

usage: channel_crowd.py TROUPED [channels [messages]] [-- unittest arguments]

The test run has 10,000 channels and 150,000 messages; docs/guarantees.md names a longer one.
"""

import glob
import os
import shutil
import sys
import tempfile
import unittest

from server_world import Server, frame, opened, until

TROUPED = ""
CHANNELS = 10_000
MESSAGES = 150_000

# Generous: what is measured is a fraction of it, and an allocator keeps what it had.
KNOWN_CHANNEL_BYTES_MAX = 2048
GROWTH_BYTES_MAX = 48 << 20
FAST = (
    "limits.message_rate=off",
    "websocket.heartbeat=1h",  # nobody here answers a ping
    "channels.fsync=never",
    "channels.audit=off",
    "journal.store_cache_bytes=4MiB",
)


def resident(server):
    """Bytes that the process has in memory."""
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def publish(client, names, window=1000, payload='"x"'):
    """One message to each channel, so many under way at a time."""
    names = list(names)
    for at in range(0, len(names), window):
        some = names[at : at + window]
        messages = (f'{{"type":"post","id":"{i}","channel":"{n}","payload":{payload}}}' for i, n in enumerate(some))
        client.socket.sendall(b"".join(map(frame, messages)))
        for _ in some:
            answer = client.receive_of("ack", "error")
            assert answer["type"] == "ack", answer


def history(client, channel, limit=10):
    client.send({"type": "channel:history", "id": "h", "channel": channel, "payload": {"limit": limit, "reverse": True}})
    answer = client.receive()
    assert answer["type"] == "channel:history", answer
    return [m["offset"] for m in answer["payload"]["messages"]]


class Crowd(unittest.TestCase):
    def start(self, *settings, data=None):
        server = Server(TROUPED, *FAST, *settings, data=data)
        self.addCleanup(server.__exit__)
        return server

    def all_asleep(self, server):
        until("every channel sleeps", lambda: server.metric("troupe_channels") == 0)

    def test_known_channels_cost_little_and_survive(self):
        data = tempfile.mkdtemp(prefix="troupe-crowd-")
        self.addCleanup(shutil.rmtree, data)
        server = self.start("channels.idle_timeout=100ms", data=data)
        with opened(server.port) as client:
            publish(client, (f"other-{i}" for i in range(CHANNELS)))  # what so many need while they are awake
            self.all_asleep(server)
            before = resident(server)
            publish(client, (f"c-{i}" for i in range(CHANNELS)))
            self.all_asleep(server)
        each = (resident(server) - before) / CHANNELS
        print(f"{CHANNELS} known channels: {each:.0f} bytes each, {resident(server) >> 20} MiB in all", flush=True)
        self.assertLess(each, KNOWN_CHANNEL_BYTES_MAX)
        self.assertEqual(server.stop(), 0)
        again = self.start("channels.idle_timeout=100ms", data=data)
        fresh = resident(again)
        print(f"after a restart: {fresh >> 20} MiB", flush=True)
        with opened(again.port) as client:
            for i in range(0, CHANNELS, max(CHANNELS // 100, 1)):
                self.assertEqual(history(client, f"c-{i}"), [1], f"channel c-{i}")
            self.assertEqual(history(client, f"c-{CHANNELS}"), [])
            publish(client, ["c-7"])
            self.assertEqual(history(client, "c-7"), [2, 1])

    def test_memory_does_not_grow_with_the_log(self):
        server = self.start("channels.ring_messages=100")
        with opened(server.port) as client:
            sizes = []
            for part in (1, 2):
                publish(client, ["long"] * (MESSAGES * part // 3), payload='"' + "x" * 100 + '"')
                sizes.append(resident(server))
            print(f"after {MESSAGES // 3} and {MESSAGES} messages: {[s >> 20 for s in sizes]} MiB", flush=True)
            self.assertEqual(history(client, "long", 1), [MESSAGES])
        self.assertLess(sizes[1] - sizes[0], GROWTH_BYTES_MAX)

    def test_a_damaged_record_of_the_window_is_named_and_its_channel_goes_on(self):
        server = self.start("channels.idle_timeout=100ms")

        def say(client, name, text):
            return client.ask({"type": "post", "channel": "c", "qos": 2, "id": name, "payload": text})["payload"]

        with opened(server.port, "/realtime?user=ann") as client:
            places = [say(client, name, f"payload-of-{name}") for name in ("a", "b", "c")]
            self.all_asleep(server)
            (segment,) = glob.glob(os.path.join(server.data, "log", "channels", "*.seg"))
            with open(segment, "r+b") as file:
                file.seek(file.read().index(b"payload-of-b"))
                file.write(b"q")
            self.assertEqual(say(client, "d", "payload-of-d")["offset"], 4)
            for name, place in (("a", places[0]), ("c", places[2])):  # still no duplicates
                self.assertEqual(say(client, name, f"payload-of-{name}"), place)
            self.assertEqual(say(client, "b", "payload-of-b")["offset"], 5)
        self.assertIn("(offset 2)", server.wait_for_log("log_record_damaged"))
        self.assertEqual(server.metric("troupe_log_damaged_total"), 1)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    rest = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    TROUPED, *numbers = arguments[: arguments.index("--")] if "--" in arguments else arguments
    CHANNELS = int(numbers[0]) if numbers else CHANNELS
    MESSAGES = int(numbers[1]) if len(numbers) > 1 else MESSAGES
    unittest.main(argv=[sys.argv[0], *rest])

#!/usr/bin/env python3
"""Sessions that go on elsewhere, and a server that ends as it should, under load.

usage: server_life.py TROUPED [unittest arguments]
"""

import itertools
import os
import signal
import socket
import sys
import tempfile
import threading
import unittest

from server_world import Client, Closed, Http, Server, frame, handshake, opened, until

TROUPED = ""


def narrow(sock):
    """A client whose socket takes little: what the server has for it waits in the server."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)


class Sessions(unittest.TestCase):
    def test_a_session_goes_on_through_another_loop(self):
        # Connections are dealt to the loops in turn, so that the next three are on three loops.
        with Server(TROUPED, "loops=3", "rooms.ring_messages=1000") as server:
            ann = opened(server.port, "/realtime?user=ann")
            bob = opened(server.port, "/realtime?user=bob")
            for one in (ann, bob):
                one.join("r")
                one.join("s")
            for _ in ("r", "s"):
                ann.receive_of("room:joined")
            expected = {"r": 0, "s": 0}
            seen = {}
            session, connection = bob.hello["payload"]["session"], bob.hello["payload"]["connection"]
            old = bob
            for round in range(6):
                for room in ("r", "s"):
                    answer = ann.ask({"type": "chat", "room": room, "payload": expected[room]})
                    heard = old.receive_of("chat")
                    self.assertEqual((heard["payload"], heard["seq"]), (expected[room], answer["payload"]["seq"]))
                    seen[room] = {"epoch": heard["epoch"], "seq": heard["seq"]}
                    expected[room] += 1
                if round % 2:  # it vanishes, and misses something
                    old.socket.close()
                    for room in ("r", "s"):
                        for _ in range(20):
                            ann.ask({"type": "chat", "room": room, "payload": expected[room]})
                            expected[room] += 1
                fresh = opened(server.port, "/realtime?user=bob")
                # While it comes back the talk goes on; nothing of it may be lost, doubled or out of order.
                fresh.send({"type": "session:resume", "id": "back", "payload": {"session": session, "rooms": seen}})
                for room in ("r", "s"):
                    for _ in range(10):
                        ann.send({"type": "chat", "room": room, "payload": expected[room]})
                        expected[room] += 1
                answer = fresh.receive()
                self.assertEqual((answer["type"], answer["id"]), ("ack", "back"))
                resumed = answer["payload"]
                self.assertEqual((resumed["resumed"], resumed["connection"]), (True, connection))
                self.assertEqual(resumed["rooms"], {"r": {"recovered": True}, "s": {"recovered": True}})
                self.assertNotEqual(resumed["session"], session)
                if round % 2 == 0:
                    self.assertEqual(old.close_frame().code, 3502)
                    old.end()
                heard = {"r": [], "s": []}
                while any(not l or l[-1] != expected[room] - 1 for room, l in heard.items()):
                    message = fresh.receive_of("chat", "gap", "room:epoch")
                    self.assertEqual(message["type"], "chat")
                    heard[message["room"]].append(message["payload"])
                    seen[message["room"]] = {"epoch": message["epoch"], "seq": message["seq"]}
                for room, numbers in heard.items():
                    self.assertEqual(numbers, list(range(expected[room] - len(numbers), expected[room])))
                    self.assertEqual(len(numbers), 30 if round % 2 else 10)
                session, old = resumed["session"], fresh
            # Nobody saw it leave, and the room knows it once.
            ann.send({"type": "presence:get", "room": "r", "id": "p"})
            while (message := ann.receive())["type"] != "presence:state":
                self.assertNotIn(message["type"], ("room:left", "room:joined", "presence:diff"), message)
            self.assertEqual(len(message["payload"]["members"]), 2)
            self.assertEqual(server.metric("troupe_sessions_resumed_total"), 6)
            ann.end()
            old.end()
            self.assertEqual(server.stop(), 0)

    def test_a_session_is_for_one_taker_of_its_user(self):
        with Server(TROUPED, "loops=2", "session.resume_window=400ms") as server:
            bob = opened(server.port, "/realtime?user=bob")
            secret = bob.hello["payload"]["session"]

            def resume(user, with_secret):
                client = opened(server.port, f"/realtime?user={user}")
                self.addCleanup(client.end)
                answer = client.ask({"type": "session:resume", "payload": {"session": with_secret, "rooms": {}}})
                return answer["payload"]

            self.assertFalse(resume("mallory", secret)["resumed"])
            self.assertFalse(resume("bob", secret[:-1] + ("A" if secret[-1] != "A" else "B"))["resumed"])
            self.assertEqual(bob.ask({"type": "ping"})["type"], "pong")
            again = resume("bob", secret)
            self.assertTrue(again["resumed"])
            self.assertFalse(resume("bob", secret)["resumed"])
            bob.end()
            late = opened(server.port, "/realtime?user=bob")
            late.end()
            # The four of `resume` are left.
            until("the window is over", lambda: server.metric("troupe_connections") == 4)
            self.assertFalse(resume("bob", late.hello["payload"]["session"])["resumed"])


class Reader(threading.Thread):
    """Reads a client to its end."""

    def __init__(self, client, name=None):
        super().__init__(daemon=True)
        self.name_in_messages = name
        self.client, self.heard, self.acked, self.end = client, [], [], None
        self.window = threading.Semaphore(50)  # own messages that may be under way
        self.start()

    def run(self):
        try:
            while True:
                message = self.client.receive()
                if message["type"] == "chat":
                    self.heard.append(message["payload"])
                    if self.name_in_messages is not None and message["payload"][0] == self.name_in_messages:
                        self.window.release()
                elif message["type"] == "ack":
                    self.acked.append(message["id"])
        except Closed as closed:
            self.end = closed
        except (OSError, ConnectionError) as lost:
            self.end = lost
        finally:
            self.client.end()


class Ending(unittest.TestCase):
    def test_whoever_has_not_said_who_it_is_goes_as_well(self):
        with Server(TROUPED, "auth.timeout=1h", "shutdown.drain=1h", "auth.keys=" + self.secret()) as server:
            with Client(server.port) as stranger:
                server.send(signal.SIGTERM)
                self.assert_advice(stranger.close_frame())
            self.assertEqual(server.wait(), 0)

    def secret(self):
        handle, path = tempfile.mkstemp()  # with mode 0600
        self.addCleanup(os.unlink, path)
        os.write(handle, b"s" * 40)
        os.close(handle)
        return path

    def assert_advice(self, end):
        self.assertIsInstance(end, Closed, end)
        self.assertEqual(end.code, 1001)
        self.assertRegex(end.reason, r"reconnect in \d+ ms")

    def test_a_drain_delivers_what_is_queued_and_says_goodbye(self):
        with Server(TROUPED, "loops=2", "limits.outbox_bytes=8MiB") as server:
            ann, slow = opened(server.port), opened(server.port, prepare=narrow)
            health = Http(server.port)
            self.assertEqual(health.get("/readyz")[0], 200)
            for one in (ann, slow):
                one.join("r")
            bodies = [f"{i} " + "x" * 10_000 for i in range(300)]
            for body in bodies:
                self.assertEqual(ann.ask({"type": "chat", "room": "r", "payload": body})["type"], "ack")
            server.send(signal.SIGTERM)
            server.wait_for_log("draining")
            self.assert_advice(ann.close_frame())
            ann.end()
            # The slow one holds the drain, which those who ask about readiness can see.
            status, text = until("readiness is gone", lambda: next((a for a in [health.get("/readyz")] if a[0] != 200), None))
            self.assertEqual(status, 503)
            self.assertIn('"draining":true', text)
            health.socket.sendall(handshake(server.port, "/realtime", ())[1])
            told = b""
            while b"\r\n\r\n" not in told:
                told += health.socket.recv(65536)
            self.assertIn(b"503 ", told)
            self.assertIn(b"\r\nRetry-After: 1\r\n", told)
            reader = Reader(slow)
            reader.join(60)
            self.assertTrue(reader.heard == bodies, f"{len(reader.heard)} of {len(bodies)}")
            self.assert_advice(reader.end)
            self.assertEqual(server.wait(), 0)
            health.socket.close()

    def test_a_drain_under_load(self):
        with Server(TROUPED, "loops=2", "limits.message_rate=off", "shutdown.drain=60s") as server:
            readers = [Reader(self.member(server)) for _ in range(40)]
            talkers = [self.member(server) for _ in range(4)]
            listeners = [Reader(one, i) for i, one in enumerate(talkers)]
            threads = [threading.Thread(target=self.talk, args=(one,), daemon=True) for one in listeners]
            for thread in threads:
                thread.start()
            until("there is load", lambda: all(len(r.heard) > 500 for r in readers))
            server.send(signal.SIGTERM)
            for reader in readers + listeners:
                reader.join(60)
                self.assert_advice(reader.end)
            for thread in threads:
                thread.join(60)
            self.assertEqual(server.wait(), 0)
            for reader in readers:  # nothing twice, nothing missing in between
                for talker in range(4):
                    numbers = [n for t, n in reader.heard if t == talker]
                    self.assertEqual(numbers, list(range(len(numbers))))

    @staticmethod
    def member(server):
        client = opened(server.port)
        client.join("r", presence=False)
        return client

    @staticmethod
    def talk(listener):
        """No faster than it hears itself: who lags is cut off in the end, before it has read the goodbye."""
        for number in itertools.count():
            while not listener.window.acquire(timeout=1):
                if listener.end:
                    return
            try:
                text = f'{{"type":"chat","room":"r","headers":{{"echo":"true"}},"payload":[{listener.name_in_messages},{number}]}}'
                listener.client.socket.sendall(frame(text))
            except OSError:
                return

    def test_a_client_that_does_not_read_ends_no_later_than_the_drain(self):
        with Server(TROUPED, "shutdown.drain=500ms", "limits.outbox_bytes=8MiB") as server:
            ann, stuck = opened(server.port), opened(server.port, prepare=narrow)
            for one in (ann, stuck):
                one.join("r")
            for i in range(300):
                ann.ask({"type": "chat", "room": "r", "payload": "x" * 10_000})
            self.assertEqual(server.stop(), 0)
            ann.end()
            stuck.end()

    def test_a_second_signal_ends_a_drain_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)):
            with Server(TROUPED, "shutdown.drain=1h", "limits.outbox_bytes=8MiB") as server:
                ann, stuck = opened(server.port), opened(server.port, prepare=narrow)
                for one in (ann, stuck):
                    one.join("r")
                for _ in range(300):
                    ann.ask({"type": "chat", "room": "r", "payload": "x" * 10_000})
                server.send(first)
                server.wait_for_log("draining")
                self.assert_advice(ann.close_frame())
                self.assertIsNone(server.process.poll(), "nothing held the drain")
                server.send(second)
                self.assertEqual(server.wait(), 128 + second)
                ann.end()
                stuck.end()


if __name__ == "__main__":
    TROUPED = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)

#!/usr/bin/env python3
"""Many clients, and some that stop reading: nobody else notices, and they are told why they must go.

usage: server_overload.py TROUPED [unittest arguments]
"""

import os
import re
import resource
import select
import socket
import sys
import threading
import time
import unittest

from server_world import PATIENCE_S, Closed, Http, Server, broken, handshake, opened, until

TROUPED = ""
CONNECTIONS = 10_000
SPARE_DESCRIPTORS = 200
HANDSHAKES_AT_ONCE = 500


def narrow(sock):
    """A client whose socket takes little: what the server has for it waits in the server."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)


class Crowd:
    """Many clients of which only raw bytes are read, by one thread."""

    def __init__(self, port, count):
        self.sockets, self.bytes = [], {}
        self.poll = select.epoll()
        for at in range(0, count, HANDSHAKES_AT_ONCE):
            fresh = [socket.create_connection(("127.0.0.1", port), PATIENCE_S) for _ in range(min(HANDSHAKES_AT_ONCE, count - at))]
            for one in fresh:
                self.bytes[one.fileno()] = bytearray()
                self.poll.register(one, select.EPOLLIN)
                one.sendall(handshake(port)[1])
            self.sockets += fresh
            self.until_each_has(b'"session"', fresh)

    def say(self, data):
        for one in self.sockets:
            one.sendall(data)

    def until_each_has(self, text, among=None, times=1):
        """Reads until each of them was sent the text; returns and forgets what they were sent."""
        waiting = {one.fileno(): one for one in among or self.sockets}
        out = []
        end = time.monotonic() + PATIENCE_S

        def look(fd):
            if fd in waiting and self.bytes[fd].count(text) >= times:
                out.append(bytes(self.bytes[fd]))
                self.bytes[fd].clear()
                del waiting[fd]

        for fd in list(waiting):
            look(fd)
        by_number = {one.fileno(): one for one in self.sockets} | waiting
        while waiting:
            if time.monotonic() > end:
                raise AssertionError(f"{len(waiting)} were never sent {text!r}")
            for fd, _ in self.poll.poll(1):
                chunk = by_number[fd].recv(262144)
                if not chunk:
                    raise AssertionError(f"closed, after {bytes(self.bytes[fd])[-200:]!r}")
                self.bytes[fd] += chunk
                look(fd)
        return out

    def end(self):
        self.poll.close()
        for one in self.sockets:
            one.close()


class SlowConsumers(unittest.TestCase):
    def test_one_among_a_thousand_that_stops_reading(self):
        messages, body = 400, "x" * 1000
        settings = ("loops=2", "limits.outbox_bytes=128KiB", "limits.message_rate=off")
        with Server(TROUPED, *settings) as server:
            crowd = Crowd(server.port, 1000)
            self.addCleanup(crowd.end)
            join = b'{"type":"room:join","room":"r","id":"j","payload":{"presence":false}}'
            crowd.say(bytes([0x81, 0x80 | len(join), 0, 0, 0, 0]) + join)
            crowd.until_each_has(b'"type":"ack"')
            late, never = (opened(server.port, prepare=narrow) for _ in range(2))
            talker = opened(server.port)
            for one in (late, never, talker):
                one.join("r", presence=False)

            slow = 'troupe_backpressure_total{reason="slow_consumer"}'
            rest, both = [], threading.Event()

            def read_the_rest():
                until("both are counted", lambda: server.metric(slow) == 2)
                both.set()
                try:
                    while True:
                        rest.append(late.receive()["payload"]["n"])
                except (Closed, OSError) as end:
                    rest.append(end)

            reads = threading.Thread(target=read_the_rest, daemon=True)
            talk = threading.Thread(target=self.talk, args=(talker, messages, body), daemon=True)
            reads.start()
            talk.start()
            for heard in crowd.until_each_has(b'"type":"chat"', times=messages):
                self.assert_in_order(heard, messages)
            talk.join(PATIENCE_S)
            reads.join(PATIENCE_S)
            self.assertTrue(both.is_set())

            # What was on its way comes in whole frames, in order, without a hole; then it says why.
            *heard, end = rest
            self.assertIsInstance(end, Closed, end)
            self.assertEqual(end.code, 3008)
            self.assertTrue(end.reason)
            self.assertEqual(heard, list(range(len(heard))))
            self.assertLess(len(heard), messages)
            with self.assertRaises((ConnectionError, OSError)):
                while late.raw_frame():
                    pass
            # Who never reads is reset.
            self.assertTrue(broken(never.socket), "it was never reset")
            self.assertEqual(talker.ask({"type": "ping"})["type"], "pong")
            for one in (late, never, talker):
                one.end()
            crowd.end()
            self.assertEqual(server.stop(), 0)

    @staticmethod
    def talk(talker, messages, body):
        for n in range(messages):
            talker.ask({"type": "chat", "room": "r", "payload": {"n": n, "body": body}})

    def assert_in_order(self, heard, messages):
        at = -1
        for n in range(messages):
            at = heard.find(b'"n": %d,' % n, at + 1)
            self.assertGreater(at, 0, f"message {n} is missing or late")


class SlowSubscribers(unittest.TestCase):
    def test_what_its_outbox_cannot_hold_comes_from_the_log(self):
        settings = ("channels.fsync=never", "limits.outbox_messages=100", "channels.ring_messages=10", "websocket.heartbeat=1h")
        with Server(TROUPED, *settings) as server, opened(server.port) as talker:
            with opened(server.port, prepare=narrow) as slow:
                slow.ask({"type": "channel:subscribe", "channel": "c"})
                spilled = lambda: server.metric("troupe_outbox_spilled_total")
                count = 0
                while spilled() == 0 or count < 1000:  # and more, while it is catching up
                    count += 1
                    talker.ask({"type": "say", "channel": "c", "payload": "x" * 1000})
                for offset in range(1, count + 1):
                    message = slow.receive()
                    self.assertEqual((message["type"], message["offset"]), ("say", offset))
                self.assertEqual(talker.ask({"type": "say", "channel": "c", "payload": 1})["type"], "ack")
                self.assertEqual(slow.receive()["offset"], count + 1)


class TooFast(unittest.TestCase):
    def test_who_sends_too_much_for_too_long_is_closed(self):
        with Server(TROUPED, "limits.message_rate=5/s", "limits.rate_limited_seconds=1") as server:
            with opened(server.port) as slow, opened(server.port) as fast:
                answers = set()
                with self.assertRaises(Closed) as caught:
                    while True:
                        answer = fast.ask({"type": "ping"})
                        answers.add(answer["payload"]["code"] if answer["type"] == "error" else answer["type"])
                self.assertEqual(caught.exception.code, 3029)
                self.assertIn("send less", caught.exception.reason)
                self.assertEqual(answers, {"pong", "rate_limited"})
                self.assertEqual(server.metric('troupe_backpressure_total{reason="rate_limited_close"}'), 1)
                self.assertEqual(slow.ask({"type": "ping"})["type"], "pong")


def is_sanitized(program):
    with open(program, "rb") as binary:
        return b"__ubsan_handle" in binary.read()


class Descriptors(unittest.TestCase):
    RESTS = "troupe_accept_rests_total"

    def test_a_server_without_descriptors_accepts_again_when_there_are_some(self):
        if is_sanitized(TROUPED):
            self.skipTest("UBSan opens a pipe to look at an object's type: without descriptors it is wrong")
        with Server(TROUPED) as server, Http(server.port) as numbers, opened(server.port) as ann:
            ann.join("r")
            pid = server.process.pid
            spare = 8
            highest = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + spare,) * 2)
            # All of them connect, as the backlog takes them; the last ones are not accepted.
            raw = [socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) for _ in range(4 * spare)]
            for one in raw:
                self.addCleanup(one.close)
                one.sendall(handshake(server.port)[1])
            server.wait_for_log("accept.resting")
            served = raw[:spare]
            for one in served:
                self.assertIn(b"101", one.recv(12))

            # It goes on serving whom it has, and rests instead of asking again and again.
            rests, used, begin = self.rests(numbers), self.cpu_s(pid), time.monotonic()
            until("it has tried again ten times", lambda: self.rests(numbers) >= rests + 10)
            self.assertLess(self.cpu_s(pid) - used, (time.monotonic() - begin) / 2)
            self.assertEqual(ann.ask({"type": "chat", "room": "r", "payload": 1})["type"], "ack")
            self.assertEqual(server.log.count("accept.resting"), 1, server.log)
            self.assertNotIn("accept.resumed", server.log)
            self.assertEqual(select.select(raw[-spare:], [], [], 0)[0], [])

            # Descriptors that come free go to those who wait, one after the other, until all were served.
            for one in raw:
                self.assertIn(b"101", one.recv(12) if one not in served else b"101")
                one.close()
            server.wait_for_log("accept.resumed")
            opened(server.port).end()
            self.assertEqual(server.stop(), 0)

    def rests(self, http):
        """Over a connection that it has: there is none for another."""
        return float(re.search(rf"^{self.RESTS} (\S+)$", http.get("/metrics")[1], re.MULTILINE).group(1))

    @staticmethod
    def cpu_s(pid):
        with open(f"/proc/{pid}/stat") as file:  # proc_pid_stat(5): what follows the name, which may hold anything
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Many(unittest.TestCase):
    def test_ten_thousand_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS + SPARE_DESCRIPTORS
        if hard != resource.RLIM_INFINITY and hard < wanted:
            self.skipTest(f"{hard} open files are allowed here, {wanted} are needed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with Server(TROUPED, "session.resume_window=0s") as server:
            crowd = Crowd(server.port, CONNECTIONS - 1)
            self.addCleanup(crowd.end)
            talker = opened(server.port)
            self.assertEqual(server.metric("troupe_connections"), CONNECTIONS)
            join = b'{"type":"room:join","room":"all","id":"j","payload":{"presence":false}}'
            crowd.say(bytes([0x81, 0x80 | len(join), 0, 0, 0, 0]) + join)
            crowd.until_each_has(b'"type":"ack"')
            self.assertEqual(talker.join("all", presence=False)["members"], CONNECTIONS)
            for i in range(3):
                talker.send({"type": "chat", "room": "all", "payload": f"number {i}"})
                crowd.until_each_has(b"number %d" % i)
            talker.end()
            crowd.end()
            until("all have gone", lambda: server.metric("troupe_connections") == 0)
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    TROUPED = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)

#!/usr/bin/env python3
"""Who gets in, and what is refused: hosts, origins, proxies, limits, frames that break the rules.

usage: server_door.py TROUPED [unittest arguments]
"""

import os
import socket
import sys
import unittest

from server_world import BINARY, PATIENCE_S, PING, PONG, TEXT, Client, Http, Refused, Server, frame, opened, until

TROUPED = ""


def packed(message):
    """MessagePack of maps and short texts."""
    if isinstance(message, str):
        return bytes([0xA0 | len(message)]) + message.encode()
    out = bytes([0x80 | len(message)])
    return out + b"".join(packed(k) + packed(v) for k, v in message.items())


def unpacked(data):
    """The other way, of all that a server says in these tests. @returns (value, rest)"""
    head, data = data[0], data[1:]

    def integer(size, signed=False):
        return int.from_bytes(data[:size], "big", signed=signed), data[size:]

    def items(count, rest):
        out = []
        for _ in range(count):
            item, rest = unpacked(rest)
            out.append(item)
        return out, rest

    def text(size, rest):
        return rest[:size].decode(), rest[size:]

    def table(count, rest):
        flat, rest = items(2 * count, rest)
        return dict(zip(flat[::2], flat[1::2])), rest

    if head < 0x80:
        return head, data
    if head < 0x90:
        return table(head & 15, data)
    if head < 0xA0:
        return items(head & 15, data)
    if head < 0xC0:
        return text(head & 31, data)
    if head in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[head], data
    if 0xCC <= head <= 0xCF:
        return integer(1 << (head - 0xCC))
    if 0xD0 <= head <= 0xD3:
        return integer(1 << (head - 0xD0), signed=True)
    if 0xD9 <= head <= 0xDB:
        return text(*integer(1 << (head - 0xD9)))
    if head in (0xDC, 0xDD):
        return items(*integer(2 if head == 0xDC else 4))
    if head >= 0xE0:
        return head - 256, data
    if head in (0xDE, 0xDF):
        return table(*integer(2 if head == 0xDE else 4))
    raise ValueError(f"MessagePack of kind {head:#x}")


class Door(unittest.TestCase):
    def refused(self, status, server, *args, **more):
        with self.assertRaises(Refused) as caught:
            Client(server.port, *args, **more)
        self.assertEqual(caught.exception.status, status, caught.exception)
        return str(caught.exception)

    def test_keyless_hosts_origins_and_proxies(self):
        with Server(TROUPED) as server:
            for host in ("localhost", "LOCALHOST:1", "app.localhost:80", "127.9.9.9", "[::1]:5"):
                opened(server.port, host=host).end()
            for host in ("evil.example", "localhost.evil.example", "10.0.0.1", f"127.0.0.1.evil.example:{server.port}"):
                self.refused(403, server, host=host)
            for header in ("X_Forwarded_For", "Forwarded", "X_Real_IP", "Via", "X_Forwarded_Host"):
                self.refused(403, server, **{header: "1.2.3.4"})
            same = f"http://127.0.0.1:{server.port}"
            opened(server.port, Origin=same).end()
            refusals = 'troupe_connections_refused_total{reason="origin"}'
            self.assertNotIn("reason=origin", server.log)
            before = server.metric(refusals)
            for origin in ("http://evil.example", "null", f"http://127.0.0.1:{server.port + 1}", same + ".evil.example"):
                self.refused(403, server, Origin=origin)
            self.assertEqual(server.metric(refusals), before + 4)
            self.assertIn("origin=http://evil.example", server.log)
            self.assertIn("reason=forbidden", server.log)  # the hosts and the proxies above
            self.refused(404, server, "/nowhere")
            opened(server.port, "/ws").end()
            self.assertEqual(server.stop(), 0)

    def test_an_origin_list_replaces_the_same_host_rule(self):
        with Server(TROUPED, "websocket.origins=https://app.example,https://b.example") as server:
            opened(server.port, Origin="https://app.example").end()
            opened(server.port, Origin="https://B.example").end()
            opened(server.port).end()  # no browser, no origin
            self.refused(403, server, Origin=f"http://127.0.0.1:{server.port}")
            self.refused(403, server, Origin="https://app.example.evil.example")

    def test_connections_of_an_address_are_bounded(self):
        with Server(TROUPED, "limits.connections_per_address=3") as server:
            held = [opened(server.port) for _ in range(3)]
            told = self.refused(429, server)
            self.assertIn("limits.connections_per_address", told)
            self.assertIn("\r\nRetry-After: 1\r\n", told)
            self.assertEqual(held[2].ask({"type": "ping"})["type"], "pong")
            held[0].end()

            def place_again():
                try:
                    return opened(server.port)
                except Refused:
                    return None

            until("the place is free again", place_again).end()
            for one in held[1:]:
                one.end()
            for name in ("troupe_connections_refused_total", "troupe_backpressure_total"):
                line = name + '{reason="connections_per_address"}'
                self.assertGreater(until("a place for the metrics", lambda: self.metric_or_none(server, line)), 0)

    def test_a_handshake_rate_says_when_to_come_again(self):
        with Server(TROUPED, "limits.handshake_rate_per_address=1/1h") as server:
            held = opened(server.port)
            told = self.refused(429, server)
            self.assertIn("limits.handshake_rate_per_address", told)
            seconds = int(told.partition("\r\nRetry-After: ")[2].split()[0])
            self.assertTrue(60 < seconds <= 3600, seconds)
            held.end()

    def test_a_full_server_still_says_how_it_is(self):
        with Server(TROUPED, "limits.connections=2") as server:
            held = [opened(server.port) for _ in range(2)]
            self.assertIn("\r\nRetry-After: 1\r\n", self.refused(503, server))
            self.assertEqual(server.get("/healthz")[0], 200)
            self.assertEqual(server.get("/readyz")[0], 200)
            self.assertEqual(server.metric('troupe_backpressure_total{reason="connections"}'), 1)
            self.assertEqual(server.get("/")[0], 503)
            with Http(server.port):  # leaves without a request
                pass
            refusals = 'troupe_connections_refused_total{reason="connections"}'
            until("all that were refused are counted, and no others", lambda: server.metric(refusals) == 3)
            with Http(server.port) as http:  # but it keeps no place
                http.get("/healthz")
                self.assertEqual(http.socket.recv(1), b"")
            for one in held:
                one.end()

    def test_what_is_hit_again_and_again_fills_no_audit_log(self):
        many = 2000
        with Server(TROUPED, "limits.message_rate=off", "limits.channels_per_user=1") as server:
            with opened(server.port, path="/realtime?user=ann") as ann:
                self.assertEqual(ann.ask({"type": "channel:subscribe", "channel": "a"})["type"], "ack")
                for n in range(many):
                    ann.send({"type": "channel:subscribe", "channel": f"b{n}", "id": "b"})
                    ann.send({"type": "room:join", "room": "r", "id": "j", "payload": {"state": "x" * 4200}})
                    self.assertEqual({ann.receive_of("error", "ack")["type"] for _ in range(2)}, {"error"})
                for reason in ("too_large", "channels_per_user_limit"):
                    self.assertEqual(server.metric('troupe_backpressure_total{reason="%s"}' % reason), many)
                self.assertLess(server.metric("troupe_audit_records"), many)

    @staticmethod
    def metric_or_none(server, line):
        try:
            return server.metric(line)
        except (ConnectionError, AttributeError):
            return None

    def test_who_does_not_finish_the_handshake_is_let_go(self):
        with Server(TROUPED, "websocket.handshake_timeout=200ms") as server:
            for begun in (b"", b"GET /realtime HTTP/1.1\r\nHost: local"):
                with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as idler:
                    idler.sendall(begun)
                    answer = b""
                    while chunk := idler.recv(4096):
                        answer += chunk
                    self.assertTrue(answer.startswith(b"HTTP/1.1 408") if begun else not answer, answer)
            opened(server.port).end()
            self.assertEqual(server.metric('troupe_backpressure_total{reason="handshake_timeout"}'), 2)

    def test_a_long_head_is_refused(self):
        with Server(TROUPED) as server:
            self.refused(431, server, X_Long="x" * 20_000)
            self.assertEqual(server.metric('troupe_backpressure_total{reason="too_large"}'), 1)


class Frames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(TROUPED)

    @classmethod
    def tearDownClass(cls):
        try:
            assert cls.server.stop() == 0, cls.server.log
        finally:
            cls.server.__exit__()

    def closes(self, code, *frames):
        with opened(self.server.port) as client:
            client.socket.sendall(b"".join(frames))
            self.assertEqual(client.close_frame().code, code)

    def test_too_large(self):
        self.closes(1009, frame("x" * 65_537))
        self.closes(1009, frame("x" * 40_000, fin=False), frame("x" * 40_000, opcode=0))
        with opened(self.server.port) as client:
            body = "x" * 60_000
            self.assertEqual(client.ask({"type": "ping", "payload": body})["payload"], body)

    def test_not_utf8(self):
        for bad in (b"\xff", b'{"type":"\xc0\xaf"}', b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            self.closes(1007, frame(bad))
        # A character may be cut by a fragment's end.
        with opened(self.server.port) as client:
            text = '{"type":"ping","payload":"€"}'.encode()
            at = text.index(b"\xe2") + 1
            client.socket.sendall(frame(text[:at], fin=False) + frame(text[at:], opcode=0))
            self.assertEqual(client.receive()["payload"], "€")

    def test_frames_against_the_rules(self):
        unmasked = frame('{"type":"ping"}', mask=False)
        reserved_bit = bytes([0xC1]) + frame("x")[1:]
        self.closes(1002, unmasked)
        self.closes(1002, reserved_bit)
        self.closes(1002, frame("x", opcode=3))
        self.closes(1002, frame("x", opcode=0))
        self.closes(1002, frame("x", fin=False), frame("y"))
        self.closes(1002, frame("x" * 126, opcode=PING))
        self.closes(1002, frame("x", opcode=PING, fin=False))

    def test_what_comes_in_single_bytes_is_understood(self):
        with opened(self.server.port) as client:
            for byte in frame("beat", opcode=PING) + frame('{"type":"ping","id":"1"}'):
                client.socket.sendall(bytes([byte]))
            self.assertEqual(client.raw_frame(), (PONG, b"beat"))
            self.assertEqual(client.receive()["id"], "1")

    def test_messagepack_goes_round(self):
        with opened(self.server.port) as ann, Client(self.server.port, protocols=["troupe.v1.msgpack"]) as bob:
            opcode, hello = bob.raw_frame()
            self.assertEqual((opcode, unpacked(hello)[0]["type"]), (BINARY, "hello"))
            ann.join("packed")
            bob.socket.sendall(frame(packed({"type": "room:join", "room": "packed", "id": "j"}), BINARY))
            answer, rest = unpacked(bob.receive())
            self.assertEqual((answer["type"], answer["payload"]["members"], rest), ("ack", 2, b""))
            said = {"type": "chat", "room": "packed", "payload": {"from bob": {"deep": "yes"}}}
            bob.socket.sendall(frame(packed(said), BINARY))
            self.assertEqual(ann.receive_of("chat")["payload"], said["payload"])
            ann.send({"type": "chat", "room": "packed", "payload": {"n": -5, "list": [1, 300, True, None, "é"]}})
            heard, rest = unpacked(bob.receive())
            self.assertEqual((heard["payload"], rest), ({"n": -5, "list": [1, 300, True, None, "é"]}, b""))
            # The kind of a frame chooses its decoder: text is JSON for everybody.
            bob.socket.sendall(frame('{"type":"ping","id":"t"}', TEXT))
            self.assertEqual(unpacked(bob.receive())[0]["type"], "pong")


if __name__ == "__main__":
    TROUPED = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)

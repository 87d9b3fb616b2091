#!/usr/bin/env python3
"""What fails is started again, and costs nobody else anything: listeners, rooms, handlers.

usage: server_supervision.py TROUPED TROUBLEMAKER [unittest arguments]
"""

import ctypes
import os
import socket
import sys
import time
import unittest

from server_world import Closed, Server, free_port, opened, until

TROUPED = TROUBLEMAKER = ""
PIDFD_OPEN, PIDFD_GETFD = 434, 438  # pidfd_open(2), pidfd_getfd(2): the same numbers on every architecture
LISTEN = "0A"  # proc_net_tcp(5)


def listening_descriptor(pid, port):
    """The number that the listening socket of this port has in the process."""
    with open(f"/proc/{pid}/net/tcp") as table:
        rows = [line.split() for line in table.read().splitlines()[1:]]
    inodes = [row[9] for row in rows if row[3] == LISTEN and int(row[1].split(":")[1], 16) == port]
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            if inodes and os.readlink(f"/proc/{pid}/fd/{name}") == f"socket:[{inodes[0]}]":
                return int(name)
        except FileNotFoundError:
            pass
    return None


def break_listener(server):
    """Shuts the listening socket of a server down from outside: its next accept(2) fails with EINVAL."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = until("the server listens", lambda: listening_descriptor(server.process.pid, server.port))
    pidfd = libc.syscall(PIDFD_OPEN, server.process.pid, 0)
    fd = libc.syscall(PIDFD_GETFD, pidfd, number, 0) if pidfd >= 0 else -1
    error = ctypes.get_errno()
    if pidfd >= 0:
        os.close(pidfd)
    if fd < 0:
        raise unittest.SkipTest(f"the socket of another process cannot be reached here: {os.strerror(error)}")
    with socket.socket(fileno=fd) as listener:
        listener.shutdown(socket.SHUT_RDWR)


class Listener(unittest.TestCase):
    RESTARTS = 'troupe_supervisor_restarts_total{child="transport"}'

    def test_a_dead_accept_loop_listens_again_while_connections_go_on(self):
        with Server(TROUPED, "loops=2") as server, opened(server.port) as ann, opened(server.port) as bob:
            ann.join("r")
            bob.join("r")
            for round in range(1, 4):
                begin = time.monotonic()
                break_listener(server)
                server.wait_for_log("supervisor.restarted child=", round)
                print(f"listening again after {1000 * (time.monotonic() - begin):.0f} ms")
                ann.send({"type": "chat", "room": "r", "payload": round})
                self.assertEqual(bob.receive_of("chat")["payload"], round)
                with opened(server.port) as late:
                    self.assertEqual(late.ask({"type": "ping"})["type"], "pong")
                self.assertEqual(server.metric(self.RESTARTS), round)
                self.assertEqual(server.get("/readyz")[0], 200)
            for one in (ann, bob):
                one.end()
            self.assertEqual(server.stop(), 0)

    def test_a_port_that_is_taken_meanwhile_is_taken_back(self):
        with Server(TROUPED, "supervision.backoff_min=300ms") as server, opened(server.port) as ann:
            break_listener(server)
            with socket.socket() as thief:
                thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                until("the port is free", lambda: self.take(thief, server.port))
                server.wait_for_log("cannot listen on")
                self.assertEqual(ann.ask({"type": "ping"})["type"], "pong")
            server.wait_for_log("supervisor.restarted child=")
            opened(server.port).end()
            ann.end()
            self.assertEqual(server.stop(), 0)

    @staticmethod
    def take(thief, port):
        try:
            thief.bind(("127.0.0.1", port))
            thief.listen()
            return True
        except OSError:
            return False

    def test_past_the_restart_intensity_the_process_ends(self):
        settings = ("supervision.restarts_max=2", "supervision.backoff_min=1ms", "supervision.backoff_max=20ms")
        with Server(TROUPED, *settings) as server, opened(server.port) as ann:
            for round in (1, 2):
                break_listener(server)
                server.wait_for_log("supervisor.restarted child=", round)
            break_listener(server)
            self.assertNotIn(server.wait(), (0, None))
            gave_up = [line for line in server.log.splitlines() if "gave_up" in line]
            self.assertEqual(len(gave_up), 1, server.log)
            self.assertIn("failed too often", gave_up[0])
            with self.assertRaises((Closed, ConnectionError)):
                while True:
                    ann.receive()


class Logic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        port = free_port()
        cls.server = Server(TROUBLEMAKER, arguments=[f"127.0.0.1:{port}"], port=port)

    @classmethod
    def tearDownClass(cls):
        try:
            assert cls.server.stop() == 0, cls.server.log
        finally:
            cls.server.__exit__()

    def restarts(self):
        return self.server.metric('troupe_supervisor_restarts_total{child="room"}')

    def test_a_room_that_throws_keeps_its_members(self):
        port = self.server.port
        clients = [opened(port, f"/realtime?user=u{i}") for i in range(4)]  # on both loops
        before = self.restarts()
        for one in clients:
            one.join("touchy:a", state={"n": 1})
        for round, how in enumerate(("touchy:throw", "touchy:throw_no_exception"), 1):
            answer = clients[0].ask({"type": how, "room": "touchy:a", "id": "bad"})
            self.assertEqual((answer["type"], answer["payload"]["code"]), ("error", "internal"))
            # Whatever comes next waits for the restart and then reaches everybody, in order.
            for i in range(5):
                clients[1].send({"type": "touchy:say", "room": "touchy:a", "payload": [round, i]})
            for one in clients:
                said = [one.receive_of("touchy:say", "error", "gap") for _ in range(5)]
                self.assertEqual([m["payload"]["body"] for m in said], [[round, i] for i in range(5)])
                self.assertEqual(said, sorted(said, key=lambda m: m["seq"]))
            self.server.wait_for_log("EVENT supervisor.restarted touchy:a", round)
            self.assertEqual(self.restarts(), before + round)
        clients[2].send({"type": "presence:get", "room": "touchy:a", "id": "who"})
        members = clients[2].receive_of("presence:state")["payload"]["members"]
        self.assertEqual(sorted(m["user"] for m in members), ["u0", "u1", "u2", "u3"])
        for one in clients:
            one.end()

    def test_a_join_that_throws_keeps_only_the_joiner_out(self):
        with opened(self.server.port) as ann, opened(self.server.port, "/realtime?user=poison") as poison:
            ann.join("touchy:b")
            answer = poison.ask({"type": "room:join", "room": "touchy:b"})
            self.assertEqual((answer["type"], answer["payload"]["code"]), ("error", "internal"))
            answer = poison.ask({"type": "touchy:say", "room": "touchy:b"})
            self.assertEqual(answer["payload"]["code"], "not_a_member")
            self.assertEqual(ann.ask({"type": "touchy:say", "room": "touchy:b"})["type"], "ack")

    def test_a_handler_that_throws_costs_its_sender_an_error(self):
        with opened(self.server.port) as ann, opened(self.server.port) as bob:
            ann.join("plain")
            bob.join("plain")
            for type in ("fragile", "fragile_off_loop"):
                failures = self.server.metric("troupe_handler_failures_total")
                answer = ann.ask({"type": type, "room": "plain"})
                self.assertEqual((answer["type"], answer["payload"]["code"]), ("error", "internal"))
                self.assertEqual(self.server.metric("troupe_handler_failures_total"), failures + 1)
                self.assertEqual(ann.ask({"type": "chat", "room": "plain", "payload": type})["type"], "ack")
                self.assertEqual(bob.receive_of("chat", "error")["payload"], type)


if __name__ == "__main__":
    TROUPED, TROUBLEMAKER = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)

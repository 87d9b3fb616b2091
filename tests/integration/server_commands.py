#!/usr/bin/env python3
"""`troupe publish`, `subscribe` and `history` against a server as a process.

usage: server_commands.py TROUPE TROUPED [unittest arguments]
"""

import base64
import hashlib
import hmac
import json
import os
import pty
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from log_world import PATIENCE_S, CommandLine, read_terminal
from server_world import Server, free_port, opened, until

TROUPE = TROUPED = ""
SECRET = b"0123456789abcdef0123456789abcdef-of-a-test"


def lines_of(*numbers):
    return "".join(json.dumps({"n": n}) + "\n" for n in numbers).encode()


class Case(unittest.TestCase):
    settings = ()

    def setUp(self):
        self.troupe = CommandLine(TROUPE)
        self.server = Server(TROUPED, *self.settings)
        self.addCleanup(lambda: self.server.__exit__())
        self.url = f"ws://127.0.0.1:{self.server.port}/realtime"

    def run_troupe(self, command, *arguments, code=0, stdin=b""):
        answer = self.troupe(command, "--server", self.url, *arguments, stdin=stdin)
        self.assertEqual(answer.code, code, answer)
        return answer

    def publish(self, *arguments, **how):
        return self.run_troupe("publish", *arguments, **how)

    def numbers(self, *arguments, channel="news"):
        return [m["payload"]["n"] for m in self.run_troupe("history", "--channel", channel, "--json", *arguments).records]

    def subscribed(self, *arguments, name="channel"):
        """A subscriber that has joined, as a process."""
        before = self.server.metric("troupe_connections")
        process = self.troupe.start(
            "subscribe", "--server", self.url, "--json", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stdout.close(), process.stderr.close()))
        until("a subscriber", lambda: self.server.metric("troupe_connections") > before)
        return process

    def restart(self):
        """Another process in the place of the one that has ended: same port, same data."""
        port, data = self.server.port, os.path.join(self.server.folder, "data")
        again = Server(TROUPED, port=port, arguments=["--listen", f"127.0.0.1:{port}", "--data", data])
        shutil.rmtree(again.folder)  # its own is not used
        self.server.process = again.process


class Publishing(Case):
    def test_one_message(self):
        answer = self.publish("--channel", "news", "--type", "post", '{"n": 1}')
        self.assertRegex(answer.out, r'^published: \{"epoch":"\w+","offset":1\}\n$')
        answer = self.publish("--channel", "news", "--id", "mine", "--json", '{"n":2}')
        said = json.loads(answer.out)
        self.assertEqual((said["line"], said["id"], said["ack"]["offset"]), (1, "mine", 2))
        messages = self.run_troupe("history", "--channel", "news", "--json").records
        self.assertEqual([(m["type"], m["payload"]) for m in messages], [("post", {"n": 1}), ("message", {"n": 2})])

    def test_lines_keep_their_order(self):
        self.publish("--channel", "news", "-", stdin=lines_of(*range(3000)))
        self.assertEqual(self.numbers("--limit", "all"), list(range(3000)))

    def test_lines_sent_again_are_stored_once(self):
        for _ in range(2):
            self.publish("--channel", "news", "--user", "ann", "--qos", 2, "--id", "import", "-", stdin=lines_of(*range(50)))
        self.assertEqual(self.numbers(), list(range(50)))
        answer = self.publish("--channel", "news", "--user", "ann", "--qos", 2, "--id", "import-1", "7", code=1)
        self.assertIn("line 1 was refused: conflict", answer.err)

    def test_text(self):
        self.publish("--channel", "news", "--text", "-", stdin=b'say "hi"\n\nlast')
        payloads = [m["payload"] for m in self.run_troupe("history", "--channel", "news", "--json").records]
        self.assertEqual(payloads, ['say "hi"', "", "last"])

    def test_mistakes_name_their_line(self):
        answer = self.publish("--channel", "news", "-", stdin=lines_of(1, 2) + b"{oops\n", code=2)
        self.assertIn("line 3 is no JSON", answer.err)
        self.assertIn("2 messages were acknowledged", answer.err)
        self.assertEqual(self.numbers(), [1, 2])
        self.assertIn("the payload is no JSON", self.publish("--channel", "news", "{oops", code=2).err)
        answer = self.publish("--channel", "news", "-", stdin=lines_of(3) + b"{oops\n", code=2)
        self.assertIn("1 message was acknowledged", answer.err)
        answer = self.publish("--channel", "news", "--type", "gap", "1", code=1)
        self.assertIn("line 1 was refused: forbidden", answer.err)

    def test_too_many_at_once_are_sent_again(self):
        self.server.__exit__()
        self.server = Server(TROUPED, "limits.message_rate=200/s", "limits.rate_limited_seconds=30")
        self.url = f"ws://127.0.0.1:{self.server.port}"
        self.publish("--channel", "news", "--window", 1, "-", stdin=lines_of(*range(300)))
        self.assertEqual(self.numbers("--limit", "all"), list(range(300)))

    def test_ctrl_c_says_how_far_it_came(self):
        process = self.troupe.start(
            "publish", "--server", self.url, "--channel", "news", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with process:
            process.stdin.write(lines_of(1, 2, 3))
            process.stdin.flush()
            until("three are stored", lambda: self.numbers() == [1, 2, 3])
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(PATIENCE_S), 130)
            self.assertIn(b"interrupted; 3 messages were acknowledged", process.stderr.read())

    def test_progress_is_for_terminals(self):
        path = os.path.join(self.server.folder, "lines")
        with open(path, "wb") as file:
            file.write(lines_of(*range(12_000)))
        leader, follower = pty.openpty()
        with open(path, "rb") as lines:
            ask = ["publish", "--server", self.url, "--channel", "news", "--window", 1, "-"]
            with self.troupe.start(*ask, stdin=lines, stdout=subprocess.DEVNULL, stderr=follower) as process:
                os.close(follower)
                seen = read_terminal(leader)
                self.assertEqual(process.wait(PATIENCE_S), 0, seen)
        self.assertIn(b"publishing [", seen)

    def test_to_a_user_and_to_a_room(self):
        with opened(self.server.port, "/realtime?user=bob") as bob:
            bob.join("lobby", presence=False)
            self.assertIn('{"connections":1}', self.publish("--to", "bob", "1").out)
            self.publish("--room", "lobby", "--type", "hi", "--user", "ann", "2")
            self.assertEqual(bob.receive_of("message")["payload"], 1)
            message = bob.receive_of("hi")
            self.assertEqual((message["room"], message["from"]["user"]), ("lobby", "ann"))

    def test_to_a_user_who_is_away(self):
        for how, payload in (("queue", 1), ("drop", 2)):
            self.publish("--to", "zoe", "--offline", how, "--qos", 1, payload)
        with opened(self.server.port, "/realtime?user=zoe") as zoe:
            self.assertEqual(zoe.receive_of("message")["payload"], 1)
            self.assertEqual(zoe.receive_of("message", "offline.queue.flushed")["payload"], {"delivered": 1, "dropped": 0})

    def test_bad_usage(self):
        for arguments, words in (
            (["--channel", "a", "--offline", "queue", "1"], "needs --to USER"),
            (["--to", "zoe", "--offline", "yes", "1"], "queue or drop"),
            (["1"], "--channel NAME, --room NAME and --to USER"),
            (["--channel", "a", "--room", "b", "1"], "takes only one of"),
            (["--channel", "a", "--qos", 3, "1"], "0, 1 or 2"),
            (["--channel", "a"], "needs a PAYLOAD, or -"),
            (["--chanel", "a", "1"], "is it --channel?"),
        ):
            self.assertIn(words, self.publish(*arguments, stdin=b"7\n", code=2).err)


class Subscribing(Case):
    def next(self, process):
        return json.loads(process.stdout.readline())

    def test_from_the_start_and_live(self):
        self.publish("--channel", "news", "-", stdin=lines_of(*range(5)))
        process = self.subscribed("--channel", "news", "--from", "earliest")
        self.assertEqual([self.next(process)["payload"]["n"] for _ in range(5)], list(range(5)))
        self.publish("--channel", "news", "-", stdin=lines_of(5, 6))
        self.assertEqual([self.next(process)["payload"]["n"] for _ in range(2)], [5, 6])
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertEqual(process.stderr.read(), b"")
        until("nobody is there", lambda: self.server.metric("troupe_connections") == 0)

    def test_after_a_position(self):
        self.publish("--channel", "news", "-", stdin=lines_of(*range(5)))
        third = self.run_troupe("history", "--channel", "news", "--json").records[2]
        place = f"{third['epoch']}:{third['offset']}"
        answer = self.run_troupe("subscribe", "--channel", "news", "--from", place, "-n", 2, "--json")
        self.assertEqual([m["payload"]["n"] for m in answer.records], [3, 4])
        text = self.run_troupe("subscribe", "--channel", "news", "--from", place, "-n", 1).out
        self.assertRegex(text, r'^4  \S+Z  \w+  message  \{"n":3\}\n$')

    def test_a_server_that_comes_back(self):
        process = self.subscribed("--channel", "news", "--from", "earliest")
        seen = []
        for part in range(3):
            self.publish("--channel", "news", "-", stdin=lines_of(*range(part * 10, part * 10 + 10)))
            seen += [self.next(process)["payload"]["n"] for _ in range(10)]
            if part == 1:
                self.server.process.kill()  # without a word
            self.assertIn(self.server.stop(), (0, -signal.SIGKILL))
            self.restart()
        self.assertEqual(seen, list(range(30)))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertIn(b"; trying again", process.stderr.read())

    def test_a_durable_name_goes_on(self):
        self.publish("--channel", "news", "-", stdin=lines_of(*range(6)))
        ask = ["--channel", "news", "--durable", "worker", "--user", "ann", "--json"]
        first = self.run_troupe("subscribe", *ask, "--from", "earliest", "-n", 2).records
        then = self.run_troupe("subscribe", *ask, "-n", 2).records
        self.assertEqual([m["payload"]["n"] for m in first + then], [0, 1, 2, 3])
        nobody = self.run_troupe("subscribe", "--channel", "news", "--durable", "worker", code=1)
        self.assertIn("belongs to a user", nobody.err)

    def test_more_than_the_window_of_unacknowledged(self):
        self.publish("--channel", "news", "--qos", 1, "-", stdin=lines_of(*range(2000)))
        answer = self.run_troupe("subscribe", "--channel", "news", "--from", "earliest", "-n", 2000, "--json")
        self.assertEqual([m["payload"]["n"] for m in answer.records], list(range(2000)))

    def test_a_room(self):
        process = self.subscribed("--room", "lobby")
        until("it has joined", lambda: self.server.metric("troupe_room_members") > 0 or self.server.metric("troupe_rooms") > 0)
        with opened(self.server.port, "/realtime?user=bob") as bob:
            until("it has joined", lambda: bob.join("lobby")["members"] == 2)
            bob.send({"type": "chat", "room": "lobby", "payload": "hello"})
            message = self.next(process)
            self.assertEqual((message["type"], message["payload"], message["from"]["user"]), ("chat", "hello", "bob"))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_a_room_of_a_server_that_comes_back(self):
        process = self.subscribed("--room", "lobby")
        with opened(self.server.port, "/realtime?user=bob") as bob:
            until("it has joined", lambda: bob.join("lobby")["members"] == 2)
            bob.send({"type": "chat", "room": "lobby", "payload": 1})
            self.assertEqual(self.next(process)["payload"], 1)
        self.assertEqual(self.server.stop(), 0)
        self.restart()
        with opened(self.server.port, "/realtime?user=bob") as bob:
            until("it has come back", lambda: bob.join("lobby")["members"] == 2)
            bob.send({"type": "chat", "room": "lobby", "payload": 2})
            self.assertEqual(self.next(process)["payload"], 2)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE_S), 0)
        said = process.stderr.read().decode()
        self.assertIn("; trying again", said)
        self.assertIn("not kept any more", said)  # rooms live in memory: nobody knows what was missed

    def test_a_reader_that_stops_reading(self):
        self.publish("--channel", "news", "-", stdin=lines_of(*range(3000)))
        process = self.subscribed("--channel", "news", "--from", "earliest")
        process.stdout.readline()
        process.stdout.close()
        self.publish("--channel", "news", "-", stdin=lines_of(*range(10)))
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGPIPE)


class History(Case):
    def test_pages(self):
        self.publish("--channel", "news", "-", stdin=lines_of(*range(1234)))
        self.assertEqual(self.numbers("--limit", "all"), list(range(1234)))
        self.assertEqual(self.numbers("--limit", "all", "--reverse"), list(range(1233, -1, -1)))
        self.assertEqual(self.numbers("-n", 1100), list(range(1100)))
        self.assertEqual(self.numbers("-n", 3, "--reverse"), [1233, 1232, 1231])
        self.assertEqual(len(self.numbers()), 100)
        first = self.run_troupe("history", "--channel", "news", "-n", 1, "--json").records[0]
        self.assertEqual(self.numbers("--since", f"{first['epoch']}:1200", "--limit", "all"), list(range(1200, 1234)))
        self.assertEqual(self.numbers("--since", f"{first['epoch']}:3", "--reverse"), [1, 0])
        other = self.run_troupe("history", "--channel", "news", "--since", "other:5", code=1)
        self.assertIn("the channel is in epoch", other.err)

    def test_what_has_expired_does_not_end_it(self):
        with opened(self.server.port) as client:
            for n in range(1, 601):
                client.send({"type": "t", "channel": "news", "qos": 1, "id": str(n), "ttl_ms": 1, "payload": {"n": n}})
            client.ask({"type": "t", "channel": "news", "payload": {"n": 601}})
        until("it has expired", lambda: self.numbers("--limit", "all") == [601])

    def test_nothing_is_there(self):
        self.assertEqual(self.run_troupe("history", "--channel", "empty").out, "")

    def test_bad_usage(self):
        for arguments, words in (([], "--channel NAME"), (["--channel", "a", "--since", "7"], "EPOCH:OFFSET"), (["--channel", "a", "-n", "x"], "whole number")):
            self.assertIn(words, self.run_troupe("history", *arguments, code=2).err)


class Reaching(unittest.TestCase):
    def setUp(self):
        self.troupe = CommandLine(TROUPE)
        self.folder = tempfile.mkdtemp(prefix="troupe-reach-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name, content=None, mode=0o600):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "wb") as file:
                file.write(content)
        return path

    def token(self, **claims):
        def base64url(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

        claims = {"sub": "ann", "exp": time.time() + 600, **claims}
        data = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return data + "." + base64url(hmac.new(SECRET, data.encode(), hashlib.sha256).digest())

    def test_nobody_there(self):
        url = f"ws://127.0.0.1:{free_port()}/realtime"
        for command in (["publish", "--channel", "a", "1"], ["subscribe", "--channel", "a"], ["history", "--channel", "a"]):
            answer = self.troupe(*command, "--server", url)
            self.assertEqual((answer.code, answer.out, answer.err.count("\n")), (3, "", 1), answer)
            self.assertIn("cannot connect to 127.0.0.1", answer.err)

    def test_addresses_that_make_no_sense(self):
        for url in ("ftp://x", "ws://", "ws://x:port", "ws://user:secret@x/", "ws://[::1", "wss://x/?token=secret"):
            answer = self.troupe("history", "--channel", "a", "--server", url)
            self.assertEqual((answer.code, answer.err.count("\n")), (2, 1), answer)

    def test_no_websocket_there(self):
        with Server(TROUPED) as server:
            answer = self.troupe("history", "--channel", "a", "--server", f"ws://127.0.0.1:{server.port}/healthz")
            self.assertEqual(answer.code, 1, answer)
            self.assertIn("refused the connection", answer.err)

    def test_tokens(self):
        key, good = self.path("key", SECRET), self.token(caps={"channel:news": "rw"})
        with Server(TROUPED, f"auth.keys={key}") as server:
            url = f"ws://127.0.0.1:{server.port}"
            ask = ["publish", "--server", url, "--channel", "news", "1"]
            token_file = self.path("token", good.encode() + b"\n")
            self.assertEqual(self.troupe(*ask, "--token-file", token_file).code, 0)
            self.assertEqual(self.troupe(*ask, "--token-file", "-", stdin=good.encode()).code, 0)
            self.assertEqual(self.troupe(*ask, "--token", good).code, 0)
            environment = {**os.environ, "TROUPE_TOKEN": good}
            done = subprocess.run([TROUPE, *ask], env=environment, capture_output=True, timeout=PATIENCE_S, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

            answer = self.troupe("publish", "--server", url, "--channel", "secrets", "1", "--token", good)
            self.assertEqual(answer.code, 1)
            self.assertIn("forbidden", answer.err)
            for bad in (good[:-4] + "AAAA", "nonsense", self.token(exp=1)):
                answer = self.troupe(*ask, "--token", bad)
                self.assertEqual(answer.code, 1, answer)
                self.assertNotIn(bad, answer.out + answer.err)
            self.assertEqual(self.troupe(*ask, "--token", "two\r\nlines").code, 2)

    def test_a_server_that_wants_a_token_says_so_at_once(self):
        key = self.path("key", SECRET)
        with Server(TROUPED, f"auth.keys={key}", "auth.timeout=1h") as server:
            for command in (["publish", "--channel", "a", "1"], ["subscribe", "--channel", "a"], ["history", "--channel", "a"]):
                answer = self.troupe(*command, "--server", f"ws://127.0.0.1:{server.port}")
                self.assertEqual((answer.code, answer.out, answer.err.count("\n")), (1, "", 1), answer)
                self.assertIn("the server wants a token (--token-file", answer.err)

    def certify(self):
        certificate, key = self.path("certificate.pem"), self.path("key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            + ["-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True,
            capture_output=True,
        )
        os.chmod(key, 0o600)
        return certificate, key

    @unittest.skipUnless(shutil.which("openssl"), "needs the program openssl")
    def test_an_answer_over_tls_that_breaks_off_is_none(self):
        certificate, key = self.certify()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        body = b'{"status":"ready"}'
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

        def serve(sock, parts):
            for answer, noise in parts:
                raw, _ = sock.accept()
                with raw, os.fdopen(os.dup(raw.fileno()), "wb") as under:
                    tls = context.wrap_socket(raw, server_side=True)
                    tls.recv(4096)
                    tls.sendall(answer)
                    under.write(noise)
                    under.flush()
                    tls.close()

        def ask(*parts):
            with socket.create_server(("127.0.0.1", 0)) as sock:
                sock.settimeout(PATIENCE_S)
                serving = threading.Thread(target=serve, args=(sock, parts))
                serving.start()
                url = f"wss://localhost:{sock.getsockname()[1]}"
                answer = self.troupe("status", "--server", url, "--json", "--ca", certificate)
                serving.join()
                return answer

        self.assertEqual(ask((whole, b"")).code, 0)  # without a closing alert
        answer = ask((whole[:-4], b""))
        self.assertEqual((answer.code, answer.out, "cut off" in answer.err), (1, "", True), answer)
        until_end = b"HTTP/1.1 200 OK\r\n\r\n" + body
        self.assertEqual(ask((until_end, b"")).code, 0)
        answer = ask((until_end, b"no record of TLS"))
        self.assertEqual((answer.code, answer.out, "no answer from" in answer.err), (1, "", True), answer)

    @unittest.skipUnless(shutil.which("openssl"), "needs the program openssl")
    def test_tls(self):
        certificate, key = self.certify()
        with Server(TROUPED, f"tls.certificate={certificate}", f"tls.key={key}") as server:
            ask = ["publish", "--channel", "news", "1", "--server", f"wss://localhost:{server.port}"]
            self.assertEqual(self.troupe(*ask, "--ca", certificate).code, 0)
            self.assertEqual(self.troupe(*ask[:-1], f"https://localhost:{server.port}", "--ca", certificate).code, 0)
            answer = self.troupe(*ask)
            self.assertEqual(answer.code, 1)
            self.assertIn("certificate", answer.err)
            # A name that the certificate does not have.
            ask[-1] = f"wss://127.0.0.1:{server.port}"
            self.assertEqual(self.troupe(*ask, "--ca", certificate).code, 1)

            status = ["status", "--server", f"wss://localhost:{server.port}"]
            answer = self.troupe(*status, "--ca", certificate)
            self.assertEqual((answer.code, answer.err), (0, ""))
            self.assertIn("\ntroupe_connections ", answer.out)
            answer = self.troupe(*status)
            self.assertEqual((answer.code, answer.out), (1, ""))
            self.assertIn("certificate", answer.err)
            self.assertEqual(self.troupe("status", "--server", f"wss://127.0.0.1:{server.port}", "--ca", certificate).code, 1)


if __name__ == "__main__":
    TROUPE, TROUPED = (os.path.abspath(a) for a in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)

#!/usr/bin/env python3
"""Tokens and certificates: who a client is, what it may do, and keys that change while the server runs.

usage: server_identity.py TROUPED [unittest arguments]
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import warnings

from server_world import Client, Refused, Server, opened

TROUPED = ""
SECRET = b"0123456789abcdef0123456789abcdef-of-a-test"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


class Folder(unittest.TestCase):
    """A folder of its own for keys, removed with the class."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="troupe-keys-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)


@unittest.skipUnless(shutil.which("openssl"), "needs the program openssl")
class Tokens(Folder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.open(cls.path("secret"), os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(SECRET)
        for name, kind in (("ed", ("ed25519",)), ("es", ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")), ("rs", ("RSA",))):
            openssl("genpkey", "-algorithm", *kind, "-out", cls.path(name))
            openssl("pkey", "-in", cls.path(name), "-pubout", "-out", cls.path(name + ".pub"))
        cls.keys = "auth.keys=" + ",".join(cls.path(n) for n in ("secret", "ed.pub", "es.pub", "rs.pub"))
        cls.server = Server(TROUPED, cls.keys, "auth.leeway=0s", "loops=2")
        cls.addClassCleanup(cls.server.__exit__)

    def signed(self, how, data):
        with open(self.path("to-sign"), "wb") as file:
            file.write(data)
        if how == "EdDSA":
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path("ed"), "-in", self.path("to-sign"))
        if how == "RS256":
            return openssl("dgst", "-sha256", "-sign", self.path("rs"), self.path("to-sign"))
        der = openssl("dgst", "-sha256", "-sign", self.path("es"), self.path("to-sign"))
        length = der[3]  # a sequence of two integers; JWS wants 32 bytes of each (RFC 7518 section 3.4)
        r, s = der[4 : 4 + length], der[4 + length + 2 :]
        return b"".join(int.from_bytes(n, "big").to_bytes(32, "big") for n in (r, s))

    def token(self, user="ann", how="HS256", secret=SECRET, lives_s=600, **claims):
        now = time.time()
        claims = {"sub": user, "iat": int(now), "exp": now + lives_s, **claims}
        data = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": how, "typ": "JWT"}, claims)).encode()
        mark = hmac.new(secret, data, hashlib.sha256).digest() if how == "HS256" else self.signed(how, data)
        return data.decode() + "." + base64url(mark)

    def opened(self, token=None, **more):
        return opened(self.server.port, Authorization=f"Bearer {token or self.token(**more)}")

    def code(self, client, message):
        answer = client.ask(message)
        return answer["payload"]["code"] if answer["type"] == "error" else answer["type"]

    def test_every_kind_of_key_opens_the_door(self):
        for how in ("HS256", "EdDSA", "ES256", "RS256"):
            with self.opened(how=how, user=how) as client:
                self.assertEqual(client.hello["payload"]["user"], how)

    def test_the_subprotocol_carries_a_token_and_is_not_echoed(self):
        protocols = ["troupe.v1.json", "troupe.token." + self.token(how="EdDSA")]
        with opened(self.server.port, protocols=protocols) as client:
            self.assertEqual(client.hello["payload"]["user"], "ann")
            self.assertIn("\r\nSec-WebSocket-Protocol: troupe.v1.json", client.head)
            self.assertNotIn("troupe.token", client.head)

    def test_auth_as_the_first_message(self):
        with Client(self.server.port, "/realtime?user=mallory") as client:
            client.send({"type": "auth", "id": "a", "payload": {"token": self.token()}})
            hello, ack = client.receive(), client.receive()
            self.assertEqual((hello["type"], hello["payload"]["user"]), ("hello", "ann"))
            self.assertEqual((ack["type"], ack["id"]), ("ack", "a"))

    def test_bad_tokens_stay_outside(self):
        good = self.token()
        head, claims, mark = good.split(".")
        admin = base64url(json.dumps({"sub": "ann", "admin": True, "exp": time.time() + 600}).encode())
        none = base64url(b'{"alg":"none"}')
        with open(self.path("ed.pub"), "rb") as file:
            confused = self.token(secret=file.read())
        bad = {
            "another secret": self.token(secret=b"x" * 40),
            "other claims": f"{head}.{admin}.{mark}",
            "alg none": f"{none}.{claims}.",
            "a public key as a secret": confused,
            "expired": self.token(lives_s=-5),
            "not yet": self.token(nbf=time.time() + 600),
            "no token": "nonsense",
        }
        for name, token in bad.items():
            with self.subTest(name):
                for how in ({"Authorization": f"Bearer {token}"}, {"protocols": ["troupe.v1.json", f"troupe.token.{token}"]}):
                    with self.assertRaises(Refused) as caught:
                        Client(self.server.port, **how)
                    self.assertEqual(caught.exception.status, 401)
                with Client(self.server.port) as client:
                    client.send({"type": "auth", "id": "a", "payload": {"token": token}})
                    answer = client.receive()
                    self.assertEqual((answer["type"], answer["id"]), ("error", "a"))
                    self.assertIn(answer["payload"]["code"], ("unauthorized", "expired"))
                    self.assertEqual(client.close_frame().code, 3500)

    def test_without_a_token_nothing_but_auth_is_heard(self):
        with Client(self.server.port) as client:
            client.send({"type": "room:join", "id": "j", "room": "r"})
            self.assertEqual(client.receive()["payload"]["code"], "unauthorized")
            self.assertEqual(client.close_frame().code, 3500)
        with Server(TROUPED, self.keys, "auth.timeout=200ms") as server, Client(server.port) as client:
            self.assertEqual(client.receive()["payload"]["code"], "unauthorized")
            self.assertEqual(client.close_frame().code, 3500)

    def test_a_token_runs_out_unless_it_is_renewed(self):
        with self.opened(lives_s=1.5) as renewed, self.opened(lives_s=1.5) as left:
            renewed.join("r")
            self.assertEqual(self.code(renewed, {"type": "auth", "payload": {"token": self.token("bob")}}), "forbidden")
            self.assertEqual(self.code(renewed, {"type": "auth", "payload": {"token": "nonsense"}}), "unauthorized")
            self.assertEqual(self.code(renewed, {"type": "auth", "payload": {"token": self.token()}}), "ack")
            closed = left.close_frame()
            self.assertEqual(closed.code, 3005)
            self.assertTrue(closed.reason)
            self.assertEqual(self.code(renewed, {"type": "chat", "room": "r"}), "ack")

    def test_rights_by_room(self):
        caps = {"room:chat.*": "rwp", "room:news": "r", "room:desk": "rw", "user:bob": "w"}
        with self.opened(caps=caps) as ann, self.opened(user="bob") as bob:
            for room in ("chat.1", "news", "desk"):
                ann.join(room)
            for room in ("other", "chat", "newspaper"):
                self.assertEqual(self.code(ann, {"type": "room:join", "room": room}), "forbidden")
            self.assertEqual(self.code(ann, {"type": "chat", "room": "chat.1"}), "ack")
            self.assertEqual(self.code(ann, {"type": "chat", "room": "news"}), "forbidden")
            self.assertEqual(self.code(ann, {"type": "presence:get", "room": "desk"}), "forbidden")
            self.assertEqual(self.code(ann, {"type": "presence:update", "room": "news", "payload": {"state": 1}}), "forbidden")
            self.assertEqual(self.code(ann, {"type": "note", "to": {"user": "bob"}}), "ack")
            self.assertEqual(bob.receive_of("note")["from"]["user"], "ann")
            self.assertEqual(self.code(ann, {"type": "note", "to": {"user": "cat"}}), "forbidden")
            # Fewer rights with the next token: at once, in rooms that were joined with the last one too.
            less = self.token(caps={"room:news": "r"})
            self.assertEqual(self.code(ann, {"type": "auth", "payload": {"token": less}}), "ack")
            self.assertIn(self.code(ann, {"type": "chat", "room": "chat.1"}), ("forbidden", "not_a_member"))
            bob.join("chat.1")
            bob.ask({"type": "chat", "room": "chat.1", "payload": "not for ann"})
            self.assertEqual(self.code(ann, {"type": "ping"}), "pong")
            self.assertNotIn("not for ann", [m.get("payload") for m in ann.put_aside])

    def test_a_forwarded_request_with_a_token_is_welcome(self):
        header = {"Authorization": f"Bearer {self.token()}", "X_Forwarded_For": "1.2.3.4", "host": "chat.example"}
        opened(self.server.port, **header).end()

    def test_keys_are_read_again(self):
        secret = self.path("rotating")
        with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(SECRET)
        with Server(TROUPED, f"auth.keys={secret}") as server:
            old = opened(server.port, Authorization="Bearer " + self.token())
            with open(secret, "wb") as file:
                file.write(b"n" * 40)
            server.send(signal.SIGHUP)
            server.wait_for_log("reloaded")
            opened(server.port, Authorization="Bearer " + self.token(secret=b"n" * 40)).end()
            with self.assertRaises(Refused):
                Client(server.port, Authorization="Bearer " + self.token())
            self.assertEqual(old.ask({"type": "ping"})["type"], "pong")
            old.end()


@unittest.skipUnless(shutil.which("openssl"), "needs the program openssl")
class Certificates(Folder):
    def certify(self):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", self.path("key.pem"),
                "-out", self.path("cert.pem"))  # fmt: skip
        with open(self.path("cert.pem")) as file:
            return file.read()

    @staticmethod
    def trusting(pem, highest=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cadata=pem)
        context.maximum_version = highest
        return context

    def test_chat_over_tls_and_a_new_certificate_while_it_goes_on(self):
        first = self.certify()
        with Server(TROUPED, "loops=2", f"tls.certificate={self.path('cert.pem')}", f"tls.key={self.path('key.pem')}") as server:
            ann = opened(server.port, tls=self.trusting(first))
            self.addCleanup(ann.end)
            bob = opened(server.port, tls=self.trusting(first, ssl.TLSVersion.TLSv1_2))
            self.addCleanup(bob.end)
            self.assertEqual((ann.socket.version(), bob.socket.version()), ("TLSv1.3", "TLSv1.2"))
            for one in (ann, bob):
                one.join("r")

            def chat(count):
                for at in range(0, count, 10):  # from less than a record to several
                    bodies = [f"{i} " + "x" * 9000 * (i % 5) for i in range(at, at + 10)]
                    for body in bodies:
                        ann.send({"type": "chat", "room": "r", "payload": body})
                    self.assertEqual([bob.receive_of("chat")["payload"] for _ in bodies], bodies)

            chat(100)
            second = self.certify()
            server.send(signal.SIGHUP)
            server.wait_for_log("reloaded")
            with opened(server.port, tls=self.trusting(second)) as cat:
                self.assertEqual(ssl.DER_cert_to_PEM_cert(cat.socket.getpeercert(True)).split(), second.split())
                self.assertEqual(cat.join("r")["members"], 3)
            with self.assertRaises(ssl.SSLError):
                opened(server.port, tls=self.trusting(first))
            chat(100)

            # A certificate that cannot be read changes nothing.
            with open(self.path("cert.pem"), "w") as file:
                file.write("torn")
            server.send(signal.SIGHUP)
            server.wait_for_log("reload_refused")
            opened(server.port, tls=self.trusting(second)).end()
            chat(10)
            old = ssl.create_default_context(cadata=second)
            old.set_ciphers("DEFAULT:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it is old is the point
                old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                opened(server.port, tls=old)
            server.send(signal.SIGTERM)
            for one in (ann, bob):
                self.assertEqual(one.close_frame().code, 1001)
            self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    TROUPED = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)

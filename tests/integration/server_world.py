"""What the server_*.py tests share: a server as a process, and a WebSocket client that shows every frame."""

import base64
import hashlib
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

PATIENCE_S = 60  # A bound for a machine that is busy; nothing waits that long.
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, ready):
    """Asks `ready` again and again until it gives something true, and returns that."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = ready()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE_S} s for: {what}")
        time.sleep(0.01)


class Server:
    """A program that serves, with its standard error in a file; ended when the `with` block ends."""

    def __init__(self, program, *settings, arguments=None, port=None, data=None, env=None):
        self.port = port or free_port()
        self.folder = tempfile.mkdtemp(prefix="troupe-server-")
        self.log_path = os.path.join(self.folder, "log")
        if arguments is None:
            self.data = data or os.path.join(self.folder, "data")
            arguments = ["--listen", f"127.0.0.1:{self.port}", "--data", self.data]
            for one in settings:
                arguments += ["--set", one]
        own = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_") and k != "NOTIFY_SOCKET"}
        env = own | (env or {})
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([program, *map(str, arguments)], stderr=log, stdout=log, env=env)
        try:
            self.wait_for_log("listening")
        except AssertionError:
            self.__exit__()
            raise

    @property
    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def wait_for_log(self, text, times=1):
        def seen():
            log = self.log
            if log.count(text) >= times:
                return log
            if self.process.poll() is not None:
                raise AssertionError(f"no {text!r}, the server ended with {self.process.returncode}:\n{self.log}")
            return None

        return until(f"{text!r} in the log", seen)

    def get(self, path):
        with Http(self.port) as http:
            return http.get(path)

    def metric(self, line):
        """The value of one line of /metrics, its labels included; 0 where there is none yet."""
        found = re.search(rf"^{re.escape(line)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(PATIENCE_S)

    def stop(self):
        """@returns the exit status after SIGTERM"""
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Http:
    """A kept-alive HTTP/1.1 connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)

    def get(self, path, **headers):
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return read_answer(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def read_answer(sock):
    """@returns the status and the body of the HTTP answer that comes next"""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed the connection without an answer")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
    while len(body) < length:
        body += sock.recv(65536)
    return int(head.split()[1]), body.decode()


class Refused(Exception):
    """The server answered the handshake with another status than 101."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status = status


class Closed(Exception):
    """The close frame of the server, where a message was waited for."""

    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


def frame(payload, opcode=TEXT, mask=True, fin=True):
    payload = payload.encode() if isinstance(payload, str) else payload
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    return head + (b"\0\0\0\0" if mask else b"") + payload  # a mask of zeros changes nothing


def handshake(port, path="/realtime", protocols=("troupe.v1.json",), host=None, **headers):
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    lines += [f"Sec-WebSocket-Protocol: {', '.join(protocols)}"] if protocols else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return key, ("\r\n".join(lines) + "\r\n\r\n").encode()


class Client:
    """A WebSocket client. Answers no ping and no close frame by itself."""

    def __init__(self, port, path="/realtime", protocols=("troupe.v1.json",), tls=None, prepare=None, **headers):
        self.buffer = b""
        self.put_aside = []
        raw = socket.socket()
        raw.settimeout(PATIENCE_S)
        if prepare:
            prepare(raw)
        raw.connect(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(raw, server_hostname="localhost") if tls else raw
        self.path, self.protocols = path, protocols
        try:
            self._upgrade(port, headers)
        except Exception:
            self.socket.close()
            raise

    def _upgrade(self, port, headers):
        key, request = handshake(port, self.path, self.protocols, **headers)
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.head = head.decode()
        status = int(head.split()[1])
        if status != 101:
            raise Refused(status, self.head + self.buffer.decode(errors="replace"))
        want = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        assert want in self.head, self.head

    def _more(self):
        chunk = self.socket.recv(262144)
        if not chunk:
            raise ConnectionError("the end of the stream, without a close frame")
        self.buffer += chunk

    def raw_frame(self):
        """@returns (opcode, payload) of the next frame"""
        while True:
            b = self.buffer
            if len(b) >= 2:
                length, at = b[1] & 0x7F, 2
                assert not b[1] & 0x80, "a server must not mask"
                if length == 126 and len(b) >= 4:
                    length, at = struct.unpack_from(">H", b, 2)[0], 4
                elif length == 127 and len(b) >= 10:
                    length, at = struct.unpack_from(">Q", b, 2)[0], 10
                elif length >= 126:
                    self._more()
                    continue
                if len(b) >= at + length:
                    self.buffer = b[at + length :]
                    return b[0] & 0x0F, b[at : at + length]
            self._more()

    def receive(self):
        """The next message. Raises Closed for a close frame, ConnectionError where the stream just ends."""
        if self.put_aside:
            return self.put_aside.pop(0)
        while True:
            opcode, payload = self.raw_frame()
            if opcode == CLOSE:
                raise Closed(struct.unpack(">H", payload[:2])[0], payload[2:].decode())
            if opcode == TEXT:
                return json.loads(payload)
            if opcode == BINARY:
                return payload

    def receive_of(self, *types):
        """The next message of one of these types; others are dropped."""
        while True:
            message = self.receive()
            if message["type"] in types:
                return message

    def send(self, message):
        self.socket.sendall(frame(json.dumps(message)))

    def ask(self, message):
        """Sends, and returns the answer with the same id. What comes before it is kept for `receive`."""
        message.setdefault("id", "ask")
        self.send(message)
        kept, self.put_aside = self.put_aside, []
        while True:
            answer = self.receive()
            if answer.get("id") == message["id"] and answer["type"] in ("ack", "error", "pong"):
                self.put_aside = kept
                return answer
            kept.append(answer)

    def join(self, room, **payload):
        answer = self.ask({"type": "room:join", "room": room, "payload": payload})
        assert answer["type"] == "ack", answer
        return answer["payload"]

    def close_frame(self):
        """Reads on until the close frame; what is put aside or comes before it is dropped."""
        try:
            while True:
                self.receive()
        except Closed as closed:
            return closed

    def end(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def opened(port, *args, **more):
    """A client that has read its hello."""
    client = Client(port, *args, **more)
    client.hello = client.receive()
    assert client.hello["type"] == "hello", client.hello
    return client


def broken(sock, wait_s=PATIENCE_S):
    """Waits, without reading, until the peer has reset the connection."""
    poll = select.poll()
    poll.register(sock, 0)  # errors and hang-ups are always reported
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(wait_s * 1000))

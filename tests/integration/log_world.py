"""What the log_*.py tests share: the command line as a process, a log with known content, and its frames."""

import base64
import datetime
import json
import os
import shutil
import struct
import subprocess
import tempfile
import zlib

PATIENCE_S = 60  # A bound for a machine that is busy; nothing waits that long.
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
SEGMENT_BYTES = 4096


def time_of(index):
    return (START + datetime.timedelta(minutes=index)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def record_of(index):
    """The record with this index as `--format jsonl` has to say it; log_maker.cpp says the same."""
    out = {
        "class": "channels",
        "index": index,
        "time": time_of(index),
        "kind": "channel.published",
        "channel": "news" if index % 2 == 0 else "alerts",
        "user": "ann" if index % 3 == 0 else "bob",
        "connection": f"c{index % 4}",
        "id": f"m{index}",
        "type": "post",
        "payload": {"n": index},
        "node": "n1",
        "offset": index + 1,
        "format": 0,
    }
    case = index % 10
    if case == 1:
        out["payload"] = {"lines": [1, 2]}
    elif case == 2:
        out["format"] = 1
    elif case == 3:
        del out["payload"]
        out |= {
            "key_id": "ann-1",
            "nonce_base64": base64.b64encode(b"\x00\x01\xFE\xFF").decode(),
            "payload_base64": base64.b64encode(b"\x80\x00secret\xFF").decode(),
            "encrypted": True,
        }
    elif case == 4:
        del out["payload"]
        out["payload_base64"] = base64.b64encode(b"{broken").decode()
    elif case == 5:
        out["type"] = "post\x1b[31m"
        out["payload"] = {"text": "\x1b[2J \u202e ü"}
    elif case == 6:
        out = {"class": "channels", "index": index, "time": out["time"], "kind": "position.acked", "channel": "news", "user": "ann"}
        out |= {"durable": "worker", "offset": index}
    elif case == 7:
        out = {"class": "channels", "index": index, "time": out["time"], "kind": "room.joined", "room": "lobby", "user": "bob"}
    elif case == 8:
        out = {"class": "channels", "index": index, "time": out["time"], "kind": "kind.999", "code": 2**64 - 1}
        out["detail_base64"] = base64.b64encode(b"from the \xFF future").decode()
    elif case == 9:
        out |= {"payload": 12345678901234567890123, "headers": {"echo": "true"}, "qos": 1}
    return out


def read_terminal(leader):
    """Everything that is written to a terminal, until nobody has its other end open; closes it."""
    seen = b""
    try:
        while chunk := os.read(leader, 65536):
            seen += chunk
    except OSError:
        pass  # the other end was closed
    os.close(leader)
    return seen


class Answer:
    """How a command ended, and what it said."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def records(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"exit {self.code}\n--- out\n{self.out[-2000:]}\n--- err\n{self.err[-2000:]}"


class CommandLine:
    """The program `troupe`."""

    def __init__(self, program):
        self.program = program

    def __call__(self, *arguments, data=None, stdin=None):
        more = ["--data", data] if data else []
        done = subprocess.run(
            [self.program, *map(str, arguments), *more], input=stdin, capture_output=True, timeout=PATIENCE_S, check=False
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments, data=None, **how):
        more = ["--data", data] if data else []
        return subprocess.Popen([self.program, *map(str, arguments), *more], **how)


class Log:
    """A data folder with a log of known content, in a folder of its own."""

    def __init__(self, maker, count, segment_bytes=SEGMENT_BYTES, shift=0):
        self.maker = maker
        self.folder = tempfile.mkdtemp(prefix="troupe-log-")
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.data, "log", "channels")
        self.append(count, segment_bytes, shift)

    def append(self, count, segment_bytes=SEGMENT_BYTES, shift=0, name="channels"):
        arguments = map(str, (count, segment_bytes, shift, name))
        subprocess.run([self.maker, self.data, *arguments], check=True, timeout=PATIENCE_S)

    @property
    def segments(self):
        return sorted(name for name in os.listdir(self.log) if name.endswith(".seg"))

    def path(self, name):
        return os.path.join(self.log, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def copy(self):
        """Another log with the same content, to be damaged."""
        twin = object.__new__(Log)
        twin.maker = self.maker
        twin.folder = tempfile.mkdtemp(prefix="troupe-log-")
        twin.data = os.path.join(twin.folder, "data")
        twin.log = os.path.join(twin.data, "log", "channels")
        shutil.copytree(self.data, twin.data)
        return twin

    def fingerprint(self):
        """Every file of the data folder, with its bytes."""
        found = {}
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[path] = file.read()
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


class Frame:
    """One frame of a segment (docs/event-log.md): its length, the bytes before it that were not synced, a checksum,
    and its body."""

    def __init__(self, offset, unsynced, body, is_footer):
        self.offset, self.unsynced, self.body, self.is_footer = offset, unsynced, body, is_footer

    @property
    def end(self):
        return self.offset + 12 + len(self.body)

    def encoded(self, seed, offset=None):
        """As it would have been written at that offset, checksum and all."""
        offset = self.offset if offset is None else offset
        front = struct.pack("<II", len(self.body) | (0x80000000 if self.is_footer else 0), self.unsynced)
        checksum = zlib.crc32(front + struct.pack("<Q", offset) + self.body, seed)
        return front + struct.pack("<I", checksum) + self.body


def frames_of(data):
    """@returns the length of the header, the seed of the checksums, and the frames"""
    header = struct.unpack_from("<H", data, 10)[0]
    seed = struct.unpack_from("<I", data, header - 4)[0]
    found, at = [], header
    while at < len(data):
        length, unsynced = struct.unpack_from("<II", data, at)
        body = data[at + 12 : at + 12 + (length & 0x7FFFFFFF)]
        found.append(Frame(at, unsynced, body, bool(length & 0x80000000)))
        assert found[-1].encoded(seed) == data[at : found[-1].end], "this test does not know the format"
        at = found[-1].end
    return header, seed, found

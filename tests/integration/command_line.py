#!/usr/bin/env python3
"""The command line of trouped, its signals and its service notifications, on the real program.

usage: command_line.py TROUPED SOURCE_DIR [unittest arguments]
"""

import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

TROUPED = ""
SOURCE = ""
PATIENCE_S = 60  # A bound for a machine that is busy; nothing waits that long.


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def clean_environment(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_") and k not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
    env.update(extra or {})
    return env


class Server:
    """A running trouped whose standard error is read as it comes."""

    def __init__(self, *arguments, env=None):
        self.process = subprocess.Popen(
            [TROUPED, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=clean_environment(env)
        )
        self.seen = ""

    def wait_for(self, text, since=0):
        """Waits for the text in standard error. Returns where it ends."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.seen[since:]:
            left = end - time.monotonic()
            ready = select.select([self.process.stderr], [], [], max(0, left))[0]
            chunk = os.read(self.process.stderr.fileno(), 65536).decode() if ready else ""
            if not chunk:
                raise AssertionError(f"no {text!r} in standard error, but:\n{self.seen}")
            self.seen += chunk
        return self.seen.index(text, since) + len(text)

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        code = self.process.wait(PATIENCE_S)
        self.seen += self.process.stderr.read().decode()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


def run(*arguments, env=None):
    return subprocess.run(
        [TROUPED, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, env=clean_environment(env)
    )


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="troupe-cli-")
        self.data = os.path.join(self.folder, "data")
        self.addCleanup(shutil.rmtree, self.folder)

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)
        return path

    def server(self, *arguments, port=None, env=None):
        self.port = port or free_port()
        return Server("--listen", f"127.0.0.1:{self.port}", "--data", self.data, *arguments, env=env)

    def assert_one_line(self, result, code, *parts):
        lines = result.stderr.splitlines()
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("trouped: "), lines[0])
        for part in parts:
            self.assertIn(part, lines[0])

    # --- Settings

    def test_help_and_version(self):
        self.assertIn("--check-config", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^trouped \d+\.\d+\.\d+\n$")

    def test_good_settings(self):
        file = self.file("good.toml", '[websocket]\nheartbeat = "10s"\n')
        self.assertEqual(run("--check-config", "--config", file).returncode, 0)

    def test_errors_name_their_line(self):
        file = self.file("bad.toml", '[websocket]\nheartbeat = "soon"\nbaclog = 5\n[limits]\nrooms = -1\n')
        result = run("--check-config", "--config", file)
        self.assertEqual(result.returncode, 2)
        self.assertIn(f'trouped: {file}:2: websocket.heartbeat: "soon" is not a duration', result.stderr)
        self.assertIn(f"trouped: {file}:3: unknown key websocket.baclog; did you mean websocket.backlog?", result.stderr)
        self.assertIn(f"trouped: {file}:5: limits.rooms: must be from 1 to", result.stderr)

    def test_a_torn_file_names_its_line(self):
        self.assert_one_line(run("--check-config", "--config", self.file("t.toml", "loops = 1\nlisten = [\n")), 2, "t.toml:")

    def test_a_missing_file_is_named(self):
        self.assert_one_line(run("--config", self.folder + "/none.toml"), 2, "none.toml: cannot be read")

    def test_bad_variables_and_flags_are_named(self):
        self.assert_one_line(
            run("--check-config", env={"TROUPE_LOG_LEVL": "info"}), 2, "TROUPE_LOG_LEVL", "did you mean TROUPE_LOG_LEVEL?"
        )
        self.assert_one_line(run("--check-config", "--set", "loops=x"), 2, "--set loops=x")
        self.assert_one_line(run("--listen", "8080"), 2, "--listen 8080")
        self.assert_one_line(run("--bogus"), 2, "--bogus")
        self.assert_one_line(run("--config"), 2, "--config: needs a value")
        self.assert_one_line(run("--lisen", "127.0.0.1:1"), 2, "--lisen: unknown argument; is it --listen?")
        self.assert_one_line(run("--lisen=127.0.0.1:1"), 2, "--lisen=127.0.0.1:1: unknown argument; is it --listen?")
        self.assert_one_line(run("--check-confg"), 2, "is it --check-config?")
        self.assert_one_line(run("--format", "toml", "--data", self.data), 2, "--format", "--print-config only")
        self.assert_one_line(run("--check-config", "--format", "toml"), 2, "--format", "--print-config only")
        self.assertEqual(run("--format", "toml", "--print-config").returncode, 0)

    def test_flags_win_over_variables_over_the_file(self):
        file = self.file("p.toml", 'loops = 3\nlisten = ["127.0.0.1:1"]\ndata = "/a"\n[websocket]\nheartbeat = "1s"\nbacklog = 1\n')
        out = run(
            *["--print-config", "--config", file, "--set", "websocket.backlog=3"],
            *["--listen", "127.0.0.1:5", "--listen", "[::1]:6", "--data=/b"],
            env={"TROUPE_WEBSOCKET_BACKLOG": "2", "TROUPE_WEBSOCKET_HEARTBEAT": "2s"},
        ).stdout
        for line in ("loops = 3", 'heartbeat = "2s"', "backlog = 3", 'listen = ["127.0.0.1:5", "[::1]:6"]', 'data = "/b"'):
            self.assertIn(f"\n{line}\n", out)

    def test_what_is_printed_reads_back(self):
        first = run("--print-config", "--set", "loops=2", "--set", 'rooms.patterns=[{name="a*",overflow="conflate"}]')
        second = run("--print-config", "--config", self.file("printed.toml", first.stdout))
        self.assertEqual(first.stdout, second.stdout)
        self.assertIn("# Default: 0. From 0 to 1024.\nloops = 2\n", second.stdout)

    def test_the_documentation_is_what_is_printed(self):
        with open(os.path.join(SOURCE, "docs", "configuration.md")) as page:
            self.assertEqual(run("--print-config", "--format", "markdown").stdout, page.read())

    # --- Refusals

    def test_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.assert_one_line(run("--listen", f"127.0.0.1:{port}", "--data", self.data), 1, f"127.0.0.1:{port}", "in use")

    def test_no_right_to_an_address(self):
        # An address of nobody here (RFC 5737): the system refuses to bind it, as root too.
        key = self.file("key", "x" * 40)
        self.assert_one_line(run("--listen", "192.0.2.1:8080", "--data", self.data, "--set", f"auth.keys={key}"), 1, "192.0.2.1")

    def test_bad_certificate(self):
        bad = self.file("bad.pem", "no certificate\n")
        result = run("--data", self.data, "--listen", f"127.0.0.1:{free_port()}", "--set", f"tls.certificate={bad}", "--set", f"tls.key={bad}")
        self.assert_one_line(result, 1, "bad.pem")

    def test_bad_key(self):
        bad = self.file("open.key", "x" * 40, 0o644)
        self.assert_one_line(run("--data", self.data, "--listen", f"127.0.0.1:{free_port()}", "--set", f"auth.keys={bad}"), 1, "open.key", "chmod")

    def test_data_folder_that_cannot_be_used(self):
        taken = self.file("taken", "")
        self.assert_one_line(run("--data", taken), 1, "data folder", "taken")
        self.assert_one_line(run("--data", "/proc/none/data"), 1, "data folder", "/proc/none/data")
        if os.geteuid() != 0:
            os.mkdir(self.data, 0o000)
            self.assert_one_line(run("--data", self.data), 1, "data folder")

    def test_keyless_off_loopback_is_refused(self):
        for address in ("0.0.0.0", "[::]"):
            self.assert_one_line(run("--listen", f"{address}:{free_port()}", "--data", self.data), 1, "auth.keys", address)

    def test_what_a_start_refuses_is_no_good_setting(self):
        secret, bad = self.file("open.key", "x" * 40, 0o644), self.file("bad.pem", "no certificate\n")
        none = os.path.join(self.folder, "none")
        for settings, named in (
            (["--listen", f"0.0.0.0:{free_port()}"], "auth.keys"),
            (["--set", f"auth.keys={none}.pem"], f"{none}.pem"),
            (["--set", f"auth.keys={secret}"], "chmod"),
            (["--set", f"tls.certificate={none}.pem", "--set", f"tls.key={none}.key"], f"{none}.pem"),
            (["--set", f"tls.certificate={bad}", "--set", f"tls.key={bad}"], "bad.pem"),
        ):
            with self.subTest(settings=settings):
                checked = run("--data", self.data, *settings, "--check-config")
                self.assert_one_line(checked, 2, named)
                self.assertEqual(checked.stdout, "")
                started = run("--listen", f"127.0.0.1:{free_port()}", "--data", self.data, *settings)
                self.assertEqual((started.returncode, started.stderr), (1, checked.stderr))
                self.assertFalse(os.path.exists(self.data))  # neither has opened anything
        good = self.file("good.key", "x" * 40)
        self.assertEqual(run("--listen", "0.0.0.0:1", "--data", self.data, "--set", f"auth.keys={good}", "--check-config").returncode, 0)
        self.assertFalse(os.path.exists(self.data))

    # --- Life

    def test_one_process_a_data_folder(self):
        with self.server() as first:
            first.wait_for("listening")
            result = run("--listen", f"127.0.0.1:{free_port()}", "--data", self.data)
            self.assert_one_line(result, 1, "in use by another process", str(first.process.pid))
            first.send(signal.SIGTERM)
            self.assertEqual(first.wait(), 0)
        with self.server() as again:
            again.wait_for("listening")

    def test_first_start_makes_the_data_folder(self):
        with self.server() as server:
            server.wait_for("listening")
            token = os.path.join(self.data, "admin.token")
            self.assertEqual(stat.S_IMODE(os.stat(self.data).st_mode), 0o700)
            self.assertEqual(stat.S_IMODE(os.stat(token).st_mode), 0o600)
            with open(token) as file:
                first = file.read()
            self.assertGreaterEqual(len(first), 64)
            server.send(signal.SIGINT)
            self.assertEqual(server.wait(), 0)
        with self.server() as server:
            server.wait_for("listening")
            with open(token) as file:
                self.assertEqual(file.read(), first)

    def test_serves_and_drains(self):
        with self.server() as server:
            server.wait_for("keyless")
            self.assertRegex(server.seen, rf"started version=\d+\.\d+\.\d+ data={self.data}\n")
            self.assertEqual(get(self.port, "/healthz")[0], 200)
            self.assertEqual(get(self.port, "/readyz")[0], 200)
            self.assertIn("# TYPE ", get(self.port, "/metrics")[1])
            server.send(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)
            self.assertIn("draining", server.seen)
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()

    def test_status_of_a_node(self):
        troupe = os.path.join(os.path.dirname(TROUPED), "troupe")

        def ask(*arguments):
            done = subprocess.run([troupe, *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
            return done.returncode, done.stdout, done.stderr

        with self.server() as server:
            server.wait_for("keyless")
            url = f"http://127.0.0.1:{self.port}"
            server.wait_for(f"demo_page url={url}/")
            for where in (url, f"ws://127.0.0.1:{self.port}/realtime"):
                code, out, _ = ask("status", "--server", where)
                self.assertEqual(code, 0)
                self.assertTrue(out.startswith(f"{where}: ready\n"))
                self.assertIn("\ntroupe_connections 0\n", out)
            code, out, _ = ask("status", "--url", url, "--json")
            self.assertEqual((code, json.loads(out)["status"]), (0, "ready"))
        code, out, err = ask("status", "--server", url)
        self.assertEqual((code, out, err.count("\n")), (1, "", 1))
        self.assertEqual(ask("status", "--server", "ftp://x")[0], 2)
        self.assertEqual(ask("sing")[0], 2)

    def test_the_address_of_the_page_is_told_however_little_is_logged(self):
        for level in ("warn", "off"):
            with self.server("--set", f"log.level={level}") as server:
                server.wait_for(f"demo_page url=http://127.0.0.1:{self.port}/\n")
                server.send(signal.SIGTERM)
                self.assertEqual(server.wait(), 0)
                self.assertNotIn("listening", server.seen)

    def test_reload_says_what_it_did(self):
        file = self.file("r.toml", 'loops = 1\n[log]\nlevel = "info"\n')
        with self.server("--config", file) as server:
            at = server.wait_for("listening")
            self.file("r.toml", 'loops = 2\n[log]\nlevel = "debug"\n')
            server.send(signal.SIGHUP)
            at = server.wait_for("reloaded applied=log.level files=none\n", at)
            at = server.wait_for("restart_needed keys=loops", at)
            self.file("r.toml", "loops = 2\nnonsense = 1\n")
            server.send(signal.SIGHUP)
            server.wait_for("reload_refused", at)
            server.wait_for("r.toml:2: unknown key nonsense", at)
            self.assertEqual(get(self.port, "/healthz")[0], 200)

    def test_keys_reload(self):
        key = self.file("key", "x" * 40)
        with self.server("--set", f"auth.keys={key}") as server:
            at = server.wait_for("listening")
            server.send(signal.SIGHUP)
            at = server.wait_for("reloaded applied=none files=keys\n", at)
            os.chmod(key, 0o644)
            server.send(signal.SIGHUP)
            server.wait_for("reload_refused", at)
            self.assertNotIn("keyless", server.seen)

    def test_tells_the_service_manager(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = os.path.join(self.folder, "notify")
            manager.bind(path)
            manager.settimeout(PATIENCE_S)

            def await_state(text):
                while text not in manager.recv(4096).decode().split("\n"):
                    pass

            with self.server(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"}) as server:
                await_state("READY=1")
                self.assertEqual(get(self.port, "/readyz")[0], 200)
                await_state("WATCHDOG=1")
                await_state("WATCHDOG=1")
                server.send(signal.SIGHUP)
                await_state("RELOADING=1")
                await_state("READY=1")
                server.send(signal.SIGTERM)
                await_state("STOPPING=1")
                self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    TROUPED, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)

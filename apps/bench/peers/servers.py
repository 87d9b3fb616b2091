"""The servers that scripts/bench compares: how each is installed, configured, started and addressed.

All of them run with logs off, one worker, and TCP_NODELAY, so that what differs is the server and not its settings.
A profile is the load generator's description of the server's protocol.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Paths:
    """Where things lie in one run."""

    bin: Path  # trouped, bench, beast_server
    tools: Path  # loadgen, floor
    run: Path  # configuration, data and logs of the server that runs at the moment


@dataclass(frozen=True)
class Server:
    name: str
    title: str
    profile: str
    port: int
    command: callable  # Paths -> list of arguments
    version: tuple = ()  # a command whose first line of output says the version
    packages: tuple = ()  # of Debian
    npm: bool = False
    files: dict = field(default_factory=dict)  # written into Paths.run before the start; {run} is replaced
    environment: dict = field(default_factory=dict)
    stream: str = ""  # how `bench publish` calls its protocol
    member_profile: str = ""  # for scenarios in which publishers get their own messages, where it differs
    in_child: bool = False  # the first child process does the work (nginx)
    binary: callable = None  # Paths -> the program that must exist

    def profile_for(self, scenario):
        return self.member_profile if self.member_profile and scenario != "fanout" else self.profile

    def working_pid(self, pid):
        """The process whose CPU time counts."""
        if not self.in_child:
            return pid
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} has started no worker")


NATS = """
listen: "127.0.0.1:9005"
max_connections: 65536
logfile: "/dev/null"
websocket { listen: "127.0.0.1:9006", no_tls: true }
"""

REDIS = """
bind 127.0.0.1
port 9010
save ""
appendonly no
maxclients 20000
client-output-buffer-limit pubsub 0 0 0
loglevel warning
dir {run}
"""

REDIS_STREAM = """
bind 127.0.0.1
port 9011
save ""
appendonly yes
appendfsync {policy}
maxclients 20000
loglevel warning
dir {run}
"""

JETSTREAM = """
listen: "127.0.0.1:9014"
max_connections: 65536
logfile: "/dev/null"
jetstream { store_dir: "{run}/jetstream" }
"""

MOSQUITTO = """
listener 9008 127.0.0.1
listener 9009 127.0.0.1
protocol websockets
allow_anonymous true
persistence false
log_dest none
set_tcp_nodelay true
max_queued_messages 0
"""

NCHAN = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {run}/nginx.pid;
error_log /dev/null crit;
user root;
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
events { worker_connections 32768; }
http {
  access_log off;
  nchan_shared_memory_size 512M;
  nchan_message_buffer_length 200;
  nchan_message_timeout 10s;
  client_body_temp_path {run}/body;
  proxy_temp_path {run}/proxy;
  fastcgi_temp_path {run}/fastcgi;
  uwsgi_temp_path {run}/uwsgi;
  scgi_temp_path {run}/scgi;
  server {
    listen 127.0.0.1:9007 backlog=4096;
    tcp_nodelay on;
    location ~ ^/sub/(.+)$ { nchan_subscriber websocket; nchan_channel_id $1; nchan_subscriber_first_message newest; }
    location ~ ^/pub/(.+)$ { nchan_publisher websocket; nchan_channel_id $1; }
    location ~ ^/ps/(.+)$ { nchan_pubsub websocket; nchan_channel_id $1; nchan_subscriber_first_message newest; }
  }
}
"""

# One loop for one core; the limits that exist to stop what a benchmark does are off.
TROUPE_SETTINGS = (
    "loops=1",
    "limits.message_rate=off",
    "channels.history_messages=10000000",
)


def troupe(name, title, *more):
    def command(paths):
        settings = [part for setting in (*TROUPE_SETTINGS, *more) for part in ("--set", setting)]
        return [str(paths.bin / "trouped"), "--listen", "127.0.0.1:8080", "--data", str(paths.run / "data"), *settings]

    return Server(name, title, "troupe.ini", 8080, command, member_profile="troupe-echo.ini", stream="troupe",
                  binary=lambda p: p.bin / "trouped")


def redis_stream(policy, title):
    return Server("redis-" + policy, title, "redis.ini", 9011, lambda p: ["redis-server", str(p.run / "redis.conf")],
                  version=("redis-server", "--version"), packages=("redis-server",), stream="redis",
                  files={"redis.conf": REDIS_STREAM.replace("{policy}", policy)})


SERVERS = (
    troupe("troupe", "Troupe"),
    troupe("troupe-relaxed", "Troupe, syncing every second", "channels.fsync=interval"),
    troupe("troupe-unaudited", "Troupe, audit off", "rooms.audit=off"),
    troupe("troupe-audited", "Troupe, audit full", "rooms.audit=full"),
    redis_stream("always", "Redis stream, appendfsync always"),
    redis_stream("everysec", "Redis stream, appendfsync everysec"),
    Server("jetstream", "nats-server, JetStream (file)", "nats-tcp.ini", 9014,
           lambda p: ["nats-server", "-c", str(p.run / "nats.conf")], version=("nats-server", "--version"),
           packages=("nats-server",), files={"nats.conf": JETSTREAM},
           environment={"GOMAXPROCS": "1"}, stream="nats"),
    Server("beast", "plain Beast server", "beast.ini", 9002, lambda p: [str(p.bin / "beast_server"), "9002"],
           binary=lambda p: p.bin / "beast_server"),
    Server("frames", "plain server, frames by hand", "beast.ini", 9013, lambda p: [str(p.bin / "frames_server"), "9013"],
           binary=lambda p: p.bin / "frames_server"),
    Server("floor", "least server", "beast.ini", 9012, lambda p: [str(p.tools / "floor"), "9012", "send"],
           binary=lambda p: p.tools / "floor"),
    Server("redis", "Redis pub/sub", "redis.ini", 9010, lambda p: ["redis-server", str(p.run / "redis.conf")],
           version=("redis-server", "--version"), packages=("redis-server",), files={"redis.conf": REDIS}),
    Server("nats", "nats-server (WebSocket)", "nats-ws.ini", 9006, lambda p: ["nats-server", "-c", str(p.run / "nats.conf")],
           version=("nats-server", "--version"), packages=("nats-server",), files={"nats.conf": NATS},
           environment={"GOMAXPROCS": "1"}),
    Server("nats-tcp", "nats-server (TCP)", "nats-tcp.ini", 9005, lambda p: ["nats-server", "-c", str(p.run / "nats.conf")],
           version=("nats-server", "--version"), packages=("nats-server",), files={"nats.conf": NATS},
           environment={"GOMAXPROCS": "1"}),
    Server("nchan", "nchan (nginx)", "nchan.ini", 9007, lambda p: ["nginx", "-c", str(p.run / "nginx.conf"), "-p", str(p.run)],
           version=("dpkg-query", "-W", "libnginx-mod-nchan"), packages=("nginx", "libnginx-mod-nchan"),
           files={"nginx.conf": NCHAN}, in_child=True),
    Server("mosquitto", "mosquitto (TCP)", "mosquitto-tcp.ini", 9008,
           lambda p: ["mosquitto", "-c", str(p.run / "mosquitto.conf")],
           version=("dpkg-query", "-W", "mosquitto"), packages=("mosquitto",), files={"mosquitto.conf": MOSQUITTO}),
    Server("mosquitto-ws", "mosquitto (WebSocket)", "mosquitto-ws.ini", 9009,
           lambda p: ["mosquitto", "-c", str(p.run / "mosquitto.conf")],
           version=("dpkg-query", "-W", "mosquitto"), packages=("mosquitto",), files={"mosquitto.conf": MOSQUITTO}),
    Server("ws", "ws (npm)", "ws-node.ini", 9003, lambda p: ["node", str(PEERS / "ws_server.mjs"), "9003"],
           version=("node", "--version"), packages=("nodejs", "npm"), npm=True),
    Server("socketio", "socket.io (npm)", "socketio.ini", 9004, lambda p: ["node", str(PEERS / "socketio_server.mjs"), "9004"],
           version=("node", "--version"), packages=("nodejs", "npm"), npm=True),
)

BY_NAME = {server.name: server for server in SERVERS}


def write_files(server, paths):
    paths.run.mkdir(parents=True, exist_ok=True)
    os.chmod(paths.run, 0o755)
    for name, text in server.files.items():
        (paths.run / name).write_text(text.replace("{run}", str(paths.run)))

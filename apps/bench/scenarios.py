"""What scripts/bench runs, which number of a report counts, and the bounds that Troupe set itself."""

from dataclasses import dataclass

EVERYONE = ("troupe", "floor", "beast", "redis", "nats", "nats-tcp", "nchan", "mosquitto", "mosquitto-ws", "ws", "socketio")
# Bounds compare with the packaged peers as they are deployed for browsers or, for those without a WebSocket, over TCP.
PACKAGED = ("redis", "nats", "nats-tcp", "nchan", "mosquitto", "mosquitto-ws", "ws", "socketio")


@dataclass(frozen=True)
class Metric:
    title: str
    path: tuple  # in the generator's report
    scale: float = 1.0
    lower_is_better: bool = True


PER_DELIVERY = Metric("CPU per delivery, ns", ("server", "ns_per_delivery"))
P99 = Metric("p99 round trip, us", ("latency_us", "p99"))
HANDSHAKES = Metric("handshakes per second", ("handshakes_per_s",), lower_is_better=False)
PUBLISHES = Metric("durable publishes per second", ("publishes_per_s",), lower_is_better=False)
CAUGHT_UP = Metric("messages per second", ("deliveries_per_s",), lower_is_better=False)
PER_CONNECTION = Metric("memory per connection, KiB", ("rss_bytes_per_connection",), scale=1 / 1024)

STREAM_KINDS = ("publish", "catch-up")  # of `bench`


@dataclass(frozen=True)
class Scenario:
    name: str  # GROUP or GROUP-VARIANT
    title: str
    kind: str  # the generator's scenario, or one of STREAM_KINDS
    arguments: tuple
    metric: Metric = PER_DELIVERY
    servers: tuple = EVERYONE
    idle_rooms: int = 0  # joined by `bench rooms` before the measurement begins

    @property
    def group(self):
        return self.name.split("-")[0]

    @property
    def command(self):
        """What measures it, as a person would type it; ports and process ids left out."""
        if self.kind in STREAM_KINDS:
            return " ".join(("bench", self.kind, "--protocol NAME", *self.arguments))
        return " ".join(("loadgen --profile NAME.ini --scenario", self.kind, *self.arguments))


def make_scenarios():
    flat_out = ("--size", "128", "--window")
    own = ("troupe", "beast", "floor")
    for w in (1, 16, 64):
        yield Scenario(f"fanout-w{w}", f"1 publisher, 1000 subscribers, window {w}", "fanout",
                       ("--subs", "1000", "--pubs", "1", *flat_out, str(w)))
    for rooms, members in ((10, 100), (100, 10)):
        for w in (1, 16, 64):
            yield Scenario(f"rooms{rooms}x{members}-w{w}", f"{rooms} rooms of {members}, a publisher in each, window {w}",
                           "rooms", ("--rooms", str(rooms), "--members", str(members), "--room-pubs", "1", *flat_out, str(w)))
    yield Scenario("echo", "100 connections, 2000 messages/s in all, each gets its own back", "echo",
                   ("--conns", "100", "--rate", "2000", "--size", "128"), P99, (*own, "ws", "socketio"))
    yield Scenario("connect", "WebSocket handshakes, 64 at once", "connect", ("--concurrency", "64"), HANDSHAKES,
                   (*own, "ws", "socketio"))
    for n in (5000, 10000):
        yield Scenario(f"idle-{n}", f"{n} idle connections in 100 rooms", "idle", ("--conns", str(n), "--rooms", "100"),
                       PER_CONNECTION, own)
    for n in (100, 1000, 10000):
        yield Scenario(f"scale-{n}", f"1 publisher, {n} subscribers, window 16", "fanout",
                       ("--subs", str(n), "--pubs", "1", *flat_out, "16"), PER_DELIVERY, own)
    for n in (0, 100_000):
        yield Scenario(f"idlerooms-{n}", f"1 publisher, 1000 subscribers, window 16, beside {n} idle rooms", "fanout",
                       ("--subs", "1000", "--pubs", "1", *flat_out, "16"), PER_DELIVERY, ("troupe",), n)
    for n in (1, 64, 1000):
        yield Scenario(f"publish-{n}", f"{n} publisher(s) of 128-byte messages to one stream, one in flight each", "publish",
                       ("--publishers", str(n), "--size", "128"), PUBLISHES,
                       ("troupe", "redis-always", "troupe-relaxed", "redis-everysec", "jetstream"))
    yield Scenario("catchup", "one subscriber reads 200,000 stored messages of 100 bytes", "catch-up",
                   ("--messages", "200000", "--publishers", "1000", "--size", "100"), CAUGHT_UP, ("troupe", "jetstream"))
    for w in (1, 16):
        yield Scenario(f"audit-w{w}", f"1 publisher, 1000 subscribers, window {w}, without and with the audit log", "fanout",
                       ("--subs", "1000", "--pubs", "1", *flat_out, str(w)), PER_DELIVERY,
                       ("troupe-unaudited", "troupe-audited"))


SCENARIOS = tuple(make_scenarios())
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@dataclass(frozen=True)
class Bound:
    """The value of `server`, divided by what it is compared with, is at most (or at least) `factor`."""

    scenario: str
    factor: float
    against: tuple = ()  # servers in the same scenario: the best of them counts
    other_scenario: str = ""  # Troupe itself there
    absolute: bool = False  # `factor` is the value itself
    server: str = "troupe"


def make_bounds():
    yield Bound("fanout-w1", 1.1, ("beast",))
    for name in [s.name for s in SCENARIOS if s.group in ("fanout", "rooms10x100", "rooms100x10")]:
        yield Bound(name, 1.0, PACKAGED)
        yield Bound(name, 1.15 if name.endswith("-w1") else 1.5, ("floor",))
    yield Bound("echo", 1.2, ("beast",))
    yield Bound("connect", 0.9, ("beast",))
    yield Bound("idle-5000", 9.0, absolute=True)
    yield Bound("scale-1000", 1.1, other_scenario="scale-100")
    yield Bound("scale-10000", 1.1, other_scenario="scale-100")
    yield Bound("idlerooms-100000", 1.1, other_scenario="idlerooms-0")
    for n in (1, 64, 1000):
        yield Bound(f"publish-{n}", 1.0, ("redis-always",))
        yield Bound(f"publish-{n}", 1.0, ("jetstream",), server="troupe-relaxed")
    yield Bound("catchup", 1.0, ("jetstream",))
    for w in (1, 16):
        yield Bound(f"audit-w{w}", 1.05, ("troupe-unaudited",), server="troupe-audited")


BOUNDS = tuple(make_bounds())

"""Clients of every kind at once, for some seconds: each whole request has its own answer, nothing is left
over, and the service ends as it should.

CHAOS_SEED=$RANDOM tries another mixture, and repeats it as far as threads let it; CHAOS_SECONDS makes
it longer."""
import collections
import math
import os
import random
import signal
import threading
import time

import pytest

from chaos_client import Client, png, predictions
from chaos_site import BadSite
from conftest import fetching_from, wait_until
from service import PATIENCE_S, Service

SEED = int(os.environ.get("CHAOS_SEED", 1))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "3"))
CLIENTS = 16
TIMEOUT_S = 2  # of heads, bodies, answers: some clients wait for it
MAX_BODY_BYTES = 1 << 20

ROOMY = ["--set", "server.max_connections=2000"]
# Fewer of everything than there are clients.
TIGHT = ["--set", "server.max_connections=8", "--set", "server.max_requests=3", "--set",
         "engine.max_batch=2", "--set", f"limits.memory_bytes={3 * MAX_BODY_BYTES}", "--set",
         "limits.decode_memory_bytes=4000000", "--set", "fetch.max_concurrent=2", "--set",
         "server.request_timeout_ms=700", "--set", "server.allow_half_close=true"]


class World:
    """What the clients share."""

    def __init__(self, service, site, sample, may_refuse=False):
        rng = random.Random(SEED)
        self.service, self.port, self.site = service, service.port, site
        self.is_over = site.is_over
        self.answers_until = 0 if may_refuse else math.inf
        self.max_body_bytes, self.timeout_s = MAX_BODY_BYTES, TIMEOUT_S
        self.models = ["demo", "small"]
        self.images = {"sample": sample, "wide": png(rng, 400, 100), "tiny": png(rng, 1, 1),
                       "square": png(rng, 224, 224)}
        self.answers = collections.Counter()
        self.expected = {}
        for model in self.models:
            for name, image in self.images.items():
                reply = service.post(f"/classify?model={model}", image)
                assert reply.status == 200, reply.body
                self.expected[model, name] = predictions(reply.body)[0]
        assert len(set(self.expected.values())) == len(self.expected)


@pytest.fixture
def site(sample):
    is_over = threading.Event()
    bad = BadSite(sample, is_over)
    yield bad
    is_over.set()
    bad.close()


def serve(site, *words):
    return Service("--model", "demo", "--model", "small=random:resnet18?classes=20", *fetching_from(site.port),
                   "--set", "log.level=debug", "--set", f"limits.body_bytes={MAX_BODY_BYTES}", "--set",
                   f"fetch.max_bytes={MAX_BODY_BYTES}", "--set", "fetch.timeout_ms=1000",
                   *(word for name in ("header", "body", "send", "idle")
                     for word in ("--set", f"server.{name}_timeout_ms={TIMEOUT_S * 1000}")), *words)


class Crowd:
    """Clients, each in its thread."""

    def __init__(self, world):
        self.failures = []
        self.clients = [Client(world, SEED * 100 + i) for i in range(CLIENTS)]
        self.threads = [threading.Thread(target=self._run, args=(client,)) for client in self.clients]
        for thread in self.threads:
            thread.start()

    def _run(self, client):
        failure = client.run()
        if failure:
            self.failures.append(failure)

    def join(self):
        for thread in self.threads:
            thread.join(2 * PATIENCE_S)
            assert not thread.is_alive(), f"seed {SEED}: a client waits for ever"
        assert not self.failures, f"seed {SEED}: {self.failures}"


def check_nothing_is_left(service):
    """What was counted up has been counted down."""
    for gauge, value in (("requests_in_flight", 0), ("request_bytes", 0), ("open_connections", 1),
                         ('queue_depth{queue="fetch"}', 0), ('queue_depth{queue="prepare"}', 0),
                         ('queue_depth{queue="batch"}', 0)):
        wait_until(lambda name=gauge, wanted=value: service.metric("classifyd_" + name) == wanted,
                   f"seed {SEED}: {gauge} is not {value}")


def check_each_was_counted_once(service):
    """In the metrics as in the log. Ends the service."""
    text = service.get("/metrics").body.decode()
    counted = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                  if line.startswith("classifyd_http_request_duration_seconds_count"))
    assert service.stop() == 0, f"seed {SEED}"
    service.wait_for("stopped")
    logged = [event for event in service.events if event["event"] == "request"]
    assert len(logged) == counted + 1, f"seed {SEED}: the last is that of the metrics"
    ids = collections.Counter(event["id"] for event in logged if "id" in event)
    assert not [name for name, count in ids.items() if count > 1], f"seed {SEED}"


@pytest.mark.parametrize("words, may_refuse", [(ROOMY, False), (TIGHT, True)], ids=["roomy", "tight"])
def test_chaos(site, sample, words, may_refuse):
    with serve(site, *words) as service:
        world = World(service, site, sample, may_refuse)
        crowd = Crowd(world)
        time.sleep(SECONDS)  # for chaos to happen, not for anything to be ready
        site.is_over.set()
        crowd.join()
        check_nothing_is_left(service)
        print("seed", SEED, dict(world.answers), sum(client.count for client in crowd.clients), "requests")
        check_each_was_counted_once(service)

@pytest.mark.parametrize("how, drain_timeout_ms", [(signal.SIGTERM, 20000), (signal.SIGINT, 100)])
def test_chaos_with_a_signal_in_it(site, sample, how, drain_timeout_ms):
    with serve(site, *ROOMY, "--set", "server.drain_delay_ms=200", "--set",
               f"server.drain_timeout_ms={drain_timeout_ms}") as service:
        world = World(service, site, sample)
        crowd = Crowd(world)
        time.sleep(random.Random(SEED).random() * SECONDS / 2)
        world.answers_until = time.monotonic()
        service.process.send_signal(how)
        status = service.wait()
        site.is_over.set()
        crowd.join()
        assert status == 0, f"seed {SEED}"

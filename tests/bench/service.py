"""The whole service under load: service.py CLASSIFYD [options]

Clients on this machine keep one connection each and post JPEGs, the next when the last is answered: the photographs of
../shared/images where they are, else seeded pictures of the same sizes. Each round measures the engine alone
(`classifyd bench`) and then every number of clients, so that a machine whose speed wanders is fair to all; what is
printed are medians over the rounds. The probes are asked all the while, each on a new connection."""
import argparse
import asyncio
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def seeded_pictures():
    """Noise that has been enlarged: about as hard to decode as a photograph of its size."""
    import io

    import numpy
    from PIL import Image
    random = numpy.random.default_rng(1)
    pictures = []
    for width, height in [(500, 375), (500, 333), (375, 500), (640, 480), (1024, 768)] * 4:
        noise = random.integers(0, 256, (height // 8, width // 8, 3), dtype=numpy.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).resize((width, height), Image.BICUBIC).save(file, "JPEG", quality=90)
        pictures.append(file.getvalue())
    return pictures, "seeded pictures"


def load_pictures():
    folder = ROOT.parent / "shared" / "images"
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".jpeg")) if folder.is_dir() else []
    if not files:
        return seeded_pictures()
    return [file.read_bytes() for file in files], f"{len(files)} photographs"


class Server:
    def __init__(self, arguments):
        command = [arguments.classifyd, "serve", "--host", "127.0.0.1", "--port", "0", "--model", arguments.model,
                   "--set", "log.format=json", "--set", "server.drain_delay_ms=0"]
        for setting in arguments.set:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "ready":
                self.port = int(event["url"].rsplit(":", 1)[1])
                break
        else:
            sys.exit("the service did not start")
        # Its log must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def batches(self):
        """Batches and images so far."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics").read().decode()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return float(values["classifyd_batch_size_count"]), float(values["classifyd_batch_size_sum"])

    def stop(self):
        self.process.terminate()
        self.process.wait()


async def read_reply(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    await reader.readexactly(length)
    return status


async def client(port, pictures, first, end, latencies):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    index = first
    while time.monotonic() < end:
        body = pictures[index % len(pictures)]
        index += 1
        start = time.monotonic()
        writer.write(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        status = await read_reply(reader)
        if status != 200:
            sys.exit(f"answered with {status}")
        latencies.append(time.monotonic() - start)
    writer.close()


async def probe(port, end, latencies):
    while time.monotonic() < end:
        start = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        if await read_reply(reader) != 200:
            sys.exit("not ready")
        latencies.append(time.monotonic() - start)
        writer.close()
        await asyncio.sleep(0.05)


async def load(server, pictures, clients, seconds):
    end = time.monotonic() + seconds
    latencies, probes = [], []
    batches, images = server.batches()
    start = time.monotonic()
    await asyncio.gather(probe(server.port, end, probes),
                         *[client(server.port, pictures, 7 * i, end, latencies) for i in range(clients)])
    elapsed = time.monotonic() - start
    batches, images = (after - before for after, before in zip(server.batches(), (batches, images)))
    latencies.sort()
    return {"rate": len(latencies) / elapsed, "p50": latencies[len(latencies) // 2] * 1e3,
            "p99": latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)] * 1e3,
            "batch": images / batches, "probe": max(probes) * 1e3}


def engine_alone(arguments):
    done = subprocess.run([arguments.classifyd, "bench", "--model", arguments.model, "--batch", "8", "--seconds",
                           str(arguments.turn), "--json"], check=True, capture_output=True, text=True)
    return max(result["images_per_second"] for result in json.loads(done.stdout)["results"])


def tell(text):
    """The line of progress, where a person sees it."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("classifyd")
    parser.add_argument("--model", default="random:resnet50")
    parser.add_argument("--clients", default="1,2,4,8,16,32,64")
    parser.add_argument("--turn", type=int, default=5, help="seconds a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="an option of the service; may be repeated")
    arguments = parser.parse_args()
    pictures, what = load_pictures()
    counts = [int(word) for word in arguments.clients.split(",")]
    engine, rounds = [], {count: [] for count in counts}
    server = Server(arguments)
    try:
        for turn in range(arguments.rounds):
            engine.append(engine_alone(arguments))
            for count in counts:
                tell(f"round {turn + 1} of {arguments.rounds}, {count} clients")
                rounds[count].append(asyncio.run(load(server, pictures, count, arguments.turn)))
    finally:
        server.stop()
        tell("")
    alone = statistics.median(engine)
    print(f"{arguments.model}, {what}; the engine alone, batch 8: {alone:.1f} images/s\n")
    print("| clients | images/s | of the engine's | p50 ms | p99 ms | mean batch | slowest probe ms |\n|---|---|---|---|---|---|---|")
    for count in counts:
        middle = {key: statistics.median(result[key] for result in rounds[count]) for key in rounds[count][0]}
        print(f"| {count} | {middle['rate']:.1f} | {middle['rate'] / alone:.0%} | {middle['p50']:.1f} | {middle['p99']:.1f} "
              f"| {middle['batch']:.1f} | {middle['probe']:.1f} |")


if __name__ == "__main__":
    main()

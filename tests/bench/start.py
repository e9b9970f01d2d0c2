"""How long a service takes from exec to /readyz = 200: start.py CLASSIFYD... [options]

Each round starts every program in turn, so that a machine whose speed wanders is fair to all, with the model's files in
the page cache and without. The model is copied to a folder of its own, where packed weights may be cached; "first"
starts find none there. What is printed are medians, with the service's own times from its line model_ready."""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

FIELDS = ["load_ms", "warm_up_ms", "check_ms"]


def forget(folder):
    """Takes the folder's files out of the page cache; they must be on the disk for that."""
    for file in folder.iterdir():
        fd = os.open(file, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def start(command):
    """Seconds until the service was ready, and the fields of its line."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    port, fields = None, {}
    for line in process.stderr:
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "listening":
            port = int(event["url"].rsplit(":", 1)[1])
        if event.get("event") == "model_ready":
            fields = event
        if event.get("event") == "ready":
            break
    else:
        sys.exit("the service did not start")
    while not is_ready(port):
        pass
    seconds = time.monotonic() - begin
    if fields.get("cache") == "packed":
        for line in process.stderr:
            if '"packed_weights"' in line:
                break
    threading.Thread(target=process.stderr.read, daemon=True).start()
    process.terminate()
    process.wait()
    return seconds, fields


def measure(program, settings, model, is_first, is_cold):
    for file in model.parent.glob("*.packed"):
        if is_first:
            file.unlink()
    if is_cold:
        forget(model.parent)
    command = [program, "serve", "--host", "127.0.0.1", "--port", "0", "--model", str(model),
               "--set", "log.format=json", "--set", "server.drain_delay_ms=0"]
    for setting in settings:
        command += ["--set", setting]
    return start(command)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifyd", nargs="+")
    parser.add_argument("--model", required=True, help="a weight file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], help="options of the service")
    arguments = parser.parse_args()
    variants = {"first": (True, False), "second": (False, False), "first, cold disk": (True, True),
                "second, cold disk": (False, True)}
    runs = {(program, name): [] for name in variants for program in arguments.classifyd}
    with tempfile.TemporaryDirectory() as folder:
        models = {}
        for index, program in enumerate(arguments.classifyd):
            own = pathlib.Path(folder, str(index))
            own.mkdir()
            models[program] = pathlib.Path(shutil.copy(arguments.model, own))
        for _ in range(arguments.rounds):
            for name, variant in variants.items():
                for program in arguments.classifyd:
                    model = models[program]
                    runs[program, name].append(measure(program, arguments.set, model, *variant))
    print(f"{'start':20} {'program':40} {'ready_ms':>9}", *(f"{field:>11}" for field in FIELDS))
    for (program, name), results in runs.items():
        median = statistics.median(seconds for seconds, _ in results) * 1000
        print(f"{name:20} {program[-40:]:40} {median:9.0f}",
              *(f"{statistics.median(fields[field] for _, fields in results):11.1f}" for field in FIELDS))


if __name__ == "__main__":
    main()

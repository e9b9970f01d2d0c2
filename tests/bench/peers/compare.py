"""classifyd's engine against other runtimes, side by side: compare.py [options]

The same weights and photographs on all sides. Every side is a process that stays loaded and computes only when it is its
turn: a slice of 20 ms, or one batch where that takes longer, all on one pinned CPU (with more threads: on all that this
process may use). Between two slices a short burst of float32 FMA tells how fast the machine is just then. A machine that
others share changes its speed from moment to moment, so a slice counts only where the bursts before and after it came
within 15 % of the best of the run, and where nobody else was on the CPU: the kernel tells how long the side's threads stood
in line, which is to be less than 5 % of the slice. The ratio is the median, over the rounds in which both sides' slices count, of the
peer's time to ours; the median over the other rounds stands beside it.

ONNX Runtime gets float32 NCHW, its own layout, already normalised; oneDNN float32 NHWC, already normalised; PyTorch
channels last; classifyd the u8 NHWC pixels, which it normalises itself. oneDNN runs on noise as weights.

Wants some of: `npm install --ignore-scripts` here; Debian's libdnnl-dev when building; python3-torchvision and
python3-onnx, which also write the models for ONNX Runtime. What is missing is left out with a line."""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import avx2_library

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SHARED = ROOT.parent / "shared"
PYTHON = "/usr/bin/python3"  # Debian's, which has torch
SLICE_MS, NEAR, MOST_WAIT = 20, 0.85, 0.05
# With more threads: until the others' pools have stopped spinning.
PAUSE_S = 0.03
# What each of our paths is compared with.
PEERS = {
    "float32": ["ort-float32", "onednn-float32", "torch-float32"],
    "bf16": ["onednn-bf16", "torch-bf16", "ort-float32"],
    "int8": ["ort-int8", "ort-int8-wzp", "onednn-int8"],
}
ORT_FILES = {"ort-float32": ".onnx", "ort-int8": ".int8.onnx", "ort-int8-wzp": ".int8-wzp.onnx"}


class Missing(Exception):
    """Why a side takes no part."""


def settle(cpus):
    """In the new process, a session of its own: on these CPUs, and on a single one before everybody else where we may. A
    kernel that groups processes by session compares the groups first. With two CPUs that left two of nine sides waiting in
    every round, so there all are as they were, and the machine has to be idle."""
    os.sched_setaffinity(0, cpus)
    if len(cpus) > 1:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        pathlib.Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        pass


class Side:
    """A process that computes when it is told to."""

    def __init__(self, name, command, environment, cpus):
        self.name = name
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(word) for word in command], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, env={**os.environ, **environment}, start_new_session=True,
            preexec_fn=lambda: settle(cpus))
        words = self.process.stdout.readline().split()
        if len(words) != 3 or words[0] != "ready":
            self.process.wait()
            self.errors.seek(0)
            raise Missing((self.errors.read().strip().splitlines() or ["it did not start"])[-1])
        self.version = words[1]
        self.classes = None if words[2] == "-" else words[2].split(",")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"{self.name} has ended")
        return answer

    def waited_us(self):
        """How long its threads have stood in line for a CPU so far; the second number of schedstat is nanoseconds."""
        waited = 0
        for file in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            try:
                waited += int(file.read_text().split()[1])
            except OSError:  # the thread has just ended
                pass
        return waited / 1e3

    def run(self):
        """Microseconds a batch, and which share of the slice it had to wait."""
        before_us = self.waited_us()
        runs, took_us = map(int, self.ask(f"run {SLICE_MS}"))
        return took_us / runs, (self.waited_us() - before_us) / took_us

    def burst(self):
        return float(self.ask("burst")[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


class Bench:
    """What all settings share: files, environment, what is missing."""

    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.build = pathlib.Path(arguments.build)
        self.environment = {"OMP_PROC_BIND": "false"}
        self.modules = pathlib.Path(arguments.node_modules)
        self.told = set()
        if arguments.mask == "avx2":
            self.environment.update({"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",
                                     "ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell"})
            if (self.modules / "onnxruntime-node").is_dir():
                self.modules = avx2_library.make(self.modules, folder)
        self.compile()

    def skip(self, name, why):
        if name not in self.told:
            self.told.add(name)
            print(f"{name} is left out: {why}", file=sys.stderr, flush=True)

    def compile(self):
        targets = ["tests/bench/engine_turns"]
        known = subprocess.run(["ninja", "-C", self.build, "-t", "targets", "all"], check=True, capture_output=True,
                               text=True).stdout
        if "tests/bench/onednn_turns:" in known:
            targets.append("tests/bench/onednn_turns")
        subprocess.run(["ninja", "-C", self.build, *targets], check=True, stdout=subprocess.DEVNULL)

    def inputs(self):
        """The photographs as the peers take them; made where they are not there yet."""
        arguments = self.arguments
        folder = pathlib.Path(arguments.models)
        file = folder / f"{arguments.name}.inputs.f32"
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            done = subprocess.run([PYTHON, HERE / "export.py", arguments.name, arguments.weights, arguments.images, folder],
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                raise Missing("export.py: " + (done.stderr.strip().splitlines() or ["failed"])[-1])
        return file

    def command_of_ours(self, path, batch, threads):
        """`path` is PRECISION or PRECISION@KERNELS."""
        arguments = self.arguments
        precision, _, kernels = path.partition("@")
        weights = arguments.int8_weights if precision == "int8" and arguments.int8_weights else arguments.weights
        return [self.build / "tests/bench/engine_turns", weights, kernels or arguments.kernels, precision, batch, threads,
                arguments.images]

    def command_of_peer(self, name, batch, threads):
        arguments = self.arguments
        kind, _, precision = name.partition("-")
        if kind == "onednn":
            driver = self.build / "tests/bench/onednn_turns"
            if not driver.is_file():
                raise Missing("it was built without libdnnl-dev")
            if arguments.name != "resnet50":
                raise Missing("it knows resnet50 alone")
            return [driver, precision, batch]
        if kind == "torch":
            return [PYTHON, HERE / "torch_turns.py", arguments.name, arguments.weights, self.inputs(), precision, batch,
                    threads]
        if not shutil.which("node"):
            raise Missing("there is no node")
        if self.modules is None:
            raise Missing("this release has no place where AVX-512 can be masked")
        if not (self.modules / "onnxruntime-node").is_dir():
            raise Missing("run `npm install --ignore-scripts` in tests/bench/peers")
        inputs = self.inputs()
        return ["node", HERE / "ort_turns.js", inputs.parent / (arguments.name + ORT_FILES[name]), inputs, batch, threads]

    def start(self, name, batch, threads):
        """None where it cannot take part."""
        cpus = os.sched_getaffinity(0) if threads > 1 else {self.arguments.cpu}
        environment = {**self.environment, "OMP_NUM_THREADS": str(threads), "NODE_PATH": str(self.modules)}
        try:
            command = (self.command_of_peer if name in all_peers() else self.command_of_ours)(name, batch, threads)
            return Side(name, command, environment, cpus)
        except Missing as missing:
            self.skip(name, missing)
            return None


def all_peers():
    return [peer for peers in PEERS.values() for peer in peers]


class Slice:
    def __init__(self, before, took_us, waited, after):
        self.took_us, self.waited, self.bursts = took_us, waited, (before, after)

    def counts(self, best):
        return min(self.bursts) >= NEAR * best and self.waited < MOST_WAIT


def take_turns(sides, burster, seconds, rounds, threads):
    """[{name: Slice}] a round."""
    taken, end = [], time.monotonic() + seconds
    while len(taken) < rounds or time.monotonic() < end:
        turn, before = {}, burster.burst()
        for side in sides:
            took_us, waited = side.run()
            time.sleep(PAUSE_S if threads > 1 else 0)
            after = burster.burst()
            turn[side.name] = Slice(before, took_us, waited, after)
            before = after
        taken.append(turn)
    return taken


def judge(taken, ours, peer, batch):
    """One line of the table."""
    best = max(burst for turn in taken for part in turn.values() for burst in part.bursts)
    used = [turn for turn in taken if turn[ours.name].counts(best) and turn[peer.name].counts(best)]
    rest = [turn for turn in taken if turn not in used]
    ratio = lambda turns: statistics.median(t[peer.name].took_us / t[ours.name].took_us for t in turns) if turns else None
    rate = lambda name: statistics.median(batch * 1e6 / t[name].took_us for t in used or taken)
    same = None
    if peer.classes:
        same = sum(a == b for a, b in zip(ours.classes, peer.classes))
    return {"ours": ours.name, "kernels": ours.version, "peer": peer.name, "version": peer.version,
            "ours_images_per_second": rate(ours.name), "peer_images_per_second": rate(peer.name), "ratio": ratio(used),
            "used": len(used) / len(taken), "rounds": len(taken), "ratio_of_the_rest": ratio(rest), "same_class": same}


def compare(bench, batch, threads):
    arguments = bench.arguments
    ours = [side for path in arguments.ours if (side := bench.start(path, batch, threads))]
    if not ours:
        sys.exit("there is nothing of ours to compare")
    wanted = {path: all_peers() if arguments.every else PEERS[path.partition("@")[0]] for path in arguments.ours}
    names = dict.fromkeys(name for side in ours for name in wanted[side.name] if not arguments.peers or name in arguments.peers)
    peers = {name: side for name in names if (side := bench.start(name, batch, threads))}
    sides = ours + list(peers.values())
    for side in sides:
        side.run()  # the first after the others' start
    taken = take_turns(sides, ours[0], arguments.seconds, arguments.rounds, threads)
    rows = [{"threads": threads, "batch": batch, **judge(taken, side, peers[name], batch)}
            for side in ours for name in dict.fromkeys(wanted[side.name]) if name in peers]
    for side in sides:
        side.close()
    return rows


HEAD = ("| threads | batch | classifyd | images/s | peer | images/s | ratio | rounds used | ratio of the rest | same class |\n"
        "|---|---|---|---|---|---|---|---|---|---|")


def format_row(row):
    number = lambda value: "-" if value is None else f"{value:.2f}"
    same = "-" if row["same_class"] is None else f"{row['same_class']}/{row['batch']}"
    return (f"| {row['threads']} | {row['batch']} | {row['ours'].partition('@')[0]} ({row['kernels'].partition('/')[0]}) "
            f"| {row['ours_images_per_second']:.1f} | {row['peer']} {row['version']} | {row['peer_images_per_second']:.1f} "
            f"| **{number(row['ratio'])}** | {row['used']:.0%} of {row['rounds']} | {number(row['ratio_of_the_rest'])} "
            f"| {same} |")


def read_arguments():
    numbers = lambda text: [int(word) for word in text.split(",")]
    words = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build", help="the build folder")
    parser.add_argument("--name", default="resnet50", help="torchvision's name of the network")
    parser.add_argument("--weights", default=SHARED / "models" / "resnet50.pth")
    parser.add_argument("--int8-weights", help="the calibrated model; otherwise --weights")
    parser.add_argument("--images", default=SHARED / "images", help="a folder of photographs")
    parser.add_argument("--models", help="where the peers' models are, or are put; otherwise bench-models of the build folder")
    parser.add_argument("--node-modules", default=HERE / "node_modules")
    parser.add_argument("--ours", type=words, default=["float32", "bf16", "int8"],
                        help="our paths, each PRECISION or PRECISION@KERNELS")
    parser.add_argument("--kernels", default="auto", help="the kernel set of paths that name none")
    parser.add_argument("--peers", type=words, help="only these of " + ", ".join(dict.fromkeys(all_peers())))
    parser.add_argument("--every", action="store_true", help="every path with every peer")
    parser.add_argument("--batch", type=numbers, default=[1, 8, 16])
    parser.add_argument("--threads", type=numbers, default=[1])
    parser.add_argument("--seconds", type=float, default=20, help="for each batch size and number of threads")
    parser.add_argument("--rounds", type=int, default=5, help="at least so many")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="where one thread runs")
    parser.add_argument("--mask", choices=["avx2"], help="keep the peers from what came after it; ours by --kernels")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.models = arguments.models or pathlib.Path(arguments.build) / "bench-models"
    return arguments


def main():
    arguments = read_arguments()
    for what in (arguments.weights, arguments.images):
        if not pathlib.Path(what).exists():
            print(f"the comparison is left out: there is no {what}")
            return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, folder)
        if not arguments.json:
            print(HEAD, flush=True)
        for threads in arguments.threads:
            for batch in arguments.batch:
                for row in compare(bench, batch, threads):
                    rows.append(row)
                    if not arguments.json:
                        print(format_row(row), flush=True)
    if arguments.json:
        print(json.dumps({"network": arguments.name, "mask": arguments.mask, "results": rows}))


if __name__ == "__main__":
    main()

"""classifyd against ONNX Runtime, float32, in one run: compare_onnxruntime.py CLASSIFYD [options]

The two take turns of a few seconds, so that a machine whose speed wanders is fair to both; the ratio is the median
over the rounds. Wants `npm install --ignore-scripts` in tests/bench/onnxruntime, and Debian's python3-torchvision."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def export(architecture, path):
    import torch
    import torchvision
    torch.manual_seed(0)
    network = getattr(torchvision.models, architecture)(weights=None).eval()
    torch.onnx.export(network, torch.randn(1, 3, 224, 224), path, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=13)


class Peer:
    """ONNX Runtime in a process of its own that stays loaded between turns."""

    def __init__(self, model, batch, threads):
        script = os.path.join(HERE, "onnxruntime", "run.js")
        self.process = subprocess.Popen(["node", script, model, str(batch), str(threads)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.batch = batch
        if self.process.stdout.readline().strip() != "ready":
            sys.exit("ONNX Runtime did not start: run `npm install --ignore-scripts` in tests/bench/onnxruntime")

    def images_per_second(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self.batch * 1000 / float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ours(arguments, batch, threads, seconds):
    done = subprocess.run([arguments.classifyd, "bench", "--model", f"random:{arguments.model}?seed=1", "--batch", str(batch),
                           "--threads", str(threads), "--seconds", str(seconds), "--json"],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["results"][0]["images_per_second"]


def compare(arguments, onnx, batch, threads):
    peer = Peer(onnx, batch, threads)
    pairs = [(ours(arguments, batch, threads, arguments.turn), peer.images_per_second(arguments.turn))
             for _ in range(arguments.rounds)]
    peer.close()
    ratios = sorted(a / b for a, b in pairs)
    print(f"{arguments.model} float32, {threads} threads, batch {batch}: classifyd {statistics.median(a for a, _ in pairs):.2f} "
          f"img/s, ONNX Runtime {statistics.median(b for _, b in pairs):.2f} img/s, ratio {statistics.median(ratios):.2f} "
          f"({ratios[0]:.2f} to {ratios[-1]:.2f}, {len(pairs)} rounds)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifyd")
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--batch", type=int, nargs="+", default=[8])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turn", type=int, default=3, help="seconds a turn")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        onnx = os.path.join(folder, "model.onnx")
        export(arguments.model, onnx)
        for threads in arguments.threads:
            for batch in arguments.batch:
                compare(arguments, onnx, batch, threads)


if __name__ == "__main__":
    main()

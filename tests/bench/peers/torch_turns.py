"""PyTorch's side of a comparison: torch_turns.py NAME WEIGHTS INPUTS.f32 float32|bf16 BATCH THREADS

Channels last, traced and frozen, BatchNorm folded. Prints "ready VERSION CLASS,CLASS,...", then answers "run MS" as
engine_turns does."""
import sys
import time

import numpy
import torch
import torchvision


def main(name, weights, inputs, precision, batch, threads):
    torch.set_num_threads(int(threads))
    images = numpy.fromfile(inputs, numpy.float32).reshape(-1, 3, 224, 224)
    batch = torch.from_numpy(numpy.resize(images, (int(batch), 3, 224, 224))).contiguous(memory_format=torch.channels_last)
    network = getattr(torchvision.models, name)(weights=None)
    network.load_state_dict(torch.load(weights, map_location="cpu"))
    network = network.eval().to(memory_format=torch.channels_last)
    cast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
    with torch.inference_mode(), cast:
        network = torch.jit.freeze(torch.jit.trace(network, batch, check_trace=False))
        for _ in range(3):  # the first runs still specialise
            answer = network(batch)
        print("ready", torch.__version__, ",".join(str(int(i)) for i in answer.float().argmax(1)), flush=True)
        for line in sys.stdin:
            wanted, start, runs = float(line.split()[1]) / 1e3, time.perf_counter(), 0
            while True:
                network(batch)
                runs += 1
                took = time.perf_counter() - start
                if took >= wanted:
                    break
            print(runs, round(took * 1e6), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""int8 and bf16 against float32 on photographs that the calibration has not seen, with real weights."""
import json
import os
import pathlib
import subprocess

import pytest

SHARED = pathlib.Path(__file__).resolve().parents[2].parent / "shared"
CLASSIFYD = os.environ["CLASSIFYD"]
pytestmark = [
    pytest.mark.skipif(not (SHARED / "models" / "resnet50.pth").exists(), reason="no real weights in ../shared/models"),
    pytest.mark.skipif(not {"avx512_vnni", "avx512_bf16"} <= set(pathlib.Path("/proc/cpuinfo").read_text().split()),
                       reason="no AVX-512 with VNNI and BF16: these would take an hour in plain C"),
]


@pytest.mark.parametrize("name, images", [("resnet18", 200), ("resnet50", 200)])
def test_precisions_stay_near_float32(name, images, tmp_path):
    """Two-fold: each half of the photographs is compared with what the other half calibrated."""
    done = subprocess.run([CLASSIFYD, "quantize", SHARED / "models" / f"{name}.pth", "--images", SHARED / "images",
                           "--activation-scales", "mse", "--bf16-budget", "0", "--json",
                           "-o", tmp_path / "out.safetensors"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check = json.loads(done.stdout)["quantization"]["check"]
    print(name, check)
    assert check["int8"]["images"] == check["bf16"]["images"] == images
    assert check["int8"]["agreeing"] >= 194 and check["int8"]["sqnr_db"] >= 24
    assert check["bf16"]["agreeing"] >= 199 and check["bf16"]["sqnr_db"] >= 35
    photograph = next((SHARED / "images").glob("*tench*"))
    answer = subprocess.run([CLASSIFYD, "classify", "--model", tmp_path / "out.safetensors", "--precision", "int8", "--json",
                             "--no-cache", photograph], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["predictions"][0]["label"] == "tench"

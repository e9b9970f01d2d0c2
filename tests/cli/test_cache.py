"""Packed weights kept beside the model: used by the next start, and only when they fit."""
import json
import os
import resource
import shutil
import subprocess

import pytest
from conftest import BINARY, ROOT

DEMO = ROOT / "config" / "demo" / "demo.safetensors"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return shutil.copy(DEMO, folder / "net.safetensors")


@pytest.fixture
def ask(classifyd, model, sample):
    """Classifies the sample: what became of the cache, by inspect before it, and the predictions."""
    def run(*words, **more):
        inspected = classifyd("inspect", "--json", *words, model, **more)
        assert (inspected.status, inspected.err) == (0, "")
        answered = classifyd("classify", "--json", "--model", model, *words, sample, **more)
        assert (answered.status, answered.err) == (0, "")
        return json.loads(inspected.out)["cache"], json.loads(answered.out)["predictions"]
    return run


@pytest.fixture
def answer(ask):
    """Without a cache."""
    cache, predictions = ask("--no-cache")
    assert cache == {"state": "off"}
    return predictions


def packed_in(folder):
    return sorted(file.name for file in folder.iterdir() if ".packed" in file.name)


def test_the_second_start_uses_it(ask, answer, model):
    assert packed_in(model.parent) == []
    cache, predictions = ask("--kernels", "generic")
    assert cache["state"] == "stored" and predictions == ask("--kernels", "generic", "--no-cache")[1]
    assert packed_in(model.parent) == ["net.safetensors.generic.float32.packed"]
    written = os.stat(cache["path"])
    cache, again = ask("--kernels", "generic")
    assert cache == {"state": "used", "path": str(model.parent / "net.safetensors.generic.float32.packed")}
    assert again == predictions
    assert os.stat(cache["path"]).st_mtime_ns == written.st_mtime_ns


def test_kernel_sets_lie_beside_each_other(ask, model):
    for kernels in ["generic", "blas"]:
        assert ask("--kernels", kernels)[0]["state"] == "stored"
    for kernels in ["generic", "blas"]:
        assert ask("--kernels", kernels)[0]["state"] == "used"
    assert packed_in(model.parent) == [f"net.safetensors.{kernels}.float32.packed" for kernels in ["blas", "generic"]]


def test_a_changed_model_is_packed_anew(ask, model):
    """One bit, in a file of the same length, time and place."""
    _, before = ask()
    data, info = bytearray(model.read_bytes()), os.stat(model)
    data[-1] ^= 0x40
    with open(model, "r+b") as file:
        file.write(data)
    os.utime(model, ns=(info.st_atime_ns, info.st_mtime_ns))
    cache, after = ask()
    assert cache["state"] == "stored" and "other weights" in cache["reason"]
    assert after == ask("--no-cache")[1] != before
    assert len(packed_in(model.parent)) == 1


def test_another_recipe_is_packed_anew(ask, model):
    ask()
    (model.parent / "net.safetensors.json").write_text('{"mean": [0.1, 0.2, 0.3]}')
    cache, predictions = ask()
    assert cache["state"] == "stored"
    assert predictions == ask("--no-cache")[1]


def cut(file):
    os.truncate(file, file.stat().st_size // 2)


def empty(file):
    os.truncate(file, 0)


def flip(file):
    with open(file, "r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))


def noise(file):
    file.write_bytes(os.urandom(file.stat().st_size))


def opened_to_all(file):
    file.chmod(0o666)


@pytest.mark.parametrize("damage", [cut, empty, flip, noise, opened_to_all])
def test_what_is_damaged_is_written_anew(ask, answer, damage):
    file = ROOT / ask()[0]["path"]
    damage(file)
    cache, predictions = ask()
    assert cache["state"] == "stored" and cache["reason"] and predictions == answer
    assert ask()[0]["state"] == "used"
    assert file.stat().st_mode & 0o777 == 0o644


def test_one_of_another_model_is_not_used(ask, answer, model):
    own = model.read_bytes()
    data = bytearray(own)
    data[-2] ^= 0x20
    model.write_bytes(data)
    ask()
    model.write_bytes(own)
    cache, predictions = ask()
    assert cache["state"] == "stored" and "other weights" in cache["reason"] and predictions == answer


def test_a_read_only_folder_leads_to_the_home(ask, answer, model, tmp_path):
    model.parent.chmod(0o555)
    cache, predictions = ask()
    assert cache["state"] == "stored" and predictions == answer
    assert str(tmp_path / "home" / ".cache" / "classifyd") + "/net.safetensors." in cache["path"]
    assert ask()[0]["state"] == "used"
    assert packed_in(model.parent) == []
    elsewhere = tmp_path / "elsewhere"
    cache, _ = ask(env={"XDG_CACHE_HOME": str(elsewhere)})
    assert cache["path"].startswith(f"{elsewhere}/classifyd/")


def test_no_place_at_all_is_no_failure(ask, answer, model):
    model.parent.chmod(0o555)
    cache, predictions = ask(env={"HOME": "/nonexistent"})
    assert cache["state"] == "packed" and "cannot be written" in cache["reason"] and predictions == answer


def test_a_disk_without_room_is_no_failure(ask, answer, model):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    cache, predictions = ask(preexec_fn=limit)
    assert cache["state"] == "packed" and "as large as" in cache["reason"] and predictions == answer
    assert packed_in(model.parent) == []


def test_many_at_once(ask, answer, model, sample, tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [BINARY, "classify", "--json", "--model", model, sample]
    for _ in range(2):
        running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(4)]
        for process in running:
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0 and json.loads(out)["predictions"] == answer
    assert ask()[0]["state"] == "used"
    assert len(packed_in(model.parent)) == 1


def test_what_has_no_file_is_not_kept(classifyd):
    for name in ["demo", "random:resnet18"]:
        assert json.loads(classifyd("inspect", "--json", name).out)["cache"] == {"state": "off"}

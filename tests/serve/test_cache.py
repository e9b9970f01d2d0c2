"""A service's packed weights: written after it is ready, used by the next."""
import shutil

import pytest
from service import ROOT, Service


@pytest.fixture
def model(tmp_path):
    return shutil.copy(ROOT / "config" / "demo" / "demo.safetensors", tmp_path / "net.safetensors")


def test_the_second_start_uses_what_the_first_stored(model, sample):
    with Service("--model", model) as first:
        assert first.wait_for("model_ready")["cache"] == "packed"
        stored = first.wait_for("packed_weights")
        assert stored["cache"] == "stored"
        answer = first.post("/classify", sample).json()["predictions"]
    with Service("--model", model) as second:
        ready = second.wait_for("model_ready")
        assert (ready["cache"], ready["cache_path"]) == ("used", stored["cache_path"])
        assert "cache_reason" not in ready
        assert second.post("/classify", sample).json()["predictions"] == answer


def test_a_damaged_file_is_replaced_while_serving(model, sample):
    with Service("--model", model) as first:
        path = first.wait_for("packed_weights")["cache_path"]
        answer = first.post("/classify", sample).json()["predictions"]
    with open(path, "r+b") as file:
        file.seek(1 << 20)
        file.write(b"\0" * 4096)
    with Service("--model", model) as second:
        assert "damaged" in second.wait_for("model_ready")["cache_reason"]
        assert second.wait_for("packed_weights")["cache"] == "stored"
        assert second.post("/classify", sample).json()["predictions"] == answer
    with Service("--model", model) as third:
        assert third.wait_for("model_ready")["cache"] == "used"


def test_it_can_be_off_or_elsewhere(model, tmp_path):
    with Service("--model", model, "--no-cache") as service:
        assert service.wait_for("model_ready")["cache"] == "off"
    folder = tmp_path / "caches"
    with Service("--model", model, "--set", f"model.cache={folder}") as service:
        assert service.wait_for("packed_weights")["cache_path"].startswith(f"{folder}/net.safetensors.")
    assert not list(tmp_path.glob("*.packed"))


def test_two_services_at_once(model, sample):
    with Service("--model", model, wait="listening") as one, Service("--model", model, wait="listening") as other:
        answers = []
        for service in [one, other]:
            service.wait_for("ready")
            answers.append(service.post("/classify", sample).json()["predictions"])
        assert answers[0] == answers[1]
    with Service("--model", model) as third:
        assert third.wait_for("model_ready")["cache"] == "used"

"""bench: shape and consistency of what it prints; no speed is asked for."""
import json

import pytest


def test_the_document(classifyd):
    done = classifyd("bench", "--json", "--batch", "1,3", "--threads", "1,2", "--seconds", "0")
    assert (done.status, done.err) == (0, "")
    document = json.loads(done.out)
    assert document["model"]["name"] == "demo"
    assert [(r["batch"], r["threads"]) for r in document["results"]] == [(1, 1), (3, 1), (1, 2), (3, 2)]
    for result in document["results"]:
        assert result["runs"] == 3
        assert 0 < result["p50_ms"] <= result["p99_ms"]
        assert result["images_per_second"] == pytest.approx(result["batch"] * 1e3 / result["p50_ms"],
                                                            rel=1e-6)
        assert result["gmac_per_second"] == pytest.approx(
            result["images_per_second"] * document["macs"] / 1e9, rel=1e-6)


def test_the_table(classifyd):
    done = classifyd("bench", "-b", "2", "-t", "1", "-s", "0", "--kernels", "generic")
    assert (done.status, done.err) == (0, "")
    head, line = done.out.splitlines()[-2:]
    assert head.split()[:3] == ["batch", "threads", "images/s"]
    assert line.split()[:2] == ["2", "1"]

"""What compare.py makes of times that are known, and where avx2_library.py finds its place."""
import types

import pytest

import avx2_library
import compare

OURS = types.SimpleNamespace(name="bf16", version="avx512/bf16", classes=["1", "2"])
PEER = types.SimpleNamespace(name="ort-float32", version="1.0", classes=["1", "3"])


def turn(ours_us, peer_us, burst=100, peer_burst=100, waited=0.0):
    return {OURS.name: compare.Slice(burst, ours_us, waited, burst),
            PEER.name: compare.Slice(burst, peer_us, 0.0, peer_burst)}


def test_the_ratio_is_the_median_of_the_rounds():
    row = compare.judge([turn(100, 200), turn(100, 300), turn(100, 900)], OURS, PEER, 2)
    assert row["ratio"] == pytest.approx(3)
    assert row["ours_images_per_second"] == pytest.approx(2e4)
    assert row["peer_images_per_second"] == pytest.approx(2e6 / 300)
    assert (row["used"], row["rounds"], row["ratio_of_the_rest"]) == (1, 3, None)
    assert row["same_class"] == 1


@pytest.mark.parametrize("disturbed", [
    turn(100, 900, burst=84),
    turn(100, 900, peer_burst=84),
    turn(100, 900, waited=0.06),
])
def test_a_disturbed_round_stands_beside(disturbed):
    row = compare.judge([turn(100, 200), disturbed, turn(100, 200)], OURS, PEER, 2)
    assert row["ratio"] == pytest.approx(2)
    assert row["used"] == pytest.approx(2 / 3)
    assert row["ratio_of_the_rest"] == pytest.approx(9)


def test_a_round_within_the_bounds_counts():
    row = compare.judge([turn(100, 200), turn(100, 200, burst=86, peer_burst=86, waited=0.04)], OURS, PEER, 2)
    assert row["used"] == 1


def test_no_round_counts():
    row = compare.judge([turn(100, 200, waited=1.0)], OURS, PEER, 2)
    assert (row["ratio"], row["used"], row["ratio_of_the_rest"]) == (None, 0, pytest.approx(2))
    assert "| **-** | 0% of 1 | 2.00 | 1/2 |" in compare.format_row({"threads": 1, "batch": 2, **row})


# xgetbv; test r10d, 0x10000; je; mov rax, r8; not rax; test al, 0xe0: as release 1.30.0 has it.
PLACE = bytes.fromhex("0f01d0 90 41f7c200000100 740e 4c89c0 48f7d0 a8e0".replace(" ", ""))


def test_the_place_is_found():
    at = avx2_library.find_check(bytes(100) + PLACE + bytes(100))
    assert at == 100 + PLACE.index(bytes.fromhex("00000100"))


@pytest.mark.parametrize("code", [
    PLACE + PLACE,                          # two places
    PLACE[3:],                              # without xgetbv
    PLACE[:3] + bytes(0x900) + PLACE[3:],   # too far from it
    PLACE.replace(b"\xa8\xe0", b"\xa8\x06"),  # AVX, not AVX-512
    bytes(100),
])
def test_an_unclear_place_is_none(code):
    assert avx2_library.find_check(code) is None

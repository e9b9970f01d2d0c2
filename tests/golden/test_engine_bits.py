"""The same image gives the same bits: alone, in any slot of any batch, with any number of threads, on every kernel set
and precision and for every OpenBLAS core that this CPU can run."""
import pytest

import engine_case

# All that OpenBLAS 0.3.21 can be told to take; those that this CPU cannot run are passed over.
CORES = ["Prescott", "Core2", "Penryn", "Nehalem", "Atom", "Barcelona", "Bobcat", "Sandybridge", "Bulldozer", "Piledriver",
         "Steamroller", "Excavator", "Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids"]
IMAGES = 6
WAYS = [dict(batch=2, threads=1), dict(batch=4, threads=3), dict(batch=6, threads=2, images_per_pass=5)]
# (network, input side): large and small images, a narrow head, groups; odd sides give odd numbers of pixels.
NETWORKS = [("random:resnet18?1", 224), ("random:resnet18?2", 65), ("random:resnet50?3", 128),
            ("random:resnext50_32x4d?4", 97)]


def cpu_runs(core, folder, inputs):
    """Whether OpenBLAS takes the core on this CPU: it dies of an illegal instruction, or falls back to another."""
    try:
        _, description = engine_case.run_engine("random:resnet18?1", inputs, 32, 1, folder, batch=1, threads=1,
                                                environment={"OPENBLAS_CORETYPE": core})
    except AssertionError as failure:
        assert "exit -4" in str(failure), failure
        return False
    return description.lower().endswith("core " + core.lower())


def check_bits(environment, tmp_path, kernels="blas"):
    for network, px in NETWORKS:
        inputs = tmp_path / f"{px}.f32"
        engine_case.write_inputs(inputs, engine_case.pictures(IMAGES, px, 5))

        def run(**way):
            return engine_case.run_engine(network, inputs, px, IMAGES, tmp_path, environment=environment,
                                          kernels=kernels, **way)[0]
        alone = run(batch=1, threads=1)
        assert len(set(row.tobytes() for row in alone)) == IMAGES, "the pictures must differ"
        for way in WAYS:
            assert run(**way).tobytes() == alone.tobytes(), f"{network} at {px} px, {kernels}, {environment}, {way}"


@pytest.mark.parametrize("kernels", ["avx2", "avx2:bf16", "avx512", "avx512:bf16"])
def test_bits_on_every_kernel_set(kernels, tmp_path):
    engine_case.needs_kernels(kernels, tmp_path)
    check_bits({}, tmp_path, kernels)


def test_bits_on_the_core_that_the_program_chooses(tmp_path):
    """Whatever the names in CORES come to: what users run is never passed over."""
    check_bits({}, tmp_path)


@pytest.mark.parametrize("core", CORES)
def test_bits_on_every_core(core, tmp_path):
    small = tmp_path / "small.f32"
    engine_case.write_inputs(small, engine_case.pictures(1, 32, 1))
    if not cpu_runs(core, tmp_path, small):
        pytest.skip(f"this CPU cannot run OpenBLAS's {core} kernels")
    check_bits({"OPENBLAS_CORETYPE": core}, tmp_path)

"""A copy of ONNX Runtime that believes its CPU has no AVX-512: avx2_library.py NODE_MODULES FOLDER

It chooses its kernels by CPUID and has no switch for that; CPUID cannot be masked from outside without the hypervisor's
help. Its choice hangs on one instruction, though, the test of bit 16 of leaf 7's EBX (AVX512F) behind XGETBV, followed by
the test of XCR0's three AVX-512 bits. In a copy of the library, never in the original, the mask of that test is made 0: the
branch for CPUs without AVX-512 is always taken, and what is not AVX-512 (AVX2, FMA, F16C) is chosen as ever. Where not
exactly one such place is found, nothing is made."""
import pathlib
import re
import shutil
import sys

# test r32, 0x10000; a jump; within a few bytes test al, 0xe0.
CHECK = re.compile(rb"\x41?\xf7[\xc0-\xc7](\x00\x00\x01\x00)[\x74\x0f].{0,16}?\xa8\xe0", re.DOTALL)
XGETBV, NEAR_BYTES = b"\x0f\x01\xd0", 0x800


def find_check(code):
    """Where the mask lies; None where it is not clear."""
    found = [match.start(1) for match in CHECK.finditer(code)
             if XGETBV in code[max(0, match.start() - NEAR_BYTES):match.start()]]
    return found[0] if len(found) == 1 else None


def make(modules, folder):
    """Returns the node_modules of the copy; None where this release has no such place."""
    copy = pathlib.Path(folder) / "node_modules"
    for name in ("onnxruntime-common", "onnxruntime-node"):
        shutil.copytree(pathlib.Path(modules) / name, copy / name, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("darwin", "win32", "arm64"))
    for library in copy.glob("onnxruntime-node/bin/*/linux/x64/libonnxruntime.so*"):
        code = bytearray(library.read_bytes())
        at = find_check(bytes(code))
        if at is None:
            return None
        code[at:at + 4] = bytes(4)
        library.write_bytes(code)
        return copy
    return None


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(make(*sys.argv[1:]) or sys.exit("no one place was found where this release asks for AVX-512"))

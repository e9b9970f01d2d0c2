"""The unit, as systemd's own programs read it, and the program under the unit's seccomp filter."""
import contextlib
import ctypes
import errno
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from conftest import BINARY, ROOT, read_option_defaults
from service import PATIENCE_S, Service

UNIT = ROOT / "deploy" / "classifyd.service"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                   reason="no systemd-analyze here")


@pytest.fixture(name="service")
def fixture_service():
    return dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))


@pytest.fixture(name="unit")
def fixture_unit(tmp_path):
    """The unit with this build's program in it."""
    path = tmp_path / "classifyd.service"
    path.write_text(UNIT.read_text().replace("/usr/local/bin/classifyd", BINARY))
    return path


def analyze(*words):
    return subprocess.run(["systemd-analyze", *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


@needs_systemd
def test_systemd_has_nothing_to_say(unit):
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout) == (0, "")


@needs_systemd
def test_systemd_would_have_something_to_say(unit):
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSistem=strict"))
    assert "ProtectSistem" in analyze("verify", "--man=no", unit).stdout


@needs_systemd
def test_exposure_is_low(unit):
    # 10 is a unit without any hardening, as most are.
    done = analyze("security", "--offline=true", "--threshold=15", unit)
    assert done.returncode == 0, done.stdout


def test_stopping_takes_longer_than_draining(service):
    options = read_option_defaults()
    drain_s = (options["server.drain_delay_ms"] + options["server.drain_timeout_ms"]) / 1000
    assert int(service["TimeoutStopSec"]) >= drain_s + 10
    assert int(service["WatchdogSec"]) > options["server.drain_timeout_ms"] / 1000


def test_its_variables_are_options(service):
    names = {"CLASSIFYD_" + name.replace(".", "_").upper() for name in read_option_defaults()}
    used = set(re.findall(r"CLASSIFYD_\w+", UNIT.read_text()))
    assert used and used <= names | {"CLASSIFYD_MODEL_DIRS"}


# What systemd makes of SystemCallFilter= and MemoryDenyWriteExecute=, in the kernel's own terms.

LOAD, JUMP_EQUAL, JUMP_ANY_SET, AND, RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
KILL = 0x80000000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
X86_64 = 0xC000003E
PROT_WRITE_EXEC, PROT_EXEC, SHM_EXEC = 6, 4, 0o100000


def list_calls(sets):
    """The names of the system calls of a SystemCallFilter= list."""
    names = set()
    for name in sets:
        if not name.startswith("@"):
            names.add(name)
            continue
        lines = analyze("syscall-filter", name).stdout.splitlines()[1:]
        names |= list_calls([line.strip() for line in lines
                             if line.strip() and not line.strip().startswith("#")])
    return names


def read_numbers():
    """name -> number, of this machine's kernel headers."""
    header = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    return {name: int(number) for name, number in
            re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())}


def make_filter(numbers, allowed):
    """A BPF program: `allowed` calls by number, none that makes memory writable and executable."""
    program = [(LOAD, 0, 0, ARCHITECTURE), (JUMP_EQUAL, 1, 0, X86_64), (RETURN, 0, 0, KILL),
               (LOAD, 0, 0, NUMBER)]
    for call, argument, mask in (("mmap", 2, PROT_WRITE_EXEC), ("mprotect", 2, PROT_EXEC),
                                 ("pkey_mprotect", 2, PROT_EXEC), ("shmat", 2, SHM_EXEC)):
        program += [(JUMP_EQUAL, 0, 5, numbers[call]),
                    (LOAD, 0, 0, FIRST_ARGUMENT + 8 * argument), (AND, 0, 0, mask),
                    (JUMP_EQUAL, 0, 1, mask), (RETURN, 0, 0, DENY), (LOAD, 0, 0, NUMBER)]
    for number in sorted(allowed):
        program += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    program.append((RETURN, 0, 0, DENY))
    return b"".join(struct.pack("HBBI", *line) for line in program)


@pytest.fixture(name="confine")
def fixture_confine(service):
    """A preexec_fn that puts a child under the unit's filter."""
    if not shutil.which("systemd-analyze") or os.uname().machine != "x86_64":
        pytest.skip("the filter is made with systemd-analyze, for x86-64")
    lines = re.findall(r"^SystemCallFilter=(~?)(.*)$", UNIT.read_text(), re.MULTILINE)
    allowed = set()
    for is_denied, sets in lines:
        names = list_calls(sets.split())
        allowed = allowed - names if is_denied else allowed | names
    assert service["MemoryDenyWriteExecute"] == "yes"
    numbers = read_numbers()
    # To start the program at all: systemd itself does that before it is confined.
    allowed |= {"execve"}
    code = make_filter(numbers, {numbers[name] for name in allowed if name in numbers})
    buffer = ctypes.create_string_buffer(code, len(code))
    libc = ctypes.CDLL(None, use_errno=True)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))

    def confine():
        no_new_privileges, seccomp, mode_filter = 38, 22, 2
        assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
        assert libc.prctl(seccomp, mode_filter, program, 0, 0) == 0

    confine.keep = buffer
    return confine


def run_confined(confine, *words):
    return subprocess.run([*map(str, words)], preexec_fn=confine, timeout=120, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_filter_bites(confine):
    script = ("import mmap, os\n"
              "for call in (lambda: os.chroot('/'), lambda: os.setuid(1),\n"
              "             lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)):\n"
              "    try: call()\n"
              "    except PermissionError: print('denied')\n")
    done = run_confined(confine, "/usr/bin/python3", "-c", script)
    assert done.stdout == "denied\n" * 3, done.stderr


@pytest.mark.parametrize("kernels", ["auto", "blas", "generic"])
def test_classifying_works_under_the_filter(confine, kernels):
    done = run_confined(confine, BINARY, "classify", "--kernels", kernels,
                        ROOT / "config" / "demo" / "sample.jpg")
    assert done.returncode == 0, done.stderr
    assert "golf ball" in done.stdout


@contextlib.contextmanager
def listen_as_manager(name):
    """systemd's end of NOTIFY_SOCKET, a path or @name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if name.startswith("@") else name)
        manager.settimeout(PATIENCE_S)
        yield manager


def receive_until(manager, state):
    """The states that came, up to and with `state`."""
    states = []
    while not states or state not in states[-1].split("\n"):
        states.append(manager.recv(4096).decode())
    return states


@pytest.mark.parametrize("is_abstract", [False, True])
def test_serving_under_the_filter_as_systemd_starts_it(confine, service, tmp_path, is_abstract):
    name = f"@{tmp_path}/notify" if is_abstract else str(tmp_path / "notify")
    environment = dict(word.split("=", 1) for word in service["Environment"].split())
    environment |= {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"}
    with listen_as_manager(name) as manager, \
            Service("--set", "server.drain_delay_ms=0", env=environment, wait="listening",
                    preexec=confine) as serving:
        assert "STOPPING=1" not in "".join(receive_until(manager, "READY=1"))
        assert serving.get("/readyz").status == 200
        receive_until(manager, "WATCHDOG=1")
        sample = (ROOT / "config" / "demo" / "sample.jpg").read_bytes()
        assert serving.post("/classify", sample).status == 200
        serving.process.send_signal(signal.SIGTERM)
        receive_until(manager, "STOPPING=1")
        assert serving.process.wait(timeout=PATIENCE_S) == 0

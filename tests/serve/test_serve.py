"""Starting and stopping the service as a person does."""
import json
import os
import signal
import socket
import subprocess

import pytest

from conftest import curl
from service import BINARY, PATIENCE_S, ROOT, SAMPLE, Service


def run(*words, env=None):
    done = subprocess.run([BINARY, "serve", *map(str, words)], env={**os.environ, **(env or {})},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=PATIENCE_S)
    return done.returncode, done.stdout, done.stderr


def complaint(text):
    """The one line that is not of the log."""
    lines = [line for line in text.splitlines() if line.startswith("classifyd serve: ")]
    assert len(lines) == 1, text
    return lines[0]


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run("--host", "127.0.0.1", "--port", port)
    assert status == 1
    assert f"{port}" in complaint(err) and "in use; --port takes another" in complaint(err)


def test_a_host_that_is_not_ours():
    status, _, err = run("--host", "192.0.2.1", "--port", "0")
    assert status == 1 and "192.0.2.1" in complaint(err)
    status, _, err = run("--host", "nowhere.invalid", "--port", "0")
    assert status == 1 and "nowhere.invalid" in complaint(err)


def test_a_model_that_is_not_there(tmp_path):
    status, _, err = run("--host", "127.0.0.1", "--port", "0", "--model", tmp_path / "none.pth")
    assert status == 1 and "none.pth" in complaint(err)
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"x" * 100)
    status, _, err = run("--host", "127.0.0.1", "--port", "0", "--model", garbage)
    assert status == 1 and "garbage.safetensors" in complaint(err)


@pytest.mark.parametrize("words, expected", [
    (["--prot", "1"], "did you mean --port"), (["--port", "70000"], "--port: 70000 is out of range"),
    (["--port", "x"], "--port: "), (["--precision", "int7"], "--precision is one of"), (["--set", "server.prot=1"], "did you mean server.port"),
    (["--set", "server.port"], "NAME=VALUE"), (["--set", "log.level=loud"], "loud"),
    (["extra"], "extra"), (["--config", "/nonexistent/c.json"], "/nonexistent/c.json"),
    (["--set", "fetch.allow_networks=10.0.0.0/99"], "10.0.0.0/99"),
    (["--set", "fetch.allow_ports=http"], "http"),
])
def test_wrong_options(words, expected):
    status, _, err = run("--check-config", *words) if "fetch" not in words[-1] else run(
        "--host", "127.0.0.1", "--port", "0", *words)
    assert status in (1, 2)
    assert expected in complaint(err)


def test_a_wrong_file_is_told_with_its_line(tmp_path):
    file = tmp_path / "c.json"
    file.write_text('{\n  "server": {\n    "prot": 1\n  }\n}\n')
    status, _, err = run("--config", file)
    assert status == 2
    assert f"{file}:3: server.prot: " in complaint(err)


def test_options_are_listed_and_checked():
    status, out, _ = run("--print-options")
    assert status == 0 and "server.port" in out and "8080" in out and "fetch.max_bytes" in out
    status, out, _ = run("--check-config", "--set", "server.port=9000",
                         env={"CLASSIFYD_SERVER_PORT": "1", "CLASSIFYD_LOG_LEVEL": "warn"})
    assert status == 0
    document = json.loads(out)
    assert document["server"]["port"] == 9000 and document["log"]["level"] == "warn"
    status, out, _ = run("--check-config", "--config", ROOT / "config" / "minimal.json")
    assert status == 0


@pytest.mark.parametrize("words, expected", [
    ([], ("bf16", "auto")), (["--set", "engine.kernels=blas"], ("bf16", "blas")),
    (["--set", "engine.kernels=blas", "--kernels", "generic", "--precision", "float32"],
     ("float32", "generic")),
])
def test_options_of_their_own_win(words, expected):
    status, out, _ = run("--check-config", *words, env={"CLASSIFYD_ENGINE_PRECISION": "bf16"})
    engine = json.loads(out)["engine"]
    assert status == 0 and (engine["precision"], engine["kernels"]) == expected


@pytest.mark.parametrize("host", ["localhost", "::1", "*", "127.0.0.1", "0.0.0.0", "::"])
def test_hosts(host):
    with Service("--host", host) as service:
        port = service.url.rsplit(":", 1)[1]
        names = {"localhost": ["127.0.0.1", "localhost"], "::1": ["[::1]"], "*": ["127.0.0.1", "[::1]"],
                 "::": ["[::1]"]}.get(host, ["127.0.0.1"])
        if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
            names = [name for name in names if name != "[::1]"]
        for name in names:
            assert curl("-g", f"http://{name}:{port}/livez")[0] == 200


def test_several_models(tmp_path):
    with Service("--model", "small=random:resnet18?classes=10", "--model", "demo") as service:
        models = service.get("/models").json()["models"]
        assert [model["name"] for model in models] == ["small", "demo"]
        assert [model["default"] for model in models] == [True, False]
        for query, classes in (("", 10), ("&model=small", 10), ("&model=demo", 1000)):
            _, _, body = curl("-F", f"image=@{SAMPLE}",
                              f"{service.url}/classify?top_k={classes}{query}")
            assert len(json.loads(body)["predictions"]) == classes
        status, _, body = curl("-F", f"image=@{SAMPLE}", f"{service.url}/classify?top_k=11")
        assert status == 400 and "10" in json.loads(body)["detail"]


def test_reload_is_not_there_yet():
    with Service() as service:
        service.process.send_signal(signal.SIGHUP)
        assert "reload" in service.wait_for("reload")["detail"]
        assert service.get("/readyz").status == 200


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(how):
    with Service() as service:
        assert service.stop(how) == 0
        service.wait_for("stopped", aborted_requests=0)


def test_a_signal_while_models_are_loaded():
    with Service("--model", "random:resnet152", wait="listening") as service:
        assert service.get("/livez").status == 200
        assert service.get("/readyz").status == 503
        assert service.get("/startupz").status == 503
        reply = service.post("/classify", SAMPLE.read_bytes())
        assert (reply.status, reply.json()["code"]) == (503, "model_not_ready")
        assert service.stop() == 0


def test_systemd_is_told(tmp_path):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(address)
        inbox.settimeout(PATIENCE_S)
        with Service(env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000"}) as service:
            told = set()
            while not {"READY=1", "WATCHDOG=1"} <= told:
                told |= set(inbox.recv(4096).decode().split("\n"))
            service.stop()
            while "STOPPING=1" not in told:
                told |= set(inbox.recv(4096).decode().split("\n"))


def test_both_streams_collected_together_are_json():
    process = subprocess.Popen([BINARY, "serve", "--host", "127.0.0.1", "--port", "0"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = [process.stdout.readline()]
        while json.loads(lines[-1])["event"] != "ready":
            lines.append(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE_S)
    with process.stdout:
        rest = [json.loads(line)["event"] for line in process.stdout]
    assert rest == ["draining", "stopped"]


def test_the_log_on_request_is_logfmt():
    process = subprocess.Popen([BINARY, "serve", "--host", "127.0.0.1", "--port", "0", "--set",
                                "log.format=logfmt"], stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, text=True)
    try:
        line = next(line for line in process.stderr if "event=ready" in line)
        assert " level=info " in line and " url=http://127.0.0.1:" in line
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)

"""Completion, asked of bash itself."""
import os
import shlex
import subprocess

import pytest

from conftest import BINARY, COMMANDS

# What readline does: the words of the line are split at COMP_WORDBREAKS, the function is called,
# and each offer takes the place of the last of those words.
SCRIPT = r"""
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
source <("$1" help --format bash)
line=$2
COMP_LINE=$line COMP_POINT=${#line}
compopt() { :; }
_classifyd
last=${line##*[[:space:]]}; last=${last##*[=:]}
for offer in "${COMPREPLY[@]}"; do printf '%s%s\n' "${line%"$last"}" "$offer"; done
"""


@pytest.fixture
def complete(tmp_path):
    def ask(line, cwd=tmp_path):
        """What the line could become."""
        environment = {"PATH": f"{os.path.dirname(BINARY)}:{os.environ['PATH']}",
                       "HOME": str(tmp_path)}
        done = subprocess.run(["bash", "--norc", "-u", "-c", SCRIPT, "bash", BINARY, line], cwd=cwd,
                              env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return [offer[len(line):] and offer or offer for offer in done.stdout.splitlines()]
    return ask


def test_commands(complete):
    assert complete("classifyd ") == [f"classifyd {word}" for word in
                                      [*sorted_as_table(), "--help", "--version"]]
    assert complete("classifyd cl") == ["classifyd classify"]
    assert complete("classifyd --v") == ["classifyd --version"]
    assert complete("classifyd zz") == []


def sorted_as_table():
    listed = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
    table = listed.partition("\nCommands:\n")[2].splitlines()
    names = [line.split()[0] for line in table if line[2:3].strip()]
    assert sorted(names) == sorted(COMMANDS)
    return names


def test_options(complete):
    assert complete("classifyd classify --to") == ["classifyd classify --top-k"]
    assert "classifyd eval --limit" in complete("classifyd eval --")
    assert "classifyd eval --top-k" not in complete("classifyd eval --")
    assert complete("classifyd bench --json --s") == ["classifyd bench --json --seconds"]


def test_values(complete):
    assert complete("classifyd classify --kernels ") == [
        f"classifyd classify --kernels {name}" for name in ("auto", "generic", "blas", "avx2", "avx512", "amx")]
    assert complete("classifyd classify --kernels=g") == ["classifyd classify --kernels=generic"]
    assert complete("classifyd help --format m") == ["classifyd help --format man"]
    assert complete("classifyd help -f b") == ["classifyd help -f bash"]
    assert complete("classifyd classify --top-k ") == []


def test_models(complete):
    assert complete("classifyd classify --model resnet18") == [
        "classifyd classify --model resnet18", "classifyd classify --model resnet18:V1"]
    assert complete("classifyd classify --model=resnet50:V") == [
        "classifyd classify --model=resnet50:V1", "classifyd classify --model=resnet50:V2"]
    assert complete("classifyd classify -m resnet50:V2") == ["classifyd classify -m resnet50:V2"]
    assert complete("classifyd inspect de") == ["classifyd inspect demo"]
    assert complete("classifyd inspect demo ") == []
    assert complete("classifyd eval -b 8 --json de") == ["classifyd eval -b 8 --json demo"]
    assert complete("classifyd eval --batch 8 demo de") == []
    assert complete("classifyd pull resnet18 resnet34:") == ["classifyd pull resnet18 resnet34:V1"]


def test_files_are_left_to_the_shell(complete):
    assert complete("classifyd classify ") == []
    assert complete("classifyd classify --json pho") == []


def test_bash_itself_completes(tmp_path):
    """One whole round trip: an interactive bash, a tab, the line it makes."""
    import pty
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        environment = {"PATH": f"{os.path.dirname(BINARY)}:/usr/bin:/bin", "HOME": str(tmp_path),
                       "PS1": "$ ", "TERM": "dumb", "INPUTRC": "/dev/null"}
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    try:
        os.write(terminal, f"source <({shlex.quote(BINARY)} help --format bash); echo rea'dy'\n".encode())
        read_until(terminal, "ready\r\n")
        os.write(terminal, b"echo classifyd; classifyd models --na\t && echo do'ne'\n")
        shown = read_until(terminal, "done\r\n")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    assert "models --names " in shown
    assert "\r\nresnet50:V2\r\n" in shown


def read_until(terminal, ending):
    shown = ""
    while ending not in shown:
        shown += os.read(terminal, 65536).decode()
    return shown


def test_bash_completion_finds_the_file(tmp_path):
    """Where it is installed, under the name that it is installed with."""
    loader = "/usr/share/bash-completion/bash_completion"
    if not os.path.exists(loader):
        pytest.skip("bash-completion is not installed")
    folder = tmp_path / "bash-completion" / "completions"
    folder.mkdir(parents=True)
    script = subprocess.run([BINARY, "help", "--format", "bash"], capture_output=True, check=True)
    (folder / "classifyd.bash").write_bytes(script.stdout)
    done = subprocess.run(
        ["bash", "--norc", "-c", f"source {loader}; _completion_loader classifyd; complete -p classifyd"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False)
    assert done.stdout == "complete -o bashdefault -o default -F _classifyd classifyd\n"

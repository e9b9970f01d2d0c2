"""What a person sees: bars, colours, progress; and what stays away where nobody looks."""
import os
import pty
import re

import pytest

from conftest import BINARY


@pytest.fixture
def on_a_terminal(tmp_path):
    """Runs it with a pseudo-terminal for everything; exit status and what was shown."""
    def run(*words, **env):
        environment = {"HOME": str(tmp_path), "TERM": "xterm", "LC_ALL": "C.UTF-8", **env}
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BINARY, [BINARY, *map(str, words)], environment)
        shown = b""
        while True:
            try:
                more = os.read(terminal, 65536)
            except OSError: # the other side is closed
                more = b""
            if not more:
                break
            shown += more
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()
    return run


def test_bars_and_colours(on_a_terminal, sample):
    status, shown = on_a_terminal("classify", sample)
    assert status == 0
    assert "█" in shown and "\033[32m" in shown and "\033[0m" in shown
    plain = re.sub(r"\033\[\d*m", "", shown)
    lines = plain.splitlines()[1:6]
    assert all(re.match(r"  [█▉▊▋▌▍▎▏ ]{8,24} +\d+\.\d\d %  \S", line) for line in lines)
    assert max(map(len, lines)) <= 80
    columns = [line.rindex("  n") for line in lines]
    assert len(set(columns)) == 1


def test_the_bar_is_as_long_as_the_share(on_a_terminal, sample):
    _, shown = on_a_terminal("classify", "--top-k", "3", sample, NO_COLOR="1", LC_ALL="C")
    for line in shown.splitlines()[1:4]:
        bar, share = re.match(r"  ([# ]{8,24}) +(\d+\.\d\d) %", line).groups()
        assert abs(bar.count("#") - len(bar) * float(share) / 100) <= 0.51


def test_no_colour(on_a_terminal, sample):
    _, shown = on_a_terminal("classify", sample, NO_COLOR="1")
    assert "\033" not in shown and "█" in shown
    _, shown = on_a_terminal("classify", sample, NO_COLOR="")
    assert "\033[" in shown
    _, shown = on_a_terminal("classify", sample, TERM="dumb")
    assert "\033" not in shown


def test_a_locale_without_utf8(on_a_terminal, sample):
    _, shown = on_a_terminal("classify", sample, LC_ALL="C")
    assert "█" not in shown and "#" in shown
    _, shown = on_a_terminal("classify", sample, LC_ALL="xx_XX.UTF-8")
    assert "█" in shown


def test_json_stays_json(on_a_terminal, sample):
    _, shown = on_a_terminal("classify", "--json", sample)
    assert shown.startswith("{") and "\033" not in shown


def test_nothing_of_it_in_a_pipe(classifyd, sample):
    done = classifyd("classify", sample, env={"TERM": "xterm"})
    assert "\033" not in done.out and "█" not in done.out and "#" not in done.out


def test_progress(on_a_terminal, classifyd, sample, tmp_path):
    folder = tmp_path / "set" / "207"
    folder.mkdir(parents=True)
    for number in range(6):
        (folder / f"{number}.jpg").write_bytes(sample.read_bytes())
    status, shown = on_a_terminal("eval", "demo", "--batch", "1", tmp_path / "set")
    assert status == 0
    assert re.search(r"\rdemo \[[█▉▊▋▌▍▎▏ ]+\] \d/6", shown)
    assert "6/6" in shown and "images/s" in shown
    line = shown.rpartition("\r\033[K")[2]
    assert line.startswith("model   demo")
    assert classifyd("eval", "demo", tmp_path / "set", env={"TERM": "xterm"}).err == ""


def test_progress_on_a_dumb_terminal(on_a_terminal, sample, tmp_path):
    folder = tmp_path / "set" / "207"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(sample.read_bytes())
    _, shown = on_a_terminal("eval", "demo", tmp_path / "set", TERM="dumb")
    assert shown.startswith("model   demo")

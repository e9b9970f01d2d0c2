"""The man pages that the build makes: without a warning of mandoc's."""
import re
import shutil
import subprocess

import pytest

from conftest import COMMANDS

PAGES = ["classifyd"] + [f"classifyd-{command}" for command in COMMANDS]


@pytest.mark.parametrize("page", PAGES)
def test_the_page(classifyd, tmp_path, page):
    words = ["help", "--format", "man"] + [page.partition("-")[2]] * ("-" in page)
    done = classifyd(*words)
    assert (done.status, done.err) == (0, "")
    path = tmp_path / f"{page}.1"
    path.write_text(done.out)
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True,
                          text=True, check=False)
    assert (lint.stdout, lint.returncode) == ("", 0)
    shown = subprocess.run(["mandoc", "-T", "ascii", path], capture_output=True, text=True, check=True)
    plain = re.sub(".\b", "", shown.stdout) # bold and underlined are overstruck
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"):
        assert f"\n{section}\n" in plain
    if "-" in page:
        for line in classifyd(page.partition("-")[2], "--help").out.splitlines():
            option = line[6:].split()[0] if line[2:].startswith(("-", "    --")) else ""
            assert option in plain


def test_every_command_has_a_page(classifyd):
    overview = classifyd("help", "--format", "man").out
    listed = [line.split()[2] for line in overview.splitlines() if line.startswith(".It Xr")]
    assert sorted(listed) == sorted(PAGES[1:])

"""What the runbook names exists."""
import os
import re
import subprocess

from conftest import ROOT, read_option_defaults

TEXT = (ROOT / "deploy" / "RUNBOOK.md").read_text()
PRINTER = os.environ.get("PRINT_METRICS", str(ROOT / "build/tests/deploy/print_metrics"))
CODE = " ".join(span or block
                for span, block in re.findall(r"`([^`\n]+)`|^    (.*)$", TEXT, re.MULTILINE))



def test_its_options_exist():
    options = read_option_defaults()
    sections = "|".join({name.split(".")[0] for name in options if "." in name})
    used = set(re.findall(rf"\b(?:{sections})\.[a-z]\w*", CODE))
    assert len(used) > 10
    assert used <= set(options)


def test_its_metrics_exist():
    text = subprocess.run([PRINTER], stdout=subprocess.PIPE, text=True, check=True,
                          timeout=60).stdout
    used = set(re.findall(r"\b(?:classifyd|process)_\w+", CODE))
    assert len(used) > 5
    for name in used:
        assert re.search(rf"^{name}[ {{]", text, re.MULTILINE), name
    for name, label, value in re.findall(r'(\w*)\{(\w+)="(\w+)"\}', CODE):
        assert re.search(rf'{name}{{[^}}]*\b{label}="{value}"', text), (name, label, value)


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 80

"""What the tests of deploy/ share."""
import json
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "serve"))  # service.py
BINARY = os.environ.get("CLASSIFYD", str(ROOT / "build" / "server" / "classifyd"))


def read_option_defaults():
    """{"server.port": 8080, ...}, of config/classifyd.json."""
    path = ROOT / "config" / "classifyd.json"
    if not path.exists():
        pytest.skip("no config/classifyd.json")
    values = {}
    for section, options in json.loads(path.read_text()).items():
        if isinstance(options, dict):
            values.update({f"{section}.{name}": value for name, value in options.items()})
        else:
            values[section] = options
    return values

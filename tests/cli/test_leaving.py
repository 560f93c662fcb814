"""A command that is done ends without what Python does at its end, where that takes a second."""

import os
import subprocess
import sys

import pytest

CODE = """
import atexit, sys
from stamp_cli.leaving import leave
atexit.register(print, "and takes its time")
sys.modules[sys.argv[1]] = sys
print("done")
leave(SystemExit(int(sys.argv[2])))
"""


@pytest.mark.parametrize(
    ("module", "code", "settings", "expected"),
    [
        ("tensorflow", 0, {}, ["done"]),
        ("nothing_heavy", 0, {}, ["done", "and takes its time"]),
        ("tensorflow", 2, {}, ["done", "and takes its time"]),
        ("tensorflow", 0, {"TF_CONFIG": "{}"}, ["done", "and takes its time"]),
    ],
)
def test_it_ends_at_once_with_all_that_was_said(module, code, settings, expected):
    command = [sys.executable, "-c", CODE, module, str(code)]
    ended = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.split("\n")[:-1]) == (code, expected)

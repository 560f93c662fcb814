"""A run of a suite ends with the command that started it."""

import subprocess
import sys

CHILD = """
import sys, time
from stamp_tf.benchmarking.parent import end_with
end_with(int(sys.argv[1]))
print("at work", flush=True)
time.sleep(30)
print("outlived its parent")
"""
PARENT = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], str(os.getpid())])"


def test_a_process_ends_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "at work\n"
        parent.kill()
        assert parent.stdout.read() == ""

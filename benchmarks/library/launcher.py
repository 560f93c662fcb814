"""The command line, as a process of its own."""

import shutil
import sys
from pathlib import Path


def launcher() -> list[str]:
    """Return the installed script, or what it does where the package is not installed."""
    beside = Path(sys.executable).with_name("stamp-tf")
    script = str(beside) if beside.exists() else shutil.which("stamp-tf")
    return [script] if script else [sys.executable, "-c", "from stamp_cli.main import main; main()"]

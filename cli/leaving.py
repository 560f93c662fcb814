"""The end of the process."""

import os
import sys
from typing import NoReturn


def leave(ended: SystemExit) -> NoReturn:
    """End the process with the code of a command, without a second of waiting for it.

    Python takes that long to take TensorFlow apart, of which nothing is left to be written once a command is done.

    Args:
        ended: What the command ended in.

    Raises:
        SystemExit: The same, where Python ends as it always does: without TensorFlow, after a refusal, where output
            cannot be written, and for workers of a cluster, which take leave of each other.
    """
    if ended.code not in (0, None) or "tensorflow" not in sys.modules or "TF_CONFIG" in os.environ:
        raise ended
    try:
        for stream in (sys.stdout, sys.stderr):
            # None where whoever called closed it.
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        raise ended from None
    os._exit(0)

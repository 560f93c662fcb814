"""A process that ends with the one that started it, however that ends."""

from __future__ import annotations

import os
import signal
import threading
import time

_SECONDS = 0.5


def end_with(parent: int) -> None:
    """End this process within a second once the one that started it is gone, killed or not.

    Args:
        parent: Its process number.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS)
        # What is half written is as a kill would leave it.
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()

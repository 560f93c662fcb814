"""What the command line lets through of the chatter underneath it."""

import importlib
import logging
import os
import sys
from typing import TextIO

import click

from stamp_cli.quiet_import import show_import, silence_import
from stamp_tf.errors import StampError
from stamp_tf.printable import printable
from stamp_tf.without_tensorflow import is_installed


class StandardError(logging.StreamHandler):
    """A handler that finds `sys.stderr` anew for each record, so that a progress bar on it stays whole."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(_OneLine())

    @property
    def stream(self) -> TextIO:
        """Where records go now."""
        return sys.stderr


class _OneLine(logging.Formatter):
    """Writes the names in a record so that they stay on their line; a traceback below it keeps its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))


def set_verbosity(verbose: bool) -> None:
    """Show the library's log, and TensorFlow's only on request.

    Args:
        verbose: Whether to show debug records and everything that TensorFlow says.
    """
    # A user may have set another backend for projects of their own; training and export here need this one.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if verbose:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
        show_import()
    else:
        # Whoever asks TensorFlow for its words gets them.
        if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
            silence_import()
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        logging.getLogger("absl").setLevel(logging.ERROR)
    logger = logging.getLogger("stamp_tf")
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
    if not any(isinstance(handler, StandardError) for handler in logger.handlers):
        logger.addHandler(StandardError())


def require_tensorflow() -> None:
    """Refuse to go on without TensorFlow, before anything is read; nothing is imported.

    Raises:
        StampError: If it is not installed.
    """
    if sys.modules.get("tensorflow") is None and not is_installed("tensorflow"):
        raise StampError(
            "The command line needs TensorFlow, which is not installed; install it with pip install tensorflow, or "
            "call stamp_tf from Python, which runs on JAX as well."
        )


def load_tensorflow() -> None:
    """Import TensorFlow, which takes seconds; what it says on the way is shown with --verbose alone.

    A command calls this once its own checks are done, before it imports what needs TensorFlow.

    Raises:
        StampError: If TensorFlow is not installed.
    """
    require_tensorflow()
    importlib.import_module("tensorflow")


def _callback(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    set_verbosity(value)


# Eager, so that the environment is set before any other option's callback can import TensorFlow.
verbose_option = click.option(
    "--verbose",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_callback,
    help="Show debug messages and all that TensorFlow says.",
)

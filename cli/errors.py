"""The one place where exceptions become a line on standard error and an exit code."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from stamp_cli.terminal import say
from stamp_registry import RegistryError, did_you_mean
from stamp_tf.errors import StampError
from stamp_tf.notation import speaking
from stamp_tf.storage.writing import REMEDIES, error_number
from stamp_tf.without_tensorflow import is_missing_tensorflow

WRONG_INPUT = 2
INTERRUPTED = 130

_TENSORFLOW_REFUSALS = {
    "PermissionDeniedError": "change its permissions or choose another folder",
    "ResourceExhaustedError": "free disk space or memory, or choose a smaller batch",
}


@contextmanager
def edge() -> Iterator[None]:
    """Turn what a user can mend into one line and an exit code; let everything else show its traceback.

    Wrong input and what the machine refuses end with code 2. An interrupt ends with code 130; code that
    saved its state on the way out says so in the interrupt that it raises on:
    `raise KeyboardInterrupt("state saved in ...; continue with --resume")`.

    Raises:
        SystemExit: With the code, after the line has been printed.
    """
    with speaking(_in_flags), _ending():
        yield


def _in_flags(message: str) -> str:
    # The lists of options take longer to read than the whole help of `stamp-tf`.
    from stamp_cli.flags import in_flags

    return in_flags(message)


@contextmanager
def _ending() -> Iterator[None]:
    try:
        yield
    except (StampError, RegistryError) as error:
        # Where a plug-in's code failed, its author needs more than a line.
        if error.__cause__ is not None and logging.getLogger("stamp_tf").isEnabledFor(logging.DEBUG):
            traceback.print_exception(error.__cause__)
        _fail(str(error))
    except click.Abort as abort:
        # click turns an interrupt into Abort; the words of the interrupt are those of its cause.
        _interrupted(abort.__cause__)
    except KeyboardInterrupt as interrupt:
        _interrupted(interrupt)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(WRONG_INPUT)
    except click.UsageError as error:
        if isinstance(error, click.NoSuchOption) and error.possibilities:
            # The nearest alone, as everywhere; click lists what is hardly like it, too.
            words = error.message + did_you_mean(error.option_name, error.possibilities)
            error = click.UsageError(words, error.ctx)
        where = f" See '{error.ctx.command_path} --help'." if error.ctx else ""
        _fail(f"{error.format_message()}{where}")
    except click.ClickException as error:
        _fail(error.format_message())
    except MemoryError:
        _fail("Memory must suffice, but ran out; choose smaller images or a smaller batch.")
    except ImportError as error:
        if not is_missing_tensorflow(error):
            raise
        _fail("This needs TensorFlow, which is not installed; install it with pip install tensorflow.")
    except OSError as error:
        number = error_number(error)
        # Any other is a fault of ours.
        if number not in REMEDIES:
            raise
        # The library names its files; a stream names none, nor do libraries their temporary files.
        subject = f"{error.filename}" if error.filename else "standard output or a temporary file"
        _fail(f"Cannot use {subject}: {os.strerror(number)}; {REMEDIES[number]}.")
    except Exception as error:
        remedy = _TENSORFLOW_REFUSALS.get(type(error).__name__)
        if remedy is None or not type(error).__module__.startswith("tensorflow."):
            raise
        _fail(f"{str(error).splitlines()[0].rstrip('.')}; {remedy}.")


@contextmanager
def no_foreign_exit() -> Iterator[None]:
    """Let nobody but the command line say that a command is done: `sys.exit(0)` elsewhere would read as success.

    Raises:
        StampError: If code inside asked for the program's end; it names the file.
    """
    try:
        yield
    except SystemExit as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise StampError(
            f"A command must end by itself, but {last.filename}, line {last.lineno}, called for the end of the "
            f"program ({error.code}); leave out the plug-in or package that this file belongs to."
        ) from error


@contextmanager
def interruptible(run_dir: Path) -> Iterator[None]:
    """Let an interrupt say where the state lies, where the code inside has not said it itself.

    Args:
        run_dir: The run's folder, which may not exist yet.

    Raises:
        KeyboardInterrupt: With words, if it was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if str(interrupt):
            raise
        if any(run_dir.glob("checkpoints/step-*.npz")):
            words = f"the state of the last whole epoch is saved in {run_dir}; continue with --resume"
        elif (run_dir / "config.json").exists():
            words = f"no epoch was complete; {run_dir} starts again with --resume"
        else:
            words = "nothing was written"
        raise KeyboardInterrupt(words) from None


def _fail(message: str) -> None:
    say("Error: " + " ".join(message.split()), to_stderr=True)
    _give_up_output()
    sys.exit(WRONG_INPUT)


def _give_up_output() -> None:
    """Throw away what cannot be written, which Python would try once more at its end, and end with another code."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted(interrupt: BaseException | None) -> None:
    words = " ".join(str(interrupt or "").split()).rstrip(".")
    say(f"Interrupted; {words}." if words else "Interrupted.", to_stderr=True)
    sys.exit(INTERRUPTED)

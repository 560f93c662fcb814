"""Run a plug-in's code: what goes wrong within names the plug-in, and so does what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import stamp_registry
from stamp_tf.errors import PluginError, StampError

# These are no fault of the plug-in's, or have words of their own.
_PASSING = (StampError, stamp_registry.RegistryError, KeyboardInterrupt, GeneratorExit, MemoryError)

_MARK = "_is_of_the_caller"


@dataclass(frozen=True)
class PluginCode:
    """A plug-in whose code is called.

    Args:
        group: Its entry-point group.
        name: Its name there.

    Example:
        >>> plugin = PluginCode("stamp_tf.pruners", "l1")
        >>> with plugin.running():
        ...     proposal = pruner.propose(task)
        >>> if proposal is None:
        ...     raise plugin.breach("return a Proposal", "returned None")
    """

    group: str
    name: str

    def __str__(self) -> str:
        return stamp_registry.describe(self.group, self.name)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let whatever the block raises name the plug-in.

        Wrong input, which a plug-in reports as `StampError` in words, and an interrupt go on as they are. So does a
        fault of a built-in, for it is this library's own.

        Raises:
            PluginError: If it raises something else, `sys.exit` included, which nobody but the caller may decide.
        """
        try:
            yield
        except _PASSING as error:
            if isinstance(error, StampError) and not str(error).strip():
                raise self.breach("say what is wrong", "raised a StampError without words") from error
            raise
        except BaseException as error:
            if getattr(error, _MARK, False):
                raise
            if isinstance(error, Exception) and stamp_registry.is_built_in(self.group, self.name):
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
            raise PluginError(
                f"{self} must not fail, but raised {reason}; report this to its author."
            ) from error

    def breach(self, rule: str, received: str) -> PluginError:
        """Return the error that says which rule the plug-in broke.

        Args:
            rule: What it must do, such as `return a Proposal`.
            received: What it did, such as `returned None`.
        """
        return PluginError(f"{self} must {rule}, but {received}; report this to its author.")


def of_the_caller(function: Callable[..., None]) -> Callable[..., None]:
    """Return a callback whose errors are the caller's own, though a plug-in calls it.

    Args:
        function: What to call.
    """

    def call(*arguments: Any) -> None:
        try:
            function(*arguments)
        except BaseException as error:
            setattr(error, _MARK, True)
            raise

    return call


def in_words(value: object) -> str:
    """Say what a plug-in returned: its type and, where it has one, its shape.

    Args:
        value: Anything.
    """
    if value is None:
        return "returned None"
    shape = getattr(value, "shape", None)
    where = "" if shape is None else f" of shape {list(shape)}"
    return f"returned {type(value).__name__}{where}"

"""TensorFlow without what its C++ part says while it is imported, whoever imports it first."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

STANDARD_ERROR = 2
_NAME = "tensorflow"


class _QuietTensorFlow(MetaPathFinder):
    """Finds TensorFlow where it is and keeps standard error closed until it is imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _NAME:
            return None
        others = (each for each in sys.meta_path if each is not self)
        spec = next((found for each in others if (found := each.find_spec(fullname, path, target))), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_silently(module: ModuleType) -> None:
                with _nothing_said():
                    execute(module)

            # On this one object, so that it stays the loader that packages ask for their files.
            spec.loader.exec_module = execute_silently  # type: ignore[method-assign]
        return spec


def silence_import() -> None:
    """Let the next import of TensorFlow say nothing on standard error, which no log level does."""
    if _NAME not in sys.modules and not any(isinstance(each, _QuietTensorFlow) for each in sys.meta_path):
        sys.meta_path.insert(0, _QuietTensorFlow())


def show_import() -> None:
    """Undo `silence_import`."""
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, _QuietTensorFlow)]


@contextmanager
def _nothing_said() -> Iterator[None]:
    # The C++ part writes to the file descriptor, past sys.stderr.
    with suppress(OSError, AttributeError):
        sys.stderr.flush()
    try:
        kept = os.dup(STANDARD_ERROR)
    except OSError:
        # Whoever called has closed it.
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), STANDARD_ERROR)
            yield
    finally:
        os.dup2(kept, STANDARD_ERROR)
        os.close(kept)

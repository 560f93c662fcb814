"""Figures of every step for TensorBoard, an optional extra."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stamp_tf.errors import StampError
from stamp_tf.storage.writing import REMEDIES, error_number, refusal


class TensorBoard:
    """Writes figures into the folder `tensorboard` of a run.

    What comes before the run's folder exists is kept in memory, so that a run which fails early leaves
    nothing.

    Args:
        run_dir: The run's folder.

    Raises:
        StampError: If TensorBoard is not installed.
    """

    def __init__(self, run_dir: Path) -> None:
        if find_spec("tensorboard") is None:
            raise StampError(
                "--tensorboard needs the package tensorboard, which is not installed; install it with "
                "pip install 'stamp-tf[tensorboard]', or leave the option out."
            )
        self._run_dir = run_dir
        self._writer: Any = None
        self._waiting: list[tuple[str, int, float]] = []

    def write(self, phase: str, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of a step."""
        self._waiting += [(f"{phase}/{name}".lower(), step, value) for name, value in figures.items()]
        if not (self._run_dir / "config.json").exists():
            return
        import tensorflow as tf

        with self._naming_the_folder():
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self._folder))
            with self._writer.as_default():
                for name, at, value in self._waiting:
                    tf.summary.scalar(name, value, step=at)
        self._waiting.clear()

    def close(self) -> None:
        """Flush what is written."""
        if self._writer is not None:
            with self._naming_the_folder():
                self._writer.close()

    @property
    def _folder(self) -> Path:
        return self._run_dir / "tensorboard"

    @contextmanager
    def _naming_the_folder(self) -> Iterator[None]:
        """Say what cannot be written, where TensorFlow says why alone."""
        try:
            yield
        except Exception as error:
            if error_number(error) not in REMEDIES:
                raise
            raise refusal(self._folder, error) from error

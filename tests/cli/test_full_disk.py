"""A disk that takes no more: one line that names the file, and nothing half-written."""

import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import tensorflow as tf

from stamp_cli.tensorboard import TensorBoard
from stamp_tf.errors import StampError

MAIN = "from stamp_cli.main import main; main()"
PRUNE = ("prune", "--max-flops", "0.5", "--finetune-epochs", "1", "--no-speed", "--batch-size", "32")
WRITES = {
    "saved-model": ("export", "RUN", "--to", "NEW/served"),
    "keras": ("export", "RUN", "--format", "keras", "--to", "NEW/net.keras"),
    "export": ("export", "RUN"),
    "finetune": ("finetune", "RUN", "--epochs", "1"),
    "inspect": ("inspect", "RUN", "--html", "NEW/page.html"),
    "compare": ("compare", "RUN", "RUN2", "--output", "NEW/both"),
    "prune": (*PRUNE, "--dataset", "IMAGES", "--from", "REFERENCE", "--run-dir", "NEW/run"),
}


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let the system refuse files of more bytes, as one that is nearly full would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 3_000, 12_000])
@pytest.mark.parametrize("name", WRITES)
def test_refused_write_names_the_file(cli, pruned, pretrained, images, tmp_path: Path, name, size):
    shutil.copytree(pruned, tmp_path / "second")
    places = {"RUN": pruned, "RUN2": tmp_path / "second", "IMAGES": images, "REFERENCE": pretrained}
    command = [str(places.get(word, word)).replace("NEW", str(tmp_path / "new")) for word in WRITES[name]]
    with no_file_above(size):
        message = cli.refused(*command)
    # Keras reads by way of temporary files, and those of pytest lie in the same folder.
    assert message.startswith(f"Cannot write {tempfile.gettempdir()}")
    assert "File too large; free some space" in message
    assert not [path for path in tmp_path.rglob("*") if ".tmp" in path.name or path.name == ".lock"]


def test_tensorboard_that_cannot_write_names_its_folder(tmp_path: Path, monkeypatch):
    class FullWriter:
        as_default = nullcontext

        def close(self) -> None:
            raise tf.errors.ResourceExhaustedError(
                None, None, "events.out.tfevents.1; No space left on device"
            )

    monkeypatch.setattr("stamp_cli.tensorboard.find_spec", lambda name: True)
    board = TensorBoard(tmp_path)
    monkeypatch.setattr("tensorflow.summary.create_file_writer", lambda folder: FullWriter())
    tmp_path.joinpath("config.json").touch()
    board.write("training", 1, {})
    with pytest.raises(
        StampError, match=r"Cannot write .*/tensorboard: No space left on device; free some space"
    ):
        board.close()


def test_standard_output_that_is_full_is_named():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == (
        "Error: Cannot use standard output or a temporary file: No space left on device; "
        "free some space or choose another folder.\n"
    )

"""Every file name of a run directory, and the writes that survive a kill at any instant."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stamp_tf.errors import StampError


@dataclass(frozen=True)
class RunDirectory:
    """A folder that holds one run: its configuration, state, results and exports.

    Args:
        path: The folder; it need not exist yet.
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def config(self) -> Path:
        """The resolved options."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line, appended while the run goes on."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """States that a run resumes from."""
        return self.path / "checkpoints"

    @property
    def reference(self) -> Path:
        """The trained reference network with what prunes it."""
        return self.path / "reference.npz"

    @property
    def masks(self) -> Path:
        """Kept channel indices per group."""
        return self.path / "masks.json"

    @property
    def model(self) -> Path:
        """The re-trainable Keras model."""
        return self.path / "model.keras"

    @property
    def saved_model(self) -> Path:
        """The TensorFlow SavedModel."""
        return self.path / "saved_model"

    @property
    def report_json(self) -> Path:
        """The figures of a pruning run."""
        return self.path / "report.json"

    @property
    def report_html(self) -> Path:
        """The same figures as a self-contained page with pictures."""
        return self.path / "report.html"

    def check(self, *, overwrite: bool = False, resume: bool = False) -> None:
        """Refuse a folder that `create` would refuse, and leave everything as it is.

        Args:
            overwrite: As in `create`.
            resume: As in `create`.

        Raises:
            StampError: If the folder is not empty and may not be used, or it cannot be written.
        """
        made = []
        try:
            occupied = self.path.exists() and any(self.path.iterdir())
            if occupied and not (resume or overwrite):
                raise StampError(
                    f"--run-dir must be new or empty, but {self.path} is not; "
                    "choose another, or add --resume or --overwrite."
                )
            if occupied and not self.config.exists():
                raise StampError(
                    f"--{'resume' if resume else 'overwrite'} only takes a folder that a run wrote, but {self.path} "
                    "has no config.json; empty it yourself or choose another --run-dir."
                )
            # Only trying tells whether a folder can be written: an administrator passes every question.
            for folder in reversed((self.path, *self.path.parents)):
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            probe = self.path / ".writable"
            probe.write_bytes(b"")
            probe.unlink()
        except (NotADirectoryError, FileExistsError):
            raise StampError(
                f"--run-dir must be a folder, but {self.path} is a file or below one; choose another."
            ) from None
        except OSError as error:
            raise StampError(
                f"--run-dir must be writable, but {self.path} gave '{error.strerror}'; choose another folder."
            ) from None
        finally:
            for folder in reversed(made):
                folder.rmdir()

    def create(self, *, overwrite: bool = False, resume: bool = False) -> None:
        """Make the folder, refusing one that already holds something.

        Args:
            overwrite: Empty a folder that exists (only one that a run wrote).
            resume: Accept a folder that a run wrote as it is.

        Raises:
            StampError: If the folder is not empty and neither flag is set, or it cannot be written.
        """
        self.check(overwrite=overwrite, resume=resume)
        if overwrite and not resume and self.path.exists():
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True, exist_ok=True)

    def check_options(self, config: Mapping[str, Any]) -> None:
        """Compare the options of a run that is to go on with those it was started with.

        Args:
            config: The resolved options, JSON content.

        Raises:
            StampError: If they differ; it names them.
        """
        before, now = self.read_config(), json.loads(json.dumps(config))
        changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if changed:
            raise StampError(
                "--resume must repeat the options of the run, but "
                + ", ".join(f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in changed)
                + "; repeat them, or start anew with --overwrite."
            )

    def start(self, config: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Make the folder and record the options, or check that a resumed run has the same ones.

        Args:
            config: The resolved options, JSON content.
            resume: Go on with a run that is there.
            overwrite: Empty a folder that a run wrote.

        Raises:
            StampError: If the folder is in use, cannot be written, or its run had other options.
        """
        self.create(overwrite=overwrite, resume=resume)
        if resume and self.config.exists():
            self.check_options(config)
        else:
            write_json_atomic(self.config, config)

    def read_config(self) -> dict[str, Any]:
        """Return the resolved options of a run.

        Raises:
            StampError: If the folder is no run of ours.
        """
        return read_json(self.config)

    def read_pruned_config(self) -> dict[str, Any]:
        """Return the resolved options of a run that holds a pruned network.

        Raises:
            StampError: If the folder is no run of ours, or holds no pruned network.
        """
        config = self.read_config()
        if not self.model.exists():
            remedy = (
                "finish it with prune --resume"
                if config.get("command") == "prune"
                else "prune for a data set first"
            )
            raise StampError(
                f"RUN must hold a pruned network, but {self.path} has no {self.model.name}; {remedy}."
            )
        return config


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file; its folder must exist.
        data: The content.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json_atomic(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write_bytes_atomic(path, (json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run.

    Raises:
        StampError: If the file is missing or is no JSON.
    """
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise StampError(
            f"{path.parent} must be a run directory, but it has no {path.name}; check the path."
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise StampError(
            f"{path} must be JSON written by stamp-tf, but it cannot be read; check the path."
        ) from None


def append_jsonl(path: Path, record: Mapping[str, Any]) -> None:
    """Append one record to a file of JSON lines."""
    with open(path, "a") as file:
        file.write(json.dumps(record) + "\n")


def trim_jsonl(path: Path, counter: str, last: int) -> None:
    """Drop what a killed run recorded behind the state that it goes on from.

    Args:
        path: A file of JSON lines; it need not exist.
        counter: Field that counts steps or epochs; records without it go too.
        last: The count of that state.
    """
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # a kill in the middle of the last line
            continue
        if record.get(counter, last + 1) <= last:
            kept.append(line + "\n")
    write_bytes_atomic(path, "".join(kept).encode())

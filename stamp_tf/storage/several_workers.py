"""The folder of a run that several processes train: the chief's, and what the others need of it."""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from stamp_tf.changed_options import changed_options
from stamp_tf.errors import StampError
from stamp_tf.storage.claims import claimed
from stamp_tf.storage.records import encode
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.workers import Workers


@contextmanager
def claimed_by_chief(
    run: RunDirectory, workers: Workers, *, resume: bool, overwrite: bool, command: str
) -> Iterator[RunDirectory]:
    """Hold the folder of a run while all workers train, as `claimed` does.

    Nobody but the chief reads or writes it. The others get what it holds to go on from into a folder of their own,
    which goes when they end; so they need not see the chief's disk, and cannot go on from another state.

    Args:
        run: The folder, as the chief sees it.
        workers: All who train.
        resume: As in `claimed`.
        overwrite: As in `claimed`.
        command: As in `claimed`.

    Yields:
        Where this process writes.

    Raises:
        StampError: If the folder is refused, the workers were told to do different things, or one is gone.
    """
    if workers.number == 1:
        with claimed(run, resume=resume, overwrite=overwrite, command=command):
            yield run
        return
    with workers.together():
        require_same({"command": command, "resume": resume, "overwrite": overwrite}, workers)
        if workers.is_chief:
            with claimed(run, resume=resume, overwrite=overwrite, command=command):
                workers.tell(_packed(run) if resume else b"")
                yield run
                workers.tell()  # None ends while another one is at work.
            return
        with TemporaryDirectory(prefix="stamp-tf-") as folder:
            own = RunDirectory(Path(folder) / "run")
            _unpack(workers.tell(), own)
            with claimed(own, resume=resume, command=command):
                yield own
            workers.tell()


def require_same(content: Mapping[str, Any], workers: Workers) -> None:
    """Refuse workers that were given other options or data than the chief.

    Args:
        content: The resolved options, JSON content.
        workers: All who train.

    Raises:
        StampError: At every worker, if one differs.
    """
    if workers.number == 1:
        return
    first = msgspec.json.decode(workers.tell(encode(content)))
    own = msgspec.json.decode(encode(content))
    data = [(one.pop("data", None) or {}).get("digest") for one in (first, own)]
    changed = changed_options(first, own)
    if not changed and data[0] != data[1]:
        changed = ["the images are others"]
    _refuse_others(", ".join(changed), "options and data", workers)


def require_same_state(arrays: Mapping[str, np.ndarray], workers: Workers) -> None:
    """Refuse workers that begin with other values than the chief.

    Args:
        arrays: All that is trained, and the state of its optimizers.
        workers: All who train.

    Raises:
        StampError: At every worker, if one differs.
    """
    if workers.number == 1:
        return
    digest = hashlib.sha256()
    for name, value in sorted(arrays.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    is_same = workers.tell(digest.digest()) == digest.digest()
    _refuse_others("" if is_same else "they are others", "weights to begin with", workers)


def _refuse_others(difference: str, what: str, workers: Workers) -> None:
    for index in range(workers.number):
        if words := workers.tell(difference.encode(), by=index).decode():
            raise StampError(
                f"Every worker must have the {what} of the first one, but at worker {index} {words}; give all the same."
            )


def _packed(run: RunDirectory) -> bytes:
    """Return what a run goes on from, as the bytes of an archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in (run.config, run.metrics, run.reference, *sorted(run.checkpoints.glob("step-*.npz"))):
            if path.exists():
                archive.write(path, path.relative_to(run.path))
    return buffer.getvalue()


def _unpack(content: bytes, run: RunDirectory) -> None:
    if content:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(run.path)

"""A disk that remembers how it looked before every write, and commands small enough to be killed at each.

A process that is killed before its k-th write leaves what the first k - 1 writes left, and nothing else: no handler of
its own runs. So one run that nobody kills tells what every kill leaves: the folder is copied before each write, and in
the middle of those that can tear. Some tests kill processes for good and find the same.
"""

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stamp_tf.storage.files

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PATHS = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.truncate": 1, "os.link": 2}
# What is measured and not computed; TensorFlow numbers its functions, so that the size of a SavedModel differs, too.
MEASURED = {
    "seconds",
    "times",
    "load",
    "expense",
    "command",
    "date",
    "hardware",
    "versions",
    "history",
    "num_bytes",
    "peak_bytes",
    "latency",
}

_listeners: list[Callable[[str, str], None]] = []


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    """Tell who listens of every write that Python is about to ask the system for."""
    if not _listeners:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, int) or not flags & WRITING:
            return
    elif event in PATHS:
        path = arguments[0]
        if isinstance(path, int):
            return
        folder = arguments[-1]
        if isinstance(folder, int) and folder >= 0 and event in ("os.remove", "os.rmdir", "os.mkdir"):
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))
    else:
        return
    for listener in list(_listeners):
        listener(event, os.path.abspath(os.fsdecode(path)))


sys.addaudithook(_listen)


@contextmanager
def writes_below(folder: Path, act: Callable[[str], None]) -> Iterator[None]:
    """Call `act` with a word before every write below a folder, and in the middle of each that can tear."""
    is_busy = False
    put = stamp_tf.storage.files.write_through

    def tell(word: str) -> None:
        nonlocal is_busy
        is_busy = True
        try:
            act(word)
        finally:
            is_busy = False

    def listener(event: str, path: str) -> None:
        if not is_busy and Path(path).is_relative_to(folder):
            tell(f"{event} {os.path.relpath(path, folder)}")

    def tearing(file: Any, data: bytes) -> None:
        file.write(data[: len(data) // 2])
        file.flush()
        tell(f"write {os.path.relpath(file.name, folder)}")
        put(file, data[len(data) // 2 :])

    _listeners.append(listener)
    stamp_tf.storage.files.write_through = tearing
    try:
        yield
    finally:
        _listeners.remove(listener)
        stamp_tf.storage.files.write_through = put


@dataclass(frozen=True)
class Image:
    """A folder as a kill before a write left it.

    Args:
        number: Of the write, from 1.
        word: What was about to be written.
        folder: The copy; None if the folder was not there.
    """

    number: int
    word: str
    folder: Path | None


@contextmanager
def images_of(folder: Path, store: Path) -> Iterator[list[Image]]:
    """Copy a folder before every write below it."""
    images: list[Image] = []

    def copy(word: str) -> None:
        target = None
        if folder.exists():
            target = store / f"{len(images) + 1:04d}"
            shutil.copytree(folder, target, symlinks=True)
        images.append(Image(len(images) + 1, word, target))

    with writes_below(folder, copy):
        yield images


def different(images: list[Image]) -> list[Image]:
    """Leave out images that are like one before: whoever goes on from them cannot tell them apart."""
    kept: dict[Any, Image] = {}
    for image in images:
        kept.setdefault(_looks(image.folder), image)
    return list(kept.values())


def _looks(folder: Path | None) -> Any:
    """Return something that two folders have in common if they hold the same names and the same bytes."""
    if folder is None:
        return None
    return tuple(
        (str(path.relative_to(folder)), sha256(path.read_bytes()).digest() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    )


def files_in(folder: Path) -> list[str]:
    """Return the paths of all files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def half_written(folder: Path) -> list[Path]:
    """Return the networks in a folder that would not load, those under the names of unfinished files left out."""
    networks = [path for path in folder.rglob("*.keras") if not path.name.startswith(".")]
    return [path for path in networks if not zipfile.is_zipfile(path) or zipfile.ZipFile(path).testzip()]


def restore(image: Image, folder: Path) -> None:
    """Make a folder what it was in an image."""
    shutil.rmtree(folder, ignore_errors=True)
    if image.folder is not None:
        shutil.copytree(image.folder, folder, symlinks=True)


def contents(run: Path, *, is_torn: Callable[[str], bool] = lambda name: False) -> dict[str, Any]:
    """Return everything that a run holds, times apart, file by file, without those that may be half-built."""
    found: dict[str, Any] = {}
    for name in files_in(run):
        path = run / name
        if is_torn(name):
            continue
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                for array in arrays.files:
                    found[f"{name}:{array}"] = _bytes_of(arrays[array], array)
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                for member in ("config.json", "model.weights.h5"):
                    found[f"{name}:{member}"] = archive.read(member)
        elif path.suffix == ".json":
            found[name] = without_times(json.loads(path.read_text()))
        elif path.suffix == ".jsonl":
            found[name] = [without_times(json.loads(line)) for line in path.read_text().splitlines()]
        elif name.startswith("saved_model/variables"):
            found[name] = path.read_bytes()
        else:
            found[name] = "there"
    return found


def _bytes_of(array: np.ndarray, name: str) -> Any:
    if name == "metadata":
        return without_times(json.loads(array.tobytes()))
    return array.dtype.str, array.shape, array.tobytes()


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in MEASURED}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return value


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Name what two runs do not have in common."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


@pytest.fixture(scope="module")
def harness() -> Any:
    """The functions of this file; test files lie on no path to import from."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def make_tiny_images() -> Callable[[Path], Path]:
    """Write an .npz data set of three classes of a dozen images."""

    def make(path: Path) -> Path:
        rng = np.random.default_rng(0)
        arrays = {}
        for part, count in (("train", 8), ("test", 4)):
            labels = np.repeat(np.arange(3), count)
            level = 40 + 80 * labels[:, None, None, None]
            noisy = level + rng.normal(0, 12, (len(labels), 16, 16, 3))
            arrays |= {f"x_{part}": noisy.clip(0, 255).astype(np.uint8), f"y_{part}": labels}
        np.savez(path, **arrays)
        return path

    return make

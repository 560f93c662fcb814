"""Write a network by an exporter, whoever wrote it: whole or not at all, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

import stamp_registry
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.export.contract import call_exporter
from stamp_tf.plugin_code import PluginCode, in_words, of_the_caller
from stamp_tf.storage.files import put_in_place, remove, sweep

# Their places are known without a note, and they look themselves what lies there.
_OF_USUAL_PLACES = ("keras", "saved-model")


def run_exporter(
    name: str,
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    images: Callable[[], np.ndarray],
    is_free: Callable[[Path], bool] = lambda path: not os.path.lexists(path),
    note: Callable[[Path, Path], None] = lambda built, place: None,
) -> tuple[Path, ...]:
    """Write a model by a registered exporter.

    An exporter is handed a name in a folder of its own. What it writes there is moved to its place once all of it is
    there, so that an exporter that fails leaves nothing behind, and what lay there before is not taken for its work.

    Args:
        name: The exporter's name.
        model: Maps images [B, H, W, D] to logits [B, classes].
        path: Where to write.
        class_names: One name per logit.
        normalization: Mean and standard deviation per image channel.
        images: Returns training images for an exporter that asks for them, uint8 `[n, H, W, D]`.
        is_free: Says of a place whether an export may take it; `keras` and `saved-model` look themselves.
        note: Called with everything that was written and its place, before any of it is moved, so that a kill in
            between does not leave it a stranger's.

    Returns:
        What was written: the exporter's answer first, then whatever it put beside it.

    Raises:
        StampError: If the exporter cannot write the model, or something else is in its place.
        PluginError: If it fails, or does not return where it wrote.
    """
    plugin = PluginCode("stamp_tf.exporters", name)
    export = stamp_registry.load(plugin.group, name)

    def write(place: Path) -> Path:
        with plugin.running():
            written = call_exporter(
                export,
                model,
                place,
                class_names=class_names,
                normalization=normalization,
                images=of_the_caller(images),
            )
            return _checked(plugin, written)

    if name in _OF_USUAL_PLACES:
        written = write(path)
        note(written, written)
        return (written,)
    _require_free(path, is_free)
    with _folder_beside(path) as folder:
        written = write(folder / path.name)
        if written.absolute().parent != folder:
            raise plugin.breach("write to the path that it is given", f"wrote {written}")
        if written.is_dir() and all(entry.is_dir() for entry in written.rglob("*")):
            raise plugin.breach("write the network", "its folder holds no file")
        built = sorted(folder.iterdir(), key=lambda entry: entry.name != written.name)
        places = tuple(path.with_name(entry.name) for entry in built)
        for place in places:
            _require_free(place, is_free)
        for entry, place in zip(built, places, strict=True):
            note(entry, place)
        for entry, place in zip(built, places, strict=True):
            if not (entry.is_dir() and place.is_dir()):
                remove(place)
            put_in_place(entry, place)
    return places


def _checked(plugin: PluginCode, written: Any) -> Path:
    """Return where an exporter says that it wrote, if anything is there."""
    if not isinstance(written, Path):
        raise plugin.breach("return the Path of what it wrote", in_words(written))
    if not written.exists():
        raise plugin.breach("return the Path of what it wrote", f"there is no {written}")
    return written


def _require_free(path: Path, is_free: Callable[[Path], bool]) -> None:
    if not is_free(path):
        raise StampError(
            f"An export must be new or replace an earlier one of this run in its folder, but {path} holds something "
            "else; move it, or choose another `export:path`."
        )


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, removed at the end, as are folders on the way that were made for nothing."""
    path = path.absolute()
    made = [parent for parent in path.parents if not parent.exists()]
    folder = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, names=(path.name,))
        remove(folder)
        folder.mkdir()
        yield folder
    finally:
        remove(folder)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()

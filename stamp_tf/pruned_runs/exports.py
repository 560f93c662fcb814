"""The network of a run in each format that was asked for: where its exports lie, and how they are written and noted."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import msgspec
import numpy as np

import stamp_registry
from stamp_tf.compression.compressor import Compressor, check_can_compress
from stamp_tf.data import DataSet, Normalization
from stamp_tf.data.sample import random_part
from stamp_tf.errors import StampError
from stamp_tf.export.run_exporter import run_exporter
from stamp_tf.options.compression import parts_of
from stamp_tf.report.report import ExportedFile
from stamp_tf.storage.records import write_json_atomic
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.schemas import Export, Exports

logger = logging.getLogger(__name__)

_GROUP = "stamp_tf.exporters"
# So many images show the ranges of what flows through a network.
_MOST_IMAGES = 128
# What the files of built-in exporters are called, where their format insists on an ending.
_NAMES = {
    "litert": "model.tflite",
    "litert-dynamic": "model_dynamic.tflite",
    "litert-int8": "model_int8.tflite",
    "onnx": "model.onnx",
    "demo": "demo.html",
}


def place_of(run: RunDirectory, exporter: str) -> Path:
    """Return where an exporter writes if nobody says otherwise.

    Args:
        run: The run.
        exporter: Its registered name, with how the network is compressed, if it is.
    """
    exporter, kind = parts_of(exporter)
    place = _usual(run).get(exporter, run.path / _NAMES.get(exporter, exporter))
    return place if kind is None else place.with_name(f"{place.stem}_{kind}{place.suffix}")


def places_of(run: RunDirectory, exporters: Sequence[str]) -> dict[str, str]:
    """Return what is to be written for some exporters: from paths within the folder to exporters.

    The `.keras` file is always among them, because all that goes on with a run reads it.

    Args:
        run: The run.
        exporters: Registered names.
    """
    return {place_of(run, name).name: name for name in ("keras", *exporters)}


def exports_of(run: RunDirectory) -> dict[str, str]:
    """Return what exporters wrote into a run's folder and is there: from paths within it to exporters."""
    usual = {place.name: name for name, place in _usual(run).items() if place.exists()}
    return usual | {
        export.to: export.format
        for export in run.read_exports().exports
        if any(os.path.lexists(run.path / name) for name in export.wrote)
    }


def check_exports(run: RunDirectory, exports: Mapping[str, str]) -> None:
    """Refuse exports that cannot be written, before any work.

    Args:
        run: The run.
        exports: From paths within its folder to exporters.

    Raises:
        RegistryError: If an exporter is not installed or cannot be imported.
        StampError: If something else lies in a place, or what lies there can no longer be made; if the extra that
            compresses is missing.
    """
    for path, name in exports.items():
        place = run.path / path
        exporter, kind = parts_of(name)
        if kind is not None:
            check_can_compress(kind)
        try:
            stamp_registry.load(_GROUP, exporter)
        except stamp_registry.UnknownName as error:
            if not os.path.lexists(place):
                raise
            raise StampError(
                f"{place} is to be written anew by the exporter {name!r}, but no installed package has it; install "
                "it again, or remove that file."
            ) from error
        if name not in _usual(run) and not is_free(run, place):
            raise StampError(
                f"The exporter {name!r} writes to {place}, but that holds something else; move it, or choose another "
                "folder."
            )


def write_exports(
    model: keras.Model,
    run: RunDirectory,
    exports: Mapping[str, str],
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    images: Callable[[], np.ndarray],
    compress: Compressor | None = None,
    replaces: RunDirectory | None = None,
) -> tuple[ExportedFile, ...]:
    """Write a network in some formats, each whole or not at all.

    Args:
        model: From normalised images `[B, H, W, D]` to logits `[B, classes]`, or to what it ends in.
        run: Into whose folder; the caller holds it.
        exports: From paths within it to exporters.
        class_names: One name per class.
        normalization: Of the images.
        images: Returns training images for exporters that ask for them, see `training_images`.
        compress: Compresses the network; None where no format asks for that.
        replaces: The run whose files they will replace, so that they may lie nowhere else than those.

    Returns:
        Everything that was written, with its format and size.

    Raises:
        StampError: If the network cannot be exported, or something else is in the way.
        PluginError: If an exporter fails or does not do what it must.
    """
    if replaces is not None and replaces.exports.exists():
        _note(run, replaces.read_exports())
    logger.info("Writing %s.", ", ".join(exports))
    found: list[ExportedFile] = []
    is_compressed = any("+" in name for name in exports.values())
    for path, name in exports.items():
        written = write_export(
            model,
            run,
            name,
            path=run.path / path,
            class_names=class_names,
            normalization=normalization,
            images=images,
            compress=compress,
            replaces=replaces,
        )
        for place in written:
            inside = place.relative_to(run.path).as_posix()
            found.append(file_of(place, path=inside, format_name=name, zipped=is_compressed))
    return tuple(found)


def write_export(
    model: keras.Model,
    run: RunDirectory,
    exporter: str,
    *,
    path: Path,
    class_names: Sequence[str],
    normalization: Normalization,
    images: Callable[[], np.ndarray],
    compress: Compressor | None = None,
    replaces: RunDirectory | None = None,
) -> tuple[Path, ...]:
    """Write a network by one exporter and note it, see `write_exports`.

    Args:
        model: The network.
        run: The run that it is of.
        exporter: Its registered name, with how the network is compressed, if it is.
        path: Where to; anywhere.
        class_names: One name per class.
        normalization: Of the images.
        images: As in `write_exports`.
        compress: As in `write_exports`.
        replaces: As in `write_exports`.
    """

    def note(built: Path, place: Path) -> None:
        record_export(run, place, built=built, exporter=exporter, given=path)

    def may_write(place: Path) -> bool:
        final = place if replaces is None else replaces.path / place.relative_to(run.path)
        return is_free(run, place) and is_free(replaces or run, final)

    name, kind = parts_of(exporter)
    if kind is not None and compress is not None:
        if run.weights.exists():
            raise StampError(
                f"`compress={kind}` trains all weights, but {run.path} has a mask of single ones; leave `compress` out."
            )
        model = compress(kind)
    return run_exporter(
        name,
        model,
        path,
        class_names=class_names,
        normalization=normalization,
        images=images,
        is_free=may_write,
        note=note,
    )


def file_of(place: Path, *, path: str, format_name: str, zipped: bool) -> ExportedFile:
    """Return what is known of an export by looking at it.

    Args:
        place: The file, or the folder.
        path: What it is called.
        format_name: Its format.
        zipped: Whether to look what a zip program makes of it: the size that zeros and shared values make smaller.
    """
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return ExportedFile(
        path=path,
        format=format_name,
        num_bytes=sum(file.stat().st_size for file in files),
        gzip_bytes=sum(len(zlib.compress(file.read_bytes())) for file in files) if zipped else None,
    )


def training_images(dataset: DataSet, *, seed: int) -> np.ndarray:
    """Return images that show an exporter what the network will see, uint8 `[n, H, W, D]`; at most 128.

    Args:
        dataset: Its training part is drawn from.
        seed: Decides which.
    """
    return random_part(dataset.train, _MOST_IMAGES, seed=seed).images


def record_export(
    run: RunDirectory, written: Path, *, exporter: str, given: Path | None = None, built: Path | None = None
) -> None:
    """Note an export in a run's `exports.json`; one that lies elsewhere, or in its usual place, is not noted.

    Args:
        run: The run; the caller holds its folder.
        written: The file or folder that was written.
        exporter: By whom.
        given: The path that the exporter was told; None means the same.
        built: Where it lies until it is moved to its place. Noted before that, it is known for an export even if
            the process is killed right after. None takes it for there.
    """
    folder, written = run.path.resolve(), _place(written)
    if not written.is_relative_to(folder) or written in map(_place, _usual(run).values()):
        return
    built = written if built is None else built
    files = built.rglob("*") if built.is_dir() else [built]
    paths = [(written / path.relative_to(built)).relative_to(folder) for path in files if not path.is_dir()]
    to, wrote = (path.relative_to(folder).as_posix() for path in (_place(given or written), written))
    export = Export(to, exporter, (wrote,))
    _note(run, run.read_exports().with_files(export, [path.as_posix() for path in paths]))


def _note(run: RunDirectory, exports: Exports) -> None:
    write_json_atomic(run.exports, msgspec.to_builtins(exports))


def is_free(run: RunDirectory, path: Path) -> bool:
    """Return whether an export may take a place: where nothing is, or what an earlier export put into the folder.

    Args:
        run: The run.
        path: The file or folder that is to be written.
    """
    if not os.path.lexists(path):
        return True
    folder, path = run.path.resolve(), _place(path)
    files = [file for file in path.rglob("*") if not file.is_dir()] if path.is_dir() else [path]
    ours = {folder / name for name in run.read_exports().files}
    return all(file in ours for file in files)


def _usual(run: RunDirectory) -> dict[str, Path]:
    return {"keras": run.model, "saved-model": run.saved_model}


def _place(path: Path) -> Path:
    """Resolve the folder of a path; a link in it is a thing of its own."""
    return Path(path).parent.resolve() / path.name

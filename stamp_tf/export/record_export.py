"""Which files `export` put into a run's folder: those that may go when the run is overwritten, or exported anew."""

import os
from pathlib import Path

from stamp_tf.storage.records import read_record, write_json_atomic
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.schemas import Exports


def record_export(run: RunDirectory, written: Path, *, built: Path | None = None) -> None:
    """Note an export in a run's `exports.json`; one that lies elsewhere, or in its usual place, is not noted.

    Args:
        run: The run; the caller holds its folder.
        written: The file or folder that was written.
        built: Where it lies until it is moved to its place. Noted before that, it is known for an export even if
            the process is killed right after. None takes it for there.
    """
    folder, written = run.path.resolve(), _place(written)
    if not written.is_relative_to(folder) or written in (_place(run.model), _place(run.saved_model)):
        return
    built = written if built is None else built
    files = built.rglob("*") if built.is_dir() else [built]
    known = read_record(run.exports, Exports).files if run.exports.exists() else ()
    paths = {
        (written / path.relative_to(built)).relative_to(folder).as_posix()
        for path in files
        if not path.is_dir()
    }
    write_json_atomic(run.exports, {"files": sorted({*known, *paths})})


def is_free(run: RunDirectory, path: Path) -> bool:
    """Return whether an export may take a place: where nothing is, or what an earlier export put into the folder.

    Args:
        run: The run.
        path: The file or folder that is to be written.
    """
    if not os.path.lexists(path):
        return True
    known = read_record(run.exports, Exports).files if run.exports.exists() else ()
    folder, path = run.path.resolve(), _place(path)
    files = [file for file in path.rglob("*") if not file.is_dir()] if path.is_dir() else [path]
    ours = {folder / name for name in known}
    return all(file in ours for file in files)


def _place(path: Path) -> Path:
    """Resolve the folder of a path; a link in it is a thing of its own."""
    return Path(path).parent.resolve() / path.name

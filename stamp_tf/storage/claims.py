"""Taking a folder for a run: refused before anything is written, held while it is, given back if nothing was."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from stamp_tf.errors import StampError
from stamp_tf.storage.files import remove_if_empty, sweep, write_bytes_atomic
from stamp_tf.storage.locks import LOCK, FolderTaken, locked
from stamp_tf.storage.overwriting import clear, contents, in_the_way
from stamp_tf.storage.records import write_json_atomic
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.writing import refusal, writing

_MOST_TRIES = 5
# Folder -> what its options.yaml is to hold.
_recorded: dict[Path, str] = {}


def check(
    run: RunDirectory, *, overwrite: bool = False, resume: bool = False, command: str | None = None
) -> None:
    """Refuse a folder that `claimed` would refuse, and leave everything as it is.

    Args:
        run: The folder.
        overwrite: As in `claimed`.
        resume: As in `claimed`.
        command: As in `claimed`.

    Raises:
        StampError: If the folder is not empty and may not be used.
    """
    for folder in (run.path, *run.path.parents):
        if folder.exists() and not folder.is_dir():
            raise StampError(
                f"`run_dir` must be a folder, but {run.path} is a file or below one; choose another."
            )
        if folder.is_symlink() and not folder.exists():
            raise StampError(
                f"`run_dir` must be a folder, but {folder} is a link to nothing; choose another."
            )
    occupied = run.path.exists() and bool(contents(run.path))
    if resume and not occupied:
        raise StampError(
            f"`resume=True` needs a run to go on with, but {run.path} is "
            f"{'empty' if run.path.exists() else 'not there'}; check the path, or leave `resume=True` out."
        )
    if occupied and not (resume or overwrite):
        raise FolderTaken(
            f"`run_dir` must be new or empty, but {run.path} is not; "
            "choose another, or add `resume=True` or `overwrite=True`."
        )
    if occupied and not run.config.exists():
        raise StampError(
            f"`{'resume' if resume else 'overwrite'}=True` only takes a folder that a run wrote, but {run.path} "
            "has no config.json; empty it yourself or choose another `run_dir`."
        )
    if occupied:
        before = run.read_config()["command"]
        # Every other option differs then, too, and would only hide the reason.
        if resume and command is not None and before != command:
            raise StampError(
                f"`resume=True` goes on with a run of {command}, but {run.path} is one of {before}; check the path, or "
                f"go on with stamp-tf {before} `resume=True`."
            )
    if occupied and overwrite and (foreign := _in_the_way_of_any(run)) is not None:
        raise StampError(
            f"`overwrite=True` keeps what no run wrote, but {foreign} is in the way of the new run; move it, or choose "
            "another `run_dir`."
        )
    if occupied and resume and not run.is_finished and (foreign := in_the_way(run)) is not None:
        raise StampError(
            f"`run_dir` must hold nothing in the way of the run, but {foreign} is, which no run wrote; move it, or "
            "choose another."
        )


def _in_the_way_of_any(run: RunDirectory) -> Path | None:
    found = (in_the_way(one) for one in (run, *run.swept))
    return next((path for path in found if path is not None), None)


@contextmanager
def held(run: RunDirectory, *, alone: bool = False) -> Iterator[None]:
    """Keep everybody else out of a folder while the block runs, and tidy up what a killed process left.

    The folder is made, and taken away again if nothing was written into it.

    Args:
        run: The folder.
        alone: Insist: without a lock, only a folder that was made here is taken.

    Raises:
        FolderTaken: If somebody else is at work in it.
        StampError: If it cannot be written.
    """
    made: list[Path] = []
    with ExitStack() as stack:
        stack.callback(_give_back, made)
        try:
            is_locked = _take(run.path, made, stack)
        except (NotADirectoryError, FileExistsError):
            raise StampError(
                f"`run_dir` must be a folder, but {run.path} is a file or below one; choose another."
            ) from None
        except OSError as error:
            raise refusal(run.path, error) from None
        if is_locked:
            with writing(run.path):
                tidy(run)
        elif alone and run.path not in made:
            raise FolderTaken(f"`run_dir` must be new, but {run.path} exists; choose another.")
        yield


def _take(folder: Path, made: list[Path], stack: ExitStack) -> bool:
    """Make a folder, noting what was made, and lock it; return whether there is a lock."""
    for tries_left in reversed(range(_MOST_TRIES)):
        try:
            for part in reversed((folder, *folder.parents)):
                if not part.is_dir() and _make(part):
                    made.append(part)
            return stack.enter_context(locked(folder))
        except FileNotFoundError:
            # Another command gave the folder back, just now.
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _make(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return False
    return True


def _give_back(made: list[Path]) -> None:
    for folder in reversed(made):
        if not remove_if_empty(folder):
            break


@contextmanager
def claimed(
    run: RunDirectory,
    *,
    overwrite: bool = False,
    resume: bool = False,
    alone: bool = False,
    command: str | None = None,
) -> Iterator[None]:
    """Hold a folder that a run is to be written to, from before there is anything to write.

    Args:
        run: The folder.
        overwrite: Accept a folder that a run wrote, whose files `start` will remove.
        resume: Accept a folder that a run wrote as it is; there must be one.
        alone: As in `held`.
        command: What writes the run, such as `prune`: one that is gone on with must be of the same.

    Raises:
        FolderTaken: If the folder is not empty and neither flag is set, or if somebody else is at work in it.
        StampError: If it is not that of a run, or cannot be written.
    """
    if not (run.path / LOCK).exists():
        # A folder that is not ours is not even locked.
        check(run, overwrite=overwrite, resume=resume, command=command)
    with held(run, alone=alone):
        check(run, overwrite=overwrite, resume=resume, command=command)
        yield


@contextmanager
def claimed_next(folder: Path, stem: str) -> Iterator[RunDirectory]:
    """Claim the next free folder `STEM-NUMBER` and hold it.

    Args:
        folder: Where runs lie; made if it is missing.
        stem: What the run is of.

    Yields:
        The run.

    Raises:
        StampError: If there cannot be one.
    """
    for number in itertools.count(1):
        run = RunDirectory(folder / f"{stem}-{number}")
        if os.path.lexists(run.path) and not run.path.is_dir():
            continue
        with ExitStack() as stack:
            try:
                stack.enter_context(claimed(run, alone=True))
            except FolderTaken:
                continue
            yield run
            return


@contextmanager
def recording(run: RunDirectory, options: str) -> Iterator[None]:
    """Let `start` write `options.yaml` beside the `config.json` of a run while the block runs.

    Args:
        run: The folder; the caller holds it.
        options: What the command line was given, as such a file.
    """
    _recorded[run.path] = options
    try:
        yield
    finally:
        del _recorded[run.path]


def tidy(run: RunDirectory) -> None:
    """Remove what a killed process left half-built, and bring to its end what it had decided."""
    further = run.further_training
    for folder in (run.path, run.checkpoints, run.full_network, further.path, further.checkpoints):
        sweep(folder)
    run.settle()


def start_run(run: RunDirectory, config: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Make the folder and record the options, or check that a resumed run has the same ones.

    Args:
        run: The folder; the caller holds it.
        config: The resolved options, JSON content.
        resume: Go on with a run that is there.
        overwrite: Empty a folder that a run wrote.

    Raises:
        StampError: If the folder is in use, cannot be written, or its run had other options.
    """
    check(run, overwrite=overwrite, resume=resume)
    if resume:
        run.check_options(config)
        if not run.options.exists():
            _record(run)
        return
    with writing(run.path):
        run.path.mkdir(parents=True, exist_ok=True)
        if run.config.exists():
            clear(run)
            _clear_swept(run, kept=(config.get("sweep") or {}).get("runs", ()))
    # In the place of the old one, so that the folder is that of a run at any instant.
    write_json_atomic(run.config, config)
    _record(run)


def _clear_swept(run: RunDirectory, *, kept: Sequence[str]) -> None:
    """Remove what the runs of a sweep wrote; those that will be written again keep their `config.json` until then."""
    for one in run.swept:
        if not one.config.exists():
            continue
        with held(one):
            clear(one)
            if one.path.name not in kept:
                one.config.unlink()
        remove_if_empty(one.path)


def _record(run: RunDirectory) -> None:
    if run.path in _recorded:
        write_bytes_atomic(run.options, _recorded[run.path].encode())

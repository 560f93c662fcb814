"""Files that a command writes beside what it prints: refused before the work that fills them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from stamp_tf.errors import StampError


def check_targets(targets: Mapping[str, Path | None], *, inputs: Sequence[Path]) -> None:
    """Refuse files that could not be written, or by which something would be lost; earlier ones are replaced.

    Args:
        targets: Option -> its file; None where it was not given.
        inputs: What the command reads.

    Raises:
        StampError: If one is a folder, lies in none, has another ending, is read or written already or a file of a
            run, or the disk refuses.
    """
    from stamp_tf.export.staging import check_writable
    from stamp_tf.storage.run_directory import RunDirectory

    places = {os.path.realpath(path) for path in inputs}
    for option, target in targets.items():
        if target is None:
            continue
        if target.is_dir():
            raise StampError(f"{option} must be a file, but {target} is a folder; choose another.")
        if (place := os.path.realpath(target)) in places:
            raise StampError(
                f"{option} must be a file of its own, but {target} is read or written already; choose another."
            )
        places.add(place)
        if not target.parent.is_dir():
            raise StampError(f"{option} must lie in a folder, but {target.parent} is not there; make it.")
        ending = option.replace("--", ".")
        if target.suffix != ending:
            raise StampError(f"{option} must end in {ending}, but is {target}; add the ending.")
        if target.exists() and RunDirectory(target.parent).config.exists():
            raise StampError(
                f"{option} must not replace a file in a run's folder, but {target} is there; choose another."
            )
        check_writable(target)

"""Where a run is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stamp_tf.errors import StampError
from stamp_tf.options.fields import check_fields
from stamp_tf.options.option import option


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where a run is written, and what becomes of one that lies there."""

    run_dir: Path | None = option(None, help="Where the run is written.")
    resume: bool = option(False, help="Go on with the run in `run_dir`.")
    overwrite: bool = option(False, help="Throw away the run in `run_dir` and start anew.")
    tensorboard: bool = option(False, help="Write the figures of every step for TensorBoard.")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.resume and self.overwrite:
            raise StampError(
                "`resume=True` and `overwrite=True` must not be given together; leave one of them out."
            )

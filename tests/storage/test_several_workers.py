"""The folder of a run that several workers train; that two processes do it stands in tests/training."""

import json
from pathlib import Path

import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.several_workers import claimed_by_chief, require_same, require_same_state
from stamp_tf.workers import Workers

CONFIG = {"command": "pretrain", "epochs": 3, "data": {"digest": {"train": "ab"}}}


class Second(Workers):
    """The second of two workers; the first one's words are known beforehand."""

    def __init__(self, *words: bytes) -> None:
        super().__init__(2, 1)
        self._words = iter(words)

    def tell(self, content: bytes = b"", *, by: int = 0) -> bytes:
        return content if by == self.index else next(self._words, b"")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (CONFIG | {"epochs": 4}, "--epochs was 3 and is 4"),
        (CONFIG | {"data": {"digest": {"train": "cd"}}}, "the images are others"),
    ],
)
def test_other_options_or_data_than_the_first_ones_are_refused(given: dict, what: str) -> None:
    workers = Second(json.dumps(CONFIG).encode())
    with pytest.raises(
        StampError, match=f"options and data of the first one, but at worker 1 {what}; give all"
    ):
        require_same(given, workers)
    require_same(CONFIG, Second(json.dumps(CONFIG).encode()))


def test_other_weights_than_the_first_ones_are_refused() -> None:
    with pytest.raises(
        StampError, match="must have the weights to begin with of the first one, but at worker 1"
    ):
        require_same_state({"kernel": np.ones(3)}, Second(b"another digest"))


def test_nobody_but_the_first_touches_the_folder(tmp_path: Path) -> None:
    asked = json.dumps({"command": "pretrain", "resume": False, "overwrite": False}).encode()
    run = RunDirectory(tmp_path / "run")
    with claimed_by_chief(run, Second(asked), resume=False, overwrite=False, command="pretrain") as own:
        assert own.path != run.path
        own.config.write_text("{}")
    assert not run.path.exists()
    assert not own.path.exists()

"""The re-trainable file: plain Keras, loadable in safe mode, trainable."""

from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.export.keras_file import export_keras, read_card
from stamp_tf.export.plain import custom_objects


def test_the_card_of_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"PK half an archive")
    with pytest.raises(StampError, match="written by stamp-tf"):
        read_card(tmp_path / "model.keras")

"""What a runtime says of a damaged file comes in one line that says why."""

from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.serving.runtime import opening


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Exception from src/core.cpp:132:\nCheck 'status == ok' failed at src/model.cpp:219:\nTags mismatch\n\n",
            "Tags mismatch",
        ),
        ("Cannot parse file: wire format.\nTraceback of operations", "Cannot parse file: wire format"),
        ("Exception from src/core.cpp:132:\n", "Exception from src/core.cpp:132:"),
        ("", "ValueError"),
    ],
)
def test_the_reason_is_shown_rather_than_its_place(said: str, reason: str) -> None:
    with pytest.raises(StampError) as caught, opening(Path("net"), by="It"):
        raise ValueError(said)
    assert str(caught.value) == f"net must be a whole network, but It answers '{reason}'; export it anew."

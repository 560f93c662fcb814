"""What every reader must do, run over every registered name."""

from collections.abc import Callable

import pytest

import stamp_registry
from stamp_tf.serving.exported import READERS
from stamp_tf.testing.reader import PROPERTIES

EXPORTERS = "stamp_tf.exporters"
# Endings that a format insists on, and how far formats of fewer bits may be from the model.
SUFFIXES = {
    "keras": ".keras",
    "litert": ".tflite",
    "litert-dynamic": ".tflite",
    "litert-int8": ".tflite",
    "onnx": ".onnx",
    "demo": ".html",
}
TOLERANCES = {"litert-int8": 0.03}


@pytest.fixture(params=stamp_registry.names(READERS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("proven", PROPERTIES, ids=lambda proven: proven.__name__)
def test_a_reader(name: str, proven: Callable[..., None]) -> None:
    try:
        export = stamp_registry.load(EXPORTERS, name)
    except stamp_registry.MissingExtra as error:
        pytest.skip(str(error))
    proven(
        stamp_registry.load(READERS, name),
        export=export,
        suffix=SUFFIXES.get(name, ""),
        tolerance=TOLERANCES.get(name, 1e-4),
    )


def test_every_format_of_a_built_in_is_read() -> None:
    exporters = [
        name for name in stamp_registry.names(EXPORTERS) if stamp_registry.is_built_in(EXPORTERS, name)
    ]
    assert set(exporters) <= set(stamp_registry.names(READERS))

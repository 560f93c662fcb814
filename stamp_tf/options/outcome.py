"""What a run writes of its outcome."""

from __future__ import annotations

from dataclasses import dataclass

from stamp_tf.options.compression import Compression, compressed_formats
from stamp_tf.options.fields import check_fields
from stamp_tf.options.option import option

DEFAULT_EXPORTS = ("saved-model",)
COMPRESS_EPOCHS = 3


@dataclass(frozen=True, kw_only=True)
class OutcomeOptions:
    """What a run writes of its outcome."""

    speed: bool = option(True, help="Measure the pruned network's speed against the full one's.")
    dollars_per_hour: float | None = option(
        None, least=0, usual=1, help="Price of the machine, for the report."
    )
    exports: tuple[str, ...] = option(
        (),
        flag="export",
        plugins="stamp_tf.exporters",
        is_repeatable=True,
        help="Write the network in this format, and as a .keras file in any case; may be repeated.",
        default_in_words="saved-model",
    )
    compress: Compression | None = option(
        None,
        help="Write each format a second time, its network trained further by TensorFlow Model Optimization: half of "
        "the weights zeros, or 16 values a kernel, both smaller once zipped but no faster; or used to 8 bits, for "
        "litert-int8.",
    )
    compress_epochs: int = option(
        COMPRESS_EPOCHS, least=1, help="Passes over the training images that `compress` takes."
    )

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def formats(self) -> tuple[str, ...]:
        """What is written beside the `.keras` file, compressed networks among it, such as `litert-int8+qat`."""
        exports = self.exports or DEFAULT_EXPORTS
        return (*exports, *compressed_formats(exports, self.compress))

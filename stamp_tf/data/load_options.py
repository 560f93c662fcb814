"""What every source of data sets is told about how to load."""

from dataclasses import dataclass
from pathlib import Path

GIBIBYTE = 2**30


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How to load a data set.

    A data-set plug-in is a function `source(argument: str, options: LoadOptions) -> DataSet`, where the
    argument is what follows the colon of the name `name:argument`, and empty without one. It may return
    images of any size; those in memory are resized afterwards.

    Args:
        image_shape: Wanted height, width and depth; None keeps the set's own.
        data_dir: Where prepared sets lie; None leaves it to the source.
        download: Whether the network may be used.
        skip_corrupt: Whether to leave out images that cannot be read.
        seed: For a source that draws its images by lot. A test split goes by content, not by a seed.
        stream_above: A part larger than this many bytes as uint8 is streamed instead of held in memory.
    """

    image_shape: tuple[int, int, int] | None = None
    data_dir: Path | None = None
    download: bool = False
    skip_corrupt: bool = False
    seed: int = 0
    stream_above: int = 2 * GIBIBYTE

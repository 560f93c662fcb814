"""What the JSON files of a run must hold, field by field; what a field is not named for here is left alone."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from stamp_tf.limits.kinds import KINDS

COMMANDS = ("pretrain", "meta-train", "prune", "finetune")

Count = Annotated[int, Meta(ge=0)]
Number = float | int


class NetworkConfig(msgspec.Struct, frozen=True):
    """How to build a network again, see `stamp_tf.references.backbone_config`."""

    name: str
    input_shape: tuple[Annotated[int, Meta(ge=1)], ...]
    num_classes: Annotated[int, Meta(ge=1)]
    options: dict[str, Any]
    architecture: dict[str, Any] | None = None
    head: str | None = None
    end: dict[str, Any] | None = None


class NamedNetwork(msgspec.Struct, frozen=True):
    """Which network a run was started with."""

    name: str
    options: dict[str, Any] = {}


class RunData(msgspec.Struct, frozen=True):
    """Which data a run is of, see `stamp_tf.data.identity`."""

    name: str
    train_images: Count
    test_images: Count
    digest: dict[str, str]
    spec: str | None = None
    path: str | None = None
    test_by_content: bool = True
    data_dir: str | None = None
    train_size: Count | None = None
    skip_corrupt: bool = False
    seed: Count = 0


class Swept(msgspec.Struct, frozen=True):
    """The runs that lie in folders of a sweep, by the names of these."""

    runs: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9][\w.+-]*$")], ...]


class _Options(msgspec.Struct, frozen=True):
    command: Literal["pretrain", "meta-train", "prune", "finetune"]
    dataset: str
    data: RunData | None = None
    seed: Count = 0
    data_dir: str | None = None
    train_size: Count | None = None
    skip_corrupt: bool = False
    flip: bool = True
    backbone: str | NamedNetwork | None = None
    method: str | None = None
    epochs: Count | None = None
    clip_norm: Number | None = None
    sweep: Swept | None = None


RunConfig = msgspec.defstruct(
    "RunConfig",
    [(kind.name, Number | None, None) for kind in KINDS],
    bases=(_Options,),
    frozen=True,
)
"""`config.json`: the options of any command that makes a run. Each command adds further ones."""


class PixelStatistics(msgspec.Struct, frozen=True):
    """Mean and deviation of pixels in [0, 1], by channel."""

    mean: tuple[Number, ...]
    std: tuple[Number, ...]


class LayerDescription(msgspec.Struct, frozen=True):
    """How to build a registered set encoder or mask generator again."""

    name: str
    config: dict[str, Any]
    shape: tuple[int | None, ...]


class Origin(msgspec.Struct, frozen=True):
    """Where a reference comes from: what is read of it, see `stamp_tf.references.pixels.choice`."""

    pixels: str | None = None
    pixels_origin: str | None = None
    pixels_reason: str | None = None
    pixels_tried: dict[str, Number] | None = None


class ReferenceDescription(msgspec.Struct, frozen=True):
    """What `reference.npz` says of its arrays."""

    backbone: NetworkConfig
    normalization: PixelStatistics
    set_encoder: LayerDescription | None
    mask_generator: LayerDescription | None
    description: Origin = Origin()


class Masks(msgspec.Struct, frozen=True):
    """`masks.json`: which channels a run kept, and of which network."""

    backbone: NetworkConfig
    sizes: dict[str, Count]
    kept: dict[str, tuple[Count, ...]]
    widths: dict[str, Count] = {}
    reference: str | None = None
    class_names: tuple[str, ...] = ()


class TakenImages(msgspec.Struct, frozen=True):
    """What goes into an exported network: its size, and its shape with words for what may be anything."""

    size: tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]]
    shape: tuple[str, str, str, Annotated[int, Meta(ge=1)]]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and depth of the images."""
        return (*self.size, self.shape[-1])


class Contract(msgspec.Struct, frozen=True):
    """`contract.json` beside an exported network, or within it: how it is called, see `stamp_tf.export.calling`."""

    input: TakenImages
    classes: tuple[str, ...]
    end: dict[str, Any] | None = None
    format: str = "saved-model"
    sha256: str | None = None


class Card(msgspec.Struct, frozen=True):
    """`input_and_classes.json` within `model.keras`: what goes into the network, and what comes out."""

    class_names: tuple[str, ...]
    mean: tuple[Number, ...]
    std: tuple[Number, ...]
    scaling_layer: str | None = None
    contract: Contract | None = None


class Export(msgspec.Struct, frozen=True):
    """What an exporter wrote: the path that it was given, its name, and each file or folder that it made there."""

    to: str
    format: str
    wrote: tuple[str, ...]


class Exports(msgspec.Struct, frozen=True):
    """`exports.json`: what lies in a run's folder by exporters, but for their usual places; paths are within it.

    `files` are all files, those within folders included. Runs of before list nothing else.
    """

    files: tuple[str, ...] = ()
    exports: tuple[Export, ...] = ()

    def inside(self) -> "Exports":
        """Return the same without what would not lie within the folder."""
        exports = (export for export in self.exports if all(map(_is_inside, (export.to, *export.wrote))))
        return Exports(tuple(filter(_is_inside, self.files)), tuple(exports))

    def with_files(self, export: Export, files: Iterable[str]) -> "Exports":
        """Return the same with what one exporter wrote.

        Args:
            export: What it wrote, or one of several things.
            files: All files of that.
        """
        known = next((one.wrote for one in self.exports if one.to == export.to), ())
        export = Export(export.to, export.format, tuple(dict.fromkeys((*known, *export.wrote))))
        others = tuple(one for one in self.exports if one.to != export.to)
        return Exports(tuple(sorted({*self.files, *files})), (*others, export))


def _is_inside(name: str) -> bool:
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts

"""What of a network can be pruned, and what was."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import KeptWhole, TracedNetwork
from stamp_tf.channels.cost import BYTES_PER_NUMBER
from stamp_tf.channels.share import prunable_share
from stamp_tf.data import DataSet, load_dataset
from stamp_tf.data.load import check_dataset_type
from stamp_tf.errors import StampError
from stamp_tf.inspection.network_rows import NetworkRow, network_rows
from stamp_tf.inspection.sensitivity import Sensitivity, sensitivity
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.find import find_reference
from stamp_tf.references.load_network import load_network
from stamp_tf.references.own_file import is_own, own_reference, reference_of_file
from stamp_tf.references.pixels.choice import choose_pixels
from stamp_tf.references.pixels.scale import find_scale
from stamp_tf.references.pretrained.names import is_name
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference
from stamp_tf.report.report import GroupRow, LayerRow
from stamp_tf.report.rows import group_rows, layer_rows
from stamp_tf.storage.records import read_json
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.schemas import Masks


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A network's channels and costs.

    Args:
        name: What was looked at.
        groups: Channel groups with the channels that are kept, in the network's order.
        layers: Layers before and after; alike where nothing was pruned.
        kept_whole: What the tracer left alone, and why.
        network: The network in the order of its graph, with the groups that each layer has to do with.
        prunable_share: Share of the kernels' parameters in kernels from which slices can be removed, in [0, 1].
        pixels: Which scale of pixels its images have, and how that is known; empty for a reference, a run or a
            network of something else.
        uncounted: Layers and operations that may compute products, but in a way that is not known.
        activation_bytes: Activation memory for one image in bytes, before and after; None where sizes are not known.
        parameters: How many numbers training can change, frozen layers included.
        frozen_parameters: How many of them belong to frozen layers.
        all_parameters: How many numbers all weights hold, statistics of normalisations included.
        sensitivity: How much each group matters, where images were given.
    """

    name: str
    groups: tuple[GroupRow, ...]
    layers: tuple[LayerRow, ...]
    kept_whole: tuple[KeptWhole, ...]
    network: tuple[NetworkRow, ...]
    prunable_share: float
    pixels: str = ""
    uncounted: tuple[str, ...] = ()
    activation_bytes: tuple[int, int] | None = None
    parameters: int = 0
    frozen_parameters: int = 0
    all_parameters: int = 0
    sensitivity: Sensitivity | None = None

    @property
    def makers(self) -> tuple[tuple[str, ...], ...]:
        """The layers that make the channels of each group; of several a channel goes in all or in none."""
        return tuple(
            tuple(row.name for row in self.network if number in row.makes)
            for number in range(len(self.groups))
        )

    @property
    def is_pruned(self) -> bool:
        """Whether any channel is gone."""
        return any(len(group.kept) < group.size for group in self.groups)


def inspect(
    network: keras.Model | Reference | str | Path,
    dataset: DataSet | str | None = None,
    *,
    image_shape: tuple[int, int, int] | None = None,
    pixels: str | None = None,
) -> Inspection:
    """Return the channel groups, the size and cost of every layer, and what is kept whole.

    Args:
        network: A functional model, a reference, a `.keras` or `.h5` file (loaded in safe mode), the name of a
            pretrained network such as `keras:MobileNetV2`, whose weights need not be there, or a run directory of
            `pretrain`, `meta-train` or `prune`.
        dataset: Images, or the name of a data set, by which to measure how much each group matters, see `sensitivity`;
            None measures nothing.
        image_shape: Height, width and depth of a pretrained network's images; None for those that it was trained on.
        pixels: What the images of a model or its file are scaled to, where they are looked at; see `prune`.

    Raises:
        StampError: If it is none of them, or the images do not fit.

    Example:
        >>> for group in stamp_tf.inspect("runs/digits").groups:
        ...     print(group.name, group.size, len(group.kept))
        >>> stamp_tf.inspect("mine.keras", "folder:photos").sensitivity.lost
    """
    check_arguments(pixels=(pixels, str | None))
    found = _inspected(network, image_shape=image_shape, pixels=pixels)
    if dataset is None:
        return found
    check_dataset_type(dataset)
    reference = reference_to_ask(network, image_shape=image_shape, pixels=pixels)
    if not isinstance(dataset, DataSet):
        dataset = load_dataset(dataset, image_shape=reference.backbone.input_shape)
    return replace(found, sensitivity=sensitivity(reference, dataset))


def reference_to_ask(
    network: keras.Model | Reference | str | Path,
    *,
    image_shape: tuple[int, int, int] | None = None,
    pixels: str | None = None,
    download: bool = False,
) -> Reference:
    """Return a network that images can be shown to.

    Args:
        network: As in `inspect`; of a run of `prune` the network that it left.
        image_shape: As in `inspect`.
        pixels: As in `inspect`.
        download: Whether the weights of a pretrained network may be fetched.

    Raises:
        StampError: If it is none.
    """
    if isinstance(network, str | Path):
        path = as_path(network, "network")
        run = RunDirectory(path)
        if is_own(path):
            return own_reference(path, pixels=pixels, image_shape=image_shape, download=download)
        if pixels is not None:
            raise StampError(
                "`pixels` needs a file of your own, because what stamp-tf wrote knows its pixels; leave it out."
            )
        network = reference_of_file(run.model) if run.masks.exists() else path
    return find_reference(network, backbone="", pixels=pixels)


def _inspected(
    network: keras.Model | Reference | str | Path,
    *,
    image_shape: tuple[int, int, int] | None,
    pixels: str | None,
) -> Inspection:
    if isinstance(network, keras.Model):
        found = _inspection(network.name, TracedNetwork.of(network))
        return replace(found, pixels=_pixels_of(network, pixels))
    if isinstance(network, Reference):
        return _inspection(network.model.name, network.network)
    path = as_path(network, "network")
    is_file = path.is_file() or (is_own(path) and not path.exists())
    if is_file or is_name(path) or image_shape is not None:
        model = load_network(path, image_shape=image_shape, weights=False)
        return replace(_inspection(path.name, TracedNetwork.of(model)), pixels=_pixels_of(model, pixels))
    run = RunDirectory(path)
    if run.reference.exists():
        return _inspection(str(run.path), load_reference(run.reference).network)
    if not run.masks.exists():
        run.check_is_one()
    content = read_json(run.masks, Masks, remedy="prune again")
    try:
        pruned = TracedNetwork.of(BackboneConfig.from_config(content["backbone"]).build())
        mask = pruned.channel_map.mask_of(content["kept"])
    except (KeyError, TypeError, ValueError, IndexError):
        raise StampError(
            f"{run.masks} must hold the masks of the network that it names, but does not; prune again."
        ) from None
    return _inspection(str(run.path), pruned, mask)


def _pixels_of(model: keras.Model, pixels: str | None) -> str:
    """Return the scale of a network's pixels in words, if it looks at images."""
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
        return ""
    return str(choose_pixels(pixels, find_scale(model)))


def _inspection(name: str, network: TracedNetwork, mask: ChannelMask | None = None) -> Inspection:
    model, channel_map, cost = network.model, network.channel_map, network.cost_model
    mask = ChannelMask.all_of(channel_map.num_channels) if mask is None else mask
    layers = layer_rows(cost, mask)
    return Inspection(
        name=name,
        groups=group_rows(channel_map, mask),
        layers=layers,
        kept_whole=channel_map.kept_whole,
        network=network_rows(model, channel_map, mask, layers=layers),
        prunable_share=prunable_share(model, channel_map),
        uncounted=cost.uncounted,
        activation_bytes=(cost.full_activation_bytes, cost.activation_bytes(mask)) if cost.is_sized else None,
        parameters=int(cost.full[0]),
        frozen_parameters=int(cost.full[0]) - sum(math.prod(each.shape) for each in model.trainable_weights),
        all_parameters=cost.full_weight_bytes // BYTES_PER_NUMBER,
    )

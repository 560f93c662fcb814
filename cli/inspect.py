"""`stamp-tf inspect`: channel groups, sizes and costs."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.idle import INSPECT
from stamp_cli.images import check_is_there, load_images
from stamp_cli.progress import Progress
from stamp_cli.terminal import make_console, say
from stamp_cli.values import Count, FilePath, typed
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.network import NetworkOptions
from stamp_tf.references.pretrained.names import check_name, is_name

if TYPE_CHECKING:
    from stamp_tf.inspection.inspect import Inspection

_IMAGE_SHAPE = (32, 32, 3)
_MOST_NAMED = 4
_NETWORKS = (".keras", ".h5", ".hdf5")
_OF_A_BACKBONE = ("backbone", "width", "image_shape")
_OF_THE_FILE: dict[str, Any] = {name: {"default_in_words": "that of NETWORK"} for name in _OF_A_BACKBONE}


@click.command(cls=Command, idle=INSPECT)
@click.argument("network_path", metavar="NETWORK", type=FilePath(), required=False)
@takes(
    NetworkOptions,
    "network",
    only=(*_OF_A_BACKBONE, "pixels"),
    pixels={"help": "What the images of a file of your own are scaled to."},
    **_OF_THE_FILE,
)
@takes(
    DatasetOptions,
    "data",
    without=["train_size", "flip"],
    dataset={"help": "Images of NETWORK's task, to measure how much accuracy hangs on each group."},
)
@click.option("--classes", type=Count(2, 100_000), help="Number of logits of --backbone.  [default: 10]")
@click.option("--html", type=FilePath(), help="File for a page with the groups drawn on the network.")
@click.option("--overwrite", is_flag=True, help="Replace the page in --html.")
def command(
    network_path: Path | None,
    network: NetworkOptions,
    data: DatasetOptions,
    classes: int | None,
    html: Path | None,
    overwrite: bool,
) -> None:
    """Show channel groups, sizes and costs of a network.

    NETWORK is a .keras or .h5 file of any functional model, a pretrained classifier such as keras:MobileNetV2, whose
    weights need not be there, or a folder that pretrain, meta-train or prune wrote; without one, --backbone names a
    network. Files are loaded in safe mode: code within them is not run.

    With --dataset the channels of one group at a time are cut, and training images that a new head has not seen say
    how much accuracy that costs; NETWORK may have seen them.
    """
    if network_path is not None and network.backbone is not None:
        raise StampError(
            "NETWORK and --backbone must not be given together, because a file or run knows its network; "
            "leave one of them out."
        )
    if network_path is None and network.backbone is None:
        raise StampError("NETWORK or --backbone is needed, but neither is given; name one.")
    if html is not None:
        from stamp_tf.inspection.page import check_page

        check_page(html, overwrite=overwrite)
    if network_path is not None:
        _check_is_there(network_path)
    check_is_there(data)
    load_tensorflow()
    from stamp_tf.inspection.inspect import inspect
    from stamp_tf.references.backbone_config import BackboneConfig

    if network_path is not None:
        found = inspect(network_path, image_shape=network.image_shape, pixels=network.pixels)
        if data.dataset is not None:
            found = _asked(found, network_path, network=network, data=data)
    else:
        assert network.backbone is not None
        options = {} if network.width is None else {"width": network.width}
        shape = network.image_shape or _IMAGE_SHAPE
        found = inspect(
            BackboneConfig(
                name=network.backbone, input_shape=shape, num_classes=classes or 10, options=options
            ).build()
        )
    if html is not None:
        from stamp_tf.inspection.page import write_inspection

        write_inspection(found, html, overwrite=overwrite, command=typed())
    _show(found)
    if html is not None:
        say("")
        say(f"Page  {html}")


def _asked(found: "Inspection", path: Path, *, network: NetworkOptions, data: DatasetOptions) -> "Inspection":
    """Measure how much each group matters."""
    from stamp_tf.inspection.inspect import reference_to_ask
    from stamp_tf.inspection.sensitivity import sensitivity

    reference = reference_to_ask(
        path, image_shape=network.image_shape, pixels=network.pixels, download=data.download
    )
    images = load_images(data, reference.backbone.input_shape)
    with Progress() as progress:
        asked = sensitivity(reference, images, seed=data.seed, on_step=progress.of("Cutting groups"))
    return dataclasses.replace(found, sensitivity=asked)


def _check_is_there(path: Path) -> None:
    """Refuse a path where no network lies, before TensorFlow is imported, in the words of `inspect` itself."""
    from stamp_tf.storage.archives import check_is_file
    from stamp_tf.storage.records import read_json
    from stamp_tf.storage.run_directory import RunDirectory
    from stamp_tf.storage.schemas import Masks

    run = RunDirectory(path)
    if is_name(path):
        check_name(path, image_shape=None, download=True)
    elif path.suffix in _NETWORKS and not path.is_dir():
        check_is_file(path)
    elif not path.is_file() and not run.reference.exists():
        if not run.masks.exists():
            run.check_is_one()
        read_json(run.masks, Masks, remedy="prune again")


def _show(found: "Inspection") -> None:
    """Print groups, sizes and costs."""
    from stamp_cli.report_tables import before_after_table, groups_table, sensitivity_table
    from stamp_tf.quantities import compact, percent

    console = make_console()
    say(f"{found.name}: {len(found.groups)} channel groups")
    console.print(groups_table(found.groups, strip_width=32 if found.is_pruned else 0, makers=found.makers))
    console.print()
    console.print(before_after_table(found.network))
    say("")
    say("Normalisations and others without a kernel count with the layer that they follow.")
    frozen = f", {found.frozen_parameters:,} of them frozen" if found.frozen_parameters else ""
    say(
        f"Parameters: {found.parameters:,} that training can change{frozen}; {found.all_parameters:,} with statistics "
        "and others that it cannot"
    )
    if found.activation_bytes:
        before, after = (f"{compact(num_bytes)}B" for num_bytes in found.activation_bytes)
        say(f"Activation memory for one image: {f'{before} → {after}' if found.is_pruned else before}")
    say(f"Kernels that can be pruned: {percent(found.prunable_share)} of their parameters")
    if (asked := found.sensitivity) is not None:
        say("")
        say(
            f"Points of accuracy with so much of one group kept and all of the others, against "
            f"{100 * asked.full:.1f} % (+- {asked.error:.1f}) of {asked.images:,} training images of {asked.dataset}:"
        )
        console.print(sensitivity_table(asked))
    if found.pixels:
        say("")
        say(found.pixels)
    if found.uncounted:
        say("")
        say(f"FLOPs are not counted of: {', '.join(found.uncounted)}")
    if found.kept_whole:
        say("")
        say("Kept whole:")
    for kept in found.kept_whole:
        others = [name for name in kept.producers if name != kept.layer]
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        also = f", so the channels of {', '.join(others[:_MOST_NAMED])}{more} stay" if others else ""
        say(f"  {kept.layer}: {kept.reason}{also}")

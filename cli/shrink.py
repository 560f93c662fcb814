"""`stamp-tf shrink`: a smaller network that answers as before, without labels and without training."""

from pathlib import Path
from typing import Any

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.idle import SHRINK
from stamp_cli.progress import Progress
from stamp_cli.terminal import say
from stamp_cli.values import FilePath, Name
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.network import NetworkOptions
from stamp_tf.options.shrink import ShrinkConfig
from stamp_tf.references.pretrained.names import check_name, is_name

_PHASES = {"prune": "Ranking", "latency": "Measuring", "refit": "Refitting", "distill": "Distilling"}
_SOURCE = "npz:"


@click.command(cls=Command, idle=SHRINK)
@click.argument("network", type=FilePath())
@click.option(
    "--inputs",
    type=Name("npz:photos.npz"),
    metavar="npz:PATH",
    required=True,
    help="Examples as the network takes them, a few hundred: an array called like its input, or inputs, x, x_train or "
    "images; labels are not looked at.",
)
@takes(NetworkOptions, "shape", only=["image_shape"], image_shape={"default_in_words": "that of NETWORK"})
@takes(
    DatasetOptions,
    "fetching",
    only=["download"],
    download={"help": "Allow the weights of a pretrained network to be downloaded."},
)
@click.option("--out", "target", type=FilePath(), required=True, help="The .keras file to write.")
@click.option("--overwrite", is_flag=True, help="Replace the file in --out.")
@takes(ShrinkConfig, "config", first=[kind.name for kind in KINDS])
def command(
    network: Path,
    inputs: str,
    shape: NetworkOptions,
    fetching: DatasetOptions,
    target: Path,
    overwrite: bool,
    config: ShrinkConfig,
) -> None:
    """Make any network smaller, without labels and training.

    NETWORK is a .keras or .h5 file of any functional model, of any task, or a pretrained classifier, such as
    keras:MobileNetV2, which takes pixels from 0 to 255. It answers as nearly as before as the limits allow:
    channels go for which others can stand in, and kernels are fitted anew in closed form on the inputs.
    """
    from stamp_tf.export.staging import check_writable, staged
    from stamp_tf.storage.archives import check_is_file

    path = _file_of(inputs)
    if target.suffix != ".keras":
        raise StampError(f"--out must end in '.keras', but is '{target}'; add the ending.")
    if target.is_dir():
        raise StampError(f"--out must be a file, but {target} is a folder; choose another.")
    if target.exists() and not overwrite:
        raise StampError(
            f"--out must be new, but {target} is there already; choose another or add --overwrite."
        )
    check_writable(target)
    if is_name(network):
        check_name(network, image_shape=shape.image_shape, download=fetching.download)
    else:
        check_is_file(network)
    load_tensorflow()
    from stamp_tf.channels import TracedNetwork
    from stamp_tf.references.load_network import load_network
    from stamp_tf.refit.input_file import read_inputs
    from stamp_tf.shrinking import shrink

    model = load_network(network, image_shape=shape.image_shape, download=fetching.download)
    examples = read_inputs(path, model)
    with Progress() as progress:
        small = shrink(
            model,
            examples,
            config=config,
            on_step=lambda phase, *rest: progress(_PHASES.get(phase, phase), *rest),
        )
    with staged(target) as temporary:
        small.save(temporary)
    _show(TracedNetwork.of(model), TracedNetwork.of(small))
    say(f"Keras model  {target}")


def _show(before: Any, after: Any) -> None:
    """Print what has become smaller."""
    from stamp_tf.quantities import compact, factor

    counts = [("Parameters", *(network.model.count_params() for network in (before, after)))]
    if before.cost_model.is_sized:
        flops = (int(network.cost_model.full[1]) for network in (before, after))
        counts.append(("FLOPs", *flops))
    for name, full, left in counts:
        fewer = f"{factor(full / left)} fewer" if left else "all"
        say(f"{name:<11}  {fewer}, {compact(full)} to {compact(left)}")


def _file_of(source: str) -> Path:
    if not source.startswith(_SOURCE) or source == _SOURCE:
        raise StampError(f"--inputs must be npz:PATH, but is {source!r}; write arrays with numpy.savez.")
    return Path(source.removeprefix(_SOURCE))

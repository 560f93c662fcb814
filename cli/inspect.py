"""`stamp-tf inspect`: channel groups, sizes and costs."""

from pathlib import Path

import click

from stamp_cli.options import BackboneOptions, backbone_options
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError

_IMAGE_SHAPE = (32, 32, 3)
_PIPE_WIDTH = 120


@click.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
@backbone_options(fallback="that of RUN")
@click.option("--classes", type=click.IntRange(min=1), help="Number of logits of --backbone.  [default: 10]")
def command(run: Path | None, network: BackboneOptions, classes: int | None) -> None:
    """Show channel groups, sizes and costs of a network.

    RUN is a folder that pretrain, meta-train or prune wrote; without one, --backbone names a network.
    """
    asked = (network.backbone, network.width, network.image_shape, classes)
    if run is not None and any(value is not None for value in asked):
        raise StampError(
            "RUN and --backbone must not be given together, because a run knows its network; "
            "leave one of them out."
        )
    if run is None and network.backbone is None:
        raise StampError("RUN or --backbone is needed, but neither is given; name one.")
    load_tensorflow()
    from stamp_tf.export.inspection import inspect
    from stamp_tf.meta.reference import BackboneConfig

    if run is not None:
        found = inspect(run)
    else:
        assert network.backbone is not None
        options = {} if network.width is None else {"width": network.width}
        shape = network.image_shape or _IMAGE_SHAPE
        found = inspect(BackboneConfig(network.backbone, shape, classes or 10, options).build())

    from rich.console import Console
    from rich.text import Text

    from stamp_tf.export.tables import before_after_table, groups_table

    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width; wide enough that no row is folded.
        console = Console(highlight=False, width=_PIPE_WIDTH)
    title = f"{found.name}: {len(found.groups)} channel groups"
    console.print(groups_table(found.groups, title=title))
    console.print()
    console.print(before_after_table(found.layers))
    for heading, pairs in (
        ("Kept whole", found.kept_whole),
        ("Masked and removed differ", found.inexact),
    ):
        if pairs:
            console.print(f"\n{heading}:")
            for layer, reason in pairs:
                # Text, because rich would read square brackets in a name as markup.
                console.print(Text(f"  {layer}: {reason}"), soft_wrap=True)

"""Options that several commands share, each group handed to the command as one frozen record.

A command takes a group by a decorator: `@dataset_options()` passes a `DatasetOptions` as `data`,
`@run_options()` a `RunOptions` as `run`, `@backbone_options()` a `BackboneOptions` as `network`,
`@budget_options()` a `BudgetOptions` as `budget`.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stamp_cli.values import Count, FilePath, ImageSize, LimitValue, Name, Number, Seed
from stamp_registry import RegistryError, find, names
from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS, TIMED, any_of
from stamp_tf.options.limits import LimitFields

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from stamp_tf.data import DataSet

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class RegisteredName(click.ParamType):
    """The name of a plug-in, checked at once without importing it.

    Args:
        group: The entry-point group it must be declared in.
    """

    name = "name"

    def __init__(self, group: str) -> None:
        self.group = group

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(names(self.group))}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return find(self.group, value).name
        except RegistryError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list["CompletionItem"]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in names(self.group) if name.startswith(incomplete)]


@dataclass(frozen=True)
class DatasetOptions:
    """Which images, and how to get them.

    Args:
        dataset: `digits`, a TFDS name, `folder:PATH`, `npz:PATH`, or a plug-in's `NAME[:ARGUMENT]`.
        data_dir: Where TFDS keeps prepared data sets; None means its own default.
        download: Whether the network may be used.
        train_size: How many training images to keep, balanced over the classes; None means all.
        skip_corrupt: Whether to leave unreadable images out.
        flip: Whether images may be mirrored in training.
        seed: Decides subsets, order, augmentation and initial values.
    """

    dataset: str | None
    data_dir: Path | None = None
    download: bool = False
    train_size: int | None = None
    skip_corrupt: bool = False
    flip: bool = True
    seed: int = 0

    def load(self, image_shape: tuple[int, int, int] | None) -> "DataSet":
        """Load the data set, brought to the size of the network's images.

        Args:
            image_shape: Height, width and depth; None keeps the set's own.

        Raises:
            StampError: If there is no such set, or it cannot be used as asked.
        """
        from stamp_tf.data import load_dataset

        if self.dataset is None:
            raise StampError("--dataset is needed, because the checkpoint names none; add it.")
        dataset = load_dataset(
            self.dataset,
            image_shape=image_shape,
            data_dir=self.data_dir,
            download=self.download,
            train_size=self.train_size,
            skip_corrupt=self.skip_corrupt,
            seed=self.seed,
        )
        return dataset if self.flip else dataclasses.replace(dataset, flips=False)

    def to_config(self, dataset: "DataSet") -> dict[str, Any]:
        """Return what decides the images, as JSON content for a run's config.json; paths mean the same everywhere.

        Args:
            dataset: What was loaded.
        """
        from stamp_tf.data.identity import identity_of

        identity = identity_of(dataset)
        origin = {name: identity[name] for name in ("data_dir", "train_size", "skip_corrupt", "seed")}
        return {"dataset": identity["spec"], **origin, "flip": self.flip, "data": identity}


@dataclass(frozen=True)
class RunOptions:
    """Where a run is written.

    Args:
        run_dir: The folder; None leaves the choice to the command.
        resume: Whether to go on with the run that lies there.
        overwrite: Whether to throw away the run that lies there.

    Raises:
        StampError: If both are asked for.
    """

    run_dir: Path | None
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise StampError("--resume and --overwrite must not be given together; leave one of them out.")


@dataclass(frozen=True)
class BackboneOptions:
    """Which network.

    Args:
        backbone: A registered name; None means that of the checkpoint.
        width: Multiplies the number of channels of every layer; None means that of the checkpoint.
        image_shape: Height, width and depth of an image; None means that of the checkpoint.
    """

    backbone: str | None = None
    width: float | None = None
    image_shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class BudgetOptions(LimitFields):
    """How large the pruned network may be: beside each kind of limit, how it is measured and which widths there may be.

    Args:
        latency_batch: Images per measured step.
        round_to: Every layer's width is a multiple of this.
        min_channels: Channels that every layer keeps.
        keep: Patterns of layers that keep all their channels.
    """

    latency_batch: int = 1
    round_to: int = 1
    min_channels: int = 1
    keep: tuple[str, ...] = ()


def dataset_options(
    *, default: str | None = None, required: bool = True, fallback: str = "", training: bool = True
) -> Decorator:
    """Add the options of `DatasetOptions`, passed as `data`.

    Args:
        default: The data set if none is named.
        required: Whether one must be named where there is no default.
        fallback: What holds where none is named, in words.
        training: Whether to add the options that matter in training alone.
    """
    where = (
        click.option(
            "--dataset",
            type=Name("digits"),
            metavar="NAME",
            help="digits, a TFDS name, folder:PATH, npz:PATH, or a plug-in's name."
            + (f"  [default: {fallback}]" if fallback else ""),
            **_default(default, required=required),
        ),
        click.option("--data-dir", type=FilePath(), help="Where TFDS keeps prepared data sets."),
        click.option("--download", is_flag=True, help="Allow a data set to be downloaded."),
        click.option("--skip-corrupt", is_flag=True, help="Leave unreadable images out instead of stopping."),
    )
    how = (
        click.option(
            "--train-size",
            type=Count(),
            help="Keep this many training images, the same number of each class.  [default: all]",
        ),
        click.option(
            "--flip/--no-flip",
            default=True,
            help="Mirror images in training; not for digits and signs.",
        ),
        click.option("--seed", type=Seed(), default=0, show_default=True),
    )
    return _group(DatasetOptions, "data", *where, *(how if training else ()))


def run_options(*, required: bool = True) -> Decorator:
    """Add the options of `RunOptions`, passed as `run`.

    Args:
        required: Whether --run-dir must be given.
    """
    return _group(
        RunOptions,
        "run",
        click.option("--run-dir", type=FilePath(), required=required, help="Where the run is written."),
        click.option("--resume", is_flag=True, help="Go on with the run in --run-dir."),
        click.option("--overwrite", is_flag=True, help="Throw away the run in --run-dir and start anew."),
    )


def backbone_options(
    *,
    backbone: str | None = None,
    width: float | None = None,
    image_size: str | None = None,
    fallback: str = "the checkpoint's",
) -> Decorator:
    """Add the options of `BackboneOptions`, passed as `network`.

    Args:
        backbone: The default name.
        width: The default width.
        image_size: The default size of the images, as it would be typed.
        fallback: What holds for an option without a default, in words.
    """
    return _group(
        BackboneOptions,
        "network",
        click.option(
            "--backbone",
            type=RegisteredName("stamp_tf.backbones"),
            help="The network." + ("" if backbone else f"  [default: {fallback}]"),
            **_default(backbone),
        ),
        click.option(
            "--width",
            type=Number(0, 16, min_open=True),
            help="Multiplies every layer's channels." + ("" if width else f"  [default: {fallback}]"),
            **_default(width),
        ),
        click.option(
            "--image-size",
            "image_shape",
            type=ImageSize(),
            help="Height and width that images are brought to."
            + ("" if image_size else f"  [default: {fallback}]"),
            **_default(image_size),
        ),
    )


def budget_options() -> Decorator:
    """Add the options of `BudgetOptions`, passed as `budget`."""
    return _group(
        BudgetOptions,
        "budget",
        *(click.option(kind.flag, type=LimitValue(kind), help=kind.help) for kind in KINDS),
        click.option(
            "--latency-batch",
            type=Count(1, 4096),
            default=1,
            show_default=True,
            help=f"Images per step that {any_of(TIMED)} measures.",
        ),
        click.option(
            "--round-to",
            type=Count(),
            default=1,
            show_default=True,
            help="Round every layer's width down to a multiple of this.",
        ),
        click.option(
            "--min-channels",
            type=Count(),
            default=1,
            show_default=True,
            help="Keep at least this many channels of every layer.",
        ),
        click.option(
            "--keep",
            type=Name("'stem*'"),
            metavar="PATTERN",
            multiple=True,
            help="Keep all channels of the layers whose path matches, such as 'stem*'; may be repeated.",
        ),
    )


def _default(value: object, *, required: bool = False) -> dict[str, Any]:
    # Newer releases of click take an explicit default of None for a value, and a required option for given.
    return {"required": required} if value is None else {"default": value, "show_default": True}


def _group(record: type, argument: str, *options: Decorator) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(**values: Any) -> Any:
            named = [field.name for field in fields(record) if field.name in values]
            collected = record(**{name: values.pop(name) for name in named})
            return function(**values, **{argument: collected})

        # Applied from the last to the first, as decorators are, so that help lists them in the order above.
        for option in reversed(options):
            option(wrapped)
        return wrapped

    return decorate

"""Options that several commands share, each group handed to the command as one frozen record.

A command takes a group by a decorator: `@dataset_options()` passes a `DatasetOptions` as `data`,
`@run_options()` a `RunOptions` as `run`, `@backbone_options()` a `BackboneOptions` as `network`,
`@budget_options()` a `BudgetOptions` as `budget`.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stamp_registry import RegistryError, find, names
from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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
    """

    backbone: str | None = None
    width: float | None = None


@dataclass(frozen=True)
class BudgetOptions:
    """How large the pruned network may be.

    Args:
        keep_params: Most parameters, as a part of the full network's, in (0, 1]; None sets no limit.
        max_flops: Most multiply-adds, likewise.
    """

    keep_params: float | None = None
    max_flops: float | None = None


_FOLDER = click.Path(path_type=Path)


class _Number(click.FloatRange):
    """A range of numbers in which NaN, which is neither below nor above any bound, is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


_FRACTION = _Number(0, 1, min_open=True)


def dataset_options(*, default: str | None = None, required: bool = True) -> Decorator:
    """Add the options of `DatasetOptions`, passed as `data`.

    Args:
        default: The data set if none is named.
        required: Whether one must be named where there is no default.
    """
    return _group(
        DatasetOptions,
        "data",
        click.option(
            "--dataset",
            metavar="NAME",
            help="digits, a TFDS name, folder:PATH, npz:PATH, or a plug-in's name.",
            **_default(default, required=required),
        ),
        click.option("--data-dir", type=_FOLDER, help="Where TFDS keeps prepared data sets."),
        click.option("--download", is_flag=True, help="Allow a data set to be downloaded."),
        click.option(
            "--train-size",
            type=click.IntRange(min=1),
            help="Keep this many training images, the same number of each class.  [default: all]",
        ),
        click.option("--skip-corrupt", is_flag=True, help="Leave unreadable images out instead of stopping."),
        click.option(
            "--flip/--no-flip",
            default=True,
            help="Mirror images in training; not for digits and signs.",
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    )


def run_options(*, required: bool = True) -> Decorator:
    """Add the options of `RunOptions`, passed as `run`.

    Args:
        required: Whether --run-dir must be given.
    """
    return _group(
        RunOptions,
        "run",
        click.option("--run-dir", type=_FOLDER, required=required, help="Where the run is written."),
        click.option("--resume", is_flag=True, help="Go on with the run in --run-dir."),
        click.option("--overwrite", is_flag=True, help="Throw away the run in --run-dir and start anew."),
    )


def backbone_options(*, backbone: str | None = None, width: float | None = None) -> Decorator:
    """Add the options of `BackboneOptions`, passed as `network`.

    Args:
        backbone: The default name.
        width: The default width.
    """
    return _group(
        BackboneOptions,
        "network",
        click.option(
            "--backbone",
            type=RegisteredName("stamp_tf.backbones"),
            help="The network." + ("" if backbone else "  [default: the checkpoint's]"),
            **_default(backbone),
        ),
        click.option(
            "--width",
            type=_Number(0, min_open=True),
            help="Multiplies every layer's channels." + ("" if width else "  [default: the checkpoint's]"),
            **_default(width),
        ),
    )


def budget_options() -> Decorator:
    """Add the options of `BudgetOptions`, passed as `budget`."""
    return _group(
        BudgetOptions,
        "budget",
        click.option("--keep-params", type=_FRACTION, help="Keep at most this part of the parameters."),
        click.option("--max-flops", type=_FRACTION, help="Keep at most this part of the multiply-adds."),
    )


def _default(value: object, *, required: bool = False) -> dict[str, Any]:
    # Newer releases of click take an explicit default of None for a value, and a required option for given.
    return {"required": required} if value is None else {"default": value, "show_default": True}


def _group(record: type, argument: str, *options: Decorator) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(**values: Any) -> Any:
            collected = record(**{field.name: values.pop(field.name) for field in fields(record)})
            return function(**values, **{argument: collected})

        # Applied from the last to the first, as decorators are, so that help lists them in the order above.
        for option in reversed(options):
            option(wrapped)
        return wrapped

    return decorate

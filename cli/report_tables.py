"""Tables for the terminal: layers before and after, channel groups, headline figures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stamp_cli.cells import name_cell
from stamp_tf.measure.interval import with_interval
from stamp_tf.measure.tried import Tried
from stamp_tf.quantities import compact, duration, factor, percent
from stamp_tf.report.report import ExportedFile, GroupRow, Report
from stamp_tf.sweeping.outcome import Sweep

if TYPE_CHECKING:
    from stamp_tf.inspection.network_rows import NetworkRow
    from stamp_tf.inspection.sensitivity import Sensitivity

_SHADES = " ░▒▓█"
_MOST_MAKERS = 4


def figures_of(file: ExportedFile) -> str:
    """Return size, accuracy and time of an exported file, as far as they are known."""
    figures = [f"{compact(file.num_bytes)}B"]
    if file.gzip_bytes is not None:
        figures.append(f"{compact(file.gzip_bytes)}B zipped")
    if file.accuracy is not None:
        figures.append(f"{percent(file.accuracy)} of {file.test_images:,} test images")
    if file.latency is not None:
        figures.append(f"{duration(file.latency)} an image")
    return ", ".join(figures)


def before_after_table(rows: "Sequence[NetworkRow]", *, title: str | None = None) -> Table:
    """Return one line per layer: channels, parameters and multiply-adds, before and after, and their sums.

    Args:
        rows: The network in its order; what holds neither parameters nor multiply-adds has no line.
        title: Printed above.
    """
    table = Table(
        title=title and name_cell(title),
        title_justify="left",
        show_footer=True,
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    params = sum(row.params_before for row in rows), sum(row.params_after for row in rows)
    flops = sum(row.flops_before for row in rows), sum(row.flops_after for row in rows)
    table.add_column("Layer", footer="All", no_wrap=True)
    table.add_column("Kind", style="dim", no_wrap=True)
    table.add_column("Channels", justify="right")
    table.add_column("Parameters", justify="right", footer=_change(*params))
    table.add_column("", justify="right", footer=percent(_ratio(*params)), style="cyan")
    table.add_column("FLOPs (multiply-adds)", justify="right", footer=_change(*flops))
    table.add_column("", justify="right", footer=percent(_ratio(*flops)), style="cyan")
    for row in rows:
        if not (row.params_before or row.flops_before):
            continue
        table.add_row(
            name_cell(row.name),
            name_cell(row.kind),
            _change(row.channels_before, row.channels_after) if row.channels_before else "",
            _change(row.params_before, row.params_after),
            percent(_ratio(row.params_before, row.params_after)),
            _change(row.flops_before, row.flops_after) if row.flops_before else "",
            percent(_ratio(row.flops_before, row.flops_after)) if row.flops_before else "",
        )
    return table


def groups_table(
    groups: Sequence[GroupRow],
    *,
    title: str | None = None,
    strip_width: int = 32,
    makers: Sequence[Sequence[str]] | None = None,
) -> Table:
    """Return one line per channel group: its size, what was kept, and where along the indices.

    Args:
        groups: The groups in the network's order.
        title: Printed above.
        strip_width: Characters of the picture; each shades the share kept among its channels. 0 leaves it out, and
            what was kept.
        makers: The layers that make the channels of each group; None leaves them out.
    """
    table = Table(
        title=title and name_cell(title), title_justify="left", header_style="bold", box=None, pad_edge=False
    )
    table.add_column("Group", no_wrap=True)
    table.add_column("Channels", justify="right")
    if strip_width:
        table.add_column("Kept", justify="right")
        table.add_column("", justify="right", style="cyan")
        table.add_column("Where", no_wrap=True, style="cyan")
    if makers is not None:
        table.add_column("Made by", overflow="fold")
    for number, group in enumerate(groups):
        cells: list[Text | str] = [name_cell(group.name), str(group.size)]
        if strip_width:
            strip = _strip(group, min(strip_width, group.size))
            cells += [str(len(group.kept)), percent(group.keep_ratio), strip]
        if makers is not None:
            cells.append(name_cell(_together(makers[number])))
        table.add_row(*cells)
    return table


def sensitivity_table(found: "Sensitivity") -> Table:
    """Return one line per channel group: points of accuracy that the network loses with its channels cut.

    Args:
        found: The figures.
    """
    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("Group", no_wrap=True)
    for kept in found.kept:
        table.add_column(f"{100 * kept:g} %", justify="right")
    strongest = max(float(found.lost.max()), 1.0)
    for name, row in zip(found.groups, found.lost, strict=True):
        shades = [_SHADES[round(max(0.0, lost) / strongest * (len(_SHADES) - 1))] for lost in row]
        cells = [f"{0.0 - lost:+.1f} {shade}" for lost, shade in zip(row, shades, strict=True)]
        table.add_row(name_cell(name), *cells)
    return table


def _together(makers: Sequence[str]) -> str:
    """Say which layers are tied, in few words."""
    more = f" and {len(makers) - _MOST_MAKERS} more" if len(makers) > _MOST_MAKERS else ""
    return " + ".join(makers[:_MOST_MAKERS]) + more


def summary_table(report: Report, *, command_seconds: float | None = None) -> Table:
    """Return the headline figures of a run, for the end of `prune` and `finetune`.

    Args:
        report: The figures.
        command_seconds: How long the command took that prints this, loading and measuring included; None leaves it out.
    """
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(style="bold")
    table.add_row("Test accuracy", name_cell(_accuracy(report)))
    for place, words in enumerate(() if report.full is None else report.full.in_words()):
        table.add_row("" if place else "Full network", words)
    table.add_row(
        "Parameters", f"{percent(report.params_fraction)}  {_change(report.full_params, report.params)}"
    )
    table.add_row(
        "FLOPs", f"{factor(report.flops_speed_up)} fewer  {_change(report.full_flops, report.flops)}"
    )
    if report.sparse is not None:
        sizes = f"{compact(report.sparse.dense_bytes)}B → {compact(report.sparse.sparse_bytes)}B"
        share = report.sparse.sparse_bytes / report.sparse.dense_bytes
        table.add_row(
            "As a sparse file", f"{percent(share)}  {sizes}, values and a bit per weight; exports are dense"
        )
    if report.full_activation_bytes is not None and report.activation_bytes is not None:
        change = f"{compact(report.full_activation_bytes)}B → {compact(report.activation_bytes)}B"
        share = report.activation_bytes / report.full_activation_bytes
        table.add_row("Activation memory", f"{percent(share)}  {change}")
    for row in report.speed:
        change = f"{duration(row.full_seconds)} → {duration(row.pruned_seconds)}"
        table.add_row(
            f"{row.kind.capitalize()}, batch {row.batch_size}", f"{factor(row.ratio)} the speed  {change}"
        )
    for label, words in _times(report, command_seconds):
        table.add_row(label, words)
    if report.expense is not None:
        table.add_row("Expense", f"${report.expense:.4f} for pruning and fine-tuning")
    return table


def _times(report: Report, command_seconds: float | None) -> list[tuple[str, str]]:
    """Say what took how long: the last step first, and behind it all steps where there are several."""
    finetuning = report.times.get("finetune", 0.0)
    together = f"pruning {duration(report.seconds - finetuning)}"
    if finetuning:
        together += f", fine-tuning {duration(finetuning)} without its tests"
    took = "" if command_seconds is None else f"; this command took {duration(command_seconds)}"
    if command_seconds is not None and report.peak_bytes is not None:
        took += f", {report.peak_bytes / 1e6:,.0f} MB at most"
    if len(report.history) == 1:
        return [("Time", together + took)]
    return [
        ("Time of this step", f"fine-tuning {duration(report.history[-1].seconds)} without its tests{took}"),
        ("Time of all steps", together),
    ]


def search_table(search: Sequence[Tried]) -> Table:
    """Return one line for each network that a search measured to choose one."""
    images = f"{search[0].images:,} held-out training images"
    table = Table(
        title=f"Tried on {images}", title_justify="left", header_style="bold", box=None, pad_edge=False
    )
    has_names = any(tried.name for tried in search)
    if has_names:
        table.add_column("Candidate", no_wrap=True)
        table.add_column("Steps", justify="right")
    for name in ("FLOPs", "Parameters", "Accuracy", "Lost, points", "Standard error"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", style="cyan")
    for tried in search:
        named = (name_cell(tried.name), str(tried.steps)) if has_names else ()
        table.add_row(
            *named,
            percent(tried.flops_fraction),
            percent(tried.params_fraction),
            percent(tried.accuracy),
            f"{100 * tried.lost:.1f}",
            f"{100 * tried.error:.1f}",
            "chosen" if tried.is_chosen else "full network" if tried.is_full and not has_names else "",
        )
    return table


def history_table(report: Report) -> Table:
    """Return one line for each step of a run: on which data, and what was measured at its end."""
    table = Table(title="Steps", title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.add_column("Step", no_wrap=True)
    table.add_column("Data set", overflow="fold")
    for name in ("Trained on", "Tested on", "Test accuracy", "", "Epochs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Ended (UTC)", style="dim", no_wrap=True)
    for entry in report.history:
        table.add_row(
            entry.step,
            name_cell(entry.dataset),
            _count(entry.train_images),
            _count(entry.test_images),
            percent(entry.test_accuracy),
            "" if entry.interval is None else _interval(entry.interval),
            str(entry.epochs),
            entry.time.replace("T", " ").removesuffix("+00:00"),
        )
    return table


def sweep_table(sweep: Sweep) -> Table:
    """Return one line for each network of a sweep, the full one first.

    Args:
        sweep: The figures.
    """
    table = Table(
        title="Accuracy on test images, in brackets its 95 % interval",
        title_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    has_latency = any(run.latency is not None for run in sweep.runs)
    table.add_column("Network", no_wrap=True)
    for name in (
        "Accuracy",
        "",
        "FLOPs",
        "Parameters",
        "Keras file",
        *(("Inference",) if has_latency else ()),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(
        sweep.full_name, percent(sweep.full_accuracy), _interval(sweep.full_interval), "100 %", "100 %", ""
    )
    if sweep.full_tuned_accuracy is not None and sweep.full_tuned_interval is not None:
        tuned = percent(sweep.full_tuned_accuracy), _interval(sweep.full_tuned_interval)
        table.add_row("full network, fine-tuned alike", *tuned, "100 %", "100 %", "")
    for run in sweep.runs:
        table.add_row(
            name_cell(run.name),
            percent(run.test_accuracy),
            _interval(run.interval),
            percent(run.flops_fraction),
            percent(run.params_fraction),
            f"{compact(run.num_bytes)}B",
            *(() if run.latency is None else (duration(run.latency),)),
        )
    return table


def _interval(ends: tuple[float, float]) -> str:
    low, high = (100 * end for end in ends)
    return f"({low:.1f} to {high:.1f})"


def _accuracy(report: Report) -> str:
    """Say the accuracy, and of which images it is, where the run says so."""
    last = report.history[-1]
    if not last.test_images:
        return percent(report.test_accuracy)
    return f"{with_interval(report.test_accuracy, last.test_images)} ({last.dataset})"


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _change(before: int, after: int) -> str:
    return compact(before) if before == after else f"{compact(before)} → {compact(after)}"


def _ratio(before: int, after: int) -> float:
    return after / before if before else 1.0


def _strip(group: GroupRow, width: int) -> str:
    counts, sizes = [0] * width, [0] * width
    kept = set(group.kept)
    for channel in range(group.size):
        place = channel * width // group.size
        sizes[place] += 1
        counts[place] += channel in kept
    steps = len(_SHADES) - 1
    return "".join(_SHADES[-(-count * steps // size)] for count, size in zip(counts, sizes, strict=True))

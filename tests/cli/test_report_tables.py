"""What the terminal shows."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from stamp_cli.report_tables import before_after_table, groups_table, summary_table
from stamp_tf.inspection.network_rows import NetworkRow
from stamp_tf.quantities import compact, duration, factor, percent
from stamp_tf.report.report import GroupRow, SpeedRow


def printed(table: object) -> str:
    console = Console(width=140, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


def test_layers_and_their_sums() -> None:
    rows = (
        NetworkRow(name="image", kind="32 x 32 x 3", channels_before=3, channels_after=3),
        NetworkRow(
            name="conv1",
            kind="Conv2D",
            channels_before=64,
            channels_after=16,
            params_before=1000,
            params_after=250,
            flops_before=5000,
            flops_after=500,
        ),
        NetworkRow(
            name="head",
            kind="Dense",
            channels_before=3,
            channels_after=3,
            params_before=10,
            params_after=10,
            flops_before=10,
            flops_after=10,
        ),
    )
    text = printed(before_after_table(rows))
    assert "image" not in text
    assert "64 → 16" in text
    assert "1.00 k → 250" in text
    assert "1.01 k → 260" in text.splitlines()[-1]
    assert "25.7 %" in text.splitlines()[-1]


def test_groups_show_where_channels_were_kept() -> None:
    text = printed(groups_table((GroupRow("conv1", 4, (0, 3)), GroupRow("wide", 64, tuple(range(32))))))
    assert "█  █" in text
    assert "50.0 %" in text
    assert text.splitlines()[-1].rstrip().endswith("  " + "█" * 16)


def test_summary_has_the_headline(make_report) -> None:
    speed = (SpeedRow(kind="inference", batch_size=128, full_seconds=0.04, pruned_seconds=0.01),)
    text = printed(summary_table(make_report(speed=speed)))
    for part in (
        "50.0 %",
        "25.0 %",
        f"{factor(10)} fewer",
        f"{factor(4)} the speed",
        "40.0 ms → 10.0 ms",
        "pruning 3.00 s",
    ):
        assert part in text
    assert "Expense" not in text


def test_summary_says_what_its_times_count(make_report, make_step) -> None:
    step = make_step(seconds=49.0)
    times = {"load": 60.0, "finetune": 45.0}
    report = make_report(seconds=49.0, times=times, dollars_per_hour=1, history=(step,), peak_bytes=2 * 10**9)
    text = " ".join(printed(summary_table(report, command_seconds=114.0)).split())
    assert (
        "Time pruning 4.00 s, fine-tuning 45.0 s without its tests; this command took 114 s, 2,000 MB at most"
        in text
    )
    assert "for pruning and fine-tuning" in text
    again = replace(report, history=(step, replace(step, step="finetune", seconds=30.0)))
    text = " ".join(printed(summary_table(again, command_seconds=50.0)).split())
    assert (
        "Time of this step fine-tuning 30.0 s without its tests; this command took 50.0 s, 2,000 MB at most"
        in text
    )
    assert "Time of all steps pruning 4.00 s, fine-tuning 45.0 s without its tests" in text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (1000, "1.00 k"), (999_600, "1.00 M"), (398_136_320, "398 M")]
)
def test_counts_have_three_digits(count: int, text: str) -> None:
    assert compact(count) == text


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.0741, "7.4 %"), (0.0074, "0.74 %"), (0.0, "0 %")]
)
def test_shares_are_per_cent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5e-5, "50.0 µs"),
        (0.0123, "12.3 ms"),
        (0.9999, "1.00 s"),
        (47.3, "47.3 s"),
        (150, "2 min 30 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_have_a_fitting_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text

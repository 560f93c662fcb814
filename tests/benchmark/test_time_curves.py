"""Curves of accuracy over time: crossings by hand, tables and the plot of records."""

import pytest

from library.curve_tables import (
    accuracy_at,
    plot_time_curves,
    smallest_lead,
    time_curve_tables,
    time_to,
)


def curve(*points):
    return [
        {"epoch": float(epoch), "seconds": seconds, "accuracy": accuracy}
        for epoch, (seconds, accuracy) in enumerate(points)
    ]


FULL = curve((4.0, 0.2), (14.0, 0.6), (24.0, 0.8))
STAMP = curve((2.0, 0.3), (7.0, 0.7), (12.0, 0.78))


def record(method, points, *, seconds, flops=0.25, reference="abcd1234", seed=0):
    case = {"dataset": "cifar10", "train_size": 1000, "method": method, "max_flops": flops, "epochs": 2}
    case |= {"backbone": "vgg19", "reference": reference, "seed": seed}
    figures = {"points": points, "seconds": seconds, "flops_fraction": flops, "params_fraction": flops}
    figures["step_seconds"] = points[-1]["seconds"] - points[0]["seconds"]
    return {"case": case, "figures": figures, "seed": seed}


@pytest.fixture
def records():
    return [
        record("stamp", STAMP, seconds={"propose": 0.5, "slice": 0.5, "statistics": 0.5, "head": 0.5}),
        record(
            "l1", curve((2.0, 0.1), (7.0, 0.3), (12.0, 0.5)), seconds={"slice": 2.0}, reference="plain000"
        ),
        record("full", FULL, seconds={"statistics": 2.0, "head": 2.0}, flops=1.0),
    ]


@pytest.mark.parametrize(
    ("accuracy", "seconds"), [(0.1, 4.0), (0.2, 4.0), (0.5, 11.5), (0.6, 14.0), (0.76, 22.0), (0.81, None)]
)
def test_time_to_is_linear_between_points(accuracy, seconds):
    assert time_to(FULL, accuracy) == (None if seconds is None else pytest.approx(seconds))


def test_time_to_is_that_of_the_first_crossing():
    assert time_to(curve((0.0, 0.0), (1.0, 0.6), (2.0, 0.2), (3.0, 0.8)), 0.3) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("seconds", "accuracy"), [(3.9, 0.0), (4.0, 0.2), (9.0, 0.4), (24.0, 0.8), (99.0, 0.8)]
)
def test_accuracy_at_a_time(seconds, accuracy):
    assert accuracy_at(FULL, seconds) == pytest.approx(accuracy)


def test_smallest_lead_lies_on_a_point_of_either_curve():
    # At 4, 7, 12, 14 and 24 s STAMP has 0.46, 0.7, 0.78, 0.78 and 0.78, the full network 0.2, 0.32, 0.52, 0.6, 0.8.
    assert smallest_lead(STAMP, FULL, until=24.0) == (pytest.approx(-0.02), 24.0)
    assert smallest_lead(STAMP, FULL, until=14.0) == (pytest.approx(0.18), 14.0)


def test_a_curve_that_begins_later_lags_until_then():
    # The other one is at 0.4 just before the first point of this one, which is far ahead from then on.
    assert smallest_lead(curve((9.0, 0.9), (10.0, 0.9)), FULL, until=14.0) == (pytest.approx(-0.4), 9.0)


def test_table_has_times_to_95_per_cent_of_the_full_network(records):
    page = time_curve_tables(records)
    assert "to 76.0 % (95 % of full's), s" in page
    assert "| full network | 100.0 | 20.0 | 80.0 | 4.0 | 10.0 | 24.0 | 22.0 | 1.00 |" in page
    # 0.7 at 7 s and 0.78 at 12 s: 0.76 is three quarters of the way; 22 / 10.75 = 2.05.
    assert "| STAMP (K = 0) | 25.0 | 30.0 | 78.0 | 2.0 | 5.0 | 12.0 | 10.8 | 2.05 |" in page
    assert (
        "| L1, uniform widths (from plain000) | 25.0 | 10.0 | 50.0 | 2.0 | 5.0 | 12.0 | never | - |" in page
    )


def test_table_says_when_the_full_network_overtakes(records):
    page = time_curve_tables(records)
    assert "STAMP is **not** ahead of the full network at every time up to full's epoch 2 (24.0 s)" in page
    assert "the smallest lead is -2.0 points, at 24.0 s" in page


def test_table_compares_up_to_the_fifth_epoch_only(records):
    points = [{**point, "epoch": 5.0 * point["epoch"]} for point in FULL]
    page = time_curve_tables([records[0], record("full", points, seconds={"head": 4.0}, flops=1.0)])
    assert "STAMP is ahead of the full network at every time up to full's epoch 5 (14.0 s)" in page
    assert "the smallest lead is +18.0 points, at 14.0 s" in page


def test_runs_of_other_seeds_have_a_table_of_their_own(records):
    again = record("full", curve((4.0, 0.3), (14.0, 0.9)), seconds={"head": 4.0}, flops=1.0, seed=1)
    stamp = record("stamp", STAMP, seconds={"slice": 2.0}, seed=1)
    page = time_curve_tables([*records, again, stamp])
    assert page.count("###") == 2
    assert "to 85.5 % (95 % of full's), s" in page


def test_plot_has_axes_curves_and_a_name_for_each(records, tmp_path):
    path = tmp_path / "plots" / "curves.svg"
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_time_curves(records, path)
    text = path.read_text()
    for words in (
        "seconds of training",
        "test accuracy, %",
        "95 % of full's end",
        "STAMP (K = 0)",
        "full network",
    ):
        assert words in text
    assert text.count("#d55e00") >= 2


def test_plot_refuses_two_records_of_a_method(records, tmp_path):
    with pytest.raises(ValueError, match="one record per method"):
        plot_time_curves([*records, records[0]], tmp_path / "curves.png")

"""Where the gain comes from: which start is plain, what is paired, and what stands in which column."""

import pytest

from library.plots import plot_sources
from library.source_tables import accuracy_after, sections, source_tables


def record(method, accuracies, *, seed=0, reference="own", max_flops=0.25, prune=1.0, **case):
    """A record whose accuracies are those after each epoch, the first before any step."""
    case = {"dataset": "gtsrb", "train_size": 989, "epochs": len(accuracies) - 1, "backbone": "toy"} | case
    case |= {
        "method": method,
        "max_flops": max_flops,
        "reference": reference,
        "seed": seed,
        "test_size": None,
    }
    figures = {
        "accuracy_without_steps": accuracies[0],
        "accuracy": accuracies[-1],
        "params_fraction": max_flops,
        "flops_fraction": 0.9 * max_flops,
        "seconds": {"statistics": prune / 2, "head": prune / 2, "finetune": 8.0},
        "epochs": [{"epoch": e, "test_accuracy": a, "seconds": 8.0} for e, a in enumerate(accuracies)],
    }
    return {"case": case, "figures": figures, "seed": seed}


@pytest.fixture
def records():
    return [
        record("full", [0.5, 0.6, 0.7, 0.8], max_flops=1.0),
        record("stamp", [0.5, 0.55, 0.6, 0.65]),
        record("stamp", [0.4, 0.45, 0.5, 0.75], seed=1, prune=3.0),
        record("random", [0.1, 0.2, 0.25, 0.35]),
        record("random", [0.05, 0.1, 0.2, 0.3], reference="bare"),
        record("random", [0.15, 0.2, 0.3, 0.5], reference="bare", seed=1),
    ]


def test_rows_follow_the_order_of_methods_and_the_full_network_ends_them(records):
    (section,) = sections(records)
    assert list(section.rows) == [(0.25, "random-plain"), (0.25, "random"), (0.25, "stamp"), (1.0, "full")]
    assert section.plain_references == ["bare"]


def test_accuracies_are_means_over_seeds_after_each_epoch(records):
    assert (
        "| 0.25 | STAMP K=0 | 45.0 ± 7.1 | 50.0 ± 7.1 | 70.0 ± 7.1 | 2.0 ± 1.4 | 10.0 ± 1.4 | 2 |"
        in source_tables(records)
    )


def test_columns_end_with_fine_tuning(records):
    assert "| no step | 1 epoch | 3 epochs | seconds to prune |" in source_tables(records)
    longer = [record("stamp", [0.1] * 21)]
    assert "| no step | 1 epoch | 3 epochs | 5 epochs | 20 epochs | seconds" in source_tables(longer)


def test_leads_are_paired_by_seed(records):
    page = source_tables(records)
    # 65 - 30 and 75 - 50 points after fine-tuning, 50 - 5 and 40 - 15 before.
    assert "| 0.25 | random (plain) | +30.0 ± 7.1 | +35.0 ± 14.1 | 2 |" in page
    assert "| 0.25 | random | +30.0 | +40.0 | 1 |" in page
    assert "| 0.25 | full | -15.0 | +0.0 | 1 |" in page


def test_what_was_not_tested_is_a_dash():
    untested = record("stamp", [0.5, 0.55, 0.6, 0.65])
    untested["figures"]["epochs"] = [{"epoch": e, "test_accuracy": None} for e in range(4)]
    assert [accuracy_after(untested["figures"], epoch) for epoch in (0, 1, 3)] == [50, None, 65]
    assert "| 0.25 | STAMP K=0 | 50.0 | - | 65.0 |" in source_tables([untested])


def test_other_lengths_of_fine_tuning_are_not_mixed(records):
    found = sections([*records, record("stamp", [0.5, 0.6]), record("stamp", [0.5, 0.6], train_size=500)])
    assert [(s.train_size, s.epochs) for s in found] == [(989, 3), (989, 1), (500, 1)]


def test_rates_of_fine_tuning_are_not_mixed(records):
    found = sections([*records, record("stamp", [0.5, 0.6], learning_rate=0.2)])
    assert [s.learning_rate for s in found] == [0.05, 0.2]
    assert "989 images, 1 epochs, rate 0.2\n" in source_tables(
        [record("stamp", [0.5, 0.6], learning_rate=0.2)]
    )


def test_without_stamp_nothing_is_paired(records):
    assert "minus" not in source_tables([r for r in records if r["case"]["method"] != "stamp"])


def test_a_plot_has_two_panels_for_each_section(records, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
    plot_sources([*records, record("stamp", [0.5, 0.6], dataset="cifar10")], tmp_path / "new" / "plot.png")
    assert (tmp_path / "new" / "plot.png").read_bytes().startswith(b"\x89PNG")
    panels = drawn[0].axes
    assert [panel.get_title() for panel in panels] == [
        "toy, GTSRB, 989 images, no step",
        "toy, GTSRB, 989 images, after 3 epochs",
        "toy, CIFAR-10, 989 images, no step",
        "toy, CIFAR-10, 989 images, after 1 epoch",
    ]
    assert {panel.get_xlabel() for panel in panels} == {"remaining FLOPs (%)"}
    assert {panel.get_ylabel() for panel in panels} == {"test accuracy (%)"}
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == [
        "random (plain)",
        "random",
        "STAMP K=0",
        "full",
    ]


def test_nothing_cannot_be_drawn(tmp_path):
    with pytest.raises(ValueError, match="must have records, but got none"):
        plot_sources([], tmp_path / "plot.png")

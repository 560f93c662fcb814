"""Speed-up of removal: the program at toy scale, its table and its plot."""

import keras
import pytest

from library.removal_plot import plot_removal
from library.results import Results, read_results


def steps(inference, training, *, key="speed_up"):
    rows = (("inference", inference), ("training", training))
    return [{"kind": kind, "batch_size": 32, "seconds": 0.1, key: value} for kind, value in rows]


@pytest.fixture
def recorded(tmp_path):
    """Folder of one record by hand."""
    variants = [
        {"max_flops": 0.5, "round_to": 1, "flops_speed_up": 2.01, "steps": steps(1.5, 1.25)},
        {"max_flops": 0.5, "round_to": 8, "flops_speed_up": 2.1, "steps": steps(1.9, 1.75)},
    ]
    figures = {"full": {"flops": 10, "steps": steps(0.2, 0.6, key="seconds")}, "variants": variants}
    results = Results(tmp_path / "results" / "removal_speed.jsonl", program="removal_speed", arguments=[])
    results.add({"network": "net", "image_size": 96, "batch_sizes": [32]}, figures, seed=0)
    return tmp_path


def test_rounded_widths_stand_beside_those_as_they_come(program, recorded):
    page = program("render").page(recorded / "results")
    assert "| net, 96 x 96 | 1 |  | 1.00 | 200.0 ms | 600.0 ms |" in page
    assert "| net, 96 x 96 | 0.5 | any | 2.01 | 1.50 | 1.25 |" in page
    assert "| net, 96 x 96 | 0.5 | multiples of 8 | 2.10 | 1.90 | 1.75 |" in page
    assert "plots/removal_speed.png" not in page


def test_plot_lies_where_the_page_says(program, recorded):
    program("render").main(["--results", str(recorded / "results"), "--output", str(recorded / "page.md")])
    assert "](plots/removal_speed.png)" in (recorded / "page.md").read_text()
    assert (recorded / "plots/removal_speed.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must have records, but got none"):
        plot_removal([], tmp_path / "plot.png")


def toy(network, image_size, num_classes):
    inputs = x = keras.Input((image_size, image_size, 3))
    for index in (1, 2):
        x = keras.layers.Conv2D(32, 3, strides=2, activation="relu", name=f"conv{index}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(num_classes, name="logits")(x), name=network)


def test_program(program, tmp_path, monkeypatch):
    module, path = program("removal_speed"), tmp_path / "removal_speed.jsonl"
    monkeypatch.setattr(module, "build", toy)
    arguments = ["--networks", "vgg19", "--image-size", "16", "--batch-sizes", "2", "--budgets", "0.5"]
    arguments += ["--repeats", "1", "--results", str(path)]
    module.main(arguments)
    (record,) = read_results(path)
    module.main(arguments)
    assert read_results(path) == [record]
    loose, rounded = record["figures"]["variants"]
    assert (loose["round_to"], rounded["round_to"]) == (1, 8)
    assert rounded["flops_fraction"] <= loose["flops_fraction"] <= 0.5
    assert loose["flops_fraction"] > 0.45


def test_networks_are_built_as_named(program):
    assert program("removal_speed").build("mobilenet_v2", 32, 7).output_shape == (None, 7)
    assert program("removal_speed").build("resnet18", 96, 7).input_shape == (None, 32, 32, 3)

"""`stamp-tf inspect`: groups, sizes and costs, before and after."""

import json

import pytest


def test_pruned_run_shows_what_is_left(cli, pruned):
    text = cli.done("inspect", pruned).stdout
    masks = json.loads((pruned / "masks.json").read_text())
    report = json.loads((pruned / "report.json").read_text())
    for name, size in masks["sizes"].items():
        line = next(line for line in text.splitlines() if line.startswith(name))
        assert line.split()[1:3] == [str(size), str(masks["widths"][name])]
    last = text.splitlines()[-1]
    assert last.startswith("All")
    assert f"{100 * report['params_fraction']:.1f} %" in last
    assert f"{100 * report['flops_fraction']:.1f} %" in last


def test_reference_is_shown_whole(cli, toy, pretrained):
    text = cli.done("inspect", pretrained).stdout
    assert "3 channel groups" in text
    assert "→" not in text


def test_backbone_needs_no_run(cli, toy):
    text = cli.done("inspect", "--backbone", "toy", "--width", 0.5, "--classes", 7).stdout
    assert "toy: 3 channel groups" in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("conv")][:3] == ["4", "6", "8"]


def test_layers_that_stay_whole_are_named_with_the_reason(cli, make_plugin):
    source = (
        "import keras\n"
        "def grouped(input_shape, num_classes):\n"
        "    inputs = keras.Input(input_shape)\n"
        "    x = keras.layers.Conv2D(8, 3, name='first')(inputs)\n"
        "    x = keras.layers.Conv2D(8, 3, groups=2, name='odd[one]')(x)\n"
        "    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name='last')(x))\n"
        "    return keras.Model(inputs, keras.layers.Dense(num_classes)(x))\n"
    )
    make_plugin("groups", {"stamp_tf.backbones": ["grouped = groups:grouped"]}, source)
    text = cli.done("inspect", "--backbone", "grouped").stdout
    assert "Kept whole:" in text
    assert "  odd[one]: " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "RUN or --backbone is needed"),
        (("runs/a", "--backbone", "vgg19"), "must not be given together"),
        (("runs/a",), "must be a run directory, but it has no masks.json"),
    ],
)
def test_it_wants_a_run_or_a_backbone(cli, arguments, message):
    assert message in cli.refused("inspect", *arguments)

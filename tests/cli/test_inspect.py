"""`stamp-tf inspect`: groups, sizes and costs, before and after."""

import json
from pathlib import Path

import keras
import pytest
from keras import layers

import stamp_tf


@pytest.fixture
def model_file(tmp_path) -> Path:
    """A saved residual network with a group of two layers, within a model of its own."""
    inner_image = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, padding="same", name="stem")(inner_image)
    x = layers.Add(name="sum")([x, layers.Conv2D(6, 3, padding="same", name="branch")(x)])
    inner = keras.Model(inner_image, x, name="body")
    image = keras.Input((16, 16, 3), name="image")
    x = layers.GlobalAveragePooling2D(name="pool")(layers.ReLU(name="relu")(inner(image)))
    keras.Model(image, layers.Dense(3, name="head")(x), name="mine").save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras"


def test_pruned_run_shows_what_is_left(cli, pruned):
    text = cli.done("inspect", pruned).stdout
    masks = json.loads((pruned / "masks.json").read_text())
    report = json.loads((pruned / "report.json").read_text())
    for name, size in masks["sizes"].items():
        line = next(line for line in text.splitlines() if line.startswith(name))
        assert line.split()[1:3] == [str(size), str(masks["widths"][name])]
    last = next(line for line in text.splitlines() if line.startswith("All"))
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
        "def normed(input_shape, num_classes):\n"
        "    inputs = keras.Input(input_shape)\n"
        "    x = keras.layers.Conv2D(8, 3, name='first')(inputs)\n"
        "    x = keras.layers.LayerNormalization(name='odd[one]')(x)\n"
        "    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name='last')(x))\n"
        "    return keras.Model(inputs, keras.layers.Dense(num_classes)(x))\n"
    )
    make_plugin("norms", {"stamp_tf.backbones": ["normed = norms:normed"]}, source)
    text = cli.done("inspect", "--backbone", "normed").stdout
    assert "Kept whole:" in text
    reason = "its mean and variance run over all channels, so the channels of first stay"
    assert f"  odd[one]: {reason}" in text


def test_page_and_terminal_say_the_same_of_each_layer(cli, tmp_path, residual_network):
    residual_network.save(tmp_path / "net.keras")
    text = cli.done("inspect", tmp_path / "net.keras", "--html", tmp_path / "net.html").stdout
    table = text[text.index("Layer ") : text.index("All ")]
    # A normalisation of 8 behind a convolution of 3 x 3 x 3 x 4 + 4.
    parameters = {line.split()[0]: line.split()[3] for line in table.splitlines()[1:]}
    assert parameters == {"conv1": "120", "conv2": "148", "head": "15"}
    page = (tmp_path / "net.html").read_text()
    assert all(f'<span class="number">{count}</span>' in page for count in parameters.values())
    assert sum(map(int, parameters.values())) == sum(weight.size for weight in trainable(residual_network))


def trainable(model):
    return [weight.numpy() for weight in model.trainable_variables]


def test_a_keras_file_needs_no_run_and_no_backbone(cli, model_file):
    text = cli.done("inspect", model_file).stdout
    assert "mine.keras: 1 channel groups" in text
    line = next(line for line in text.splitlines() if line.startswith("body/stem"))
    assert line.split()[1:] == ["6", "body/stem", "+", "body/branch"]
    assert "Kernels that can be pruned: 100 %" in text


def test_python_takes_the_same_file(model_file):
    inspection = stamp_tf.inspect(model_file)
    assert [(group.name, group.size) for group in inspection.groups] == [("body/stem", 6)]
    assert inspection.prunable_share == 1.0


def test_the_page_shows_the_groups_on_the_network(cli, model_file, tmp_path):
    text = cli.done("inspect", model_file, "--html", tmp_path / "groups.html").stdout
    assert text.splitlines()[-1] == f"Page  {tmp_path / 'groups.html'}"
    page = (tmp_path / "groups.html").read_text()
    assert "makes group body/stem, 6 channels, tied with body/branch" in page
    assert "passes on body/stem" in page


def test_the_page_of_a_pruned_run_shows_widths_before_and_after(cli, pruned, tmp_path):
    cli.done("inspect", pruned, "--html", tmp_path / "groups.html")
    page = (tmp_path / "groups.html").read_text()
    masks = json.loads((pruned / "masks.json").read_text())
    assert any(masks["widths"][name] < size for name, size in masks["sizes"].items())
    for name, size in masks["sizes"].items():
        assert f"{name}: {masks['widths'][name]} of {size} channels kept" in page


def test_the_page_of_a_backbone(cli, toy, tmp_path):
    cli.done("inspect", "--backbone", "toy", "--html", tmp_path / "toy.html")
    assert "makes group conv3, 16 channels" in (tmp_path / "toy.html").read_text()


def test_a_page_that_is_there_needs_overwrite(cli, toy, tmp_path):
    page = tmp_path / "toy.html"
    page.write_text("mine")
    message = cli.refused("inspect", "--backbone", "toy", "--html", page)
    assert "--html must be new" in message
    assert page.read_text() == "mine"
    cli.done("inspect", "--backbone", "toy", "--html", page, "--overwrite")
    assert "conv3" in page.read_text()


def test_files_that_are_no_networks_are_refused(cli, tmp_path):
    (tmp_path / "text.keras").write_text("hello")
    assert "text.keras cannot be read as one" in cli.refused("inspect", tmp_path / "text.keras")
    (tmp_path / "old.h5").write_bytes(b"\x89HDF")
    assert "old.h5 cannot be read as one" in cli.refused("inspect", tmp_path / "old.h5")
    assert "gone.keras is not there" in cli.refused("inspect", tmp_path / "gone.keras")


def test_a_network_with_a_lambda_is_refused(cli, tmp_path):
    image = keras.Input((8, 8, 3))
    keras.Model(image, layers.Lambda(lambda x: 2 * x)(layers.Conv2D(4, 3)(image))).save(
        tmp_path / "odd.keras"
    )
    assert "holds a Lambda" in cli.refused("inspect", tmp_path / "odd.keras")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "NETWORK or --backbone is needed"),
        (("runs/a", "--backbone", "vgg19"), "must not be given together"),
        (("runs/a",), "must be a run directory, but it is not there"),
        (("--backbone", "vgg19", "--overwrite"), "--overwrite needs --html"),
        (("--backbone", "vgg19", "--html", "page.txt"), "--html must end in .html, but is page.txt"),
    ],
)
def test_options_that_do_not_fit_are_refused(cli, arguments, message):
    assert message in cli.refused("inspect", *arguments)


def test_attention_is_kept_whole_and_counted(cli, tmp_path):
    sequence = keras.Input((6, 4))
    mixed = keras.layers.MultiHeadAttention(2, 3, name="mix")(sequence, sequence)
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(5)(mixed))
    keras.Model(sequence, keras.layers.Dense(2)(pooled)).save(tmp_path / "attentive.keras")
    output = cli.done("inspect", tmp_path / "attentive.keras").stdout
    assert "mix: no rule for MultiHeadAttention" in output
    assert "FLOPs are not counted" not in output


def test_the_scale_of_pixels_is_printed(cli, tmp_path):
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3)(image / 127.5 - 1)
    keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))).save(tmp_path / "mine.keras")
    text = cli.done("inspect", tmp_path / "mine.keras").stdout
    assert "Pixels: 0:255, found in the network (x / 127.5 - 1)." in text


def test_a_frozen_base_is_counted_and_named(cli, tmp_path):
    image = keras.Input((16, 16, 3))
    base = keras.Sequential([image, layers.Conv2D(6, 3, name="stem"), layers.BatchNormalization(name="norm")])
    base.trainable = False
    x = layers.Dot(axes=-1, name="dot")([base(image), layers.Conv2D(6, 3, name="side")(image)])
    x = layers.Resizing(4, 4, name="small")(layers.Reshape((14, 196 * 14, 1))(x))
    x = layers.Dense(3, name="head")(layers.Flatten()(x))
    keras.Model(image, x).save(tmp_path / "frozen.keras")
    text = cli.done("inspect", tmp_path / "frozen.keras").stdout
    rows = {line.split()[0].rpartition("/")[2]: line for line in text.splitlines() if line.strip()}
    # With the normalisation behind it.
    assert rows["stem"].split()[3:8] == ["180", "100", "%", "31.8", "k"]
    assert "dot" in rows
    assert "180 of them frozen" in text
    assert "FLOPs are not counted of: small" in text

"""`stamp-tf export`: another format or place, whole or not at all."""

import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

ELSEWHERE = """
import sys, numpy, tensorflow
loaded = tensorflow.saved_model.load(sys.argv[1])
pixels = tensorflow.fill((3, 16, 16, 3), 200.0)
answer = loaded.signatures["serving_default"](image=pixels)
names = loaded.class_names()
assert answer["probabilities"].shape == (3, 5) and len(names) == 5
assert not [name for name in sys.modules if name.startswith("stamp")]
"""


def test_saved_model_is_written_again(cli, pruned):
    shutil.rmtree(pruned / "saved_model")
    result = cli.done("export", pruned)
    assert result.stdout == f"Wrote {pruned / 'saved_model'}\n"
    assert (pruned / "saved_model/saved_model.pb").exists()


def test_saved_model_needs_nothing_of_ours(cli, pruned, tmp_path):
    cli.done("export", pruned, "--to", tmp_path / "served")
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "served"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_report_and_card_list_what_was_exported_since(cli, pruned):
    before, page = json.loads((pruned / "report.json").read_text()), (pruned / "report.html").read_text()
    cli.done("export", pruned, "--format", "litert")
    cli.done("export", pruned, "--format", "two-files", "--to", pruned / "more/net")
    after = json.loads((pruned / "report.json").read_text())
    added = [(file["path"], file["format"]) for file in after["files"][len(before["files"]) :]]
    assert added == [("model.tflite", "litert"), ("more/net", "two-files"), ("more/net.data", "two-files")]
    assert after["files"][: len(before["files"])] == before["files"]
    assert after | {"files": []} == before | {"files": []}
    assert "`model.tflite`" in (pruned / "README.md").read_text()
    renewed = (pruned / "report.html").read_text()
    assert "model.tflite in ten lines" in renewed
    assert renewed.count("<img") == page.count("<img") > 0


def test_keras_file_goes_where_it_is_wanted(cli, pruned, tmp_path):
    cli.done("export", pruned, "--format", "keras", "--to", tmp_path / "deep/er.keras")
    assert (tmp_path / "deep/er.keras").exists()


def test_exporter_of_a_third_party(cli, pruned, make_plugin):
    source = (
        "def export(model, path, *, class_names, normalization, input_name='image'):\n"
        "    path.write_text(' '.join(class_names))\n"
        "    return path\n"
    )
    make_plugin("wordy", {"stamp_tf.exporters": ["words = wordy:export"]}, source)
    cli.done("export", pruned, "--format", "words")
    assert (pruned / "words").read_text() == "0 1 2 3 4"


def test_folder_of_something_else_is_left_alone(cli, pruned, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious").write_text("x")
    message = cli.refused("export", pruned, "--to", tmp_path / "mine")
    assert message.startswith("--to must be new, empty or an earlier SavedModel of stamp-tf, but ")
    assert "holds something else" in message
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious"]


@pytest.mark.parametrize("name", ["thesis.tex", "assets/vocabulary.txt", "variables/notes"])
def test_saved_model_with_something_else_within_is_left_alone(cli, pruned, tmp_path, name):
    cli.done("export", pruned, "--to", tmp_path / "served")
    (tmp_path / "served" / name).write_text("mine")
    assert f"holds something else ({name})" in cli.refused("export", pruned, "--to", tmp_path / "served")
    assert (tmp_path / "served" / name).read_text() == "mine"


def test_saved_model_of_somebody_else_is_left_alone(cli, pruned, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/saved_model.pb").write_text("mine")
    assert "holds something else" in cli.refused("export", pruned, "--to", tmp_path / "theirs")
    assert (tmp_path / "theirs/saved_model.pb").read_text() == "mine"


def test_keras_file_of_somebody_else_is_left_alone(cli, pruned, tmp_path):
    import keras

    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "original.keras")
    before = (tmp_path / "original.keras").read_bytes()
    typed = ("export", pruned, "--format", "keras", "--to", tmp_path / "original.keras")
    assert "must be new or an earlier export" in cli.refused(*typed)
    assert (tmp_path / "original.keras").read_bytes() == before


def test_keras_file_of_ours_is_replaced(cli, pruned, tmp_path):
    for _ in range(2):
        cli.done("export", pruned, "--format", "keras", "--to", tmp_path / "copy.keras")


def test_int8_is_calibrated_on_images_of_the_run(cli, pruned):
    done = cli.done("export", pruned, "--format", "litert-int8")
    assert done.stdout == f"Wrote {pruned / 'model_int8.tflite'}\n"
    contract = json.loads(zipfile.ZipFile(pruned / "model_int8.tflite").read("contract.json"))
    assert contract["input"]["dtype"] == "uint8"
    assert "model_int8.tflite" in json.loads((pruned / "exports.json").read_text())["files"]


def test_images_are_named_where_the_run_s_own_were_made_in_python(cli, pruned, images):
    config = json.loads((pruned / "config.json").read_text())
    config["data"]["spec"] = None
    (pruned / "config.json").write_text(json.dumps(config))
    message = cli.refused("export", pruned, "--format", "litert-int8")
    assert message.endswith("was made in Python; name a data set of the same classes with --dataset.")
    cli.done("export", pruned, "--format", "litert-int8", "--dataset", images)


def test_a_compression_that_nothing_gains_from_is_refused(cli, pruned):
    message = cli.refused("export", pruned, "--compress", "qat")
    assert message.startswith(
        "--compress qat needs the format litert-int8, which computes in 8 bits, but got saved"
    )
    assert "needs --compress" in cli.refused("export", pruned, "--compress-epochs", 2)


def test_unknown_format_suggests_the_nearest(cli, pruned):
    assert "Did you mean 'saved-model'?" in cli.refused("export", pruned, "--format", "savedmodel")


def test_exported_network_is_that_of_the_run(cli, pruned, tmp_path):
    import keras

    cli.done("export", pruned, "--format", "keras", "--to", tmp_path / "copy.keras")
    one, other = (keras.saving.load_model(path) for path in (pruned / "model.keras", tmp_path / "copy.keras"))
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert json.loads((pruned / "config.json").read_text())["command"] == "prune"


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("saved-model", "file", "--to must be a folder, but "),
        ("keras", "folder", "--to must end in '.keras', but is "),
        ("keras", "folder.keras", "--to must be a file, but "),
        ("keras", "file/net.keras", "Cannot write "),
    ],
)
def test_refusals_name_the_option(cli, pruned, tmp_path, name, given, expected):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.keras").mkdir()
    assert cli.refused("export", pruned, "--format", name, "--to", tmp_path / given).startswith(expected)


def test_what_lies_in_a_run_that_goes_on_is_named_before_any_work(cli, pruned, images, pretrained):
    (pruned / "report.json").unlink()
    (pruned / "saved_model/thesis.tex").write_text("mine")
    typed = (
        "prune",
        "--dataset",
        images,
        "--from",
        pretrained,
        "--run-dir",
        pruned,
        "--resume",
        "--max-flops",
        0.5,
    )
    message = cli.refused(*typed)
    assert message.startswith("--run-dir must hold nothing in the way of the run, but ")
    assert "thesis.tex is, which no run wrote" in message

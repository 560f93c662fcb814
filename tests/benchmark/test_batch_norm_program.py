"""The program about statistics of batch normalisation at toy scale."""

import keras
import pytest

from library.results import read_results


@pytest.mark.slow
def test_every_kind_of_statistics_from_the_same_start(program, toy_images, tmp_path):
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(8, 3, use_bias=False, name="first")(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.BatchNormalization(name="last")(keras.layers.Conv2D(4, 3, name="second")(x))
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(image, x, name="toy").save(tmp_path / "toy.keras")
    path = tmp_path / "batch_norm.jsonl"
    arguments = ["--model", str(tmp_path / "toy.keras"), "--pixels", "0:1", "--dataset", toy_images]
    arguments += ["--images", "30", "--budgets", "0.5", "--epochs", "1", "--results", str(path)]
    module = program("batch_norm")
    module.main([*arguments, "--learning-rates", "0.01"])
    records = read_results(path)
    module.main([*arguments, "--learning-rates", "0.01", "--ways", "frozen"])
    assert read_results(path) == records
    assert [record["case"]["way"] for record in records] == ["batch, not settled", "batch", "frozen"]
    assert len({record["figures"]["accuracy_without_steps"] for record in records}) == 1
    assert "| no step | batch, not settled | batch | frozen |" in program("render").page(tmp_path)

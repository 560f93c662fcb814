"""The program that sets the choice between methods beside each of them, at toy scale."""

import keras
import pytest

from library.results import read_results


@pytest.mark.slow
def test_every_way_and_the_choice_before_and_after_training(program, toy_images, tmp_path):
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(8, 3, activation="relu", name="first")(image)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="second")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(image, x, name="toy").save(tmp_path / "toy.keras")
    path = tmp_path / "auto.jsonl"
    arguments = ["--model", str(tmp_path / "toy.keras"), "--pixels", "0:1", "--dataset", toy_images]
    arguments += ["--images", "30", "--head", "keep", "--budgets", "0.5", "--results", str(path)]
    module = program("auto")
    module.main([*arguments, "--epochs", "1"])
    records = read_results(path)
    module.main([*arguments, "--epochs", "1"])
    assert read_results(path) == records
    ways = [
        f"{ranking}, {way}"
        for ranking in ("remaining-error", "taylor", "l1")
        for way in ("uniform", "global")
    ]
    cases = [(record["case"]["epochs"], record["case"]["way"]) for record in records]
    assert cases == [(epochs, way) for epochs in (0, 1) for way in (*ways, "auto")]
    for record in records:
        figures = record["figures"]
        assert figures.get("chosen") in (None, *ways)
        assert figures["flops_fraction"] <= 0.5
    page = program("render").page(tmp_path)
    assert "| toy, " in page
    assert "| way | mean | least | most | cases |" in page

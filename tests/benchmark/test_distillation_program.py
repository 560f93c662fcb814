"""The program about teachers at toy scale."""

import keras

from library.results import read_results


def test_every_share_from_the_same_start(program, toy_images, tmp_path):
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(8, 3, activation="relu", name="first")(image)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="second")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(image, x, name="toy").save(tmp_path / "toy.keras")
    path = tmp_path / "distillation.jsonl"
    arguments = ["--model", str(tmp_path / "toy.keras"), "--pixels", "0:1", "--dataset", toy_images]
    arguments += ["--images", "30", "--epochs", "1", "--budgets", "0.5", "--results", str(path)]
    module = program("distillation")
    module.main([*arguments, "--shares", "0,0.9", "--temperatures", "2,4"])
    records = read_results(path)
    module.main([*arguments, "--shares", "0.9", "--temperatures", "2"])
    assert read_results(path) == records
    cases = [(record["case"]["distill"], record["case"]["temperature"]) for record in records]
    assert cases == [(0.0, None), (0.9, 2.0), (0.9, 4.0)]
    assert len({record["figures"]["accuracy_without_steps"] for record in records}) == 1
    page = program("render").page(tmp_path)
    assert "| 0.5 | 0.9 | 4 |" in page

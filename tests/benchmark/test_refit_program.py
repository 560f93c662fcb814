"""The program about refits at toy scale."""

import keras
import pytest

from library.results import read_results


@pytest.fixture
def model_file(tmp_path):
    """A network of three classes in a file."""
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(8, 3, activation="relu", name="first")(image)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="second")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(image, x, name="toy").save(tmp_path / "toy.keras")
    return tmp_path / "toy.keras"


def test_every_ranking_with_kernels_as_they_are_refitted_and_of_others(
    program, model_file, toy_images, tmp_path
):
    path = tmp_path / "refit.jsonl"
    arguments = [
        "--model",
        str(model_file),
        "--pixels",
        "0:1",
        "--dataset",
        toy_images,
        "--other",
        toy_images,
    ]
    module = program("refit")
    rankings = (*module.RANKINGS, module.SWAPPED)
    arguments += [
        "--images",
        "30",
        "--budgets",
        "0.5",
        "--rankings",
        ",".join(rankings),
        "--results",
        str(path),
    ]
    module.main(arguments)
    records = read_results(path)
    module.main(arguments)
    assert read_results(path) == records
    cases = [(record["case"]["ranking"], record["case"]["kernels"]) for record in records]
    assert cases == [("none", "as it is"), *[(r, k) for r in rankings for k in module.KERNELS]]
    assert all(record["figures"].get("flops_fraction", 0) <= 0.5 for record in records)
    # The other data set is the same one here, so that only where its images come from differs.
    accuracy = {case: record["figures"]["accuracy"] for case, record in zip(cases, records, strict=True)}
    for ranking in rankings:
        assert accuracy[ranking, "other"] == accuracy[ranking, "refitted"]
    for kernels in module.KERNELS:
        assert accuracy[module.SWAPPED, kernels] == accuracy["remaining-error", kernels]
    page = program("render").page(tmp_path, tmp_path / "plots")
    assert (tmp_path / "plots" / "refit.png").read_bytes().startswith(b"\x89PNG")
    assert "Networks that were not trained to be cut" in page
    assert "| remaining-error |" in page


def test_a_head_in_closed_form_makes_any_network_one_for_the_classes(
    program, model_file, toy_images, tmp_path
):
    path = tmp_path / "refit.jsonl"
    arguments = ["--model", str(model_file), "--pixels", "0:1", "--dataset", toy_images, "--images", "30"]
    arguments += ["--budgets", "0.5", "--rankings", "l1", "--head", "ridge", "--results", str(path)]
    program("refit").main(arguments)
    full, *pruned = read_results(path)
    assert full["figures"]["accuracy"] > 0.4  # its own head, of random weights, is right on a third
    assert [record["case"]["kernels"] for record in pruned] == ["as it is", "refitted"]
    assert all(record["case"]["head"] == "ridge" for record in pruned)

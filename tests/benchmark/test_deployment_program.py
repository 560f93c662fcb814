"""What files are worth, as tables; the program itself calls a dozen commands, which is too much for a test."""

from library.deployment_tables import deployment_tables


def test_sizes_and_times_have_their_units():
    case = {"network": "lite0", "dataset": "folder:photos", "options": "--max-flops 0.5"}
    file = {"bytes": 59_400, "accuracy": 0.839, "test_images": 10000, "seconds": 83e-6}
    whole = {"bytes": 18_600_000, "accuracy": 0.902, "test_images": 153, "seconds": 5.8e-3}
    agreement = {"difference_pictures": 3.2e-3, "same_class_pictures": 0.98}
    agreement |= {"difference_noise": 0.26, "same_class_noise": 0.81}
    files = {"litert-int8": file | agreement, "full, litert": whole}
    predict = {
        "pictures": 1000,
        "seconds": {"Keras, model.keras": [16.0, 15.0, 20.0], "model.keras": [14.0, 15.0, 13.0]},
    }
    seeds = {"seeds": [0, 1], "accuracies": [0.91, 0.93], "full": [0.94, 0.94]}
    page = deployment_tables(
        [
            {"case": case | {"stage": "files"}, "figures": files},
            {"case": case | {"stage": "predict"}, "figures": predict},
            {"case": case | {"stage": "seeds"}, "figures": seeds},
        ]
    )
    assert "| litert-int8 | 59.4 kB | 83.9 % | 0.08 ms | 3e-03 | 98 | 3e-01 | 81 |" in page
    assert "| full, litert | 18.60 MB | 90.2 % | 5.80 ms |  |  |  |  |" in page
    assert "| Keras, model.keras | 16.0 s |" in page
    assert "| model.keras | 14.0 s |" in page
    assert "By 2 seeds it comes to 92.0 ± 1.4 %, the full network to 94.0 ± 0.0 %" in page

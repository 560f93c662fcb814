"""What several processes gain, as a table; the program itself starts five of them, which is too much for a test."""

from library.worker_tables import worker_table


def test_efficiency_stands_beside_the_rates_of_each_way():
    rates = {"alone": [90.0, 100.0, 110.0], "apart": [190.0] * 3, "together": [180.0] * 3}
    case = {"backbone": "vgg19", "width": 0.25, "step": "plain", "batch_size": 128, "workers": 2}
    figures = {"images_per_second": rates, "efficiency_apart": 0.95, "efficiency_together": 0.9}
    row = worker_table([{"case": case, "figures": figures}]).splitlines()[-1]
    assert row == "| vgg19 | 0.25 | plain | 128 | 2 | 100 | 190 | 180 | 0.95 | **0.90** |"

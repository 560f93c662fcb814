"""How much of published architectures can lose channels, and how long tracing and removal take.

    python benchmarks/coverage.py
    python benchmarks/coverage.py --networks ResNet50,MobileNetV2

Architectures of keras.applications with fresh weights, at the smallest images they allow: what is counted does not
depend on the size of images. Times are medians of three, removal takes a random half of every group.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from library.results import Results

RESULTS = Path(__file__).parent / "results"
SIZES = {
    **dict.fromkeys(
        ("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet152V2"), 32
    ),
    **{"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71},
    **dict.fromkeys(("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"), 32),
    **dict.fromkeys(("DenseNet121", "DenseNet201", "NASNetMobile", "NASNetLarge"), 32),
    **dict.fromkeys(("EfficientNetB0", "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2L"), 32),
    **dict.fromkeys(("ConvNeXtTiny", "ConvNeXtBase"), 32),
}
REPEATS = 3


def main(arguments: Sequence[str]) -> None:
    """Measure every network that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", type=lambda text: tuple(text.split(",")), default=tuple(SIZES))
    parser.add_argument("--results", type=Path, default=RESULTS / "coverage.jsonl")
    options = parser.parse_args(arguments)
    if unknown := set(options.networks) - set(SIZES):
        parser.error(f"--networks must be of {', '.join(SIZES)}, but got {', '.join(sorted(unknown))}.")
    results = Results(options.results, program="coverage", arguments=arguments)
    for network in options.networks:
        case = {"network": network, "image_size": SIZES[network]}
        if results.figures(case) is None:
            figures = measure(network)
            results.add(case, figures, seed=0)
            print(
                f"{network}: {figures['share']:.4f} in {figures['groups']} groups, traced in "
                f"{figures['trace_seconds']:.2f} s, half removed in {figures['remove_seconds']:.1f} s",
                flush=True,
            )


def measure(network: str) -> dict[str, Any]:
    """Return the figures of one network."""
    import keras
    import numpy as np

    from stamp_tf.channels import slice_model, trace_channels
    from stamp_tf.channels.share import prunable_share

    keras.backend.clear_session()
    size = SIZES[network]
    model = getattr(keras.applications, network)(weights=None, input_shape=(size, size, 3), classes=10)
    channel_map = trace_channels(model)
    rng, mask = np.random.default_rng(0), np.zeros(channel_map.num_channels)
    for group in channel_map.groups:
        mask[group.start + rng.permutation(group.size)[: max(1, group.size // 2)]] = 1
    smaller = slice_model(model, channel_map, mask)
    return {
        "parameters": int(model.count_params()),
        "parameters_left": int(smaller.count_params()),
        "layers": len(model.layers),
        "groups": len(channel_map.groups),
        "channels": channel_map.num_channels,
        "share": prunable_share(model, channel_map),
        "kept_whole": sorted({kept.reason for kept in channel_map.kept_whole}),
        "trace_seconds": _seconds(lambda: trace_channels(model)),
        "remove_seconds": _seconds(lambda: slice_model(model, channel_map, mask)),
    }


def _seconds(action: Callable[[], object]) -> float:
    """Return the median time of an action that has been done before."""
    times = []
    for _ in range(REPEATS):
        gc.collect()
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return median(times)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What it takes to shrink a large network: seconds and memory of `stamp_tf.shrink`.

    python benchmarks/shrink_cost.py --network ResNet50 --images 200

The network is one of keras.applications with random weights, and the images are smoothed noise: neither changes what
has to be computed.
"""

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from library.results import Results

RESULTS = Path(__file__).parent / "results"
SEED = 0


def main(arguments: Sequence[str]) -> None:
    """Shrink once, in a process that did nothing before, so that its peak of memory is that of shrinking."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--network", default="ResNet50", help="a class of keras.applications")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--max-flops", type=float, default=0.5)
    parser.add_argument("--results", type=Path, default=RESULTS / "shrink_cost.jsonl")
    options = parser.parse_args(arguments)
    case = {
        "network": options.network,
        "image_size": options.image_size,
        "images": options.images,
        "max_flops": options.max_flops,
    }
    results = Results(options.results, program="shrink_cost", arguments=arguments)
    if results.figures(case) is not None:
        return

    import keras
    import numpy as np
    from scipy.ndimage import gaussian_filter

    import stamp_tf

    keras.utils.set_random_seed(SEED)
    size = options.image_size
    noise = np.random.default_rng(SEED).standard_normal((options.images, size, size, 3), "float32")
    images = 10 * gaussian_filter(noise, (0, 4, 4, 0))
    shape = (size, size, 3)
    model = getattr(keras.applications, options.network)(weights=None, input_shape=shape)
    before = _peak_bytes()
    wall, processor = time.perf_counter(), time.process_time()
    small = stamp_tf.shrink(model, images, max_flops=options.max_flops)
    figures = {
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
        "peak_bytes_before": before,
        "peak_bytes": _peak_bytes(),
        "bytes_of_images": images.nbytes,
        "parameters": model.count_params(),
        "parameters_left": small.count_params(),
    }
    results.add(case, figures, seed=SEED)
    print(case, figures)


def _peak_bytes() -> int:
    """Return the most memory that this process had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    main(sys.argv[1:])

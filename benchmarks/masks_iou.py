"""How much the masks of two data sets differ: IoU per layer and overall, at several budgets.

    python benchmarks/masks_iou.py --cifar10 npz:data/cifar10.npz --gtsrb npz:data/gtsrb32.npz

Compared are masks of CIFAR-10 and GTSRB, masks of two samples of the same set (what chance alone does), and each
with the reference's learnt order. All are cut by the reference's own costs, so that nothing
but the scores differs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"
BUDGETS = (0.5, 0.25, 0.1, 0.05)
PAIRS = (
    ("cifar10, sample 0", "gtsrb, sample 0"),
    ("cifar10, sample 0", "cifar10, sample 1"),
    ("gtsrb, sample 0", "gtsrb, sample 1"),
    ("cifar10, sample 0", "static scores"),
    ("gtsrb, sample 0", "static scores"),
)


def main(arguments: Sequence[str]) -> None:
    """Compare every pair at every budget that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cifar10", required=True, help="the data set, as after `stamp-tf prune --dataset`")
    parser.add_argument("--gtsrb", required=True)
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--from", dest="reference", help="reference; default: the bundled one")
    parser.add_argument("--results", type=Path, default=RESULTS / "masks_iou.jsonl")
    options = parser.parse_args(arguments)

    import numpy as np

    from library.simpler_references import scores_for
    from stamp_tf.channels import Budget
    from stamp_tf.comparison.overlap import layer_overlaps, total_overlap
    from stamp_tf.data import load_dataset
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint
    from stamp_tf.report.rows import group_rows

    results = Results(options.results, program="masks_iou", arguments=arguments)
    reference = find_reference(options.reference, backbone=options.backbone)
    shared = {"backbone": reference.backbone.name, "reference": fingerprint(reference)}
    todo = []
    for pair in PAIRS:
        if "static scores" in pair and reference.scores is None:
            continue
        for budget in BUDGETS:
            case = shared | {"pair": list(pair), "max_flops": budget}
            if results.figures(case) is None:
                todo.append((pair, budget, case))
    if not todo:
        print("everything is measured already")
        return
    scores: dict[str, Any] = {"static scores": reference.scores}
    for name in ("cifar10", "gtsrb"):
        dataset = load_dataset(getattr(options, name), image_shape=reference.backbone.input_shape)
        for seed in (0, 1):
            scores[f"{name}, sample {seed}"] = scores_for(reference, dataset, seed=seed)
    generator = reference.mask_generator
    encoder = reference.set_encoder
    for pair, budget, case in todo:
        first, second = (reference.cut.meet(scores[name], Budget(max_flops=budget)) for name in pair)
        layers = layer_overlaps(*(group_rows(reference.channel_map, mask) for mask in (first, second)))
        figures = {
            "iou": total_overlap(layers).iou,
            "iou_by_layer": {layer.name: layer.iou for layer in layers},
            "kept": [mask.num_kept for mask in (first, second)],
            "changed_channels": int((first.kept != second.kept).sum()),
            "score_correlation": float(np.corrcoef(*(scores[name] for name in pair))[0, 1]),
            "set_encoder": None if encoder is None else encoder.name,
            "mask_generator": None if generator is None else generator.name,
            "reference_name": without_folders(str(options.reference or "bundled")),
        }
        results.add(case, figures, seed=0)
        print(pair, budget, f"IoU {figures['iou']:.3f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

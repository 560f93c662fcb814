"""Tables of the other benchmarks; each function turns the records of one program into Markdown."""

from collections.abc import Sequence

from library.markdown import table
from library.results import Record, grouped, unique

WANTED_IMAGES_PER_SECOND = {1.0: 0.93, 0.25: 0.85}
STATISTICS = ("moving_statistics", "batch_statistics")


def meta_step_table(records: Sequence[Record]) -> str:
    """Compare the masked task with plain steps."""
    rows = []
    for record in records:
        case, figures = record["case"], record["figures"]
        wanted = WANTED_IMAGES_PER_SECOND.get(case["width"])
        rows.append(
            [
                case["backbone"],
                f"{case['width']:g}",
                f"{figures['images_per_second_plain']:.0f}",
                f"{figures['images_per_second_masked']:.0f}",
                f"**{figures['ratio_masked']:.3f}**",
                "" if wanted is None else f"{wanted:g}",
                f"{figures['ratio_unmasked']:.3f}" if "ratio_unmasked" in figures else "-",
                str(case["alternations"]),
            ]
        )
    return (
        "Images/s of one first-order MAML task (five mini-batches, Adam, Set Transformer on 640 images and masks "
        "made anew for every mini-batch, one outer step) against five plain Adam steps of the same network. Ratios "
        "are medians over alternating rounds.\n\n"
        + table(
            ["network", "width", "plain", "masked", "ratio", "wanted", "ratio without masks", "rounds"], rows
        )
    )


def training_step_table(records: Sequence[Record]) -> str:
    """Compare plain steps with those of Keras's batch normalisation, and two of them with one at budgets."""
    rows = []
    for record in records:
        case, figures = record["case"], record["figures"]
        network, width = case["network"].split(":")
        rows.append(
            [network, f"{float(width):g}", case["precision"]]
            + [f"{1000 * figures[name]:.0f}" for name in ("keras_seconds", "plain_seconds")]
            + [f"**{figures['speed_up']:.2f}**", f"{1000 * figures['budget_seconds']:.0f}"]
            + [f"{figures['pair']:.3f}"]
        )
    case = records[0]["case"]
    columns = "network, width, numbers, as Keras, one kernel, speed-up, at budgets, two plain steps / one at budgets"
    return (
        f"Milliseconds of a step of SGD on {case['batch_size']} images of 32 x 32, with batch normalisation as Keras "
        "computes it on TensorFlow, and in one kernel as everything here trains; then of a step at budgets, which "
        "trains the full network and a masked one, so that 1 is two plain steps. Ratios are medians over "
        f"{case['alternations']} alternating rounds.\n\n" + table(columns.split(", "), rows)
    )


def exactness_table(records: Sequence[Record]) -> str:
    """List differences of logits and what budgets leave."""
    compared, budgets = [], []
    for record in records:
        case, figures = record["case"], record["figures"]
        name = [case["backbone"], f"{case['width']:g}", case["weights"]]
        if case["check"] == "budgets":
            budgets.append(
                [*name]
                + [str(figures[key]) for key in ("num_draws", "above_budget", "next_channel_fits")]
                + [str(figures["emptied_layers"]), f"{figures['miscounted']} of {figures['num_sliced']}"]
                + [f"{100 * figures['median_usage']:.2f} %"]
            )
        else:
            compared.append(
                [*name, case["dtype"], str(figures["num_masks"])]
                + [f"{figures[f'max_difference_{kind}']:.1e}" for kind in STATISTICS]
                + [f"{figures['deviation_moving_statistics']:.2f}"]
            )
    text = (
        "Largest absolute difference of logits between the network masked by a 0/1 mask and the sliced one, wanted "
        "below 1e-5 in float32. With statistics of the batch, a channel that hardly varies in it enlarges rounding; "
        "rows in float64 show whether it is rounding.\n\n"
        + table(
            [
                "network",
                "width",
                "weights",
                "type",
                "masks",
                "moving statistics",
                "batch statistics",
                "deviation of the logits",
            ],
            compared,
        )
    )
    if not budgets:
        return text
    return (
        text
        + "\n\nRandom scores at random limits on parameters, FLOPs or both: how often the mask costs more than the "
        "budget, how often the next channel in rank would still fit, how often a layer is empty, and how often a "
        "second count from the sliced network's own weights disagrees. All are wanted to be 0.\n\n"
        + table(
            [
                "network",
                "width",
                "weights",
                "draws",
                "above",
                "next fits",
                "empty",
                "miscounted",
                "budget used (median)",
            ],
            budgets,
        )
    )


def speed_table(records: Sequence[Record]) -> str:
    """Compare measured with FLOPs speed-up."""
    rows = []
    for record in records:
        case, figures = record["case"], record["figures"]
        for row in figures["rows"]:
            rows.append(
                [
                    f"{case['backbone']} x {case['width']:g}",
                    case["widths"],
                    f"{case['max_flops']:g}",
                    f"{row['kind']}, batch {row['batch_size']}",
                    f"{1000 * row['seconds']['full']:.1f}",
                    f"{1000 * row['seconds']['pruned']:.1f}",
                    f"{row['speed_up']:.2f}",
                    f"{figures['flops_speed_up']:.2f}",
                    f"**{row['of_flops_speed_up']:.2f}**",
                ]
            )
    return (
        "Measured speed-up / FLOPs speed-up (multiply-adds), goal 0.85. Medians; full and pruned network take turns. "
        "`uniform` keeps the same fraction of every layer, `reference` has the widths that the reference's "
        "scores give at the same budget.\n\n"
        + table(
            [
                "network",
                "widths",
                "FLOPs ≤",
                "what",
                "full, ms",
                "pruned, ms",
                "speed-up",
                "FLOPs speed-up",
                "measured / FLOPs",
            ],
            rows,
        )
    )


def masks_iou_table(records: Sequence[Record]) -> str:
    """List IoU of masks by pair and budget, and by layer at the middle budget."""
    parts = []
    for (backbone, reference), chosen in grouped(records, "backbone", "reference").items():
        budgets = unique(record["case"]["max_flops"] for record in chosen)
        pairs = unique(tuple(record["case"]["pair"]) for record in chosen)
        values = {(tuple(r["case"]["pair"]), r["case"]["max_flops"]): r["figures"] for r in chosen}
        rows = [
            [" / ".join(pair)]
            + [f"{values[pair, b]['iou']:.3f}" if (pair, b) in values else "-" for b in budgets]
            for pair in pairs
        ]
        first = chosen[0]["figures"]
        made_by = (
            f"{first['set_encoder']} and {first['mask_generator']}"
            if first["set_encoder"]
            else "scores alone"
        )
        parts.append(
            f"### {backbone} (reference {reference}, masks by {made_by})\n\n"
            + table(["masks compared", *(f"FLOPs ≤ {budget:g}" for budget in budgets)], rows)
        )
        across = [pair for pair in pairs if len({name.split(",")[0] for name in pair}) == 2]
        across = [pair for pair in across if "static scores" not in pair]
        if across:
            by_layer = {b: values[across[0], b]["iou_by_layer"] for b in budgets if (across[0], b) in values}
            layers = next(iter(by_layer.values()))
            parts.append(
                f"By layer, {' / '.join(across[0])}:\n\n"
                + table(
                    ["layer", *(f"FLOPs ≤ {budget:g}" for budget in by_layer)],
                    [[layer, *(f"{by[layer]:.2f}" for by in by_layer.values())] for layer in layers],
                )
            )
    return (
        "|A and B| / |A or B| over kept channels. Two samples of one set say what chance alone does; `static "
        "scores` are the reference's own, which know no target. Masks by class-separation can be repeated at "
        "commit 0fd8902.\n\n" + "\n\n".join(parts)
    )


def help_time_table(records: Sequence[Record]) -> str:
    """Say how long the command line's help takes."""
    rows = [
        [f"{record['figures']['seconds_median']:.3f} s", "0.3 s", str(record["case"]["repeats"])]
        for record in records
    ]
    return table(["median", "at most", "calls"], rows)


def shrink_cost_table(records: Sequence[Record]) -> str:
    """Say how long `shrink` takes on a large network, and how much memory."""
    rows = []
    for record in records:
        case, figures = record["case"], record["figures"]
        rows.append(
            [
                f"{case['network']}, {case['image_size']} x {case['image_size']}, {case['images']} images",
                f"{case['max_flops']:g}",
                f"{figures['seconds'] / 60:.1f} min",
                f"{figures['processor_seconds'] / 60:.1f} min",
                f"{figures['peak_bytes'] / 1e9:.1f} GB",
                f"{figures['bytes_of_images'] / 1e9:.1f} GB",
                str(record["hardware"]["cores"]),
            ]
        )
    head = ["network", "FLOPs", "time", "processor time", "most memory", "of it images", "cores"]
    return table(head, rows)

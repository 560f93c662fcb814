"""How far own images are ahead of another set's: paired by seed, and only of what is the same otherwise."""

from library.swap_tables import swap_table


def record(accuracy: float, *, ranking: str, kernels: str, seed: int = 0, **changes: object) -> dict:
    case = {"network": "net", "dataset": "npz:a.npz", "images": 1000, "max_flops": 0.25, "seed": seed}
    case |= {"ranking": ranking, "kernels": kernels} | changes
    if "other" in (kernels, ranking.rpartition(" ")[2]):
        case["other"] = "npz:b.npz"
    return {"case": case, "figures": {"accuracy": accuracy}}


def test_differences_are_paired_by_seed_and_bold_beyond_two_errors() -> None:
    records = [
        *(
            record(0.5 + 0.1 * seed, ranking="remaining-error", kernels="refitted", seed=seed)
            for seed in range(3)
        ),
        *(
            record(0.4 + 0.1 * seed, ranking="remaining-error", kernels="other", seed=seed)
            for seed in range(3)
        ),
        *(
            record(
                0.5 + 0.1 * seed + change, ranking="remaining-error of other", kernels="refitted", seed=seed
            )
            for seed, change in enumerate((0.1, -0.1, 0.03))
        ),
    ]
    (row,) = swap_table(records).splitlines()[4:]
    assert row == (
        "| net | npz:a.npz, 1,000 | npz:b.npz | 0.25 | 60.0 | -1.0 ± 5.9 | **10.0 ± 0.0** |  | 3 |"
    )


def test_only_what_is_alike_otherwise_is_compared() -> None:
    records = [
        record(0.9, ranking="remaining-error", kernels="refitted", epochs=20),
        record(0.8, ranking="remaining-error", kernels="refitted", allocation="uniform"),
        record(0.6, ranking="remaining-error", kernels="other", allocation="uniform"),
        record(0.7, ranking="stamp", kernels="refitted"),
        record(0.65, ranking="stamp", kernels="other"),
        record(0.1, ranking="remaining-error", kernels="other"),
    ]
    rows = swap_table(records).splitlines()[4:]
    assert rows == [
        "| net, equal widths | npz:a.npz, 1,000 | npz:b.npz | 0.25 | 80.0 |  | 20.0 |  | 1 |",
        "| net, learnt order | npz:a.npz, 1,000 | npz:b.npz | 0.25 | 70.0 |  | 5.0 |  | 1 |",
    ]

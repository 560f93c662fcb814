"""Which of a target's training images a network is made ready and trained on."""

from __future__ import annotations

from stamp_tf.data import DataSet
from stamp_tf.data.validation import with_validation
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.kept import Kept


def learnt_from(dataset: DataSet, config: PruneConfig, kept: Kept) -> DataSet:
    """Return a data set without the training images that epochs are judged by; made once.

    Rankings, refits, statistics and heads must not see them either, or epochs would be judged by what is known.

    Args:
        dataset: The target.
        config: Options of pruning.
        kept: Of the target.
    """
    return kept.get(
        "learnt from", lambda: with_validation(dataset, config.finetune.val_split, seed=config.seed)
    )

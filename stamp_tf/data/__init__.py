"""Data sets: loading, balanced parts, normalisation, mini-batches and episodes.

Importing this package loads numpy and nothing heavier.
"""

from stamp_tf.data.batches import Batches
from stamp_tf.data.classes import with_classes
from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.episodes import Episode, EpisodeSampler
from stamp_tf.data.load import as_dataset, load_dataset
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.data.normalization import Normalization
from stamp_tf.data.sample import random_part
from stamp_tf.data.streaming import StreamedSet

__all__ = [
    "Batches",
    "DataSet",
    "Episode",
    "EpisodeSampler",
    "ImageSet",
    "LoadOptions",
    "Normalization",
    "StreamedSet",
    "as_dataset",
    "load_dataset",
    "random_part",
    "with_classes",
]

"""Contracts of plug-ins, for their authors: a function tries one plug-in and says which rule it breaks.

They need neither a checkout nor a test runner:

    from stamp_tf.testing import check_backbone

    def test_it_is_a_backbone():
        check_backbone(my_backbone)
"""

from stamp_tf.testing.backbone import check_backbone
from stamp_tf.testing.channel_rule import check_channel_rule
from stamp_tf.testing.dataset import check_dataset
from stamp_tf.testing.exporter import check_exporter
from stamp_tf.testing.mask_generator import check_mask_generator
from stamp_tf.testing.pruner import check_pruner
from stamp_tf.testing.reader import check_reader
from stamp_tf.testing.set_encoder import check_set_encoder

__all__ = [
    "check_backbone",
    "check_channel_rule",
    "check_dataset",
    "check_exporter",
    "check_mask_generator",
    "check_pruner",
    "check_reader",
    "check_set_encoder",
]

"""Names of papers for methods that have another name here: each says what the name fixes, and nothing more."""

from types import MappingProxyType

from stamp_tf.baselines.l1 import L1Norm
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.pruning.stamp import Stamp


class UniformL1(L1Norm):
    """`l1` with the same fraction of every layer: *uniform pruning* of the papers."""

    options = PrunerOptions


class StampStructure(Stamp):
    """`stamp` with `structure_only`: the widths that STAMP finds, trained from fresh weights.

    Source:
        Song et al. 2020, *STAMP-Structure*.
    """

    fixes = MappingProxyType({"structure_only": True})

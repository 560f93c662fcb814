"""The full network: what is left where nothing is removed."""

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem


class Full(Pruner):
    """Keep every channel.

    The network is made ready and fine-tuned on the same images by the same options as a smaller one, which makes it
    the honest baseline: what fine-tuning alone is worth.

    Source:
        Song et al. 2020, tables 1 to 3, *Full Network*.
    """

    removes = "nothing"
    needs_budget = False

    def propose(self, problem: PruningProblem) -> Proposal:
        return Proposal(mask=ChannelMask.all_of(problem.reference.channel_map.num_channels))

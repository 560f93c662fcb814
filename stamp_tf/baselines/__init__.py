"""Methods that STAMP is compared with, each a pruner of its own."""

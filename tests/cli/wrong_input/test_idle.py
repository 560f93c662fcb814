"""Options that do nothing beside others, and options that come twice."""

import shlex

import pytest

PRUNE = "prune --dataset digits "
PRETRAIN = "pretrain --dataset digits --run-dir run "
META = "meta-train --dataset digits --run-dir run "

# Line -> what the option needs, what was found instead, and the remedy.
IDLE = {
    PRUNE
    + "--latency-batch 4": "--latency-batch needs --max-latency, but it is not given; add --max-latency",
    PRUNE + "--max-flops 0.5 --latency-batch 1": "--latency-batch needs --max-latency",
    PRUNE + "--pixels 0:1": "--pixels needs --model, but it is not given; add --model",
    PRUNE + "--resume": "--resume needs --run-dir, but it is not given; add --run-dir",
    PRUNE + "--overwrite": "--overwrite needs --run-dir, but it is not given",
    PRUNE
    + "--finetune-epochs 0 --learning-rate 0.1": "--learning-rate needs fine-tuning, but --finetune-epochs is 0",
    PRUNE
    + "--finetune-epochs 0 --schedule step": "--schedule needs fine-tuning, but --finetune-epochs is 0; raise it",
    PRUNE + "--finetune-epochs 0 --clip-norm 1": "--clip-norm needs fine-tuning",
    PRUNE + "--finetune-epochs 0 --batch-size 32": "--batch-size needs fine-tuning",
    PRUNE + "--finetune-epochs 0 --mixed-precision": "--mixed-precision needs fine-tuning",
    PRUNE + "--finetune-epochs 0 --distill 0.5": "--distill needs fine-tuning, but --finetune-epochs is 0",
    PRUNE
    + "--val-split 0% --keep-epoch best": "--keep-epoch needs --val-split, but it is 0 and holds out no image; raise",
    PRUNE
    + "--distill-temperature 2": "--distill-temperature needs --distill, but it is not given; add --distill",
    "finetune run --distill-temperature 2": "--distill-temperature needs --distill",
    "finetune run --from somewhere": "--from needs --distill, but it is not given; add --distill",
    PRUNE + "--finetune-epochs 0 --no-flip": "--no-flip needs steps of training, but --finetune-epochs is 0",
    PRUNE + "--finetune-epochs 0 --tensorboard": "--tensorboard needs steps of training",
    PRUNE
    + "--download": "a set of TensorFlow Datasets or of a plug-in, or a pretrained --model, but --dataset is digits",
    PRUNE + "--data-dir there": "--data-dir needs a set of TensorFlow Datasets or of a plug-in",
    PRUNE + "--skip-corrupt": "--skip-corrupt needs images in files of their own",
    "prune --dataset npz:a.npz --skip-corrupt": "but --dataset is npz:a.npz; name another, or leave",
    "prune --dataset npz:a.npz --download": "--download needs a set of TensorFlow Datasets",
    "prune --dataset folder:a --data-dir b": "--data-dir needs a set of TensorFlow Datasets",
    "evaluate run --dataset folder:a --download": "--download needs a set of TensorFlow Datasets",
    "finetune run --dataset digits --skip-corrupt": "--skip-corrupt needs images in files of their own",
    PRETRAIN
    + "--budget-epochs 0 --budgets 0.1:1": "--budgets needs epochs at budgets, but --budget-epochs is 0",
    PRETRAIN
    + "--budget-epochs 0 --budget-learning-rate 0.1": "--budget-learning-rate needs epochs at budgets",
    PRETRAIN + "--epochs 0 --learning-rate 0.1": "--learning-rate needs epochs of the full network alone",
    META + "--kl-scale 2": "--kl-scale needs --sparsity kl, but --sparsity is budgets; change it",
    META + "--sparsity kl --budgets 0.1:1": "--budgets needs --sparsity budgets, but --sparsity is kl",
    META + "--download": "--download needs a set of TensorFlow Datasets",
    "compare a b --from c": "--from needs --swap, but it is not given; add --swap, or leave --from out.",
    "compare a b --overwrite": "--overwrite needs --output, but it is not given",
    "inspect a --overwrite": "--overwrite needs --html, but it is not given",
    "inspect a --classes 3": "--classes needs --backbone, but it is not given",
    "inspect a --width 0.5": "--width needs --backbone",
    "inspect a --image-size 32": "--image-size needs --backbone",
}
TWICE = {
    PRUNE + "--max-flops 0.5 --max-flops 0.25": "--max-flops must be given once, but came 2 times",
    PRUNE + "--dataset iris": "--dataset must be given once, but came 2 times; leave the others out.",
    PRUNE + "--speed --no-speed": "--speed must be given once, but came 2 times",
    PRETRAIN
    + "--backbone-option width=1 --backbone-option width=2": "--backbone-option width must be given once",
    PRETRAIN
    + "--width 1 --backbone-option width=1": "--backbone-option width must be given once, but came twice",
    PRUNE
    + "--epochs-prune 1 --method-option epochs_prune=2": "--method-option epochs_prune must be given once",
    META + "--set-encoder-option a=1 --set-encoder-option a=1": "--set-encoder-option a must be given once",
    META
    + "--mask-generator-option a=1 --mask-generator-option a=1": "--mask-generator-option a must be given once",
    "compare a a": "Each RUN must be another one, but a and a are the same; leave one out.",
}


@pytest.mark.parametrize("line", IDLE)
def test_option_that_does_nothing(refused_here, line):
    message = refused_here(*shlex.split(line))
    assert IDLE[line] in message
    assert "leave" in message


@pytest.mark.parametrize("line", TWICE)
def test_option_that_comes_twice(refused_here, line):
    assert TWICE[line] in refused_here(*shlex.split(line), as_typed=True)


def test_defaults_are_not_taken_for_typed(refused_here):
    # Had the default of --latency-batch counted as typed, it would have been refused first.
    assert "must be" in refused_here("prune", "--dataset", "folder:none", "--max-flops", "0.5")

"""Values that no option takes: refused at once, before anything is loaded."""

import shlex

import pytest

PRUNE = "prune --dataset digits "
PRETRAIN = "pretrain --dataset digits --run-dir run "
META = "meta-train --dataset digits --run-dir run "
FINETUNE = "finetune run "

VALUES = {
    # Seeds: what NumPy and Keras take.
    PRUNE + "--seed 4294967296": ["'--seed'", "4294967296 is not in the range 0<=x<=4294967295"],
    PRUNE + "--seed -1": ["'--seed'", "-1 is not in the range"],
    PRUNE + "--seed 1.5": ["'--seed'", "'1.5' must be a whole number from 0 to 4294967295"],
    PRUNE + "--seed 1e3": ["'--seed'", "'1e3' must be a whole number"],
    PRETRAIN + "--seed 99999999999999999999": ["'--seed'", "is not in the range"],
    META + "--seed ''": ["'--seed'", "'' must be a whole number"],
    FINETUNE + "--seed 4294967296": ["'--seed'", "is not in the range"],
    # Sizes: what a machine can bear.
    PRETRAIN + "--image-size 99999": [
        "'--image-size'",
        "must be at most 4096 pixels high and wide",
        "'99999'",
    ],
    PRETRAIN + "--image-size 32x99999": ["'--image-size'", "must be at most 4096 pixels"],
    PRETRAIN + "--image-size 0": ["'--image-size'", "'0' must be a size in pixels, such as 32"],
    PRETRAIN + "--image-size -32": ["'--image-size'", "'-32' must be a size in pixels"],
    PRETRAIN + "--image-size 32x": ["'--image-size'", "'32x' must be a size in pixels"],
    PRETRAIN + "--image-size 32x32x3": ["'--image-size'", "must be a size in pixels"],
    PRETRAIN + "--image-size 99999999999": ["'--image-size'", "must be a size in pixels"],
    PRETRAIN + "--image-size ٣٢": ["'--image-size'", "must be a size in pixels"],
    PRETRAIN + "--width 1e9": ["'--width'", "is not in the range 0<x<=16"],
    PRETRAIN + "--width Infinity": ["'--width'", "not in the range"],
    PRETRAIN + "--width wide": ["'--width'", "'wide' must be a number; write one such as 0.5"],
    PRETRAIN + "--width nan": ["'--width'", "nan is not a finite number"],
    PRETRAIN + "--epochs 1000000000000": ["'--epochs'", "is not in the range 0<=x<=1000000"],
    PRETRAIN + "--batch-size 0": ["'--batch-size'", "0 is not in the range"],
    PRETRAIN + "--batch-size 1000000000000": ["'--batch-size'", "is not in the range"],
    PRETRAIN + "--train-size 0": ["'--train-size'", "0 is not in the range"],
    PRUNE + "--max-latency 5ms --latency-batch 0": ["'--latency-batch'", "0 is not in the range"],
    PRUNE + "--max-latency 5ms --latency-batch 1000000": [
        "'--latency-batch'",
        "is not in the range 1<=x<=4096",
    ],
    META + "--tasks 1000000000": ["'--tasks'", "is not in the range"],
    META + "--ways 1": ["'--ways'", "1 is not in the range"],
    META + "--replicas 100000": ["'--replicas'", "is not in the range"],
    "inspect --backbone vgg19 --classes 1": ["'--classes'", "1 is not in the range"],
    "inspect --backbone vgg19 --classes 1000000000": ["'--classes'", "is not in the range"],
    # Fractions and other numbers.
    PRUNE + "--max-flops 250%": ["'--max-flops'", "'250%' must be a fraction above 0 and at most 1"],
    PRUNE + "--max-flops 25": ["'--max-flops'", "'25' must be a fraction", "write 0.25 or 25%"],
    PRUNE + "--max-flops abc%": [
        "'--max-flops'",
        "'abc%' must be a fraction above 0 and at most 1, or in per cent; 25% or 0.25 leaves a quarter",
    ],
    PRUNE + "--max-flops 0": [
        "'--max-flops'",
        "'0' must be a fraction above 0 and at most 1, or in per cent",
    ],
    PRUNE + "--max-flops 1e309": ["'--max-flops'", "'1e309' must be a fraction above 0"],
    PRUNE + "--max-flops quarter": ["'--max-flops'", "'quarter' must be a fraction above 0"],
    PRUNE + "--max-flops 0,25": [
        "'--max-flops'",
        "'0' must be a fraction above 0 and at most 1, or in per cent; 25% or 0.25 leaves",
    ],
    PRUNE + "--max-memory 8": ["'--max-memory'", "'8' must be a fraction above 0 and at most 1, or a size"],
    PRUNE + "--max-memory 1e309MB": ["'--max-memory'", "or a size with a unit, such as 8MB"],
    PRUNE + "--max-latency 12": ["'--max-latency'", "'12' must be a time above 0 with a unit, such as 12ms"],
    PRUNE + "--max-latency infms": ["'--max-latency'", "must be a time above 0"],
    PRUNE + "--learning-rate 0": ["'--learning-rate'", "0.0 is not in the range x>0"],
    PRUNE + "--learning-rate inf": ["'--learning-rate'", "inf is not a finite number"],
    PRUNE + "--clip-norm -1": ["'--clip-norm'", "-1.0 is not in the range"],
    PRUNE + "--dollars-per-hour inf": ["'--dollars-per-hour'", "inf is not a finite number"],
    PRUNE + "--dollars-per-hour -1": ["'--dollars-per-hour'", "-1.0 is not in the range"],
    PRUNE + "--epochs-prune nan": ["'--epochs-prune'", "nan is not a finite number"],
    PRUNE + "--epochs-prune 1e9": ["'--epochs-prune'", "is not in the range"],
    PRUNE + "--round-to 0": ["'--round-to'", "0 is not in the range"],
    PRUNE + "--min-channels 2.5": ["'--min-channels'", "'2.5' must be a whole number from 1 to 1000000"],
    PRETRAIN + "--budgets 1:0.1": ["'--budgets'", "'1:0.1' must be LOW:HIGH with 0 < LOW <= HIGH <= 1"],
    PRETRAIN + "--budgets 0.5": ["'--budgets'", "'0.5' must be LOW:HIGH", "such as 0.06:1"],
    PRETRAIN + "--budgets nan:1": ["'--budgets'", "'nan:1' must be LOW:HIGH"],
    PRETRAIN + "--weight-decay -1": ["'--weight-decay'", "-1.0 is not in the range"],
    META + "--kl-scale inf": ["'--kl-scale'", "inf is not a finite number"],
    # Words out of a list.
    PRUNE + "--head rigde": ["'--head'", "'rigde' is not one of 'logistic', 'ridge', 'random', 'keep'"],
    PRUNE + "--schedule linear": ["'--schedule'", "'linear' is not one of 'cosine', 'step'"],
    PRUNE + "--pixels 0:256": ["'--pixels'", "'0:256' is not one of"],
    PRUNE + "--method L-1": ["'--method'", "There is no pruner 'L-1'", "Did you mean 'l1'?"],
    PRETRAIN + "--backbone vgg-19": ["'--backbone'", "Did you mean 'vgg19'?"],
    PRETRAIN + "--backbone ''": ["'--backbone'", "There is no backbone ''"],
    META + "--sparsity l1": ["'--sparsity'", "'l1' is not one of 'budgets', 'kl'"],
    "prune --dataset digits --export litert,onnx": [
        "'--export'",
        "must be one name; repeat --export for each",
    ],
    "export run --format onxx": ["'--format'", "There is no exporter 'onxx'", "Did you mean 'onnx'"],
    # Key=value.
    PRETRAIN + "--backbone-option width": ["'--backbone-option'", "'width' must be KEY=VALUE"],
    PRETRAIN + "--backbone-option =3": ["'--backbone-option'", "'=3' must be KEY=VALUE"],
    PRETRAIN + "--backbone-option 'a b=3'": ["'--backbone-option'", "must be KEY=VALUE, such as num_heads=4"],
    PRETRAIN + "--backbone-option width=Infinity": [
        "'--backbone-option'",
        "'width=Infinity' must hold finite numbers",
    ],
    PRETRAIN + "--backbone-option width=NaN": ["'--backbone-option'", "must hold finite numbers"],
    PRETRAIN + "--backbone-option width=1e309": ["'--backbone-option'", "must hold finite numbers"],
    PRUNE + "--method-option 'rates=[1,-Infinity,1]'": ["'--method-option'", "must hold finite numbers"],
    PRUNE + """--method-option 'rates={"a": [NaN]}'""": ["'--method-option'", "must hold finite numbers"],
    PRUNE + "--method-option width=" + 5000 * "9": ["'--method-option'", "must hold finite numbers"],
    # Nothing at all.
    "prune --dataset ''": ["'--dataset'", "It must not be empty; write for example digits"],
    PRUNE + "--run-dir ''": ["'--run-dir'", "A path must have a name, but is empty", "give one"],
    PRUNE + "--from ''": ["'--from'", "A path must have a name"],
    PRUNE + "--model ' '": ["'--model'", "A path must have a name"],
    PRUNE + "--data-dir ''": ["'--data-dir'", "A path must have a name"],
    PRUNE + "--keep ''": ["'--keep'", "It must not be empty; write for example 'stem*'"],
    PRUNE + "--widths ''": ["'--widths'", "A path must have a name"],
    "evaluate ''": ["'MODEL'", "A path must have a name"],
    "compare '' ''": ["'RUN RUN...'", "A path must have a name"],
    "inspect ''": ["'NETWORK'", "A path must have a name"],
    "inspect --backbone vgg19 --html ''": ["'--html'", "A path must have a name"],
    "export run --to ''": ["'--to'", "A path must have a name"],
    # Names that are no UTF-8, as a shell hands them over.
    PRUNE + "--run-dir caf\udce9": ["'--run-dir'", r"must be a path, but is no text in UTF-8; rename it"],
    PRUNE + f"--run-dir {'x' * 300}": ["'--run-dir'", "must be a path, but has a name of 300 bytes; choose"],
    f"inspect {'x/' * 3000}": [
        "'NETWORK'",
        "must be a path, but has 6,000 bytes; choose one of at most 4,095",
    ],
    "evaluate caf\udce9": ["'MODEL'", "is no text in UTF-8"],
    # Options and commands that are missing or not there.
    "prune": ["Missing option '--dataset'"],
    "pretrain --dataset digits": ["Missing option '--run-dir'"],
    "evaluate": ["Missing argument 'MODEL'"],
    "prune --dataset": ["Option '--dataset' requires an argument"],
    PRUNE + "--max-flop 0.5": ["No such option", "--max-flops"],
    PRUNE + "extra": ["Got unexpected extra argument (extra)"],
    "prnue": ["There is no command 'prnue'. Did you mean 'prune'?"],
}


@pytest.mark.parametrize("line", VALUES, ids=lambda line: line[:60])
def test_value_that_no_option_takes(refused_here, line):
    message = refused_here(*shlex.split(line))
    for words in VALUES[line]:
        assert words in message

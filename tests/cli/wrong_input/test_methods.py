"""A method's options are checked before any image is read."""

import shlex

import pytest

# The folder is not there: what speaks of it has been checked too late.
PRUNE = "prune --dataset digits --max-flops 0.5 "

OPTIONS = {
    "--epochs-prune 1 --method-option rates=abc": "--method-option rates must be 3 values, each a finite number",
    "--epochs-prune 1 --method-option rates=[1,2]": "rates must be 3 values, each a finite number, but is [1, 2]",
    "--epochs-prune 1 --method-option rates=[1,-1,1]": "--method-option rates must be 0 or more, but is (1.0, -1.0,",
    "--epochs-prune 1 --method-option rates=[1,true,1]": "rates must be 3 values, each a finite number",
    "--epochs-prune 1 --method-option sparsity=l1": "sparsity must be 'budgets' or 'kl', but is 'l1'",
    "--epochs-prune 1 --method-option sparsity=[1]": "sparsity must be 'budgets' or 'kl', but is [1]",
    "--epochs-prune 1 --method-option kl_scale=x": "kl_scale must be a finite number, but is 'x' (str); 1.0 is",
    "--epochs-prune 1 --method-option kl_scale=-1": "kl_scale must be 0 or more, but is -1.0; 1.0 is the default",
    "--method-option epochs_prune=abc": "--epochs-prune must be a finite number, but is 'abc' (str); 0.0 is",
    "--method-option epochs_prune=null": "--epochs-prune must be a finite number, but is None",
    "--method-option epochs_prune=-1": "--epochs-prune must be 0 or more, but is -1",
    "--method-option rates=[1,1,1]": "rates needs steps on the data set, but --epochs-prune is 0; raise it",
    "--method-option rate=1": "--method stamp takes epochs_prune, rates, sparsity, kl_scale, but got rate",
    "--method l1 --method-option allocation=equal": "allocation must be 'uniform' or 'global', but is 'equal'",
    "--method l2 --method-option allocation=1": "allocation must be 'uniform' or 'global', but is 1",
    "--method taylor --method-option batches=0": "--method-option batches must be at least 1, but is 0; 10 is the",
    "--method taylor --method-option batches=true": "batches must be a whole number, but is True",
    "--method taylor --method-option head=none": "head must be 'ridge' or 'own', but is 'none' (str); 'ridge' is the",
    "--method random --method-option widths=abc": "--widths must give a whole number for every layer, but got 'abc'",
    """--method random --method-option 'widths={"a": "b"}'""": "--widths must give a whole number",
    "--method taylor --method-option batches=1000001": "batches must be at most 1,000,000 on the command line, but",
    "--method random --widths none": "none must be a run directory, but it is not there",
    "--method l1 --epochs-prune 1": "--method l1 takes allocation, but got epochs_prune; leave it out",
    "--method random --method-option width=1": "takes allocation, widths, but got width",
}

DO_NOT_FIT = {
    "--method auto --structure-only": "--method auto compares networks by the weights that they keep, but",
    "--method ifp,l1 --structure-only": "--method ifp trains the weights that stay, but --structure-only",
    "--method mvp": "--method mvp needs the folder that earlier runs lie in, but got no --method-option memory",
    "--method mvp --method-option memory=none": "must be a folder that runs of prune lie in, but none holds none",
    """--method random --method-option 'widths={"a": 1}'""": "--widths must give 1 to ",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_option_that_the_method_does_not_take(refused_here, options):
    assert OPTIONS[options] in refused_here(*shlex.split(PRUNE + options))


def test_unknown_option_suggests_the_nearest(refused_here):
    message = refused_here(*shlex.split(PRUNE + "--method-option rate=1"))
    assert message.endswith("Did you mean 'rates'?")


@pytest.mark.parametrize("options", DO_NOT_FIT)
def test_method_that_does_not_fit_is_refused_before_images_are_read(refused, images, monkeypatch, options):
    monkeypatch.setattr("stamp_cli.prune.load_images", lambda *_: pytest.fail("images were read"))
    message = refused("prune", "--dataset", images, "--max-flops", 0.5, *shlex.split(options))
    assert DO_NOT_FIT[options] in message


def test_method_that_needs_a_budget(refused_here):
    message = refused_here("prune", "--dataset", "digits", "--method", "l1")
    assert (
        "--method l1 needs a budget, but got none; add --keep-params, --max-flops, --max-memory or --max-latency"
        in message
    )

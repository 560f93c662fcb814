"""Limits that no network meets, and rules that leave none."""

import re

import pytest


@pytest.mark.parametrize("option", ["--max-flops", "--keep-params"])
@pytest.mark.parametrize("value", ["0", "-0.1", "1.1", "nan"])
def test_budget_outside_its_range(refused, images, option, value):
    assert f"Invalid value for '{option}'" in refused("prune", "--dataset", images, option, value)


@pytest.mark.parametrize("option", ["--max-flops", "--keep-params"])
def test_budget_below_one_channel_per_layer_names_the_smallest(
    usual, refused, cli, images, pretrained, tmp_path, option
):
    message = refused("prune", "--dataset", images, option, 1e-4)
    assert "must allow the smallest reachable network" in message
    words = re.search(r"\(parameters ([\d.]+), FLOPs ([\d.]+), activation memory ", message)
    smallest = words[1 + (option == "--max-flops")]
    arguments = ("prune", *usual["prune"], "--dataset", images, "--from", pretrained)
    cli.done(*arguments, option, smallest, "--run-dir", tmp_path / "run")


def test_memory_below_one_channel_per_layer_names_the_smallest(
    usual, refused, cli, images, pretrained, tmp_path
):
    message = refused("prune", "--dataset", images, "--max-memory", "20B")
    assert "--max-memory must allow the smallest reachable network" in message
    smallest = message.split(" or ")[1].split(")")[0]
    assert smallest.endswith("B")
    arguments = ("prune", *usual["prune"], "--dataset", images, "--from", pretrained)
    cli.done(*arguments, "--max-memory", smallest, "--run-dir", tmp_path / "run")


def test_latency_that_no_network_has_names_the_smallest(refused, images):
    message = refused("prune", "--dataset", images, "--max-latency", "0.001us")
    assert "--max-latency must allow the smallest reachable network (measured " in message
    assert "at batch size 1), but got 1e-06ms; raise it" in message


def test_layers_to_keep_that_are_not_there(refused, images):
    message = refused("prune", "--dataset", images, "--max-flops", 0.5, "--keep", "covn2")
    assert "--keep must name layers whose channels can be removed, but none matches 'covn2'" in message
    assert "Did you mean 'conv2'?" in message


def test_keeping_all_layers_removes_nothing(refused, images):
    message = refused("prune", "--dataset", images, "--max-flops", 0.5, "--keep", "*")
    assert "--max-flops must allow the smallest reachable network" in message
    assert "ask for less than --keep '*'" in message


def test_rules_without_a_budget(refused, images):
    message = refused("prune", "--dataset", images, "--round-to", 64)
    assert "--round-to 64 must hold for finished masks too, but --method stamp gave other widths" in message


def test_budget_that_removes_nothing(refused, images):
    assert "Pruning must remove something" in refused("prune", "--dataset", images, "--max-flops", 1)


def test_baseline_without_a_budget(refused, images):
    assert "--method l1 needs a budget" in refused("prune", "--dataset", images, "--method", "l1")


def test_option_of_another_method(refused, images):
    arguments = ("--dataset", images, "--method", "random", "--max-flops", 0.5, "--epochs-prune", 1)
    assert "--method random takes allocation, widths, but got epochs_prune" in refused("prune", *arguments)


@pytest.mark.parametrize("value", ["1", "100%", "-0.1", "1 point", "nan", ""])
def test_accuracy_to_lose_outside_its_range(refused, images, value):
    message = refused("prune", "--dataset", images, "--within", value)
    assert "must be a share of at least 0 and below 1, such as 1% or 0.01" in message


def test_budget_that_is_found_is_not_given(refused, images):
    message = refused("prune", "--dataset", images, "--within", "1%", "--max-flops", "0.5")
    assert message == "--within finds the budget itself, but got --max-flops besides; leave one of them out."

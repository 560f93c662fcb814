"""Progress: a line now and then where there is no terminal."""

import pytest

from stamp_cli.progress import Progress


class Clock:
    """A clock that tests wind."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(capsys) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_line_has_speed_losses_keep_ratio_and_time_left(clock, capsys):
    with Progress(clock=clock) as progress:
        for step in range(1, 13):
            clock.now += 1
            figures = {"loss": 1.2345, "accuracy": 0.5, "keep_ratio": 0.25, "images": 128}
            progress("Training", step, 100, figures)
    assert lines(capsys) == [
        "Training: 10 of 100, 128 images/s, loss 1.23, accuracy 50 %, kept 25 %, 1:30 left"
    ]


def test_last_step_is_shown(clock, capsys):
    with Progress(clock=clock) as progress:
        for step in (1, 2):
            clock.now += 1
            progress("Pruning", step, 2, {"loss": 2.0})
    assert lines(capsys) == ["Pruning: 2 of 2, loss 2"]


def test_phases_do_not_share_their_speed(clock, capsys):
    with Progress(clock=clock) as progress:
        clock.now += 5
        progress("Pruning", 1, 1, {"images": 8})
        clock.now += 100
        for step in (1, 2):
            clock.now += 1
            progress.of("Fine-tuning")(step, 2, {"images": 10})
    assert lines(capsys)[-1] == "Fine-tuning: 2 of 2, 10 images/s"


def test_compilation_of_the_first_step_does_not_count(clock, capsys):
    with Progress(clock=clock) as progress:
        clock.now += 60
        progress("Training", 1, 5, {"images": 10})
        for step in (2, 3):
            clock.now += 6
            progress("Training", step, 5, {"images": 12})
    assert lines(capsys)[-1].endswith("2 images/s, 0:12 left")


def test_terminal_shows_a_bar(clock, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Progress(clock=clock) as progress:
        progress("Training", 1, 4, {"loss": 1.0})
        progress("Fine-tuning", 1, 2, {"loss": 0.5})
    text = capsys.readouterr().err
    assert "Training" in text or "Fine-tuning" in text


def test_whose_accuracy_it_is_may_be_said(clock, capsys):
    with Progress(clock=clock) as progress:
        progress("Pruning", 2, 2, {"accuracy of l1, uniform": 0.813})
    assert lines(capsys) == ["Pruning: 2 of 2, accuracy of l1, uniform 81 %"]


def test_a_step_without_figures_is_shown_without_a_comma(clock, capsys):
    with Progress(clock=clock) as progress:
        progress("Swapping", 4, 4, {})
    assert lines(capsys) == ["Swapping: 4 of 4"]

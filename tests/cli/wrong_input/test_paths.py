"""Paths that are links to nowhere, files in the place of folders, and the other way round."""

import shlex

import pytest

PRUNE = "prune --dataset digits --max-flops 0.5 --finetune-epochs 0 "
LONG = 300 * "x"
TOO_LONG = "must be a path, but has a name of 300 bytes; choose one of at most 255."

PATHS = {
    # Where a run is written.
    PRUNE + "--run-dir dangling": "--run-dir must be a folder, but dangling is a link to nothing",
    PRUNE + "--run-dir loop": "--run-dir must be a folder, but loop",
    PRUNE + "--run-dir dangling/run": "--run-dir must be",
    PRUNE + "--run-dir loop/run": "--run-dir must be",
    PRUNE + "--run-dir file": "--run-dir must be a folder, but file is a file or below one; choose another.",
    PRUNE + "--run-dir file/run": "--run-dir must be a folder, but file/run is a file or below one",
    PRUNE + "--run-dir full": "--run-dir must be new or empty, but full is not; choose another",
    PRUNE + "--run-dir full --overwrite": "full",
    PRUNE + "--run-dir full --resume": "full",
    PRUNE + "--run-dir none --resume": "none",
    PRUNE + "--run-dir " + LONG: TOO_LONG,
    # What is read.
    PRUNE
    + "--from none": "--from must be a run directory or a file of one, but none is not there; check the path.",
    PRUNE + "--from loop": "--from must be a run directory or a file of one, but loop is not there",
    PRUNE + "--from dangling": "--from must be a run directory or a file of one, but dangling",
    PRUNE + "--from file": "file",
    PRUNE + "--from full": "full",
    PRUNE + "--from " + LONG: TOO_LONG,
    PRUNE + "--model none.keras": "none.keras is not there; check the path.",
    PRUNE + "--model file": "file",
    PRUNE + "--model full": "full is a folder; check the path.",
    PRUNE + "--model loop": "loop",
    PRUNE + "--model file --from none": "--model and --from must not be given together; leave --from out.",
    PRUNE + "--model file --backbone vgg19": "--model and --backbone must not be given together",
    PRUNE + "--model file --image-size 32": "--model and --image-size must not be given together",
    PRUNE + "--method random --widths file": "file",
    PRUNE + "--method random --widths full": "full must be a run directory, but it has no",
    "prune --dataset folder:none": "--dataset folder:none must be a folder, but is not there; check the path.",
    "prune --dataset folder:file": "--dataset folder:file must be a folder, but is a file; check the path.",
    "prune --dataset folder:loop": "--dataset folder:loop must be a folder",
    "prune --dataset folder:dangling": "--dataset folder:dangling must be a folder",
    "prune --dataset folder:": "--dataset folder must name a folder, but names none; write folder:PATH.",
    "prune --dataset npz:none.npz": "--dataset npz:none.npz must be a file, but there is none; check the path.",
    "prune --dataset npz:file": "--dataset npz:file must be",
    "prune --dataset npz:full": "--dataset npz:full must be",
    "prune --dataset npz:loop": "--dataset npz:loop must be",
    "prune --dataset npz:": "--dataset npz must name a file, but names none; write npz:PATH.",
    "prune --dataset full": "--dataset must be a name, but full is a path; write folder:full.",
    "prune --dataset digits:3": "--dataset digits must stand alone, but is followed by '3'; leave that out.",
    "prune --dataset cifar10 --data-dir file": "file",
    "evaluate none": "MODEL must be a run's folder or a network, but none is not there; check the path.",
    "evaluate file": "or a run's folder, but file is neither; check the path",
    "evaluate full": "or a run's folder, but full is neither; check the path",
    "evaluate loop": "MODEL must be a run's folder or a network, but loop is not there",
    "evaluate dangling": "MODEL must be a run's folder or a network, but dangling is not there",
    "evaluate " + LONG: TOO_LONG,
    "finetune none": "none must be a run directory",
    "finetune full": "full must be a run directory",
    "export none": "none must be a run directory",
    "inspect none": "none must be a run directory",
    "inspect none.keras": "A network must be a .keras file, but none.keras is not there; check the path.",
    "inspect file": "A network must be a .keras file, but file cannot be read as one",
    "inspect full": "full must be a run directory",
    "inspect loop": "Too many levels of symbolic links; mend the link or choose another path.",
    "inspect --backbone vgg19 --html full": "--html must end in .html, but is full; add the ending.",
    "inspect --backbone vgg19 --html folder.html": "--html must be a file, but folder.html is a folder",
    "inspect --backbone vgg19 --html page.html": "--html must be new, but page.html is there; choose another",
    "inspect none --backbone vgg19": "NETWORK and --backbone must not be given together",
    "inspect": "NETWORK or --backbone is needed, but neither is given; name one.",
    "compare none": "RUN must be given at least twice, but came once",
    "compare": "RUN must be given at least twice, but came not at all",
    "compare none full": "none must be a run directory",
    "compare loop dangling": "Too many levels of symbolic links; mend the link",
    "compare none full --output file": "--output must be a folder, but file is a file; choose another.",
    "compare none full --output full": "--output must be new or empty, but full is not; choose another",
    "compare none full --output full --overwrite": "--overwrite only takes a folder that compare wrote",
}


@pytest.fixture(autouse=True)
def places(tmp_path):
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("hello")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("precious")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "page.html").write_text("a page")


@pytest.mark.parametrize("line", PATHS, ids=lambda line: line[:60])
def test_path_that_is_something_else(refused_here, line):
    assert PATHS[line] in refused_here(*shlex.split(line))

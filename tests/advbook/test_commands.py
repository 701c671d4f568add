"""Every command in the texts for newcomers is executed literally, in a copy of the checkout; nobody lists a new one."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from advbook import paths

TEXTS = ("README.md", "CONTRIBUTING.md", "book/running.md", "book/teaching.md")
CI = "`.ci/run` runs it, or a part of it, itself"
FAST, SLOW, CHECK = "fast", "slow", "check"
STARTED = "started, seen to measure, and stopped: it takes hours"
HOW = {
    "make book": CHECK,
    "make test": CI,
    "source .venv/bin/activate": FAST,
    "papermill notebooks/gradient-regularization/2-mnist.ipynb out.ipynb -p profile quick": SLOW,
    "papermill --help-notebook notebooks/sparsity-attribution/2-robustness.ipynb": FAST,
    "papermill notebooks/sparsity-attribution/1-sparsity.ipynb out.ipynb -p seeds 2 -p epochs 1": CHECK,
    "export MALLOC_MMAP_MAX_=0": FAST,
    "export MALLOC_TRIM_THRESHOLD_=17179869184": FAST,
    "advbook data where": FAST,
    "advbook data fetch mnist": FAST,
    "advbook data fetch cifar10": FAST,
    "advbook data verify": SLOW,
    "advbook run gradient-regularization --profile standard --replay never": STARTED,
    "advbook run gradient-regularization -p seeds=2": CHECK,
    "advbook run sparsity-attribution -p seeds=2 -p networks=resnet-tiny": CHECK,
    "advbook run gradient-regularization/4-noise-model --profile standard --jobs 1": SLOW,
    "advbook run gradient-regularization/2-mnist": SLOW,
    "advbook claims gradient-regularization": SLOW,
    "advbook power gradient-regularization": SLOW,
    "ADVUTILS_RESULTS=mine advbook run smooth-adversarial/1-smoothing --profile standard --jobs 1": SLOW,
    "advbook compare results mine": SLOW,
    "advbook pair": FAST,
    "advbook pack release": SLOW,
    "advbook fork gradient-regularization/2-mnist students --student": SLOW,
    "advbook fork gradient-regularization/2-mnist teacher --instructor": SLOW,
    "advbook figures gradient-regularization/2-mnist slides": SLOW,
    "advbook new-chapter my-paper": SLOW,
}
ANOTHER_WAY = {"advbook again": SLOW}  # its argument is a record's file
MINE = "ADVUTILS_RESULTS=mine advbook run smooth-adversarial/1-smoothing --profile standard --jobs 1"
BEFORE = {  # what the text runs before
    "advbook figures gradient-regularization/2-mnist slides": "advbook run gradient-regularization/2-mnist",
    "advbook compare results mine": MINE,
}
LEAVES = {  # what must be there afterwards
    "advbook pack release": "release/advutils-*.whl",
    "advbook fork gradient-regularization/2-mnist students --student": "students/notebooks/*/2-mnist.ipynb",
    "advbook fork gradient-regularization/2-mnist teacher --instructor": "teacher/notebooks/*/exercises.yml",
    "advbook figures gradient-regularization/2-mnist slides": "slides/captions.md",
    "advbook new-chapter my-paper": "notebooks/my-paper/1-first.ipynb",
    "papermill notebooks/gradient-regularization/2-mnist.ipynb out.ipynb -p profile quick": "out.ipynb",
}


def printed():
    """(text, command) of each line of a block of shell commands, without comments; two on a line are two."""
    for name in TEXTS:
        for block in re.findall(r"(?ms)^```sh\n(.*?)^```", (paths.root() / name).read_text()):
            for line in block.splitlines():
                for command in line.partition(" #")[0].split(";"):
                    if command.strip():
                        yield name, command.strip()


def how(command):
    return HOW.get(command) or next((kind for start, kind in ANOTHER_WAY.items() if command.startswith(start)), None)


def test_every_command_of_the_texts_is_known_here_and_none_besides():
    there = {command for _, command in printed()}
    assert not [command for command in there if how(command) is None]
    assert set(HOW) <= there


def test_what_counts_as_run_by_ci_is_run_by_it():
    ran = (paths.root() / ".ci" / "run").read_text()
    for command in (command for command, kind in HOW.items() if kind == CI):
        assert re.search(rf"(?m)^{re.escape(command)}\b", ran), command


def test_commands_inside_sentences_exist():
    """`advbook again RECORD`: the subcommand and its options; what is in capitals or dots is a placeholder."""
    import click

    from advbook import cli

    texts = [*TEXTS, "book/intro.md", "book/playground.md", "tools/env.sh", "Makefile"]
    found = {
        command
        for name in texts
        for command in re.findall(r"`(?:\$\(BIN\)/)?advbook ([^`\n]+)`", (paths.root() / name).read_text())
    }
    assert len(found) > 8
    for command in found:
        node, words = cli.main, shlex.split(command)
        while isinstance(node, click.Group):
            assert words and words[0] in node.commands, f"advbook {command}"
            node = node.commands[words.pop(0)]
        options = {option for parameter in node.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= options, f"advbook {command}"


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Run a line in a shell in a copy of the checkout, in a path with a space, as somebody who activated its .venv."""
    root, folder = paths.root(), tmp_path_factory.mktemp("a copy")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git, or no checkout")
    for name in listed.stdout.splitlines():
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ADV", "PYTEST"))}
    environment |= {"PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    environment |= {"ADVUTILS_CACHE": str(folder / "cache")}
    if "ADVUTILS_DATA" in os.environ:
        environment["ADVUTILS_DATA"] = os.environ["ADVUTILS_DATA"]

    def run(line, **options):
        streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started = subprocess.Popen(["bash", "-c", line], cwd=folder, env=environment, start_new_session=True, **streams)
        try:
            output, _ = started.communicate(**options)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGTERM)  # of this command alone: it leads a session of its own
            output, _ = started.communicate()
        return started.returncode, output

    return folder, run


WRITES = {"advbook compare results mine": r"(?m)^ +\d+ equal"}  # what must be said


def cases(*kinds):
    for command in dict.fromkeys(command for _, command in printed()):
        if how(command) in kinds:
            marks = {SLOW: [pytest.mark.slow], FAST: []}.get(how(command), [pytest.mark.check])
            yield pytest.param(command, marks=[*marks, pytest.mark.timeout(3000)])


@pytest.mark.parametrize("command", list(cases(FAST, SLOW, CHECK)))
def test_a_printed_command_does_what_it_says(shell, command):
    folder, run = shell
    if command in BEFORE:
        code, output = run(BEFORE[command])
        assert code == 0, output[-2000:]
    code, output = run(command)
    own = re.search(r"(?m)^advbook: (cannot download|not usable)", output)  # no network, or torn data
    assert "Traceback" not in output and (code == 0 or "data" in command and own), output[-3000:]
    assert re.search(WRITES.get(command, ""), output), output[-2000:]
    if command in LEAVES:
        assert list(folder.glob(LEAVES[command]))


@pytest.mark.parametrize("command", list(cases(STARTED)))
def test_a_long_command_begins_to_measure(shell, command):
    _, run = shell
    code, output = run(command, timeout=120)
    data = "advbook data fetch" in output  # it says what is missing
    assert "Traceback" not in output and (re.search(r"s  \S+: \w+ \(\d+\)", output) or data), output[-3000:]

"""The files around the book: the lock, the newcomer's environment and its failures, documents."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

from advbook import paths

ROOT = paths.root()
LOCKS = ("requirements.lock", "requirements-cuda.lock")


def locked(name):
    """What a lock names: the requirement, its marker, and the hashes of its files."""
    text = "".join(line for line in (ROOT / name).read_text().splitlines(True) if not line.startswith("#"))
    for entry in text.replace("\\\n", "").splitlines():
        requirement, *hashes = entry.split(" --hash=")
        requirement, _, marker = requirement.strip().partition(" ; ")
        yield requirement, marker.strip(), [each.strip() for each in hashes]


LOCK = list(locked("requirements.lock"))


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_pin_exact_versions_and_hashes_and_name_no_place(name):
    entries = list(locked(name))
    assert len(entries) > 10
    for requirement, marker, hashes in entries:
        assert re.fullmatch(r"[\w.-]+==[\w.]+", requirement), requirement
        assert marker in ("", 'python_version >= "3.12"')
        assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), requirement
    assert len({requirement.split("==")[0].lower() for requirement, *_ in entries}) == len(entries)


def test_the_lock_has_all_that_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    names = {re.match(r"[\w-]+", line)[0].lower().replace("_", "-") for line in asked} - {"advutils"}
    have = {requirement.split("==")[0].lower().replace("_", "-") for requirement, *_ in LOCK}
    assert names <= have, names - have


FLOORS = ("advutils", "advbook", "advbook.chapters", "notebooks")  # a floor stands on those before it


def floor(module: str) -> int:
    """The floor that a dotted module of ours lies on; -1 for others."""
    return max((number for number, name in enumerate(FLOORS) if f"{module}.".startswith(f"{name}.")), default=-1)


def imported(path):
    """The dotted modules, and names in them, that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("folder", ["advutils", "advbook", "notebooks"])
def test_imports_lead_downwards(folder):
    files = [
        path for path in (ROOT / folder).rglob("*.py") if path.parent.name != "commands"
    ]  # the command line knows all
    assert len(files) > 15
    for path in files:
        own = floor(".".join(path.relative_to(ROOT).with_suffix("").parts))
        up = [name for name in imported(path) if floor(name) > own]
        assert not up, f"{path} imports {', '.join(up)}, which lies above it"


ON_TOP = {"attacks", "playground"}  # what compares or shows networks of several papers; each paper stands by itself


def test_chapters_on_papers_do_not_import_each_other():
    chapters = ROOT / "advbook" / "chapters"
    rooms = {path.name for path in chapters.iterdir() if (path / "__init__.py").is_file()}
    assert len(rooms) > 6 and rooms > ON_TOP
    for path in chapters.glob("*/*.py"):
        named = {name.split(".")[2] for name in imported(path) if name.startswith("advbook.chapters.")}
        own = path.parent.name
        aside = (named & rooms) - {own} - (rooms - ON_TOP if own in ON_TOP else set())
        assert not aside, f"{path} imports {', '.join(aside)}"


def test_the_numerics_need_no_library_of_the_book():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    names = {"pillow": "PIL", "scikit-learn": "sklearn", "scikit-image": "skimage"}
    known = {"advutils", *sys.stdlib_module_names, *(names.get(name, name) for name in core)}
    for path in (ROOT / "advutils").rglob("*.py"):
        assert {name.partition(".")[0] for name in imported(path)} <= known, path


def test_environment_yml_equals_the_lock():
    document = yaml.safe_load((ROOT / "environment.yml").read_text())
    listed = next(entry for entry in document["dependencies"] if isinstance(entry, dict))["pip"]
    assert listed == [*(name for name, marker, _ in LOCK if not marker), "-e ."], "run `make environment.yml`"


def test_documents():
    for name in ("README.md", "LICENSE", "CITATION.cff", "CONTRIBUTING.md", "CHANGELOG.md"):
        assert (ROOT / name).stat().st_size > 200
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "title", "message", "authors"} <= set(citation)
    readme = (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)h][^)]*)\)", readme):
        assert (ROOT / link).exists(), link
    for target in re.findall(r"`?make (\w+)", readme):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), target


def test_the_readme_says_where_things_are_and_they_are_there():
    section = (ROOT / "README.md").read_text().split("## Where is what")[1].split("| folder")[0]
    places = re.findall(r"`([\w./-]+/[\w./-]*)`", section)
    assert len(places) > 8 and all((ROOT / place).exists() for place in places), places
    names = re.findall(r"`(\w+)` in `([\w./]+)`", section)
    assert len(names) >= 5
    for name, place in names:
        assert re.search(rf"^def {name}\(", (ROOT / place).read_text(), re.M), (name, place)


@pytest.fixture
def clone(tmp_path):
    """A checkout with only what the environment script reads, and a PATH with only basic commands and a fake Python."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "env.sh", tmp_path / "tools")
    for name in (*LOCKS, "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for command in ("sh", "cat", "cksum", "df", "awk", "rm", "grep", "tail", "dirname", "mkdir", "chmod"):
        (bin_ / command).symlink_to(shutil.which(command))

    def run(python, **variables):
        """``python``: the shell text of a fake interpreter."""
        target = bin_ / "python3"
        target.unlink(missing_ok=True)
        target.write_text(f"#!/bin/sh\n{python}\n")
        target.chmod(0o755)
        return subprocess.run(
            ["sh", "tools/env.sh"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": str(bin_), **variables},
        )

    return tmp_path, run


VERSION = (
    'case "$*" in *version_info*) echo 3.12; exit 0;; *ensurepip*) exit 0;; '
    "*--version*) echo Python 3.12; exit 0;; esac"
)
MAKE = VERSION + "\nmkdir -p .venv/bin; cat > .venv/bin/python <<X\n#!/bin/sh\n{pip}\nX\nchmod +x .venv/bin/python"


@pytest.mark.parametrize(
    "python, variables, message",
    [
        ("echo 3.9", {}, "Python 3.11, 3.12 or 3.13 is needed (python3 is 3.9)"),
        ("exit 1", {}, "Python 3.11, 3.12 or 3.13 is needed (none)"),
        ('case "$*" in *version_info*) echo 3.12;; *) exit 1;; esac', {}, "no venv module"),
        (VERSION, {"MIN_FREE_KIB": "99999999999999"}, "MiB are free here"),
        (MAKE.format(pip="echo 'ERROR: Could not connect: Connection refused'; exit 1"), {}, "index cannot be reached"),
        (MAKE.format(pip="echo 'OSError: No space left on device'; exit 1"), {}, "the disk is full"),
        (MAKE.format(pip="echo 'ERROR: broken wheel'; exit 1"), {}, "pip failed: ERROR: broken wheel"),
        (
            MAKE.format(
                pip="printf '    torch==1 from x:\\n        Expected sha256 a\\n             Got        b\\n'; exit 1"
            ),
            {},
            "the lock has another hash than the file found: torch==1 has the hash b",
        ),
    ],
)
def test_failures_speak_in_one_line(clone, python, variables, message):
    folder, run = clone
    done = run(python, **variables)
    lines = done.stderr.strip().splitlines()
    assert done.returncode != 0 and len(lines) == 1 and message in lines[0], done.stderr
    assert not (folder / ".venv" / ".complete").exists()


def test_a_half_made_environment_is_made_again_and_a_whole_one_is_kept(clone):
    folder, run = clone
    (folder / ".venv").mkdir()
    (folder / ".venv" / "rubbish").write_text("half")
    working = MAKE.format(pip="exit 0")
    assert run(working).returncode == 0
    assert (folder / ".venv" / ".complete").exists() and not (folder / ".venv" / "rubbish").exists()
    marker = folder / ".venv" / "kept"
    marker.write_text("")
    assert run("exit 1").returncode == 0 and marker.exists()  # Python is not even looked for
    with open(folder / "requirements.lock", "a") as lock:
        lock.write("another==1.0\n")
    assert run(working).returncode == 0 and not marker.exists()


def test_make_serve_without_a_site_says_so(tmp_path):
    if not shutil.which("make"):
        pytest.skip("no make")
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "serve"], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode != 0 and "no site yet" in done.stderr


def test_a_bare_build_says_what_to_run_instead(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from jupyter_book.cli.main import main; main()",
            "build",
            ".",
            "--path-output",
            tmp_path,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode and "Run `make site`" in done.stderr.splitlines()[-1]


def test_a_checkout_has_the_line_ends_of_the_commit(tmp_path):
    """Under the setting that Git for Windows proposes."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no git, or no checkout")
    clone = tmp_path / "clone"
    names = ["tools/env.sh", "Makefile", "requirements.lock", "notebooks/attacks/1-attacks.ipynb"]
    done = subprocess.run(
        ["git", "-c", "core.autocrlf=true", "clone", "-q", "--no-checkout", "--depth", "1", f"file://{ROOT}", clone]
    )
    assert done.returncode == 0
    shutil.copy(ROOT / ".gitattributes", clone)
    subprocess.run(["git", "-c", "core.autocrlf=true", "checkout", "HEAD", "--", *names], cwd=clone, check=True)
    assert all(b"\r" not in (clone / name).read_bytes() for name in names)

"""Execute notebooks with papermill, several at a time, and show what is going on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from advbook import claims, paths, withdrawn
from advbook.codehash import OURS
from advbook.ledger import MissingRecord, Withdrawn
from advutils.core import files

# glibc would give the memory of large tensors back after each operation and ask for it again: attacks on batches of
# hundreds of images take up to twice the time. Other C libraries ignore these.
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**34)}


@dataclass(frozen=True)
class Result:
    """One executed notebook: how long, how many measurements were made and replayed, or the error that stopped it.

    ``older`` of the replayed ones are older than their code. ``withdrawn`` is the reason where the notebook stopped at
    a record that is withdrawn.
    """

    notebook: str
    seconds: float
    made: int
    replayed: int
    error: str = ""
    skipped: bool = False
    older: int = 0
    withdrawn: str = ""


def find(target: str | None = None) -> list[Path]:
    """The ``.ipynb`` files that ``target`` ("", CHAPTER or CHAPTER/NOTEBOOK) names, in the book's order."""
    known = [path.with_suffix(".ipynb") for path in paths.notebooks()]
    if not target:
        return known
    chosen = [path for path in known if target in (path.parent.name, name_of(path))]
    if not chosen:
        raise ValueError(f"no notebook {target!r}; there are {', '.join(name_of(path) for path in known)}")
    return chosen


def name_of(path: Path) -> str:
    """'chapter/notebook'."""
    return f"{path.parent.name}/{path.stem}"


def executed_path(path: Path, edition: str = "run") -> Path:
    """Where the executed copy of a notebook goes: the reader's own run, or the published edition."""
    return paths.build() / "executed" / edition / path.parent.name / path.name


def stamp(path: Path, parameters: dict) -> str:
    """Changes when the notebook, its parameters, the chapter's claims, our code or the judged records change (their
    arrays and the withdrawn ones among them).
    """
    return f"{_digest(_sources(path), parameters)} {_digest(_recorded(path))}"


def _sources(path: Path) -> list[Path]:
    code = [file for folder in OURS for file in sorted((paths.root() / folder).rglob("*.py"))]
    return [path, *sorted(path.parent.glob("*.yml")), *code]


def _recorded(path: Path) -> list[Path]:
    found = [
        record
        for profile in claims.JUDGED
        for record in sorted((paths.results() / profile / path.parent.name).glob("*/*.*"))
    ]
    return [*found, *filter(Path.exists, [withdrawn.table()])]


def _digest(content: list[Path], parameters: dict | None = None) -> str:
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode())
    for item in content:
        digest.update(f"{item.name}\n".encode() + item.read_bytes())
    return digest.hexdigest()[:16]


def cores() -> int:
    """How many cores this process may use: fewer than the machine has in a container or a cluster's job."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs that measurements may use, as ``CUDA_VISIBLE_DEVICES`` names them; none if they run elsewhere."""
    import torch

    from advutils.core import runtime

    device = runtime.device()
    if device.type != "cuda":
        return []
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]
    return names if device.index is None else [names[device.index]]


@contextmanager
def _one_gpu(names: list[str]) -> Iterator[None]:
    """Wait for one of these GPUs and have it alone, so that two notebooks never share one; if there are any."""
    if not names:
        yield
        return
    # a cluster numbers the GPUs of each job from 0
    place = paths.build() / "locks" / f"gpu-{platform.node()}-{os.environ.get('SLURM_JOB_ID', '')}"
    locks = {place.with_name(f"{place.name}-{name}"): name for name in names}
    with files.one_locked(list(locks)) as lock:
        os.environ |= {"CUDA_VISIBLE_DEVICES": locks[lock], "ADVUTILS_DEVICE": "cuda"}
        yield


def execute(path: Path, parameters: dict, output: Path, progress: Path, threads: int, on: Sequence[str] = ()) -> Result:
    """Execute one notebook in this process, without a kernel (:mod:`advbook.engine`).

    ``on`` are GPUs (see :func:`gpus`); it has one of them alone while it runs.
    """
    with _one_gpu(list(on)):
        return _execute(path, parameters, output, progress, threads)


def _forked(environment: dict[str, str], *given) -> Result:
    """:func:`execute` in a process that was forked from another one, whose environment may be older."""
    os.environ.clear()
    os.environ.update(environment)
    return execute(*given)


def _execute(path: Path, parameters: dict, output: Path, progress: Path, threads: int) -> Result:
    os.environ |= {"ADVBOOK_PROGRESS": str(progress), "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    import papermill
    import torch

    from advbook import engine

    torch.set_num_threads(threads)
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}")
    started, error = time.perf_counter(), ""
    sources = _digest(_sources(path), parameters)  # before the run: a file may be edited while it lasts
    try:
        papermill.execute_notebook(
            str(path),
            str(part),
            parameters=parameters,
            progress_bar=False,
            cwd=str(paths.root()),
            kernel_name="python3",
            engine_name=engine.NAME,
            autosave_cell_every=0,
        )
    except papermill.PapermillExecutionError as failure:
        error = f"{failure.ename}: {failure.evalue} (In [{failure.exec_count}]; as far as it came: {part})"
    except (OSError, RuntimeError, ValueError) as failure:
        error = f"{type(failure).__name__}: {failure}"
    events = [json.loads(line) for line in progress.read_text().splitlines()] if progress.exists() else []
    finished = [event for event in events if "done" in event]
    result = Result(
        name_of(path),
        time.perf_counter() - started,
        sum(not e["replayed"] for e in finished),
        sum(e["replayed"] for e in finished),
        error,
        older=sum(e["older"] for e in finished),
        withdrawn=_last(events).get("withdrawn", ""),
    )
    if not error:
        _finish(
            part,
            output,
            {
                "stamp": f"{sources} {_digest(_recorded(path))}",
                "seconds": round(result.seconds, 2),
                "measurements": result.made + result.replayed,
                "older": result.older,
                "profile": parameters.get("profile"),
            },
        )
    return result


def _finish(part: Path, output: Path, facts: dict) -> None:
    """Remove what is private or changes between equal runs, add our facts, put the file in its place."""
    import nbformat

    notebook = nbformat.read(part, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    notebook.metadata["advbook"] = facts
    nbformat.write(notebook, part)
    os.replace(part, output)


def run(
    target: str | list[Path] | None = None,
    *,
    profile: str = "quick",
    replay: str = "auto",
    jobs: int = 0,
    edition: str = "run",
    parameters: dict | None = None,
    report=None,
) -> list[Result]:
    """Execute the notebooks that ``target`` names (or is a list of) and return one :class:`Result` each.

    A notebook whose executed copy is up to date is skipped, except under ``replay='never'``. ``jobs`` 0 means one
    process for each core that may be used, or for each GPU where measurements run on GPUs; threads per process are set
    so that all jobs together use each core once, or to ``OMP_NUM_THREADS`` if that is less.
    ``report(states, seconds)`` is called about five times a second with one line of state a notebook.
    """
    wanted = target if isinstance(target, list) else find(target)
    given = {**(parameters or {}), "profile": profile, "replay": replay}
    results = {}
    for path in wanted:
        skipped = None if replay == "never" else _up_to_date(path, given, edition)
        if skipped:
            results[path] = skipped
    todo = [path for path in wanted if path not in results]
    on = gpus() if todo and replay != "only" else []
    jobs = min(jobs or len(on) or cores(), max(len(todo), 1))
    threads = max(1, cores() // jobs)
    threads = min(threads, int(os.environ.get("OMP_NUM_THREADS") or threads))
    if todo:
        with tempfile.TemporaryDirectory(prefix="advbook") as folder:
            results |= _run_all(todo, given, edition, Path(folder), jobs, threads, on, report)
    return [results[path] for path in wanted]


def _run_all(todo, given, edition, folder, jobs, threads, on, report) -> dict[Path, Result]:
    with ProcessPoolExecutor(jobs, mp_context=_context(), max_tasks_per_child=1) as pool:
        futures: dict[Path, Future] = {}
        for number, path in enumerate(todo):
            output, progress = executed_path(path, edition), folder / str(number)
            futures[path] = pool.submit(_forked, dict(os.environ), path, given, output, progress, threads, on)
        started = time.perf_counter()
        while not all(future.done() for future in futures.values()):
            if report:
                report(
                    [_state(path, futures[path], folder / str(n)) for n, path in enumerate(todo)],
                    time.perf_counter() - started,
                )
            time.sleep(0.2)
        return {path: _outcome(path, future) for path, future in futures.items()}


def _context():
    """Where processes come from: forked from one that has imported torch and judged the claims (:mod:`advbook.warm`).

    That one is new, and has no threads, which would not survive a fork. glibc reads its settings when a process starts.
    """
    for name, value in ALLOCATOR.items():
        os.environ.setdefault(name, value)
    os.environ["MPLBACKEND"] = "agg"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["advbook.warm"])
    return context


def _outcome(path: Path, future: Future) -> Result:
    try:
        return future.result()
    except Exception as failure:  # the process died: say so in the table instead of losing the other results
        return Result(name_of(path), 0.0, 0, 0, f"the process died: {type(failure).__name__}: {failure}")


def _state(path: Path, future: Future, progress: Path) -> dict:
    lines = progress.read_text().splitlines() if progress.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    last = _last(events)
    return {
        "notebook": name_of(path),
        "done": sum("done" in event for event in events),
        "measuring": last.get("measuring", ""),
        "finished": future.done(),
        "running": future.running(),
        "expected": expected(path),
    }


def _last(events: list[dict]) -> dict:
    return events[-1] if events else {}


def expected(path: Path) -> int | None:
    """How many measurements the notebook made the last time, None if it never ran here."""
    for edition in ("run", "published"):
        target = executed_path(path, edition)
        if target.exists():
            return json.loads(target.read_text())["metadata"].get("advbook", {}).get("measurements")
    return None


def _up_to_date(path: Path, given: dict, edition: str) -> Result | None:
    target = executed_path(path, edition)
    if not target.exists():
        return None
    try:
        meta = json.loads(target.read_text())["metadata"]["advbook"]
    except (OSError, ValueError, KeyError):
        return None
    if meta["stamp"] != stamp(path, given):
        return None
    counts = {"older": meta.get("older", 0), "withdrawn": meta.get("withdrawn", "")}
    return Result(name_of(path), 0.0, 0, meta.get("measurements", 0), skipped=True, **counts)


def publish(report=None) -> list[Result]:
    """Replay each notebook from committed records alone, under the best profile whose records are complete.

    A record that is missing sends it to the next profile; any other error is the notebook's result. Where the missing
    record is withdrawn, and no profile that is judged is complete, the page appears without numbers, and says why.
    """
    results = {path: Result(name_of(path), 0.0, 0, 0, "no records; run `make book` first") for path in find()}
    taken_back: dict[Path, Result] = {}
    asked: dict[Path, dict] = {}
    done: set[Path] = set()
    for profile in reversed(paths.PROFILES):
        judged = profile in claims.JUDGED  # numbers of digits do not stand in for withdrawn ones
        todo = [
            path
            for path in results
            if path not in done
            and (judged or path not in taken_back)
            and (
                any((paths.results() / profile / path.parent.name).glob("*/*.json"))
                or withdrawn.load(profile, path.parent.name)
            )
        ]
        made = run(todo, profile=profile, replay="only", edition="published", report=report) if todo else []
        for path, result in zip(todo, made, strict=True):
            results[path] = result
            if not result.error.startswith((f"{MissingRecord.__name__}:", f"{Withdrawn.__name__}:")):
                done.add(path)
            elif why := result.withdrawn or next((claim["why"] for claim in _fallen(path)), ""):
                taken_back[path] = dataclasses.replace(result, withdrawn=why)
                asked[path] = {"profile": profile, "replay": "only"}
    return [
        _without_numbers(path, taken_back[path], asked[path]) if path in taken_back and path not in done else result
        for path, result in results.items()
    ]


def _fallen(path: Path) -> list[dict]:
    """The claims of a notebook that are withdrawn."""
    return [claim for claim in claims.evaluate() if (claim["page"], claim["verdict"]) == (name_of(path), "withdrawn")]


def _without_numbers(path: Path, result: Result, asked: dict) -> Result:
    """Publish a notebook's text and code; a box under its title says why it has no numbers, and which verdicts fell."""
    import nbformat

    from advbook.page import badge

    notebook = nbformat.read(path, as_version=4)
    fallen = [
        f"* {badge('withdrawn')} [`{claim['id']}`](#{claim['id']}) {' '.join(claim['claim'].split())}"
        for claim in _fallen(path)
    ]
    text = [
        "```{warning}",
        f"The numbers of this page are withdrawn. {result.withdrawn}",
        "",
        "They are being measured again; until then the page has its text and its code. What was measured before is "
        'in <a href="../../results/withdrawn.csv">results/withdrawn.csv</a>.',
        "",
        *fallen,
        "```",
    ]
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell("\n".join(text), id="withdrawn"))
    output = executed_path(path, "published")
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}")
    nbformat.write(notebook, part)
    _finish(part, output, {"stamp": stamp(path, asked), "profile": "withdrawn", "withdrawn": result.withdrawn})
    return dataclasses.replace(result, error="")

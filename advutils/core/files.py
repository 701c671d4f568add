"""Files that are either whole or absent: atomic writes and sealed (checksummed) files."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class DamagedFile(ValueError):
    """A file's content does not match its checksum."""


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file or the new one, never a part.

    Raises ``OSError`` with the path in its text, e.g. when the disk is full; the old file is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # process and thread in the name: two writers never share a temporary file
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with open(part, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        if error.filename is None:  # a full disk does not say where
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        part.unlink(missing_ok=True)


def write_sealed(path: Path, data: bytes) -> None:
    """Write ``data`` behind its own SHA-256, atomically."""
    write_atomic(path, hashlib.sha256(data).digest() + data)


def read_sealed(path: Path) -> bytes:
    """Read what :func:`write_sealed` wrote; raise :class:`DamagedFile` if a bit differs."""
    raw = path.read_bytes()
    if len(raw) < 32 or hashlib.sha256(raw[32:]).digest() != raw[:32]:
        raise DamagedFile(f"{path} is damaged: its SHA-256 does not match its content")
    return raw[32:]


Look = tuple[int, int, int] | None


def look(path: Path) -> Look:
    """What a file looks like from outside: when it was written (ns), size and inode; None if it is not there."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def settled(looks: Iterable[Look]) -> bool:
    """Whether files that looked so would look otherwise if somebody wrote to them from now on.

    A file system's clock ticks slowly, so that two writings within a tick cannot be told apart.
    """
    return all(seen is None or time.time_ns() - seen[0] > 2 * 10**9 for seen in looks)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process or thread has the lock file ``path``, and have it for a block.

    A killed process releases its lock by itself. The file stays: to remove one that somebody waits for would break it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


@contextmanager
def one_locked(paths: list[Path]) -> Iterator[Path]:
    """As :func:`locked`, with whichever of several lock files is free first; says which."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    locks = {path: FileLock(path) for path in paths}
    while True:
        for path, lock in locks.items():
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            try:
                yield path
            finally:
                lock.release()
            return
        time.sleep(0.2)

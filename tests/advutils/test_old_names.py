import subprocess
import sys

import pytest

import advutils
from advutils import _old_names


def test_names_of_the_first_edition_lead_to_the_new_rooms_and_warn():
    lines = [
        f"import advutils.{old} as old; from advutils import {old} as same; import advutils.{new} as new; "
        "assert old is new is same and new.__spec__.name == new.__name__"
        for old, new in _old_names.MOVED.items()
    ]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for old, new in _old_names.MOVED.items():
        assert f"advutils.{old} is advutils.{new} now" in done.stderr


def test_rooms_are_imported_when_they_are_used_and_others_do_not_exist():
    code = (
        "import sys, advutils; assert 'torch' not in sys.modules; advutils.datasets.load; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="'cellar'"):
        _ = advutils.cellar
    with pytest.raises(ImportError):
        from advutils import cellar  # noqa: F401

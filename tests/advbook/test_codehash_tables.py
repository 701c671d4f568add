"""Hashes of measurements that take rows out of tables of kinds."""

import pytest

ROWS = """
SCHEDULES: dict = {"slow": 1, "fast": 2}
KINDS = {"a": "slow", "b": "fast", "c": helper, "inner": 4}
def helper(): return "fast"
def f(kind, other="inner"):
    if kind not in KINDS: raise ValueError(f"one of {', '.join(KINDS)}")
    return SCHEDULES.get(KINDS[kind]), KINDS[other]
"""


@pytest.mark.parametrize(
    "parameters, old, new, same",
    [
        ({"kind": "a"}, '"b": "fast"', '"b": "other"', True),  # a row that is not used
        ({"kind": "a"}, '"inner": 4', '"inner": 4, "new": 5', True),
        ({"kind": "a"}, '"fast": 2', '"fast": 3', True),
        ({"kind": "a"}, '"a": "slow", "b": "fast"', '"b": "fast", "a": "slow"', True),
        ({"kind": "a"}, 'return "fast"', 'return "slow"', True),
        ({"kind": "a"}, '"a": "slow"', '"a": "fast"', False),
        ({"kind": "a"}, '"slow": 1', '"slow": 2', False),  # a row that a row in use names
        ({"kind": "a"}, '"inner": 4', '"inner": 5', False),  # a default argument names it
        ({"spec": {"kinds": ["b"]}}, '"fast": 2', '"fast": 3', False),
        ({"spec": {"b": 1}}, '"b": "fast"', '"b": "slow"', False),  # keys count as text too
        ({"kind": "c"}, '"fast": 2', '"fast": 3', False),  # the code behind a row names it
        ({"kind": "c"}, '"a": "slow"', '"a": "fast"', True),
        ({"kind": "unknown"}, '"slow": 1', '"slow": 2', False),  # no row is named: all of the table
        ({"kind": "unknown"}, '"b": "fast"', '"b": "other"', True),
        (None, '"b": "fast"', '"b": "other"', False),
        (None, '"inner": 4', '"inner": 4, "new": 5', False),
    ],
)
def test_of_a_table_the_rows_count_that_are_used(parameters, old, new, same, probe):
    assert old in ROWS
    assert (probe(parameters, probe=ROWS) == probe(parameters, probe=ROWS.replace(old, new))) is same


@pytest.mark.parametrize(
    "use, same",
    [
        ("KINDS['a']", True),
        ("KINDS.get('a')", True),
        ("'a' in KINDS", True),
        ("' or '.join(KINDS)", True),
        ("list(KINDS), 'a'", False),
        ("[k for k in KINDS], 'a'", False),
        ("KINDS.items(), 'a'", False),
        ("{**KINDS}, 'a'", False),
        ("KINDS[f'a{x}'], 'a'", False),
        ("len(KINDS), 'a'", False),
        ("KINDS.update(a=1)", False),
        ("table['a']", True),
        ("[table, 'a']", False),
        ("module.KINDS['a']", True),
        ("[module, 'a']", False),
    ],
)
def test_a_table_that_is_used_as_a_whole_counts_as_a_whole(use, same, probe):
    user = (
        "from advutils_probe import kinds as module\nfrom advutils_probe.kinds import KINDS\n"
        "from advutils_probe.kinds import KINDS as table\ndef g(x):\n    return {}\ndef f(x):\n    return g(x)\n"
    )
    text, parameters = user.format(use), {"x": "a"}
    assert (
        probe(parameters, probe=text, kinds="KINDS = {'a': 1}\n")
        == probe(parameters, probe=text, kinds="KINDS = {'a': 1, 'b': 2}\n")
    ) is same


def test_one_use_as_a_whole_is_enough_and_a_table_walked_through_names_rows_of_others(probe):
    text = (
        "KINDS = {'a': 1, 'b': 2}\nRATES = {'a': 1, 'b': 2, 'c': 3}\n"
        "def f(kind):\n    return KINDS[kind], [RATES[each] for each in KINDS]\n"
    )
    base = probe({"kind": "a"}, probe=text)
    assert probe({"kind": "a"}, probe=text.replace("'b': 2}", "'b': 3}")) != base
    assert probe({"kind": "a"}, probe=text.replace("'b': 2, 'c'", "'b': 3, 'c'")) != base
    assert probe({"kind": "a"}, probe=text.replace("'c': 3", "'c': 4")) == base

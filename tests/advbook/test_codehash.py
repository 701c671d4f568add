import ast
import importlib
import sys

import pytest
from hashes import forget

from advbook import codehash, paths
from advbook.codehash import sources, texts


def test_code_hash_follows_code_and_not_words(probe):
    base = probe(probe='"""A docstring."""\nK = 1\ndef f():\n    """Doc."""\n    return K\n')
    assert probe(probe='"""Another."""\n# a comment\nK = 1\n\n\ndef f():\n    return K\n') == base
    assert probe(probe="K = 1\ndef g():\n    return 3\ndef f():\n    return K\n") == base  # f does not use g
    assert probe(probe="K = 2\ndef f():\n    return K\n") != base
    assert probe(probe="K = 1\nprint()\ndef f():\n    return K\n") != base  # done at every import
    assert len(base) == 16 and int(base, 16)


def test_the_words_of_a_tree_are_those_of_python_3_11_whatever_runs():
    tree = ast.parse("@cache\ndef f(a, *, b=1.5, **c) -> int:\n    x: str\n    return [a, None, b'z', -b], {}").body[0]
    assert "".join(texts.read([tree], {}).words) == (
        "[FunctionDef(name='f', args=arguments(posonlyargs=[], args=[arg(arg='a')], kwonlyargs=[arg(arg='b')], "
        "kw_defaults=[Constant(value=1.5)], kwarg=arg(arg='c'), defaults=[]), body=[AnnAssign(target=Name(id='x', "
        "ctx=Store()), annotation=Name(id='str', ctx=Load()), simple=1), Return(value=Tuple(elts=[List(elts=["
        "Name(id='a', ctx=Load()), Constant(value=None), Constant(value=b'z'), UnaryOp(op=USub(), operand=Name(id='b', "
        "ctx=Load()))], ctx=Load()), Dict(keys=[], values=[])], ctx=Load()))], decorator_list=[Name(id='cache', "
        "ctx=Load())], returns=Name(id='int', ctx=Load()))]"
    )
    if sys.version_info[:2] == (3, 11):
        for path in (paths.root() / "advutils").rglob("*.py"):
            body = sources.bare(ast.parse(path.read_text())).body
            assert "".join(texts.read(body, {}).words) == f"[{', '.join(map(ast.dump, body))}]"


def test_a_hash_is_of_the_code_that_was_imported_and_not_of_a_later_edit(probe, tmp_path):
    before = probe(probe="K = 1\ndef f():\n    return K\n")
    f = importlib.import_module("advutils_probe.probe").f
    codehash.remember_loaded()
    (tmp_path / "advutils_probe" / "probe.py").write_text("K = 2\ndef f():\n    return K\n")
    forget(sources=False)
    assert codehash.code_hash(f) == before
    for name in [name for name in sys.modules if name.startswith("advutils_probe")]:
        del sys.modules[name]


USER = "from advutils_probe import other\ndef f():\n    return {}\n"


@pytest.mark.parametrize(
    "text, seen, unseen",
    [
        (USER.format("other.a()"), ("a", "b", "K"), ("c",)),  # a uses b, and b the constant
        (USER.format("[other][0]"), ("a", "b", "c", "K"), ()),  # the module itself is handed on
        (
            USER.format("[list][0]").replace("other", "list"),
            ("a", "b", "c", "K"),
            (),
        ),  # and a room of others' definitions
        ("from advutils_probe.other import a as x\ndef f(c=1):\n    return x\n", ("a", "b", "K"), ("c",)),
        ("from .other import a as x\ndef f(c=1):\n    return x\n", ("a", "b", "K"), ("c",)),
        ("import advutils_probe.other\ndef f():\n    return advutils_probe.other.c()\n", ("c",), ("a", "b", "K")),
        ("import advutils_probe.other as o\ndef f():\n    return o.c()\n", ("c",), ("a", "b", "K")),
        ("def f():\n    from advutils_probe.other import c\n    return c\n", ("c",), ("a", "b", "K")),
        ("from advutils_probe import other\ndef f(other):\n    return other\n", (), ("a", "b", "c", "K")),
        ("from advutils_probe import other\ndef f(x=other.c):\n    other = 1\n    return other\n", ("c",), ("a",)),
        ("from advutils_probe.other import c\ndef f():\n    return [c for c in c()]\n", ("c",), ("a",)),
        ("from advutils_probe.other import c\ndef f(x):\n    return [c for c in x]\n", (), ("c",)),
        ("from advutils_probe.other import c\ndef f(x):\n    global c\n    c = c()\n", ("c",), ("a",)),
        ("from advutils_probe import list\ndef f():\n    return list.c()\n", ("c",), ("a", "b", "K")),
        ("from advutils_probe import other\nTABLE = {1: other.c}\ndef f():\n    return TABLE[1]()\n", ("c",), ("a",)),
        (
            "from advutils_probe import other\nclass C:\n    def m(self):\n        return other.c()\n"
            "def f():\n    C()\n",
            ("c",),
            ("a",),
        ),
        (
            "from advutils_probe import other\nclass C:\n    other: int\n    def m(self):\n        return other.c()\n"
            "def f():\n    C()\n",
            ("c",),
            ("a",),
        ),  # what a class binds, its methods do not see
    ],
)
def test_code_hash_follows_names_from_definition_to_definition(text, seen, unseen, probe):
    parts = {
        "a": "def a():\n    return b(), {}\n",
        "b": "def b():\n    return K, {}\n",
        "c": "def c():\n    return {}\n",
        "K": "K = {}\n",
    }

    def digest(changed):
        other = "".join(part.format(2 if name == changed else 1) for name, part in parts.items())
        return probe(other=other, list="from advutils_probe.other import a, c\n", probe=text)

    base = digest(None)
    assert all(digest(name) != base for name in seen) and all(digest(name) == base for name in unseen)


WORDED = """
KINDS = {"a": 1, "b": 2}
LIMIT = 3
def text(x): return str(x)
def f(x, *rest, kind="a", **more):
    def inner(y): return y
    if x > LIMIT: raise ValueError(f"x is {text(x)} and {LIMIT}: {x:.3f}") from None
    if x < 0: raise ValueError("x is negative")
    return inner(x), "word", KINDS[kind]
"""


@pytest.mark.parametrize(
    "old, new, same",
    [
        ("def f(x, *rest, kind", "def f(x: float, *rest: int, kind: 'str'", True),
        ("**more):", "**more: object) -> tuple[float, str]:", True),
        ("def f(x", "def f(x: text", True),  # a name of ours that an annotation has
        ("def inner(y): return y", "def inner(y: list[LIMIT]) -> LIMIT: return y", True),
        ("x is negative", "x must not be negative", True),
        ("x is negative", "b", True),  # no row of the table, though it is a key
        ("x is {", "got x = {", True),
        ("{LIMIT}: {x:.3f}", "{LIMIT}{x:.5f}", True),
        ('"word"', '"another"', False),
        ("{text(x)}", "{x}", False),  # a call in a message
        ("{LIMIT}:", "{x}:", False),
        ("return str(x)", "return repr(x)", False),
        ("LIMIT = 3", "LIMIT = 4", False),
        ('ValueError("x is neg', 'TypeError("x is neg', False),
        ('"a": 1', '"a": 3', False),
        ('"b": 2', '"b": 3', True),
        ('kind="a"', 'kind="b"', False),
        ("from None", "", False),
        ("LIMIT = 3", "LIMIT: int = 3", False),  # of a constant or in a class (a field) the annotation counts
    ],
)
def test_annotations_of_functions_and_the_words_of_errors_do_not_count(old, new, same, probe):
    assert old in WORDED
    assert (probe({"x": 1}, probe=WORDED) == probe({"x": 1}, probe=WORDED.replace(old, new))) is same


def test_annotations_in_a_class_count(probe):
    text = "class C:\n    x: int\ndef f(): return C\n"
    assert probe(probe=text) != probe(probe=text.replace("int", "str"))


HELPED = """
import math
import numpy as np
SIZE = 3
class Shape:
    def __init__(self, size=SIZE): self.size = size
def helper(n): return helper(n - 1) if n else Shape(math.sqrt(n))
def second(n): return np.zeros(n)
def f(x, *, width=2):
    left, right = helper(x), second(x)
    return left, right + width, Shape
"""


def test_neither_a_place_nor_an_alias_counts(probe):
    base = probe(probe=HELPED)
    assert probe(function="elsewhere.f", elsewhere=HELPED) == base  # the module moves
    assert probe(probe="from advutils_probe.deep import f\n", deep=HELPED) == base  # and is still known by its old name
    head, _, tail = HELPED.partition("def f")
    for words, call in (
        ("from advutils_probe.other import Shape, helper, second", ""),  # helpers move
        ("from advutils_probe import other", "other."),
        ("import advutils_probe.other as place", "place."),
        ("import advutils_probe.other", "advutils_probe.other."),
    ):
        moved = f"{words}\ndef f{tail}"
        for name in ("helper(", "second(", "Shape"):
            moved = moved.replace(f" {name}", f" {call}{name}")
        assert probe(other=head, probe=moved) == base, words
    assert (
        probe(
            room="from advutils_probe.other import Shape as S, helper as h, second as s\n",
            other=head,
            probe="from advutils_probe import room as r\ndef f"
            + tail.replace("helper(", "r.h(").replace("second(", "r.s(").replace("Shape", "r.S"),
        )
        == base
    )  # by a room that renames them
    assert probe(probe=HELPED.replace("helper", "renamed").replace("Shape", "Form").replace("SIZE", "LENGTH")) == base
    for old, new in (("import numpy as np", "import numpy"), ("import math", "from math import sqrt as root")):
        text = HELPED.replace(old, new)
        assert (
            probe(probe=text.replace("np.z", "numpy.z") if "numpy" in old else text.replace("math.sqrt", "root"))
            == base
        )  # another's module, in other words
    lazy = HELPED.replace("import numpy as np\n", "").replace("return np", "import numpy as np; return np")
    assert probe(probe=lazy) == base  # imported where it is used
    assert probe(function="probe.g", probe=HELPED.replace("def f(", "def g(")) == base


@pytest.mark.parametrize(
    "old, new",
    [
        ("helper(x), second(x)", "second(x), helper(x)"),
        ("SIZE = 3", "SIZE = 4"),
        ("width=2", "width=3"),
        ("size=SIZE", "size=1"),
        ("import math", "import cmath as math"),
        ("helper(n - 1)", "second(n - 1)"),
        ("return np.zeros(n)", "return np.ones(n)"),
        ("self.size = size", "self.size = 2 * size"),
    ],
)
def test_what_a_function_does_counts(old, new, probe):
    assert old in HELPED
    assert probe(probe=HELPED) != probe(probe=HELPED.replace(old, new))


@pytest.mark.parametrize(
    "old, new, same",
    [
        ("odd", "uneven", True),
        ("return even(n - 1), 1", "return even(n - 1), 2", False),
        ("odd(n), even(n)", "even(n), odd(n)", False),
        ("odd(n - 1), 0", "even(n - 1), 0", False),
    ],
)
def test_definitions_that_use_each_other(old, new, same, probe):
    circle = "def even(n): return odd(n - 1), 0\ndef odd(n): return even(n - 1), 1\ndef f(n): return odd(n), even(n)\n"
    assert old in circle
    base = probe(probe=circle)
    assert (probe(probe=circle.replace(old, new)) == base) is same
    first, second, last = circle.splitlines(keepends=True)
    assert probe(probe=second + first + last) == base  # their order in the file
    first, second = f"from advutils_probe.two import odd\n{first}", f"from advutils_probe.one import even\n{second}"
    assert (
        probe(
            one=first,
            two=second,
            probe="from advutils_probe.one import even\nfrom advutils_probe.two import odd\n" + last,
        )
        == base
    )


def test_a_name_that_leads_nowhere_is_an_error(probe):
    with pytest.raises(LookupError, match="no g in advutils_probe.probe"):
        probe(function="probe.g", probe="def f(): pass\n")
    with pytest.raises(LookupError, match="no f in advutils_probe.other"):
        probe(function="other.f", probe="def f(): pass\n")


def test_a_package_that_imports_a_room_of_its_own_leads_to_the_room(probe):
    use = "from advutils_probe import room\ndef f():\n    return room.K\n"
    base = probe(__init__="", room="K = 1\n", probe=use)
    assert probe(__init__="from advutils_probe import room\n", room="K = 1\n", probe=use) == base
    assert probe(__init__="from advutils_probe import room\n", room="K = 2\n", probe=use) != base

"""Exercises: every stub fails, teachers know minutes and goals, editions have what they promise."""

import re

import pytest

from advbook import editions, exercises, pairs, paths, teaching

EVERY = exercises.every()
WITH_CODE = [pytest.param(each, id=each.label) for each in EVERY if each.code]


@pytest.mark.parametrize("exercise", WITH_CODE)
def test_a_stub_fails_and_has_all_checks_of_its_solution(exercise):
    stub = exercises.stub(exercise.code)
    lines = [line.partition("  # ")[0].strip() for line in exercise.code.split("\n")]
    checks = [line for line in lines if line.startswith("assert ")]
    assert checks and all(check in stub for check in checks), "a solution with code needs an assert"
    with pytest.raises((AssertionError, AttributeError, TypeError)) as error:
        exec(compile(stub, exercise.label, "exec"), {})
    # because an answer is missing, and for no other reason
    assert error.type is AssertionError or "ellipsis" in str(error.value)


def test_a_stub_leaves_names_and_nothing_of_how_they_are_found():
    code = "import math\n\n\ndef f(x):\n    return x\n\n\n"
    code += "for k in range(3):\n    a = f(k)\n    print(a)\n    assert a == k"
    assert exercises.stub(code) == (
        "import math\n# your code\nfor k in range(3):\n    a = ...  # your code\n    assert a == k"
    )
    assert exercises.stub("b, c = 1, 2\nassert b < c") == "b = ...  # your code\nc = ...  # your code\nassert b < c"


@pytest.mark.parametrize("source", paths.notebooks(), ids=lambda path: path.stem)
def test_teachers_know_every_exercise_and_page(source):
    known = exercises.for_teachers(source.parent.name)
    assert known[source.stem].goals
    for exercise in exercises.of_page(source):
        told = known[exercise.label]
        assert 0 < told.minutes <= 120 and told.idea and told.mistake and exercise.level in exercises.LEVELS


def test_nothing_is_told_of_exercises_that_are_not_there():
    for chapter in {source.parent.name for source in paths.notebooks()}:
        there = {each.label for each in EVERY if each.page.startswith(f"{chapter}/")}
        pages = {source.stem for source in paths.notebooks() if source.parent.name == chapter}
        assert set(exercises.for_teachers(chapter)) == there | pages


def test_the_table_of_the_teaching_page_is_todays():
    assert teaching.differing() == [], "run `advbook pair`"
    text = teaching.page().read_text()
    assert all(f"| {each.title.replace('|', chr(92) + '|')} | {each.level} |" in text for each in EVERY)


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


@pytest.mark.parametrize("source", paths.notebooks(), ids=lambda path: path.stem)
def test_editions(source):
    student, instructor = editions.student(source), editions.instructor(source)
    own, both = exercises.of_page(source), [each for each in exercises.of_page(source) if each.code]
    assert "{solution}" not in text_of(student) and "For instructors" not in text_of(student)
    assert all(f":label: {each.label}" in text_of(student) for each in own)
    tags = [tag for cell in student.cells for tag in cell.metadata.get("tags", [])]
    assert tags.count("exercise") == tags.count("raises-exception") == len(both)
    assert text_of(student).count("*Your answer:*") == len(own) - len(both)
    assert text_of(instructor).count("**For instructors.**") == 1 + len(own)
    assert text_of(instructor).count("{solution}") == len(own)
    codes = [cell.source for cell in instructor.cells if cell.cell_type == "code"]
    assert all(each.code.strip("\n") in [code.strip("\n") for code in codes] for each in both)
    for each in both:  # nothing of the code but checks and imports is left
        answers = [line.strip() for line in each.code.split("\n") if line.strip().startswith("print(")]
        assert not any(answer in text_of(student) for answer in answers)


def test_a_page_keeps_all_its_text_when_solutions_are_folded():
    import jupytext
    import nbformat

    for source in paths.notebooks():
        whole = text_of(jupytext.read(source, fmt="py:percent"))
        generated = nbformat.reads(pairs.generate(source), as_version=4)
        assert generated.cells[1].metadata["tags"] == ["remove-cell"]
        generated.cells.pop(1)
        assert re.sub(r"\s+", " ", text_of(generated)).strip() == re.sub(r"\s+", " ", whole).strip()
        hidden = [cell for cell in generated.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
        assert len(hidden) == len(exercises.of_page(source)) > 0
        assert all(cell.source.startswith("````{solution}") for cell in hidden)

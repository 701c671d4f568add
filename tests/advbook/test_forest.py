"""The pictures of verdicts."""

import math
import re
from collections import Counter
from xml.etree import ElementTree

import pytest

from advbook import claims, forest, outcomes, paths, rules, statistics
from advbook.judgement import Finding


def claim(verdict, part, *numbers, id="x"):
    part = rules.part(part)
    log = isinstance(part, rules.Ratio)
    found = statistics.mean([math.log(number) if log else number for number in numbers])
    return {"id": id, "verdict": verdict, "findings": [Finding(part, found, part.outcome(found, 1, 0.05), 0)]}


def svg(figure):
    return ElementTree.fromstring(re.search(r"<svg.*?</svg>", figure, re.S)[0])


def test_the_paper_s_effect_stands_at_one_whatever_its_unit():
    twice = [
        claim("reproduced in trend", {"effect": "a - b", "paper": 0.5}, 0.9, 1.0, 1.1),
        claim("reproduced in trend", {"ratio": "a / b", "paper": 2.0}, 4.0, 4.0, 4.0),
        claim("not reproduced", {"value": "a", "near": 3.0, "within": 1.0}, 6.0, 6.0, 6.0),
    ]
    beside, alone = forest.rows(twice)
    assert [row.mean for row in beside] == pytest.approx([2, 2, 2]) and alone == []
    assert beside[0].low < 2 < beside[0].high and beside[1].low == beside[1].high


def test_without_a_number_of_the_paper_an_interval_reaches_no_effect_where_it_decides_nothing():
    part = {"effect": "a - b"}
    _, alone = forest.rows(
        [
            claim("yes", part, 1.0, 2.0, 3.0, 2.0),
            claim("open", part, -1.0, 2.0),
            claim("no", part, -1.0, -1.0),
            claim("open", part, 5.0),
        ]
    )
    assert alone[0].low > 0 and alone[1].low < 0 < alone[1].high and alone[2].mean < 0
    assert (alone[3].low, alone[3].high) == (-1, 1) and all(-1 <= row.mean <= 1 for row in alone)


def test_of_several_parts_the_one_that_made_the_verdict_is_drawn():
    first, second = (
        claim("not reproduced", {"effect": "a - b", "paper": 1.0}, *numbers)["findings"][0]
        for numbers in ((1.0, 1.1, 0.9), (-1.0, -1.1, -0.9))
    )
    value = claim("not reproduced", {"value": "a", "near": 1.0, "within": 0.1}, 9.0, 9.0)["findings"][0]
    assert second.outcome.state == value.outcome.state == outcomes.FAILS
    (row,), _ = forest.rows([{"id": "x", "verdict": "not reproduced", "findings": [value, first, second]}])
    assert row.mean == pytest.approx(-1)


def test_a_row_links_to_its_card_and_has_a_mark_and_words_of_its_own():
    some = [
        claim(verdict, {"effect": "a", "paper": 1.0}, 0.9, 1.0, 1.1, id=f"c-{number}")
        for number, verdict in enumerate(("reproduced", "reproduced in trend", "not reproduced", "inconclusive"))
    ]
    figure = forest.forest(some, "Nobody & Co.")
    picture = svg(figure)
    assert [link.get("href") for link in picture.iter("a")] == ["#c-0", "#c-1", "#c-2", "#c-3"]
    shapes = {
        ElementTree.tostring(list(group)[-2]).split()[0] + str(list(group)[-2].get("class")).encode()
        for group in picture.iter("g")
    }
    assert len(shapes) == 4  # disc, diamond, cross, ring
    told = picture.get("aria-label")
    assert "4 claims of Nobody & Co." in told and "1 inconclusive" in told
    assert "contains the paper's number 4 times" in told
    assert forest.forest([], "Nobody") == "" and "\n\n" not in figure


def test_what_lies_outside_the_picture_is_an_arrow():
    far = svg(forest.forest([claim("reproduced in trend", {"effect": "a", "paper": 1.0}, 30.0, 31.0)], "t"))
    (group,) = far.iter("g")
    assert [child.tag for child in group] == ["a", "line", "path", "title"]  # no diamond
    inside = svg(forest.forest([claim("reproduced", {"effect": "a", "paper": 1.0}, 1.0, 1.1, 1.0)], "t"))
    assert "circle" in [child.tag for group in inside.iter("g") for child in group]


def test_the_matrix_counts_and_says_so():
    figure = forest.matrix({"One": Counter(reproduced=3, no=1), "Two": Counter({"withdrawn": 2})}, claims.VERDICTS)
    told = svg(figure).get("aria-label")
    assert told == "Verdicts by paper. One: 3 reproduced, 1 no; Two: 2 withdrawn."
    words = [text.text for text in svg(figure).iter("text")]
    assert words.count("reproduced") == 1 and "open" not in words and {"3", "1", "2"} <= set(words)


def test_every_judged_claim_of_the_book_is_drawn():
    judged = [each for each in claims.evaluate() if each["findings"]]
    beside, alone = forest.rows(judged)
    drawn = {row.id for row in (*beside, *alone)}
    assert drawn == {
        each["id"] for each in judged if each["verdict"] in forest.MARKS and forest.main(each["findings"]).estimate.n
    }
    assert len(beside) > 20 and not any(math.isnan(row.mean) for row in (*beside, *alone))


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_marks_can_be_seen_on_light_and_on_dark_ground():
    style = (paths.root() / "book" / "_static" / "book.css").read_text()
    colours = dict(re.findall(r"figure\.forest g\.([\w-]+) \{ stroke: (#\w{6})", style))
    assert set(colours) == {kind for kind, _ in forest.MARKS.values()}
    for colour in colours.values():
        for ground in ("#ffffff", "#14181e"):
            lighter, darker = sorted((luminance(colour), luminance(ground)), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 3, (colour, ground)


def test_on_another_page_a_row_leads_to_the_page_of_cards():
    some = [claim("reproduced", {"effect": "a", "paper": 1.0}, 0.9, 1.0, 1.1, id="c-0")]
    (link,) = svg(forest.forest(some, "Nobody", "../../book/cards-c.html")).iter("a")
    assert link.get("href") == "../../book/cards-c.html#c-0"

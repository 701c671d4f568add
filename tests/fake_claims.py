"""For the tests of the site: a claim and an erratum."""

from advbook import claims

CLAIM = {
    "id": "x-one",
    "chapter": "fake",
    "where": "Table I",
    "claim": "Half | of it.",
    "paper": {"a": 0.9},
    "metric": "%",
    "values": {"a": {"from": "f", "take": "a"}, "b": {"from": "f", "take": "b"}},
    "samples": {"a": claims.Sample.of([1.0, 1.1])},
    "n": 2,
    "reproduced": "near(a, 0.9, 0.1)",
    "trend": "a < b",
    "tolerance": "because",
    "profile": "standard",
    "why": "",
    "scope": "paper",
    "known": "One seed.",
    "page": "fake/1-page",
    "findings": [],
    "scales": {},
    "verdict": "reproduced in trend",
}
ERRATUM = {
    "id": "x-e",
    "chapter": "fake",
    "where": "Eq. (1)",
    "printed": "a |b|",
    "right": "b",
    "evidence": "Seen.",
    "kind": "misprint",
    "test": "tests/t.py::t",
    "source": "derived here",
}

"""The *In short* box under a page's title: question, answer, verdicts with numbers, the key figure, the evidence."""

from __future__ import annotations

import html
import re
from collections import Counter
from functools import cache

import yaml

from advbook import paths, summary
from advbook.site import cards, prose, verdicts
from advbook.site.tables import sentence

MINUTES = re.compile(r"\*\*Time to learn\*\*: (\d+) minutes")
CITED = re.compile(r"\{cite\}`(\w+)`")
MOST = 5  # verdicts in a box
# a verdict is on its own sentence and not on the question above
KINDS = {"paper": "What the paper says, and whether we found it:", "ours": "What we asked besides:"}
SETS = {"mnist": "MNIST", "cifar10": "CIFAR-10", "nips2017": "NIPS 2017 images", "digits": "scikit-learn digits"}


@cache
def declared(chapter: str) -> dict[str, dict]:
    """Page -> what ``notebooks/<chapter>/pages.yml`` says: ``question``, ``answer`` and the verdicts that it was
    ``written_for``, ``claims``, ``figure`` (1: the first)."""
    path = paths.root() / "notebooks" / chapter / "pages.yml"
    return {entry["id"]: entry for entry in yaml.safe_load(path.read_text())} if path.exists() else {}


def box(name: str, records: list[dict], pictures: list[str], text: str) -> str:
    """The facts in one line and the box, in Markdown, for the page ``name``; ``text`` is the rest of its first cell."""
    chapter, page = name.split("/")
    told = declared(chapter).get(page, {})
    judged = {claim["id"]: claim for claim in verdicts.judged() if claim["page"] == name}
    wanted = told.get("claims") or list(judged)[:MOST]
    listed = _verdicts([judged[each] for each in wanted[:MOST] if each in judged])
    figure = _figure(pictures, told.get("figure", 1))
    inside = [
        '<aside class="short" aria-label="In short">',
        '<p class="short-title">In short</p>',
        f'<p class="question">{html.escape(told["question"])}</p>' if "question" in told else "",
        f'<p class="answer">{answer(told["answer"])}</p>' if "answer" in told else "",
        listed,
        figure,
        f"<p>{_evidence(name, judged, records)}</p>",
        "</aside>",
    ]
    return f'<p class="facts">{_facts(records, text)}</p>\n\n' + "".join(inside) + "\n"


def _facts(records: list[dict], text: str) -> str:
    """Data, seeds, machine, time to read."""
    sets = dict.fromkeys(SETS.get(record["data"], record["data"]) for record in records if record["data"])
    seeds = {
        record["parameters"].get("seed", (record["parameters"].get("spec") or {}).get("seed")) for record in records
    }
    seeds.discard(None)
    machines = Counter(record["machine"] for record in records).most_common(1)
    parts = [
        "Measured on " + " and ".join(sets) if sets else "",
        f"{len(seeds)} seeds" if len(seeds) > 1 else "",
        machines[0][0].replace("(R)", "").replace(", 1 threads", ", one thread") if machines else "",
        f"{match[1]} minutes to read" if (match := MINUTES.search(text)) else "",
    ]
    facts = html.escape(" · ".join(filter(None, parts)))
    where = next(filter(None, map(address, CITED.findall(text))), "")
    return " · ".join(filter(None, [facts, f'<a href="{html.escape(where)}">the paper</a>' if where else ""]))


@cache
def _works() -> dict:
    from pybtex.database import parse_file

    return dict(parse_file(str(paths.root() / "book" / "references.bib")).entries)


def address(key: str) -> str:
    """Where a cited work can be read: its DOI, arXiv page or address; empty if none is known."""
    fields = _works()[key].fields if key in _works() else {}
    prefixes = {"doi": "https://doi.org/", "eprint": "https://arxiv.org/abs/", "url": ""}
    return next((prefix + fields[name] for name, prefix in prefixes.items() if name in fields), "")


def answer(text: str) -> str:
    """The answer to a page's question as HTML, its marks filled in as in the prose of the book."""
    return prose.filled(" ".join(text.split()), {})


def _verdicts(listed: list[dict]) -> str:
    """The verdicts, those on the paper apart from those on questions of ours."""
    parts = []
    for kind, words in KINDS.items():
        if some := [claim for claim in listed if (claim["scope"] == "ours") == (kind == "ours")]:
            parts.append(f'<p class="kind">{words}</p><ul>{"".join(map(_verdict, some))}</ul>')
    return "".join(parts)


def _verdict(claim: dict) -> str:
    """A claim, its verdict, and its main number with what that is of."""
    found = summary.of(claim)
    numbers = f' <span class="numbers">{html.escape(found.text())}{_what(claim, found)}</span>' if found else ""
    return (
        f'<li><a href="../../book/{cards.address(claim)}">{html.escape(sentence(claim["claim"]))}</a> '
        f"{prose.verdict_badge(claim)}{numbers}</li>"
    )


def _what(claim: dict, found: summary.Summary) -> str:
    """What a number is of, as on the card, and how it is measured, where that is short enough to be read: a part of a
    metric may be that of another number."""
    name = f", <code>{html.escape(found.what)}</code>" if len(found.what) <= 30 else ", a sum of several differences"
    metric = sentence(claim["metric"])
    return name + (f" ({html.escape(metric)})" if len(metric) <= 90 else "")


def _figure(pictures: list[str], number: int) -> str:
    """The key figure, which stands again where the page comes to it."""
    if not 1 <= number <= len(pictures):
        return ""
    return pictures[number - 1].replace('loading="lazy" ', "").replace('class="result"', 'class="result key"')


def _evidence(name: str, judged: dict, records: list[dict]) -> str:
    chapter, _ = name.split("/")
    parts = []
    if judged:
        card = f"../../book/{cards.name_of(chapter)}.html"
        parts.append(f'<a href="{card}">{len(judged)} claims with their rules</a>')
    if records:
        parts.append(f'<a href="../../records/{name}.json">{len(records)} records (JSON)</a>')
    if (paths.root() / "book" / "summary" / f"{chapter}.md").exists():
        parts.append(f'<a href="../../book/summary/{chapter}.html">what the chapter comes to</a>')
    parts.append('<a href="#run-it-yourself">run it yourself</a>')
    return "Evidence: " + ", ".join(parts) + "."

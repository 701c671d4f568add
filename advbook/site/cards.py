"""One page of result cards a chapter: each claim with its numbers, its rule, its picture and its own records."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

from advbook import claims, forest, holm, ledger, provenance, record_list, summary
from advbook.page import SCOPE, badge
from advbook.site import evidence, rule_words, verdicts
from advbook.site.tables import by_chapter, chapter_titles, sentence, table


def name_of(chapter: str) -> str:
    """The page of a chapter's cards, in ``book``."""
    return f"cards-{chapter}"


def address(claim: dict) -> str:
    """A card, from another page of ``book``."""
    return f"{name_of(claim['chapter'])}.html#{claim['id']}"


def pages() -> dict[str, str]:
    """Name -> Markdown of every page of cards."""
    folders, made = {title: chapter for chapter, title in chapter_titles().items()}, {}
    for title, judged in by_chapter(verdicts.judged()).items():
        told = map(card, judged, _corrected(judged))
        made[name_of(folders[title])] = "\n".join([f"# Cards: {title}", "", forest.forest(judged, title), "", *told])
    return made


def _corrected(judged: list[dict]) -> list[str]:
    """Whether each verdict of a paper stands Holm's correction; empty where that asks nothing of it."""
    family, names = holm.family(judged), [claim["id"] for claim in judged]
    asked = {claim["id"] for claim in family if claim["verdict"] not in claims.UNDECIDED}
    fallen = {claim["id"] for claim in holm.fallen(family)}
    words = {True: "the verdict does not stand it", False: "the verdict stands it"}
    return [f"{words[name in fallen]}, among all of its paper." if name in asked else "" for name in names]


def files() -> dict[str, bytes]:
    """Chapter -> JSON of the records that its cards rest on: ``{file of the record: what it says}``."""
    found: dict[str, dict[str, ledger.Record]] = {}
    for claim in verdicts.judged():
        own = found.setdefault(claim["chapter"], {})
        for each in evidence.of(claim):
            own.setdefault(record_list.place(each.record), each.record)
    return {
        chapter: json.dumps({k: record_list.told(v) for k, v in own.items()}, separators=(",", ":")).encode()
        for chapter, own in found.items()
    }


def card(claim: dict, corrected: str = "") -> str:
    """One result card: verdict, claim, the paper's numbers beside the recorded ones, metric, rule, records.

    ``corrected`` says whether the verdict stands Holm's correction.
    """
    names = dict.fromkeys([*claim["values"], *claim["paper"]])
    rows = [
        [
            f"`{name}`",
            claim["paper"].get(name, "–"),
            claims.show(claim["samples"][name]) if name in claim["samples"] else "–",
        ]
        for name in names
    ]
    made = f"recorded ({claim['profile']} profile)" if claim["samples"] else "recorded"
    scales = ", ".join(f"{profile}: {verdict}" for profile, verdict in claim.get("scales", {}).items())
    facts = {
        "Metric": claim["metric"],
        "Rule, as written": rule(claim),
        "Holm's correction": corrected,
        "Tolerance": claim["tolerance"],
        "Note": claim["why"],
        "At both scales": scales if len(claim.get("scales", {})) > 1 else "",
        "Known when the rule was written": claim.get("known"),
        "Page": claim["page"] and f"[{claim['page']}](../notebooks/{claim['page']})",
    }
    return "\n".join(
        [
            f"({claim['id']})=",
            f"## {claim['id']}",
            "",
            f"{badge(claim['verdict'])}{SCOPE[claim['scope']]} {sentence(claim['claim'])} *{sentence(claim['where'])}*",
            "",
            forest.strip(claim),
            "",
            f"*Numbers of {claim['id']}*",
            "",
            table(["value", "paper", made], rows),
            "",
            rule_words.of(claim),
            *(f"{name}\n: {sentence(text)}\n" for name, text in facts.items() if text),
            own_records(claim),
            "",
            f'<p class="report"><a href="{report(claim)}">Report an error in this claim</a></p>',
            "",
        ]
    )


def own_records(claim: dict) -> str:
    """The numbers of a claim unit by unit, folded, with the line that measures one again."""
    found = sorted(evidence.of(claim), key=_order(claim))
    if not found:
        return ""
    rows = "".join(
        f"<tr><th scope='row'><code>{html.escape(each.value)}</code></th><td>{html.escape(each.unit)}</td>"
        f"<td>{summary.short(each.number)}</td><td><code>{each.record.path.stem}</code></td></tr>"
        for each in found
    )
    records = {record_list.place(each.record): record_list.told(each.record) for each in found}
    last = record_list.place(found[-1].record)
    return (
        f'<details class="own-records"><summary>Its {len(records)} records, unit by unit</summary>'
        f"<table><caption>Numbers behind {claim['id']}</caption><thead><tr>"
        + "".join(f'<th scope="col">{word}</th>' for word in ("value", "unit", "number", "record"))
        + f"</tr></thead><tbody>{rows}</tbody></table><p>{_origin(list(records.values()))} With parameters and values: "
        f'<a href="../records/cards/{claim["chapter"]}.json">{claim["chapter"]}.json</a>. '
        "To make the last one again in a clone that has its data, and compare (the network is trained again, too):</p>"
        f"<pre><code>advbook again {last}</code></pre></details>"
    )


def _order(claim: dict) -> Callable[[evidence.Evidence], tuple]:
    """Values as the claim has them; in each the units by number."""
    names = list(claim["values"])

    def key(each: evidence.Evidence) -> tuple:
        return names.index(each.value), [
            int(word) if word.isdigit() else word for word in re.split(r"(\d+)", each.unit)
        ]

    return key


def _origin(records: list[dict]) -> str:
    """The functions behind records, where and from which commits they were made; how many are older than the code."""
    parts = {
        "Made by": [f"<code>{html.escape(each['function'])}</code>" for each in records],
        "on": [html.escape(each["machine"]) for each in records],
        "from": [f"<code>{html.escape(each['commit'])}</code>" for each in records],
    }
    told = " ".join(f"{word} {', '.join(dict.fromkeys(found))}" for word, found in parts.items())
    old = sum(each["code"] != record_list.STATES[False] for each in records)
    return f"{told}. {old or 'None'} of {len(records)} {'is' if old == 1 else 'are'} older than the code."


def report(claim: dict) -> str:
    """The address at which a reader opens an issue about a claim, with its text."""
    from urllib.parse import urlencode

    from advbook.site.config import repository

    words = f"Claim {claim['id']}, verdict {claim['verdict']}, version {(provenance.commit()['commit'] or '')[:8]}.\n\n"
    ask = "What is wrong, and how one can see it:\n"
    title = {"title": f"Error in {claim['id']}", "body": words + ask}
    return html.escape(f"{repository()}/issues/new?{urlencode(title)}", quote=True)


def rule(claim: dict) -> str:
    """The rule of a card."""
    if "rule" in claim:
        lists = [("judged only if", claim.get("premise", [])), ("all of", claim["rule"])]
        lists += [("or all of", way) for way in claim.get("or", ())]
        return "; ".join(f"{word} " + ", ".join(f"`{_part(each)}`" for each in parts) for word, parts in lists if parts)
    kinds = {"premise": "judged only if", "reproduced": "reproduced if", "trend": "in trend if"}
    return "; ".join(f"{words} `{claim[kind]}`" for kind, words in kinds.items() if kind in claim)


def _part(entry: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in entry.items())

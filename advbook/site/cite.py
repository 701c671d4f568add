"""How to cite the book, from ``CITATION.cff``."""

from __future__ import annotations

from advbook.site import config


def how() -> str:
    """The book as a BibTeX entry, with the edition that is being read."""
    facts = config.citation()
    return (
        "```bibtex\n"
        "@misc{adversarial-examples-book,\n"
        f"  title = {{{facts['title']}}},\n"
        f"  author = {{{' and '.join(each.get('name', '') for each in facts['authors'])}}},\n"
        f"  year = {{{config.date()[:4]}}},\n"
        f"  note = {{{config.edition()}}},\n"
        f"  url = {{{config.repository()}}},\n"
        "}\n```"
    )

"""What Sphinx does for this book beyond its theme: tables with captions that scroll by themselves, terms with their
meaning, previews, footer.

An extension (``_config.yml`` lists it); of the project it reads the glossary and what :mod:`advbook.site.config` does.
"""

from __future__ import annotations

import html
import re

from advbook.site import config, fitting, glossary

CAPTION = r"<p>(?:<em>|<strong>)(?P<caption>(?:(?!</p>|</em>|</strong>).)+)(?:</em>|</strong>)</p>\s*"
TABLE = re.compile(
    rf'(?:{CAPTION})?<div class="pst-scrollable-table-container">\s*<table(?P<rest>[^>]*)>(?P<own>\s*<caption)?', re.S
)
REPAIRED = {  # what the theme and docutils write, and a screen reader stumbles over
    '<summary aria-label="Toggle hidden content">': "<summary>",  # it shows other words
    '<div role="list" class="citation-list">': '<div class="citation-list">',  # a list without items
}
HEADING = re.compile(r"<h[1-6]>(.*?)<a class=\"headerlink\"", re.S)
# an argument a line: Sphinx makes it a list of descriptions of nothing, which is no list to a screen reader
ARGUMENTS = re.compile(r'<dl>\s*((?:<dd><em class="sig-param">(?:(?!</dd>).)*</dd>\s*)+)</dl>', re.S)
LINE = re.compile(r"<dd>(.*?)</dd>", re.S)
EMPTY_HEAD = re.compile(r'<thead>\s*<tr[^>]*>(?:<th class="head"><p></p></th>\s*)+</tr>\s*</thead>')


def setup(app):
    app.connect("builder-inited", _without_index)
    app.connect("builder-inited", _in_parallel)
    app.connect("config-inited", _footer)
    app.connect("html-page-context", _page)
    app.connect("html-page-context", _without_source, priority=400)  # before the theme makes its buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _without_index(app) -> None:
    """The book's own search (:mod:`advbook.site.search`) takes the place of Sphinx's, which reads every page."""
    if app.builder.format == "html":
        app.builder.index_page = app.builder.dump_search_index = lambda *_: None


def _in_parallel(app) -> None:
    """Jupyter Book loads an extension for numbered chapters that does not say whether pages may be read in parallel.

    It numbers chapters when all are read, and this book's have no numbers.
    """
    if "sphinx_multitoc_numbering" in app.extensions:
        app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True


def _footer(app, settings) -> None:
    words = (
        f'{html.escape(config.edition())} · <a href="{config.repository()}">sources and issues</a> · text and code: MIT'
    )
    settings.html_theme_options["extra_footer"] = f"<p>{words}</p>"


def _without_source(app, name, template, context, doctree) -> None:
    """Cards are generated whole from claims and records, which stand beside them: no copy of that text to download."""
    if name.startswith("book/cards-"):
        context["sourcename"] = context["page_source_suffix"] = ""


def _page(app, name, template, context, doctree) -> None:
    if "body" in context:
        context["body"] = signatures(tables(context["body"]))
        for written, instead in REPAIRED.items():
            context["body"] = context["body"].replace(written, instead)
        if doctree is not None:
            context["body"] = glossary.linked(context["body"], name)
    if doctree is not None:
        told = _first_sentence(context.get("body", "")) or config.title()
        facts = {"og:title": context.get("title", ""), "og:description": told, "og:type": "article"}
        facts |= {"og:site_name": config.title()}
        tags = "".join(
            f'<meta property="{key}" content="{html.escape(_bare(value), quote=True)}" />\n'
            for key, value in facts.items()
        )
        tags += f'<meta name="description" content="{html.escape(_bare(told), quote=True)}" />\n'
        context["metatags"] = context.get("metatags", "") + tags


def tables(body: str) -> str:
    """Each table in a region that the keyboard reaches, with a caption and the scope of its heads.

    The caption is the line in italics or bold above it; without one, the heading that the table stands under is its
    name for who cannot see the page. A wide one is set smaller (:mod:`advbook.site.fitting`).
    """
    body = EMPTY_HEAD.sub("", body)
    body = body.replace('<th class="head', '<th scope="col" class="head')
    headings = [(match.end(), _bare(match[1])) for match in HEADING.finditer(body)]
    numbers: dict[str, int] = {}

    def framed(match: re.Match) -> str:
        under = next((text for place, text in reversed(headings) if place < match.start()), "the page")
        caption, hidden = match["caption"], ""
        if match["own"]:
            named = re.search(r"<caption[^>]*>(.*?)</caption>", body[match.start() :], re.S)[1]  # type: ignore[index]
        elif caption:
            named = caption
        else:
            numbers[under] = numbers.get(under, 0) + 1
            named, hidden = f"Table {numbers[under]} under “{under}”", ' class="visually-hidden"'
        label = html.escape(_bare(named), quote=True)
        text = "" if match["own"] else f"<caption{hidden}>{named}</caption>"
        return (
            f'<div class="pst-scrollable-table-container" role="region" tabindex="0" aria-label="{label}">'
            f"<table{match['rest']}>{text}{match['own'] or ''}"
        )

    return fitting.fit(TABLE.sub(framed, body))


def _bare(text: str) -> str:
    """HTML as one line of text."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())


def signatures(body: str) -> str:
    """Arguments of a long signature, a line each, as spans."""
    return ARGUMENTS.sub(lambda found: f'<span class="sig-lines">{LINE.sub(_line, found[1])}</span>', body)


def _line(found: re.Match) -> str:
    return f'<span class="sig-line">{found[1]}</span>'


def _first_sentence(body: str) -> str:
    """The first sentences of a page's prose, at most 200 characters."""
    for paragraph in re.findall(r"<p>(.*?)</p>", body, re.S):
        if len(text := _bare(paragraph)) > 60:
            return text if len(text) <= 200 else text[:200].rpartition(" ")[0] + " …"
    return ""

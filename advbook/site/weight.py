"""What a built site does not need, taken out: the icon font and its script, source maps, MathJax files nobody loads."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

# Every file that a page of this book makes MathJax load (a test looks for others that are asked for): the style STIX,
# TeX as input, HTML with fonts as output
MATHJAX = (
    "MathJax.js",
    "config/TeX-AMS-MML_HTMLorMML-full.js",
    "jax/element/mml/optable/*.js",
    "jax/output/HTML-CSS/autoload/*.js",
    "jax/output/HTML-CSS/fonts/STIX-Web/fontdata*.js",
    "jax/output/HTML-CSS/fonts/STIX-Web/**/Main.js",
    "fonts/HTML-CSS/STIX-Web/woff/*.woff",
)
NOT_NEEDED = (
    "**/*.map",
    "_static/vendor",
    "_static/scripts/fontawesome*",
    "_static/searchtools.js",
    "_static/language_data.js",
    "_static/sphinx-thebe*",
    "_static/locales",
    "_static/design-tabs.js",
    "_static/sphinx-design.min.css",
    "_sphinx_design_static",
    "_static/webpack-macros.html",
    "searchindex.js",
    "genindex.html",
    ".buildinfo*",
)
ASKED_FOR = re.compile(
    r"\s*<(?:script|link)[^>]*(?:fontawesome|design-tabs|sphinx-design|searchtools|language_data|searchindex|genindex)"
    r"[^>]*?>(?:</script>)?"
)
AGAIN = re.compile(r"<script>var togglebuttonSelector = [^<]*</script>\s*(?=<script>var togglebuttonSelector)")
SEARCH_LABEL = re.compile(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"')  # it shows more words
MENU_TOGGLE = '<summary><span class="toctree-toggle"'  # an arrow alone: it gets a name
ICON_RULE = re.compile(r"(?:\.fa[a-z]?(?:-[\w-]+)?(?::+[\w-]+)?\s*,?\s*)+\{[^{}]*\}")
ICON_FONT = re.compile(r"@font-face\{[^{}]*(?:Awesome|FontAwesome)[^{}]*\}")
ICON_SIGN = re.compile(r'(--pst-icon-[\w-]+):"[^"]*"')


def mathjax(target: Path) -> None:
    """Copy the files of MathJax that pages load into ``target``, and take others out of it."""
    shutil.rmtree(target, ignore_errors=True)
    static = Path(find_spec("jupyter_server_mathjax").origin).parent / "static"  # type: ignore[arg-type, union-attr]
    for pattern in MATHJAX:
        for path in static.glob(pattern):
            copy = target / path.relative_to(static)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def lighten(site: Path) -> None:
    """Take out of a built site what it does not need; icons come from ``_static/icons.css``."""
    for pattern in NOT_NEEDED:
        for path in list(site.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in site.rglob("*.html"):
        text = path.read_text()
        text = AGAIN.sub("", ASKED_FOR.sub("", text))
        text = SEARCH_LABEL.sub(r"\1", text)
        path.write_text(text.replace(MENU_TOGGLE, MENU_TOGGLE.replace("<summary", '<summary aria-label="pages below"')))
    theme = site / "_static" / "styles" / "pydata-sphinx-theme.css"
    if theme.exists():
        theme.write_text(without_icons(theme.read_text()))


def without_icons(style: str) -> str:
    """A style sheet without the rules of an icon font, whose signs become empty."""
    return ICON_SIGN.sub(r'\1:""', ICON_RULE.sub("", ICON_FONT.sub("", style)))

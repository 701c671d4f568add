"""The site: generated pages, executed notebooks and prose, built by Jupyter Book and made light."""

from advbook.site.build import build_site

__all__ = ["build_site"]

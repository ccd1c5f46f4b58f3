"""Configuration of the documentation: `make docs` builds it into docs/_build/html."""

import re
from pathlib import Path

from sphinx.application import Sphinx

import seqcap

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "seqcap"
author = "the authors of seqcap"
version = release = seqcap.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "README.md"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # links to headings, as GitHub makes them
suppress_warnings = ["myst.header"]  # README-like pages may skip a level

# `names` in docstrings are Markdown habits: shown as code, not looked up.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"seqcap {version}"


def name_files_outside(app: Sphinx, page: str, source: list[str]) -> None:
    """Shows links to files of the repository that are no pages as their paths.

    Args:
        app: The running Sphinx.
        page: Its path in `docs`, without the ending.
        source: Its text, one entry; changed in place.
    """

    def shown(link: re.Match[str]) -> str:
        target = (DOCS / page).parent.joinpath(link["target"].partition("#")[0]).resolve()
        if "://" in link["target"] or DOCS in target.parents or ROOT not in target.parents:
            return link[0]
        return f"{link['text']} (`{target.relative_to(ROOT)}`)"

    source[0] = re.sub(r"\[(?P<text>[^]]*)\]\((?P<target>[^)#][^)]*)\)", shown, source[0])


def setup(app: Sphinx) -> None:
    """Connects what is done to pages when they are read."""
    app.connect("source-read", name_files_outside)

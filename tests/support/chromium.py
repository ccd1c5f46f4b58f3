"""Debian's chromium, for tests of pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def chromium(*arguments: str) -> Iterator["Browser"]:
    """Starts the browser; skips the test without one, unless SEQCAP_BROWSER=needed."""
    path = shutil.which("chromium")
    if path is None:
        reason = "no chromium here; apt-get install chromium"
        if os.environ.get("SEQCAP_BROWSER") == "needed":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", *arguments]
        )
        yield browser
        browser.close()

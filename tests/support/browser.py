"""A browser that opens a page as its readers do, and tells what it would not let pass."""

import contextlib
import shutil
from pathlib import Path
from typing import Any, Iterator, List

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH, HEIGHT = 1280, 1000


class Opened:
    """A page that is open, and what it did: its requests but for its own file, and what the console was told."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: List[str] = []
        self.complaints: List[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:")):
            self.requests.append(url)

    def texts(self, selector: str) -> List[str]:
        """The words of all that a selector finds and that is seen."""
        return [" ".join(found.inner_text().split()) for found in self.page.query_selector_all(selector)
                if found.is_visible()]


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """A Chromium that is driven by Playwright; without either the test is skipped, and says so."""
    driver = pytest.importorskip("playwright.sync_api", reason="a browser is driven by Playwright, which is not "
                                                               "installed; ./run browser-install adds it")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"what a page does can only be seen in a browser, and none of {', '.join(NAMES)} is on the PATH")
    with driver.sync_playwright() as driven:
        found = driven.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@contextlib.contextmanager
def opened(found: Any, path: Path, **settings: Any) -> Iterator[Opened]:
    """A page of a browser that shows a file; nothing may have gone wrong by the end."""
    context = found.new_context(**{"viewport": {"width": WIDTH, "height": HEIGHT}, "accept_downloads": True,
                                   **settings})
    page = Opened(context.new_page())
    page.page.set_default_timeout(20_000)
    page.page.goto(path.as_uri())
    yield page
    context.close()
    assert not page.requests
    assert not page.complaints

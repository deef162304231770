"""Takes the picture of a report's page that the README shows.

    ./run report && ./run python tools/page_picture.py output/report.html docs/page.png

Needs Chromium (`apt-get install chromium`). A picture that would be too large for a repository is refused.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, Optional

# Of this checkout, whichever Python is used: what it lacks is said in one line then.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from quant_accuracy.base import command_line, files
from quant_accuracy.base.errors import ConfigurationError, DataError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZE = (1280, 800)
# Bytes; a page is drawn in few colours.
LARGEST = 150_000
_COLOURS = 128
_SECONDS = 60


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="tools/page_picture.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path, metavar="PAGE", help="a report.html")
    parser.add_argument("picture", type=Path, metavar="FILE", help="the PNG to write")
    values = parser.parse_args(arguments)
    return command_line.exit_status(lambda: take(values.page, values.picture))


def take(page: Path, picture: Path) -> int:
    """Draw the top of a page as a small PNG.

    Raises:
        ConfigurationError: There is no page, or no Chromium.
        DataError: Chromium draws nothing, or too much.
    """
    from PIL import Image

    browsers = [found for found in map(shutil.which, BROWSERS) if found]
    if not browsers:
        raise ConfigurationError("no Chromium is on PATH; install it (apt-get install chromium)")
    if not page.is_file():
        raise ConfigurationError(f"{page}: no such page; write it with ./run report")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "page.png")
        done = subprocess.run([browsers[0], "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                               f"--user-data-dir={folder}/profile", f"--screenshot={whole}",
                               "--window-size={},{}".format(*SIZE), page.resolve().as_uri()],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_SECONDS)
        if not whole.is_file():
            raise DataError(f"{page}: {browsers[0]} drew nothing; it says: {done.stdout.strip()[-300:]}")
        with Image.open(str(whole)) as image, files.atomic_path(picture) as path:
            image.convert("RGB").quantize(_COLOURS).save(str(path), format="PNG", optimize=True)
            size = path.stat().st_size
            if size > LARGEST:
                raise DataError(f"{picture}: would have {size} bytes, more than {LARGEST}; draw less of the page")
    print(f"{picture}: {size} bytes")
    return command_line.MEASURED


if __name__ == "__main__":
    sys.exit(main())

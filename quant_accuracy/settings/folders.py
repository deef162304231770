"""Where a run finds and leaves its files: what options say, otherwise folders of fixed names below the run's root."""

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Iterator, Optional, Tuple

from quant_accuracy.base import command_line
from quant_accuracy.settings import card_files
from quant_accuracy.settings.options import DEMO_CARD
from quant_accuracy.settings.values import Values, card_in

_MODELS, _BASELINES = "models", "baselines"
_DEMO_BASELINE = Path(__file__).resolve().parent.parent / "demo" / "baseline"


def cards(values: Values) -> Tuple[Path, ...]:
    """Where a model card is looked for by its name, in this order."""
    return values.root / _MODELS, card_files.SHIPPED


def cache(values: Values) -> Path:
    """Where artifacts and finished shards are kept."""
    return Path(values.get("cache_dir") or values.root / ".cache")


def output(values: Values, model: str) -> Path:
    """Where the results of a model are written: with several models, each has a folder of its own."""
    return _of_model(all_output(values), values, model)


def all_output(values: Values) -> Path:
    """Where the results of all models are written."""
    return Path(values.get("output_dir") or values.root / "output")


def quantsim(values: Values, model: str) -> Optional[Path]:
    """Where the quantization simulation of a model is exported to, by the same rule; None where it is not."""
    given = values.get("quantsim_output_dir")
    return None if given is None else _of_model(Path(given), values, model)


def _of_model(folder: Path, values: Values, model: str) -> Path:
    return folder if len(values.models()) == 1 else folder / model


def baselines(values: Values, model: str, given: str) -> Path:
    """Where the committed baselines are, a folder for each model card.

    Without `--baseline-dir`, a card that is given by its path may have them beside it, or beside its `models/`.

    Args:
        values: The options.
        model: The name of the model.
        given: How its card was named.
    """
    if values.get("baseline_dir"):
        return Path(values.get("baseline_dir"))
    path = Path(card_in(Path.cwd(), given))
    beside = [path.parent] if path.is_absolute() else []
    home = [path.parent.parent] if beside and path.parent.name == _MODELS else []
    # pytest's root is that of the repository, and the working directory of a command line need not be.
    likely = (*home, values.root, *beside) if values.suite is None else (values.root, *home, *beside)
    places = [folder / _BASELINES for folder in likely]
    return next((place for place in places if (place / model).is_dir()), places[0])


def baseline(values: Values, model: str, given: str) -> Path:
    """Where the committed baseline of a model is read; the embedded demo brings its own, used where there is no other.

    The arguments are those of `baselines`.
    """
    own = baselines(values, model, given) / model
    shipped = given == DEMO_CARD and not values.get("baseline_dir") and not own.is_dir()
    return _DEMO_BASELINE if shipped else own


@contextlib.contextmanager
def without_cache(values: Values) -> Iterator[Values]:
    """The options with a cache folder that is gone after the block, where `--no-cache` asks for that."""
    if not values.get("no_cache"):
        yield values
        return
    with tempfile.TemporaryDirectory(prefix="quant_accuracy.") as folder:
        try:
            yield replace(values, typed={**values.typed, "cache_dir": Path(folder)})
        except KeyboardInterrupt as stop:
            raise command_line.NothingKept(*stop.args) from stop

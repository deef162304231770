"""What to evaluate, and how it follows from options and model cards."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from quant_accuracy.base import checkpoint_parts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization import configuration
from quant_accuracy.quantization.records import Settings
from quant_accuracy.settings import card as cards
from quant_accuracy.settings import card_files, device, executor, folders, hints, runtime
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.executor import Choice
from quant_accuracy.settings.options import DEFAULT_BATCH_SIZE, INI, MODEL, OPTIONS, PATHS, SETTINGS
from quant_accuracy.settings.values import Values, changed_by_options


@dataclass(frozen=True)
class Request:
    """One evaluation.

    Attributes:
        card: The model card.
        data: Checkpoint, shards and annotations.
        batch_size: Images per batch.
        selection: Shards to evaluate, such as `0,3-5`; None takes all.
        num_examples: Images to evaluate; None takes all of the selected shards.
        shard_count: How many of the data set's shards to evaluate, from the first on; None takes all.
        threads: Cores to use for detection; None takes all.
        baseline: Where the committed baseline of the model is read.
        new_baseline: Where another one is written.
        jitter: Measure the numerical jitter instead of taking the baseline's.
        changes: What options changed of the card, by the option's name, as text.
        executor: Who runs the shards.
        trusted: The checkpoint's graph may hold ops that reach outside.
        remake: How to make the baseline, for messages; see `hints.new_baseline`.
        device_outputs: What a board left of a bundle; None where that is not to be measured.
        device_detections: Detections of a device; None likewise.
    """

    card: ModelCard
    data: DataPaths
    batch_size: int
    selection: Optional[str] = None
    num_examples: Optional[int] = None
    shard_count: Optional[int] = None
    threads: Optional[int] = None
    baseline: Path = Path("baselines")
    new_baseline: Path = Path("baselines")
    jitter: bool = False
    changes: Mapping[str, str] = field(default_factory=dict)
    executor: Choice = field(default_factory=Choice)
    trusted: bool = False
    remake: str = ""
    device_outputs: Optional[Path] = None
    device_detections: Optional[Path] = None


def resolve(values: Values, demo: Callable[[Cache], DataPaths]) -> Tuple[List[Request], Cache]:
    """What the options and the model cards ask for, one request for each card.

    Args:
        values: The options.
        demo: Makes the embedded demo ready, called when a card wants it.

    Raises:
        ConfigurationError: A card cannot be used, or something is given neither by an option nor by the card.
    """
    cache = chosen_cache(values)
    return [of_card(card, values, cache, demo) for card in chosen_cards(values)], cache


def chosen_cache(values: Values) -> Cache:
    """Where artifacts and finished shards are kept."""
    return Cache(folders.cache(values))


def of_card(card: ModelCard, values: Values, cache: Cache, demo: Callable[[Cache], DataPaths]) -> Request:
    """What the options ask for of one model card; otherwise as `resolve`."""
    chosen = executor.of_values(values)
    given = card.given or card.name
    data = _data_paths(card, values.paths(card.demo), lambda: demo(cache))
    return Request(card, data, values.get("eval_batch_size") or DEFAULT_BATCH_SIZE, values.get("shards"),
                   values.get("eval_num_examples"), values.get("shard_count"), values.get("threads"),
                   folders.baseline(values, card.name, given), folders.baselines(values, card.name, given) / card.name,
                   bool(values.get("jitter")), changed_by_options(values), chosen,
                   bool(values.get("trust_checkpoint")), remake(values, card), values.get("device_outputs"),
                   values.get("device_detections"))


def remake(values: Values, card: ModelCard) -> str:
    """How to make the baseline of a model, for messages; see `hints.new_baseline`."""
    return hints.new_baseline(values, card.name, card.given or card.name, card.demo, card.part_of_annotations)


def expanded(values: Values) -> Values:
    """The options with every pattern of model cards resolved to the cards that it takes.

    Raises:
        ConfigurationError: A pattern takes none.
    """
    given = values.get(MODEL)
    if not given:
        return values
    return replace(values, typed={**values.typed, MODEL: card_files.expand(given, folders.cards(values))})


def chosen_cards(values: Values) -> List[ModelCard]:
    """The model cards that the options choose, with what they change in them.

    Raises:
        ConfigurationError: A card cannot be used, or there are two of one name.
    """
    chosen = []
    for card in cards.load_all(values.models(), folders.cards(values)):
        if values.get("calibration_images"):
            card = replace(card, calibration_images=values.get("calibration_images"))
        card = replace(card, runtime=values.get("runtime") or card.runtime)
        runtime.require(card.runtime)
        card = replace(card, quantization=_settings(card.quantization, values), device=device.chosen(card, values))
        device.require(card)
        chosen.append(card)
    return chosen


def _settings(settings: Settings, values: Values) -> Settings:
    """The card's settings with what the options change in them."""
    changed: Dict[str, Any] = {name: values.get(option) for name, option in SETTINGS.items() if values.get(option)}
    if values.get("quantsim_config"):
        changed["configuration"] = configuration.load(Path(values.get("quantsim_config")))
    whole, params = values.get("load_encodings"), values.get("load_param_encodings")
    if whole and params:
        raise ConfigurationError("--load-encodings takes params too; leave --load-param-encodings out")
    given = whole or params
    if given:
        if not Path(given).is_file():
            raise ConfigurationError(f"{given}: no such encodings file; give the model.encodings of an export")
        changed.update(encodings_file=Path(given), params_only=given == params)
    return replace(settings, **changed)


def _data_paths(card: ModelCard, given: Mapping[str, Any], demo: Callable[[], DataPaths]) -> DataPaths:
    defaults: Mapping[str, Any] = card.data
    if card.demo and {*given, *card.data} != set(PATHS):
        # A card that is based on the demo's may name a checkpoint of its own, or other data.
        defaults = {**asdict(demo()), **card.data}
    known: Dict[str, Optional[Any]] = {name: given.get(name, defaults.get(name)) for name in PATHS}
    missing = [name for name, value in known.items() if value is None]
    if missing:
        lacking = [option for option in OPTIONS if option.key in [PATHS[name] for name in missing]]
        raise ConfigurationError(f"{card.name}: set {', '.join(option.flag for option in lacking)}, or the same names "
                                 f"in pytest.ini ({INI}...) or in the environment ({lacking[0].variable} ...): the "
                                 "model card does not say where its data lies")
    return DataPaths(checkpoint_parts.prefix(Path(str(known["checkpoint"]))), Path(str(known["dataset_dir"])),
                     str(known["pattern"]), Path(str(known["annotations"])))

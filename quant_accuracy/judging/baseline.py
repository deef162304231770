"""Committed results that gates compare with, reviewed like code: `baselines/<model card>/`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from quant_accuracy.base import files, invocation
from quant_accuracy.base.documents import Section, require_json
from quant_accuracy.base.words import DEVICE, TENSORFLOW
from quant_accuracy.judging import jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.quantization import snapshot
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.scoring import metrics
from quant_accuracy.scoring.metrics import Metrics

SCHEMA_VERSION = 2
_FIGURES_FILE, _QUANTIZERS_FILE = "figures.json", "quantizers.json"
# Provenance that decides which images were evaluated, and what they look like to the network.
_DATA = "data"
_QUANTIZATION = "quantization"
# Where the provenance of quantization has which images calibrated.
CALIBRATION_KEY = "calibration_shards"
# Where provenance has the runtime that computed the network; without it, that was TensorFlow.
RUNTIME_KEY = "runtime"


@dataclass(frozen=True)
class Baseline:
    """What was measured when somebody looked at it and committed it.

    Attributes:
        metrics: COCO's figures by variant, on the whole data set; of a device where there was one.
        jitter: Their run-to-run variation from float32 rounding; None where the card had no gate that needs it.
        provenance: What they were measured from, as `Evaluation.provenance`.
    """

    metrics: Mapping[str, Metrics]
    jitter: Optional[Jitter]
    provenance: Mapping[str, Any]

    def runtime(self) -> str:
        """What computed the network: `tensorflow`, or `openvino 2023.1.0`."""
        return str(self.provenance.get(RUNTIME_KEY, TENSORFLOW))

    def calibration(self) -> Optional[str]:
        """The digest of the images that calibrated; None where it does not say."""
        found: Optional[str] = self.provenance.get(_QUANTIZATION, {}).get(CALIBRATION_KEY)
        return found


def remedy(how: str = "") -> str:
    """What to do where a baseline is missing.

    Args:
        how: A command that can be pasted, in backquotes, as `Request.remake` has it.
    """
    return f"create it with {how or f'`{invocation.suite()} --update-baselines`'}, review it, and commit it"


def damaged(how: str = "") -> str:
    """What to do where a baseline cannot be read; `how` as for `remedy`."""
    return f"restore it, or delete it and {remedy(how)}"


def read(folder: Path, how: str = "") -> Optional[Baseline]:
    """The figures of a baseline; None where there are none.

    Args:
        folder: Where it lies.
        how: As for `remedy`.

    Raises:
        ConfigurationError: The file is damaged.
    """
    path = folder / _FIGURES_FILE
    if not path.exists():
        return None
    whole = Section(str(path), "", require_json(path, damaged(how)), f"the baseline, or {damaged(how)}")
    whole.of_version(SCHEMA_VERSION, f"delete it and {remedy(how)}")
    whole.only("schema_version", "model", "metrics", "jitter", "provenance")
    whole.section("provenance").section(_DATA)
    return Baseline({name: metrics.read(section) for name, section in whole.section("metrics").sections().items()},
                    _jitter(whole), whole.section("provenance").items())


def _jitter(whole: Section) -> Optional[Jitter]:
    # A key that is missing is a damage; one without a value says that nothing was measured.
    measured = whole.items().get("jitter", {}) is not None
    return jitter.from_document(whole.section("jitter")) if measured else None


def read_quantizers(folder: Path, how: str = "") -> Optional[List[Placed]]:
    """The quantizers of a baseline; None where there are none. `how` as for `remedy`.

    Raises:
        ConfigurationError: The file is damaged.
    """
    path = folder / _QUANTIZERS_FILE
    return snapshot.read(path, damaged(how)) if path.exists() else None


def write(folder: Path, model: str, found: Baseline, quantizers: Sequence[Placed]) -> List[Path]:
    """Write a baseline; say where."""
    document: Dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "metrics": {name: asdict(of_variant) for name, of_variant in found.metrics.items()},
        "jitter": None if found.jitter is None else jitter.as_document(found.jitter),
        "provenance": found.provenance,
    }
    files.write_json(folder / _FIGURES_FILE, document)
    snapshot.write(folder / _QUANTIZERS_FILE, quantizers)
    return [folder / _FIGURES_FILE, folder / _QUANTIZERS_FILE]


def incomparable(found: Baseline, provenance: Mapping[str, Any], whole: bool) -> Optional[str]:
    """Why figures cannot be compared with a baseline; None where they can.

    Shards are known by their content: names and order make no difference.

    Args:
        found: The baseline, which is of a whole data set.
        provenance: Of the evaluation.
        whole: Whether that evaluated its whole data set; otherwise shards that are missing make no difference.
    """
    before, after = dict(found.provenance.get(_DATA, {})), dict(provenance.get(_DATA, {}))
    old, new = before.pop("shards", {}), after.pop("shards", {})
    unknown = sorted(name for name, digest in new.items() if digest not in old.values())
    if unknown:
        return f"the baseline does not know the images of {_some(unknown)}"
    missing = sorted(name for name, digest in old.items() if digest not in new.values()) if whole else []
    if missing:
        return f"the baseline has more images, those of {_some(missing)}"
    if before.get("annotations") != after.get("annotations"):
        return "the annotations have changed since the baseline was made"
    others = differences(before, after)
    return f"the baseline was measured with other data settings ({_some(others)})" if others else None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """The keys whose values differ, dotted, with the values where they are short."""
    old, new = flat(before), flat(after)
    lines = []
    for key in changed(before, after):
        values = [str(values.get(key, TENSORFLOW if key == RUNTIME_KEY else "none")) for values in (old, new)]
        lines.append(f"{key} {values[0]} -> {values[1]}" if max(map(len, values)) <= 24 else key)
    return lines


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """The keys whose values differ, dotted, in order."""
    old, new = flat(before), flat(after)
    # Older provenance does not name the runtime, which was always TensorFlow.
    defaults = {RUNTIME_KEY: TENSORFLOW}
    return [key for key in sorted({*old, *new})
            if old.get(key, defaults.get(key)) != new.get(key, defaults.get(key))]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def other_origin(found: Baseline, provenance: Mapping[str, Any]) -> List[str]:
    """What else differs from the baseline's provenance: checkpoint, settings, versions.

    A device is beside the variants that a baseline is compared with, and changes nothing of them.
    """
    rest = [{key: value for key, value in side.items() if key not in (_DATA, DEVICE)}
            for side in (found.provenance, provenance)]
    return differences(*rest)


def flat(value: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    """A mapping of mappings as one, with dotted keys."""
    found: Dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            found.update(flat(item, f"{prefix}{key}."))
        else:
            found[prefix + key] = item
    return found

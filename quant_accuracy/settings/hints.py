"""Commands that messages tell the user to paste."""

import re
import shlex
from pathlib import Path
from typing import List

from quant_accuracy.base import invocation
from quant_accuracy.settings import folders
from quant_accuracy.settings.options import DEMO_CARD, MODEL, OPTIONS, PATHS
from quant_accuracy.settings.values import Values, card_in, changes_card, joined

_PATTERN, _BASELINES = "TFRecord_file_pattern", "baseline_dir"
_REPEATED = ("trust_checkpoint", *PATHS.values(), "eval_batch_size", _BASELINES)


def new_baseline(values: Values, model: str, given: str, demo: bool = False, part_on_purpose: bool = False) -> str:
    """How to make the baseline of a model: a command to paste, in backquotes, and what it leaves out.

    Args:
        values: The options.
        model: The name of the model.
        given: How its card was named.
        demo: Whether it is of the demo, which takes no paths where there are several models.
        part_on_purpose: Whether the card leaves images out on purpose, so that the pattern may do so.
    """
    words = [values.suite or invocation.suite(), *_retyped(values, model, given, demo, part_on_purpose)]
    changed = changes_card(values)
    left_out = f" (it is made as the model card says, without {', '.join(changed)})" if changed else ""
    return f"`{' '.join(words)} --update-baselines`{left_out}"


def _retyped(values: Values, model: str, given: str, demo: bool, part_on_purpose: bool) -> List[str]:
    """What was typed to say which model is measured on which data, with paths that hold in every folder.

    Options that were set elsewhere still hold; those that change a card or leave images out say another thing.
    """
    path = card_in(Path.cwd(), given)
    own = values.root / "models" / f"{given}.yaml"
    if values.suite is None and own.is_file():
        # pytest may have another root.
        path = str(own)
    typed = {key: values.typed.get(key) for key in _REPEATED}
    if demo and len(values.models()) > 1:
        typed.update(dict.fromkeys(PATHS.values()))
    if values.suite is None and (values.get(_BASELINES) or given != DEMO_CARD):
        typed[_BASELINES] = folders.baselines(values, model, given)
    pattern = typed[_PATTERN]
    if pattern and not part_on_purpose:
        typed[_PATTERN] = _whole_set(pattern)
    words = _given(f"--{MODEL}", path)
    for option in OPTIONS:
        value = typed.get(option.key)
        if value is not None:
            text = str(joined(Path.cwd(), value) if isinstance(value, Path) else value)
            words += _given(option.flag, text) if option.metavar else [option.flag]
    return [shlex.quote(word) for word in words]


def _given(flag: str, value: str) -> List[str]:
    """An option with its value; a path stands behind an equals sign, where pytest takes it for nothing else."""
    return [f"{flag}={value}"] if "/" in value else [flag, value]


def _whole_set(pattern: str) -> str:
    """The pattern that takes the whole of a numbered set of shards, from one that takes a part."""
    return re.sub(r"-(?:\d|\?|\[[^]]*\]|\*)+-of-(?=\d)", "-*-of-", pattern)

"""The headings that options stand below, in `--help` and on the page of options."""

from typing import Dict, Iterable, List, Tuple

# The keys below each heading, in the order in which they are shown.
HEADINGS: Dict[str, Tuple[str, ...]] = {
    "model and data": ("model", "model_checkpoint", "trust_checkpoint", "dataset_dir", "TFRecord_file_pattern",
                       "annotation_json_file"),
    "quantization": ("quant_scheme", "default_param_bw", "default_output_bw", "calibration_images", "quantsim_config",
                     "spelled_out_batch_norms", "load_encodings", "load_param_encodings", "backend", "simulate"),
    "device": ("device", "device_outputs", "device_detections"),
    "images to evaluate": ("shards", "shard_count", "eval_num_examples"),
    "computation": ("runtime", "eval_batch_size", "threads", "executor", "jobs", "ray_address", "shard_timeout"),
    "verdicts": ("strict", "jitter", "baseline_dir", "update_baselines"),
    "why a gate is red": ("why", "no_why", "why_budget"),
    "repair": ("remedies", "relu6", "budget", "search_images", "exhaustive"),
    "files": ("report", "output_dir", "history", "quantsim_output_dir", "cache_dir", "no_cache"),
}


def grouped(keys: Iterable[str]) -> Dict[str, List[str]]:
    """Keys of options by their heading, both in order; headings without any are left out.

    Raises:
        KeyError: A key has no heading.
    """
    wanted = set(keys)
    found = {heading: [key for key in below if key in wanted] for heading, below in HEADINGS.items()}
    homeless = wanted.difference(*found.values())
    if homeless:
        raise KeyError(f"{sorted(homeless)}: no heading in HEADINGS; add them to one")
    return {heading: below for heading, below in found.items() if below}

"""Ask a model through lm-evaluation-harness (the package `lm_eval`), which batches, truncates and reads likelihoods.

Our questions go in as tasks of its own kind and our judgement as their metric, so no file is fetched and no
model-written program runs outside our sandbox.
"""

import logging
from collections.abc import Sequence
from typing import Any

from ...storage import Folder
from ..engine import EngineUnavailable
from .items import GeneralItem

_BACKENDS = {"transformers": "hf", "vllm": "vllm"}


class HarnessUnavailable(RuntimeError):
    """lm-evaluation-harness is not installed; the message says what to do."""


def open_lm(engine: str, model: Folder, *, device: str = "", batch_size: int = 16) -> Any:
    """The harness's own model for a Hugging Face folder. Raises HarnessUnavailable without the package."""
    _import_harness()
    from lm_eval.api.registry import get_model  # type: ignore[import-not-found]

    from ...training.models import local_path, pick_device

    if engine not in _BACKENDS:
        raise ValueError(f"unknown engine {engine!r}; use {' or '.join(_BACKENDS)}")
    options: dict[str, Any] = {"pretrained": str(local_path(model)), "batch_size": batch_size}
    if engine == "transformers":
        options["device"] = pick_device(device)
    try:
        return get_model(_BACKENDS[engine])(**options)
    except ImportError as error:
        raise EngineUnavailable(f"the engine {engine} is not installed here: {error}") from error


def _import_harness() -> None:
    try:
        import lm_eval  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        raise HarnessUnavailable(
            f"general ability is asked through lm-evaluation-harness, which is not installed ({error}): "
            "pip install --constraint constraints.txt 'dsmath-pipeline[harness]'"
        ) from error
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def ask(lm: Any, items: Sequence[GeneralItem], max_new_tokens: int) -> list[str]:
    """The response to each item, greedy: the likeliest letter where there are letters, else what the model writes."""
    from lm_eval.api.task import ConfigurableTask  # type: ignore[import-not-found]
    from lm_eval.evaluator import evaluate  # type: ignore[import-not-found]

    responses = [""] * len(items)
    by_letters = [n for n, item in enumerate(items) if item.letters]
    written = [n for n, item in enumerate(items) if not item.letters]
    tasks = {}
    if by_letters:
        config = _config(items, by_letters, responses) | {
            "output_type": "multiple_choice",
            "doc_to_choice": lambda doc: list(items[doc["item"]].letters),
            "doc_to_target": lambda doc: 0,
        }
        tasks["letters"] = ConfigurableTask(config={**config, "task": "letters"})
    for stops in sorted({items[n].stops for n in written}):
        some = [n for n in written if items[n].stops == stops]
        generation = {"until": list(stops), "max_gen_toks": _room(lm, max_new_tokens), "do_sample": False}
        config = _config(items, some, responses) | {
            "output_type": "generate_until",
            "doc_to_target": lambda doc: "",
            "generation_kwargs": generation,
        }
        name = f"written_{len(tasks)}"
        tasks[name] = ConfigurableTask(config={**config, "task": name})
    evaluate(lm, {"tasks": tasks, "groups": {}, "group_map": {}}, bootstrap_iters=0, log_samples=False)
    return responses


def _config(items: Sequence[GeneralItem], chosen: Sequence[int], responses: list[str]) -> dict[str, Any]:
    """What both kinds of tasks share. Responses are noted where the harness would grade them."""
    import datasets  # type: ignore[import-not-found]

    def note(doc: dict[str, Any], results: Sequence[Any]) -> dict[str, float]:
        item = items[doc["item"]]
        if item.letters:
            likelihoods = [float(likelihood) for likelihood, _ in results]
            responses[doc["item"]] = item.letters[likelihoods.index(max(likelihoods))]
        else:
            responses[doc["item"]] = str(results[0])
        return {"answered": 1.0}

    table = datasets.Dataset.from_dict({"item": list(chosen)})
    return {
        "custom_dataset": lambda **_: {"test": table}, "test_split": "test", "num_fewshot": 0,
        "doc_to_text": lambda doc: items[doc["item"]].prompt, "process_results": note,
        "metric_list": [{"metric": "answered", "aggregation": "mean", "higher_is_better": True}],
    }  # fmt: skip


def _room(lm: Any, max_new_tokens: int) -> int:
    """At most half of the model's context for the response."""
    return max(1, min(max_new_tokens, int(getattr(lm, "max_length", 2 * max_new_tokens)) // 2))

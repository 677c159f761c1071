"""The report's chapter on the experiments: methods of reinforcement learning, and corpora compared by training.

Both are made on request only, so a run without them has no such chapter.
"""

from collections.abc import Mapping, Sequence

from ..rl.method_runs import RUNS, method_rows
from ..storage import Folder, Manifest
from . import plots
from .method_figures import FIGURE_5, FIGURE_6, Curve, method_curves, run_curves
from .parts import details, figure, guarded, manifest_of, paragraph, section, subtitle
from .tables import Row, html_table
from .validation_table import found_corpora, found_validation, paper_corpora

_METHODS_TEXT = (
    "Every method starts from the same SFT model and sees the same questions. Accuracy is that of questions nobody "
    "trained on, solved greedily. Compare the order of the curves with the paper's, not their height."
)
_METHODS_CAPTION = (
    "Held out: questions nobody trained on. Correct: samples of the last ten stages. kl: of the last stage, to the "
    "reference, nats a token."
)
_VALIDATION_TEXT = (
    "The same model trained for the same number of tokens on each corpus. Perplexity is that of held-out texts, lower "
    "is better; its ratio to the unfiltered crawl's is what the corpus is worth. With several seeds the perplexity is "
    "the geometric mean over them, and the column after it their standard deviation."
)


def experiment_artifacts(root: Folder) -> dict[str, Manifest]:
    """Name ("methods/ppo") and manifest of every finished artifact that the chapter reads."""
    names = [("methods", name) for name in RUNS]
    for corpus, seeds in found_corpora(root):
        names += [("validation", corpus, seed.name, part) for seed in seeds for part in ("perplexity", "evaluation")]
    found = {"/".join(parts): manifest_of(root, *parts) for parts in names}
    return {name: manifest for name, manifest in found.items() if manifest is not None}


def experiments_section(root: Folder) -> str:
    """Figures 5 and 6 and table 1 of the paper from this run; empty when the run has none of them."""
    parts = [
        guarded("The comparison of methods", lambda: _methods(root)),
        guarded("The validation of the corpora", lambda: _validation(root)),
    ]
    return section("experiments", "Experiments", *parts) if any(parts) else ""


def _methods(root: Folder) -> str:
    curves = run_curves(root)
    if not curves:
        return ""
    parts = [
        subtitle("Methods of reinforcement learning (section 5.2)"),
        paragraph(_METHODS_TEXT),
        _curves(curves, FIGURE_5, "Methods of figure 5"),
        _curves(curves, FIGURE_6, "GRPO in one iteration and in two: figure 6") if FIGURE_6[1] in curves else "",
        _curves(curves, [name for name in curves if name not in FIGURE_5 + FIGURE_6], "Further methods"),
        html_table(_shares(method_rows(root)), _METHODS_CAPTION),
    ]
    return "".join(parts)


def _curves(curves: Mapping[str, Curve], names: Sequence[str], title: str) -> str:
    """The lines of `names` that are there; empty when none is."""
    chosen = {name: curves[name] for name in names if name in curves}
    return figure(method_curves(chosen, title), f"{title}: accuracy by exploration stage.") if chosen else ""


def _shares(rows: list[Row]) -> list[Row]:
    """The rows with columns named as shares, so that the table prints them in percent."""
    names = {"held_out_first": "held_out_before_share", "held_out_last": "held_out_after_share"}
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


def _validation(root: Folder) -> str:
    rows = found_validation(root)
    if not rows:
        return ""
    return "".join(
        (
            subtitle("Corpora compared by training on them (section 2.2, table 1)"),
            paragraph(_VALIDATION_TEXT),
            figure(plots.perplexity_bars(rows), "Perplexity of held-out mathematics by corpus."),
            html_table(rows),
            details("The paper's table 1", html_table(paper_corpora())),
        )
    )

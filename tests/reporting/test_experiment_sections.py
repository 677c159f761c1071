"""The chapter on experiments: there when its results are, in the paper's order, remade when one of them changes."""

import math

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.reporting import plots
from dsmath_pipeline.reporting.experiment_sections import experiment_artifacts, experiments_section
from dsmath_pipeline.reporting.page import write_report
from dsmath_pipeline.reporting.validation_table import found_corpora, found_validation
from tests.reporting.conftest import write
from tests.reporting.test_report_page import Page


def write_policy(root, name, curve):
    """A policy of the comparison: `curve` are the shares measured before steps 1, 3, ... and after the last."""
    shares = [value for share in curve[:-1] for value in (share, None)]
    table = pa.table({"step": list(range(1, len(shares) + 1)), "held_out_correct": pa.array(shares, pa.float64())})
    counts = {"held_out_correct": curve[-1], "last_correct_share": 0.875, "last_kl": 0.0625, "collapse_signs": []}
    write(root / "methods" / name, "rl_model", {"method": name}, table, counts, file="metrics.parquet")


def write_validation(root, corpus, perplexities, accuracy=None):
    for number, perplexity in enumerate(perplexities):
        path = root / "validation" / corpus / f"seed_{number}"
        figures = {"perplexity": {"seed": perplexity, "mathematics": perplexity}}
        write(path / "perplexity", "perplexity", {"corpus": corpus, "seed": number}, None, figures)
        if accuracy is not None:
            benchmarks = {"by_benchmark": {"gsm8k": {"greedy": accuracy}}}
            write(path / "evaluation", "evaluation", {"corpus": corpus, "seed": number}, None, benchmarks)


def text_of(html):
    return " ".join(" ".join(Page(html).text).split())


def test_a_run_without_experiments_has_no_such_chapter(run_folder, monkeypatch):
    for name in ("score_histogram", "iterations_figure", "held_out_figure", "loss_curve", "rl_curves", "k_bars"):
        monkeypatch.setattr(plots, name, lambda *args: "<svg></svg>")
    assert experiments_section(run_folder) == "" and experiment_artifacts(run_folder) == {}
    first = write_report(run_folder, run_folder / "report")
    page = (run_folder / "report" / "report.html").read_text()
    assert 'href="#experiments"' not in page and 'href="#settings"' in page
    write_policy(run_folder, "rft", [0.5, 0.6])
    assert write_report(run_folder, run_folder / "report").key != first.key
    page = (run_folder / "report" / "report.html").read_text()
    assert 'href="#experiments"' in page and page.index('id="evaluation"') < page.index('id="experiments"')


def test_methods_are_drawn_by_the_papers_figures_and_tabled_in_percent(tmp_path):
    write_policy(tmp_path, "rft", [0.5, 0.52, 0.54])
    write_policy(tmp_path, "ppo", [0.5, 0.61, 0.7])
    html = experiments_section(tmp_path)
    text = text_of(html)
    assert html.count("<svg") == 2  # figure 5 has RFT, PPO is none of its methods; no second iteration, no figure 6
    assert "figure 5" in html and "Further methods" in html and "figure 6" not in html
    assert "rft 50.0% 54.0% 87.5%" in text and "ppo 50.0% 70.0% 87.5%" in text
    write_policy(tmp_path, "grpo_outcome", [0.5, 0.8])
    write_policy(tmp_path, "grpo_iterated", [0.5, 0.9])
    html = experiments_section(tmp_path)
    assert html.count("<svg") == 3 and "GRPO in one iteration and in two" in html
    assert list(experiment_artifacts(tmp_path)) == [
        f"methods/{name}" for name in ("grpo_outcome", "rft", "ppo", "grpo_iterated")
    ]


def test_an_unfinished_policy_is_not_drawn(tmp_path):
    write_policy(tmp_path, "rft", [0.5, 0.6])
    (tmp_path / "methods" / "rft" / storage.MANIFEST).unlink()
    assert experiments_section(tmp_path) == ""


def test_corpora_come_in_the_order_of_the_table_with_means_over_seeds(tmp_path):
    for corpus in ("mine", "final", "iteration_10", "iteration_2", "crawl", "12"):
        write_validation(tmp_path, corpus, [8.0, 2.0] if corpus == "final" else [16.0], 0.25)
    (tmp_path / "validation" / "held_out").mkdir()
    assert [name for name, _ in found_corpora(tmp_path)] == [
        "crawl", "iteration_2", "iteration_10", "final", "12", "mine"
    ]  # fmt: skip
    rows = {row["corpus"]: row for row in found_validation(tmp_path)}
    assert rows["final"]["mathematics_perplexity"] == pytest.approx(math.sqrt(8 * 2))
    assert rows["final"]["ratio_to_crawl"] == pytest.approx(4 / 16) and rows["final"]["num_seeds"] == 2
    html = experiments_section(tmp_path)
    text = text_of(html)
    assert html.count("<svg") == 1 and ">4<" in html and "DeepSeekMath Corpus" in text
    assert text.index("iteration_10") < text.index("mine")
    assert len(experiment_artifacts(tmp_path)) == 2 * 7  # perplexity and evaluation of seven trainings


def test_a_damaged_result_is_named_and_the_others_are_shown(tmp_path):
    write_policy(tmp_path, "rft", [0.5, 0.6])
    write_validation(tmp_path, "crawl", [16.0])
    (tmp_path / "methods" / "rft" / "metrics.parquet").unlink()
    text = text_of(experiments_section(tmp_path))
    assert "The comparison of methods could not be read" in text and "crawl" in text

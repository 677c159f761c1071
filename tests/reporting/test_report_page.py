"""The report: complete, self-contained, escaped, and patient with what is missing."""

import html.parser
import shutil

import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.reporting import paper_results, plots
from dsmath_pipeline.reporting.page import find_truth, write_report

VOID = {"meta", "br", "img", "link", "hr"}


class Page(html.parser.HTMLParser):
    """Checks that elements are closed in order and collects what the tests ask for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.addresses, self.text = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href") and not v.startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(finished_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    write_report(finished_run, out)
    return (out / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def no_figures(monkeypatch):
    """Figures take most of the time; tests of other things do without."""
    for name in ("score_histogram", "iterations_figure", "held_out_figure", "loss_curve", "rl_curves", "k_bars"):
        monkeypatch.setattr(plots, name, lambda *args: "<svg></svg>")


def test_the_page_is_well_formed_and_needs_no_network(page):
    parsed = Page(page)
    assert parsed.addresses == ["problems.html"]  # beside the report
    assert "url(http" not in page and "@import" not in page
    assert "script" not in parsed.tags


def test_text_of_pages_and_completions_is_shown_and_never_interpreted(page):
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in page


def test_the_page_tells_the_run_from_records_to_accuracy(page):
    text = " ".join("".join(Page(page).text).split())
    for expected in (
        "360 records of 4 files held 330 web pages; 300 of them gave a text, with 1,234 formulas",
        "Of 300 documents 280 stay",
        "7 of 14 domains are mathematical",
        "90 pages with 9,000 estimated tokens of 7 domains, from 95 collected pages",
        "a farmer has seventeen cows and sells nine of them on",
        "7 billion parameters",
        "Right answer: 18",
        "every iteration: scores",
        "Drawn once and trained on in no iteration",
        "seed and crawlall502080.0%90.0%0.915.0%",
        "88.2",
    ):
        assert expected in text
    assert "is left out" not in text and "could not be read" not in text
    # iterations, held-out set, scores, three losses, RL, Maj@K
    assert Page(page).tags.count("svg") == 8


def test_method_and_signs_of_collapse_stand_with_the_rl_model(run_folder, no_figures):
    path = run_folder / "models" / "rl" / storage.MANIFEST
    manifest = storage.read_json(path)
    manifest["counts"] |= {"method": "ppo", "collapse_signs": ["entropy fell to 1 % <of its beginning>"]}
    storage.write_json(path, manifest)
    write_report(run_folder, run_folder / "report")
    page = (run_folder / "report" / "report.html").read_text()
    assert "<td>ppo</td>" in page and "Sign of collapse: entropy fell to 1 % &lt;of its beginning&gt;" in page


def test_columns_without_a_value_have_no_panel():
    columns = {"step": [1, 2], "reward": [0.1, 0.2], "held_out_correct": [None, None], "kl": [0.0, 0.1]}
    assert "held-out" not in plots.rl_curves(columns)
    assert "held-out questions solved" in plots.rl_curves(columns | {"held_out_correct": [0.5, None]})


def test_settings_are_shown_with_meaning_and_source(page):
    text = "".join(Page(page).text)
    assert "decontamination.ngram_words" in text
    assert "segments sharing a gram run of this length are dropped" in text
    assert "weight of the KL term, beta" in text


@pytest.mark.parametrize(
    "gone",
    ["documents", "unique_documents", "iteration_1", "math_corpus", "tokens", "models", "evaluation/rl", "truth"],
)
def test_a_missing_part_is_left_out_with_a_sentence(run_folder, gone, no_figures):
    shutil.rmtree(run_folder / gone)
    write_report(run_folder, run_folder / "report")
    page = (run_folder / "report" / "report.html").read_text(encoding="utf-8")
    Page(page)
    assert "could not be read" not in page
    if gone in ("documents", "math_corpus", "models"):
        assert "was not made in this run" in page


def test_an_unfinished_artifact_counts_as_missing(run_folder, no_figures):
    (run_folder / "math_corpus" / storage.MANIFEST).unlink()
    write_report(run_folder, run_folder / "report")
    assert "The corpus was not made in this run" in (run_folder / "report" / "report.html").read_text()


def test_a_damaged_artifact_is_named_and_the_rest_is_told(run_folder, no_figures):
    (run_folder / "math_corpus" / "contamination" / "report.json").write_text("{")
    write_report(run_folder, run_folder / "report")
    page = (run_folder / "report" / "report.html").read_text()
    assert "The corpus could not be read (JSONDecodeError" in page
    assert "Some problems and what the models wrote" in page


def test_an_empty_folder_is_a_clear_error(tmp_path):
    with pytest.raises(storage.ArtifactError, match="run the pipeline first"):
        write_report(tmp_path, tmp_path / "report")


def test_the_report_is_made_again_only_when_something_changed(run_folder, no_figures):
    first = write_report(run_folder, run_folder / "report")
    before = (run_folder / "report" / "report.html").read_bytes()
    assert write_report(run_folder, run_folder / "report").created_seconds == first.created_seconds
    shutil.rmtree(run_folder / "evaluation" / "rl")
    assert write_report(run_folder, run_folder / "report").key != first.key
    assert (run_folder / "report" / "report.html").read_bytes() != before


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(page, finished_run, tmp_path):
    write_report(finished_run, tmp_path / "again")
    assert (tmp_path / "again" / "report.html").read_text(encoding="utf-8") == page


def test_the_truth_is_found_in_the_run_or_beside_it(run_folder):
    assert find_truth(run_folder) == run_folder / "truth"
    shutil.move(run_folder / "truth", run_folder.parent / "truth")
    assert find_truth(run_folder) == run_folder.parent / "truth"
    shutil.rmtree(run_folder.parent / "truth")
    assert find_truth(run_folder) is None


def test_a_long_curve_is_thinned_without_moving_its_ends():
    # 1,200 values i become 600 means of neighbours: (0 + 1) / 2, ..., (1198 + 1199) / 2
    thin = plots._thinned(list(range(1200)))
    assert (len(thin), thin[0], thin[-1]) == (600, 0.5, 1198.5)
    assert plots._running_mean([5.0, 1.0, 3.0, 2.0, 7.0], 2) == [5.0, 3.0, 18 / 5, 4.0, 7.0]


def test_the_papers_figures_are_those_of_its_abstract():
    rows = {(row["model"], row["method"]): row for row in paper_results.INSTRUCT_AND_RL.rows}
    rl = rows["RL (GRPO)", "chain-of-thought"]
    # abstract: GSM8K 82.9 -> 88.2, MATH 46.8 -> 51.7, CMATH 84.6 -> 88.8
    assert (rl["GSM8K"], rl["MATH"], rl["CMATH"]) == (88.2, 51.7, 88.8)
    assert paper_results.GREEDY["sft"] == {"GSM8K": 82.9, "MATH": 46.8, "CMATH": 84.6}
    assert paper_results.CORPORA.rows[0]["tokens"] is None
    assert paper_results.CORPORA.rows[-1]["CMATH"] == 41.5
    for table in paper_results.TABLES:
        assert len({tuple(row) for row in table.rows}) == 1

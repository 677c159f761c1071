"""The ablation of the corpus loop: what its variants change, what its table says; never its figures."""

import json
from types import ModuleType

from benchmarks import corpus_loop
from benchmarks.corpus_loop import (
    VARIANTS,
    Variant,
    half_of,
    oracle_labels,
    run_variant,
    share_first_iteration,
    variants_table,
    with_cjk_unsegmented,
    without_formulas,
)
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.text import segment


def test_every_variant_s_overrides_are_settings_and_names_are_folders():
    assert all(load_recipe("small_crawl", list(variant.overrides)) for variant in VARIANTS)
    assert len({corpus_loop.folder_name(variant) for variant in VARIANTS}) == len(VARIANTS)


def test_formulas_leave_no_trace():
    (text,) = without_formulas([r"Let $x^2$ and \[ \frac{a}{b} \] be given, for $5 or $6."])
    assert text == "let and be given , for $ 5 or $ 6 ."


def test_unsegmented_chinese_is_one_token_of_the_same_length_and_nothing_else_changes():
    (text,) = with_cjk_unsegmented(["设函数 f(x) 连续, a word"])
    tokens = segment(text)
    assert [len(token) for token in tokens] == [3, 1, 1, 1, 1, 2, 1, 1, 4]
    assert tokens[1:5] == ["f", "(", "x", ")"] and tokens[-2:] == ["a", "word"]
    assert with_cjk_unsegmented(["设函数"])[0] == tokens[0]  # the same word in another text


def test_halves_split_the_domains_about_evenly():
    halves = [half_of(f"site{i}.org") for i in range(400)]
    assert 160 < sum(halves) < 240  # 200 expected, four standard deviations


def test_oracle_labels_are_the_majority_of_a_host_s_sure_labels():
    rows = [
        {"url": f"https://{host}/{i}", "is_math": is_math, "confidence": confidence}
        for i, (host, is_math, confidence) in enumerate(
            [("www.a.org", True, "high"), ("a.org", True, "high"), ("a.org", False, "high"), ("b.org", True, "high"),
             ("b.org", False, "high"), ("b.org", True, "low"), ("c.org", True, "low")]
        )
    ]  # fmt: skip
    assert [(row["url_prefix"], row["label"]) for row in oracle_labels(rows)] == [
        ("a.org", "math"),  # 2 of 3
        ("b.org", "not_math"),  # 1 of 2: no majority
    ]


def result(*iterations):
    keys = ("average_precision", "average_precision_en", "average_precision_zh", "recall_at_precision_0.90",
            "already_collected_pages_share", "cpu_seconds")  # fmt: skip
    return {"iterations": [dict(zip(keys, values, strict=True)) for values in iterations]}


def test_the_table_shows_first_and_last_iteration_and_adds_the_cost():
    found = result((0.5, 0.6, None, 0.25, None, 10.4), (0.7, 0.8, 0.9, 0.5, 0.75, 20.2), (0.75, 0.8, 0.9, 0.5, 1.0, 9))
    row = [cell.strip() for cell in variants_table({"name": found}).splitlines()[2].split("|")[1:-1]]
    assert row == ["name", "0.500 → 0.750", "0.600 → 0.800", "– → 0.900", "0.250 → 0.500", "3", "100.0%", "40"]


def test_a_variant_with_the_same_classifier_takes_the_first_iteration_and_its_cost(tmp_path):
    source = tmp_path / "everything_on"
    (source / "iteration_1").mkdir(parents=True)
    (source / "iteration_1" / "file").write_text("x")
    (source / "figures.json").write_text(json.dumps({"iterations": [{"cpu_seconds": 7.0}]}))
    same = Variant("same", "", ("annotation.min_collected_share=1.01",))
    assert share_first_iteration(tmp_path, tmp_path / "same", same) == 7.0
    assert (tmp_path / "same" / "iteration_1" / "file").read_text() == "x"
    for other in (Variant("o", "", ("seeds.num_folds=1",)), Variant("o", "", half=0), Variant("o", "", texts=len)):
        assert share_first_iteration(tmp_path, tmp_path / "other", other) == 0.0
    assert not (tmp_path / "other").exists()


def test_a_finished_variant_is_not_run_again(tmp_path):
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "figures.json").write_text('{"iterations": []}')
    found = run_variant(Variant("done", ""), tmp_path / "base", tmp_path, [], ModuleType("measure"))
    assert found == {"iterations": []}

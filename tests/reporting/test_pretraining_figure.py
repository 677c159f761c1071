from dsmath_pipeline.reporting.plots import pretraining_figure

STEPS = {"step": [1, 2, 3, 4], "tokens_per_second": [100.0, 200.0, 210.0, 190.0], "mfu": [None] * 4}
HELD_OUT = [
    {"step": step, "source": source, "perplexity": value}
    for source, values in {"corpus": (9.0, 5.0), "natural_language": (30.0, 20.0)}.items()
    for step, value in zip((2, 4), values, strict=True)
]


def test_every_source_has_a_line_and_an_unknown_mfu_no_panel():
    svg = pretraining_figure(STEPS, HELD_OUT)
    assert "natural language" in svg and "corpus" in svg and "held-out perplexity" in svg
    assert svg.count("optimizer step") == 2 and "MFU" not in svg
    with_mfu = pretraining_figure({**STEPS, "mfu": [0.4, 0.5, 0.5, 0.5]}, HELD_OUT)
    assert with_mfu.count("optimizer step") == 3 and "MFU, %" in with_mfu


def test_without_held_out_text_the_panel_is_empty():
    assert "<svg" in pretraining_figure(STEPS, [])

"""The recipe carries the paper's numbers and refuses what it does not know."""

import pytest

from dsmath_pipeline.recipe.presets import PRESETS, RecipeError, load_recipe
from dsmath_pipeline.recipe.schema import Recipe, Section


def test_the_paper_preset_carries_the_papers_numbers():
    recipe = load_recipe("paper")
    c = recipe.classifier
    assert (c.dim, c.learning_rate, c.word_ngrams, c.min_count, c.epochs) == (256, 0.1, 3, 3, 3)
    assert (recipe.seeds.num_positives, recipe.seeds.num_negatives) == (500_000, 500_000)
    assert recipe.ranking.token_budget == 40 * 10**9
    assert recipe.iteration.max_iterations == 4
    assert recipe.volume.token_budgets == (40 * 10**9, 80 * 10**9, 120 * 10**9, 160 * 10**9)
    m = recipe.mixture
    assert (m.corpus, m.algebraic_stack, m.arxiv, m.code, m.natural_language) == (0.56, 0.04, 0.10, 0.20, 0.10)
    p = recipe.pretrain
    assert (p.peak_learning_rate, p.warmup_steps, p.beta1, p.beta2, p.weight_decay) == (5.3e-4, 2000, 0.9, 0.95, 0.1)
    assert (recipe.sft.num_steps, recipe.sft.batch_sequences, recipe.sft.learning_rate) == (500, 256, 5e-5)
    r = recipe.rl
    assert (r.learning_rate, r.kl_coefficient, r.group_size, r.batch_completions) == (1e-6, 0.04, 64, 1024)
    assert r.updates_per_exploration == 1 and recipe.reward_model.learning_rate == 2e-5


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_and_says_its_name(preset):
    assert load_recipe(preset, seed=3).preset == preset
    assert load_recipe(preset, seed=3).seed == 3


def test_every_setting_has_a_description_and_a_source():
    for name, field in Recipe.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for inner, setting in field.annotation.model_fields.items():
                source = (setting.json_schema_extra or {}).get("source", "")
                assert setting.description, f"{name}.{inner}"
                assert source.startswith(("section ", "not in the paper: ", "figure ", "evaluation code")), (
                    f"{name}.{inner}"
                )


def test_overrides_are_parsed_by_the_type_of_the_field():
    recipe = load_recipe("demo", ["ranking.token_budget=12", "extract.main_content=false", "seed=5"])
    assert recipe.ranking.token_budget == 12
    assert recipe.extract.main_content is False
    assert recipe.seed == 5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("nothing", "write section.field=value"),
        ("a.b=1", "no section 'a'"),
        ("rl.nothing=1", "section rl has no field 'nothing'"),
        ("rl.group_size=1", "rl.group_size: Input should be greater than or equal to 2"),
        ("rl.group_size=many", "rl.group_size: Input should be a valid integer"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("demo", [override])


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(RecipeError, match="choose one of demo"):
        load_recipe("huge")


def test_a_list_is_set_as_json():
    assert load_recipe("demo", ["volume.token_budgets=[10, 20]"]).volume.token_budgets == (10, 20)
    with pytest.raises(RecipeError, match=r"token_budgets=\[10.*not a list"):
        load_recipe("demo", ["volume.token_budgets=[10"])
    with pytest.raises(RecipeError, match=r"volume\.token_budgets"):
        load_recipe("demo", ["volume.token_budgets=[]"])

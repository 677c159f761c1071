import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.recipe.schema import MixtureSettings
from dsmath_pipeline.tokens.mixture import MixtureError, plan_mixture

NAMES = list(MixtureSettings.model_fields)


def test_all_sources_get_the_papers_shares():
    plan = plan_mixture(dict.fromkeys(NAMES, 1000), MixtureSettings(), 100)
    # section 2.3: 56 % corpus, 4 % AlgebraicStack, 10 % arXiv, 20 % code, 10 % natural language
    assert [share.num_sequences for share in plan.values()] == [56, 4, 10, 20, 10]


def test_absent_sources_give_their_share_to_the_others_in_proportion():
    plan = plan_mixture({"corpus": 50, "natural_language": 100}, MixtureSettings(), 66)
    # 56 : 10 of 66 sequences; the corpus' 50 sequences are read 56 / 50 = 1.12 times
    assert plan["corpus"].num_sequences == 56 and plan["natural_language"].num_sequences == 10
    assert plan["corpus"].share == pytest.approx(56 / 66) and plan["corpus"].epochs == pytest.approx(1.12)


def test_the_largest_remainder_gets_the_sequence_that_rounding_leaves_over():
    plan = plan_mixture({"corpus": 9, "natural_language": 9}, MixtureSettings(), 10)
    # 10 * 56 / 66 = 8.48 and 10 * 10 / 66 = 1.52: 8 and 1, and the one left over goes to the larger remainder, 0.52
    assert plan["corpus"].num_sequences == 8 and plan["natural_language"].num_sequences == 2


@given(st.sets(st.sampled_from(NAMES), min_size=1), st.integers(1, 10_000))
def test_counts_add_up_and_stay_within_one_of_the_exact_share(present, num):
    plan = plan_mixture(dict.fromkeys(sorted(present), 7), MixtureSettings(), num)
    assert sum(share.num_sequences for share in plan.values()) == num
    for share in plan.values():
        assert abs(share.num_sequences - share.share * num) < 1


def test_unknown_empty_and_weightless_sources_are_refused_by_name():
    with pytest.raises(MixtureError, match="'books'"):
        plan_mixture({"books": 3}, MixtureSettings(), 10)
    with pytest.raises(MixtureError, match="'corpus' holds no text"):
        plan_mixture({"corpus": 0}, MixtureSettings(), 10)
    with pytest.raises(MixtureError, match="no source"):
        plan_mixture({"arxiv": 5}, MixtureSettings(arxiv=0.0), 10)

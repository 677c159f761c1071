import pytest

from dsmath_pipeline.tokens.chat import INSTRUCTIONS, chat_text, completion_text, prompt_text


def test_a_prompt_holds_the_problem_the_instruction_and_the_cue():
    assert prompt_text("1+1?", "pot", "en") == (
        "User: 1+1?\nWrite a Python program that prints the answer.\n\nAssistant:"
    )


def test_prompt_and_completion_join_to_the_chat_text():
    assert chat_text("q", "  3. \n", "cot", "zh") == prompt_text("q", "cot", "zh") + " 3."
    assert completion_text("3.") == " 3."


def test_every_method_and_language_has_its_own_instruction():
    assert len(set(INSTRUCTIONS.values())) == 6
    assert prompt_text("q", "cot", "de") == prompt_text("q", "cot", "en")


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="'guess'"):
        prompt_text("q", "guess")

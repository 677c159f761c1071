"""The one prompt format of fine-tuning, reinforcement learning and evaluation.

    User: {problem}
    {instruction}

    Assistant: {solution}

The frame is DeepSeekMath's; the instruction says which kind of solution is wanted (section 3: chain-of-thought,
program-of-thought, tool-integrated) in the problem's language. The sentences are our own: the paper prints none.
"""

INSTRUCTIONS = {
    ("cot", "en"): "Think step by step; answer in \\boxed{}.",
    ("cot", "zh"): "请逐步解答,写在\\boxed{}里。",
    ("pot", "en"): "Write a Python program that prints the answer.",
    ("pot", "zh"): "请写Python程序并打印答案。",
    ("tool", "en"): "Think with Python; answer in \\boxed{}.",
    ("tool", "zh"): "请借助Python解答,写在\\boxed{}里。",
}


def instruction(method: str, language: str) -> str:
    """The sentence after the problem. Languages other than Chinese get the English one; ValueError for a method that
    is not `cot`, `pot` or `tool`."""
    key = (method, "zh" if language == "zh" else "en")
    if key not in INSTRUCTIONS:
        raise ValueError(f"unknown method {method!r}; use cot, pot or tool")
    return INSTRUCTIONS[key]


def prompt_text(problem: str, method: str = "cot", language: str = "en") -> str:
    """What the model is given. It ends right before the space that starts the completion."""
    return f"User: {problem}\n{instruction(method, language)}\n\nAssistant:"


def completion_text(solution: str) -> str:
    """What the model is trained to write after `prompt_text`, without the end token."""
    return f" {solution.strip()}"


def chat_text(problem: str, solution: str, method: str = "cot", language: str = "en") -> str:
    """Prompt and completion together."""
    return prompt_text(problem, method, language) + completion_text(solution)

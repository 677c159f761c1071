"""The recipe as a Markdown page: every number, its unit, where it comes from, and how the presets differ.

`python -m dsmath_pipeline.recipe.document` prints docs/paper.md; `make docs` writes it.
"""

from collections.abc import Iterator

from .presets import PRESETS
from .schema import Recipe, Section

HEADER = """# The numbers, and where they come from

Made from `dsmath_pipeline/recipe/schema.py` by `make docs`; do not edit by hand. Sections are those of the paper
(arXiv 2402.03300). "not in the paper" marks a number that the paper leaves open, with the reason for ours. The columns
of the other presets show only what differs from the paper's settings.
"""


def paper_page() -> str:
    """The whole page."""
    return "\n".join([HEADER, *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    others = [name for name in PRESETS if name != "paper"]
    for name, field in Recipe.model_fields.items():
        section = field.annotation
        if not (isinstance(section, type) and issubclass(section, Section)):
            continue
        yield f"## `{name}`: {(section.__doc__ or '').strip().splitlines()[0]}\n"
        yield "| setting | what it is | paper preset | " + " | ".join(others) + " | source |"
        yield "|---" * (len(others) + 4) + "|"
        for key, setting in section.model_fields.items():
            source = (setting.json_schema_extra or {}).get("source", "")  # type: ignore[union-attr]
            values = [_value(PRESETS[other].get(name, {}).get(key, "")) for other in others]
            default = _value(setting.default)
            yield f"| `{key}` | {setting.description} | {default} | " + " | ".join(values) + f" | {source} |"
        yield ""


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(_value(part) for part in value)
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return f"{value:,}"


if __name__ == "__main__":
    print(paper_page(), end="")

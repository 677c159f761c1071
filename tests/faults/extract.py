"""`python -m tests.faults.extract CRAWL OUT`: the stage `documents` in a process that tests can kill."""

import sys
from pathlib import Path

from dsmath_pipeline.cli import is_input_error
from dsmath_pipeline.corpus.pages import extract_files
from dsmath_pipeline.recipe.presets import load_recipe


def main(crawl: str, out: str) -> int:
    recipe = load_recipe("demo")
    try:
        extract_files([crawl], Path(out), recipe.extract, recipe.opt_out, workers=2)
    except Exception as error:
        if not is_input_error(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Which blocks of a page are its content."""

from .layout import ARTICLE, BAD_HINT, GOOD_HINT, NAVIGATION, Block


def content_blocks(blocks: list[Block]) -> list[Block]:
    """The blocks worth keeping, in page order."""
    kept = []
    for block in blocks:
        share = block.link_chars / max(block.num_chars, 1)
        if block.hints & NAVIGATION:
            continue
        if block.hints & BAD_HINT and not (block.num_chars > 150 and share < 0.3):
            continue
        if share > 0.5 and not block.num_formulas:
            continue
        if block.num_chars < 25 and not block.num_formulas and not block.hints & (ARTICLE | GOOD_HINT):
            continue
        kept.append(block)
    return kept

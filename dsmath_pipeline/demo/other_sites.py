"""Sites of the mini web without mathematics: news, shops, recipes, forums, documentation, travel, sports, finance,
diaries, Chinese and German sites, and question-and-answer sites about other things.

Several are made to mislead a careless classifier: prices in dollars, `$variables` in code, the page layout of a
mathematics question-and-answer site, pages full of numbers. Not in the paper: the demonstration's own data.
"""

import random
from html import escape

from .grammar import Grammar, draw, expand, load_grammar, paragraphs
from .web_page import Article, Site, paragraphs_html, slug

ENGLISH_KINDS = ("news", "shop", "recipes", "forum", "docs", "travel", "sports", "finance", "diary", "qa_other")
CHINESE_KINDS = ("zh_news", "zh_food", "zh_shop", "zh_travel")
OTHER_KINDS = (*ENGLISH_KINDS, *CHINESE_KINDS, "de_daily")

_SECTIONS = {
    "news": ("politics", "region", "culture"), "shop": ("product", "sale"), "recipes": ("recipe", "baking"),
    "forum": ("thread",), "docs": ("docs", "guide"), "travel": ("trips", "europe"), "sports": ("match", "transfers"),
    "finance": ("markets", "money"), "diary": ("posts",), "qa_other": ("questions",), "zh_news": ("xinwen",),
    "zh_food": ("meishi",), "zh_shop": ("item",), "zh_travel": ("youji",), "de_daily": ("artikel", "ratgeber"),
}  # fmt: skip


def other_article(rng: random.Random, site: Site, number: int) -> Article:
    """Article `number` of a site that is not about mathematics. One page in twenty is too short to be of use."""
    topic = rng.choice(("recipes", "docs", "forum", "travel")) if site.kind == "qa_other" else site.kind
    num_chars = rng.randint(40, 140) if rng.random() < 0.05 else round(rng.lognormvariate(7.4, 0.6)) + 250
    if site.kind in CHINESE_KINDS:
        name = site.kind.removeprefix("zh_")
        grammar = load_grammar("zh_daily")
        title = draw(rng, grammar, f"{name}_titles")
        texts = paragraphs(rng, grammar, f"{name}_sentences", min(num_chars, 6000) // 3, "")
        body, path = paragraphs_html(texts), f"/{rng.choice(_SECTIONS[site.kind])}/{number}.html"
        return Article(path, title, body, False, "zh")
    grammar = load_grammar("de_daily") if site.kind == "de_daily" else load_grammar("shared_en", topic)
    title = draw(rng, grammar, "titles")
    body = _body(rng, site.kind, grammar, paragraphs(rng, grammar, "sentences", min(num_chars, 8000)))
    path = f"/{rng.choice(_SECTIONS[site.kind])}/{slug(title) or 'page'}-{number}"
    return Article(path, title, body, False, site.language)


def _body(rng: random.Random, kind: str, grammar: Grammar, texts: list[str]) -> str:
    if kind == "shop":
        return _shop_body(rng, texts)
    if kind == "recipes":
        half = len(texts) // 2
        steps = "".join(f"<li>{escape(text, quote=False)}</li>" for text in texts[half:])
        return f"{paragraphs_html(texts[:half])}\n<h2>Method</h2><ol>{steps}</ol>"
    if kind in ("forum", "qa_other"):
        posts = (_post(rng, kind, text) for text in texts)
        return "\n".join(posts)
    if kind == "docs":
        return "\n".join(_docs_part(rng, grammar, text) for text in texts)
    if kind == "news":
        author, date = draw(rng, grammar, "person"), f"{rng.randint(1, 28)} {draw(rng, grammar, 'month')}"
        return f'<div class="byline">By {author}, {date}</div>\n{paragraphs_html(texts)}'
    return paragraphs_html(texts)


def _shop_body(rng: random.Random, texts: list[str]) -> str:
    price = rng.randint(5, 300)
    rows = "".join(
        f"<tr><th>{name}</th><td>{value}</td></tr>"
        for name, value in (
            ("Price", f"${price}.99"), ("Before", f"${price + rng.randint(2, 50)}.00"),
            ("Weight", f"{rng.randint(1, 40) / 10} kg"), ("In stock", rng.randint(0, 80)),
        )
    )  # fmt: skip
    return f'<table class="specs">{rows}</table>\n{paragraphs_html(texts)}\n<button>Add to basket</button>'


def _post(rng: random.Random, kind: str, text: str) -> str:
    user = f"{draw(rng, load_grammar('shared_en'), 'first').lower()}_{rng.randint(1, 99)}"
    if kind == "forum":
        return (
            f'<div class="post"><span class="author">{user}</span><div class="text"><p>{escape(text)}</p></div></div>'
        )
    return (
        f'<div class="answer"><div class="vote"><span class="count">{rng.randint(-3, 60)}</span></div>'
        f'<div class="post-text"><p>{escape(text)}</p></div><div class="user-info">answered by {user}</div></div>'
    )


def _docs_part(rng: random.Random, grammar: Grammar, text: str) -> str:
    code = "\n".join(expand(rng, grammar, rng.choice(grammar["code"])) for _ in range(rng.randint(1, 4)))
    return f"<p>{escape(text, quote=False)}</p>\n<pre><code>{escape(code, quote=False)}</code></pre>"

"""Mathematical sites of the mini web: what each kind of site publishes.

A kind is one function from (generator, site, number, quiz problems) to an article. Kinds differ in markup, layout of
the content, URL scheme, language and in how many of their pages hold formulas: question-and-answer, wiki, lecture
notes, MathJax and WordPress sites always do; the Chinese school sites, the practice site and the blogs' /math/ also
publish plain pages, which a first classifier does not know. School sites and blogs are mixed: they have sections
without mathematics.

Not in the paper: the demonstration's own data.
"""

import random
from collections.abc import Callable, Sequence
from html import escape

from . import math_text
from .formula_markup import has_formula, render
from .grammar import draw, load_grammar, paragraphs
from .web_page import Article, Site, paragraphs_html, slug

WORKED_SHARE = 0.85
"""Share of worked problems in the text of a formula-rich page."""
RICH_SHARE = {"school_zh": 0.6, "practice": 0.55, "blog": 0.6}
"""Share of formula-rich pages among the mathematics pages of a kind; the other kinds have nothing else."""
OTHER_SECTION_SHARE = {"school_zh": 0.25, "blog": 0.45, "qa": 0.06, "lecture": 0.06}
"""Share of pages without mathematics on a site."""

SITE_MARKUPS: dict[str, tuple[str, ...]] = {
    "qa": ("dollars", "brackets"), "wiki": ("mathml",), "lecture": ("bare_mathml", "katex", "katex"),
    "mathjax": ("mathjax_script",), "wordpress": ("image_alt",), "school_zh": ("brackets", "katex", "mathjax_script"),
    "practice": ("katex", "dollars"), "blog": ("dollars", "image_alt", "katex"),
}  # fmt: skip
"""Markups of a kind's sites, in turn."""
MATH_KINDS = tuple(SITE_MARKUPS)

Quiz = Sequence[str]


def math_article(rng: random.Random, site: Site, number: int, quiz: Quiz = ()) -> Article:
    """Article `number` of a mathematics site. With `quiz`, a page that copies these benchmark problems."""
    if quiz:
        return _quiz(rng, site, number, quiz)
    if rng.random() < OTHER_SECTION_SHARE.get(site.kind, 0.0):
        return _other_section(rng, site, number)
    return _WRITERS[site.kind](rng, site, number)


def seed_text(rng: random.Random, kind: str, worked_share: float) -> str:
    """Plain text with TeX in dollars, as OpenWebMath stores pages of kind `qa`, `wiki`, `lecture` or `school_zh`."""
    language = "zh" if kind == "school_zh" else "en"
    topic = rng.choice(math_text.TOPICS)
    head = [math_text.title(rng, language, topic)]
    if kind == "qa":
        head += ["", *math_text.question(rng, topic), "", math_text.answer_opening(rng)]
    num_chars = rng.randint(900, 3500) // (2 if language == "zh" else 1)
    texts = _theory_and_problems(rng, language, topic, num_chars, worked_share)
    return "\n\n".join(head + texts)


def _theory_and_problems(rng: random.Random, language: str, topic: str, num_chars: int, worked: float) -> list[str]:
    """Theory first, then worked problems, in two or three rounds."""
    texts: list[str] = []
    rounds = rng.randint(2, 3)
    for _ in range(rounds):
        texts += math_text.theory(rng, language, topic, round(num_chars * (1 - worked) / rounds))
        texts += math_text.worked_problems(rng, language, round(num_chars * worked / rounds)) if worked else []
    return texts


def _num_chars(rng: random.Random, language: str) -> int:
    """Length of a mathematics page; a Chinese character says as much as two or three Latin letters."""
    return rng.randint(1800, 3600) if language == "zh" else rng.randint(3200, 6000)


def _texts(rng: random.Random, site: Site, topic: str, rich: bool) -> list[str]:
    num_chars = _num_chars(rng, site.language)
    if rich:
        return _theory_and_problems(rng, site.language, topic, num_chars, WORKED_SHARE)
    texts = []
    for _ in range(rng.randint(2, 4)):
        texts.append(math_text.plain_lesson(rng, site.language))
        texts += math_text.worked_problems(rng, site.language, num_chars // 3)
    return [t for t in texts if not has_formula(t)]


def _html(texts: Sequence[str], markup: str, tag: str = "p") -> str:
    return "\n".join(f"<{tag}>{render(text, markup)}</{tag}>" for text in texts)


def _article(site: Site, path: str, title: str, body: str, texts: Sequence[str], **more: bool) -> Article:
    markup = site.markup if any(map(has_formula, texts)) else ""
    return Article(path, title, body, True, site.language, markup, **more)


def _question_page(rng: random.Random, site: Site, number: int) -> Article:
    topic = rng.choice(math_text.TOPICS)
    asked, texts = math_text.question(rng, topic), _texts(rng, site, topic, rich=True)
    title = math_text.title(rng, "en", topic)
    cut = rng.randint(len(texts) // 4, len(texts) // 2)
    answers = [texts[cut:], texts[:cut]] if cut else [texts]
    body = f'<div class="question">{_votes(rng)}<div class="post-text">{_html(asked, site.markup)}</div></div>\n'
    body += f"<h2>{len(answers)} Answers</h2>\n"
    for answer in answers:
        opening = math_text.answer_opening(rng)
        comments = "".join(
            f'<li class="comment">{render(math_text.comment(rng), site.markup)} - {_user(rng)}</li>'
            for _ in range(rng.randint(0, 3))
        )
        body += (
            f'<div class="answer">{_votes(rng)}<div class="post-text">{_html([opening, *answer], site.markup)}</div>'
            f'<div class="user-info">answered by {_user(rng)}</div><ul class="comments">{comments}</ul></div>\n'
        )
    return _article(site, f"/questions/{1000 + number}/{slug(title)}", title, body, [*asked, *texts])


def _votes(rng: random.Random) -> str:
    return f'<div class="vote"><a class="up">up</a><span class="count">{rng.randint(-2, 90)}</span></div>'


def _user(rng: random.Random) -> str:
    return f"{draw(rng, load_grammar('shared_en'), 'first')}{rng.randint(1, 999)}"


def _wiki_page(rng: random.Random, site: Site, number: int) -> Article:
    topic = rng.choice(math_text.TOPICS)
    title, texts = math_text.title(rng, site.language, topic), _texts(rng, site, topic, rich=True)
    middle = len(texts) // 2
    body = (
        f'<div class="mw-parser-output">{_html(texts[:middle], site.markup)}\n'
        f'<h2><span class="mw-headline">Examples</span><span class="mw-editsection">[edit]</span></h2>\n'
        f"{_html(texts[middle:], site.markup)}\n"
        f'<h2>References</h2><ol class="references"><li>{draw(rng, load_grammar("shared_en"), "person")}, '
        f"{rng.randint(1950, 2020)}.</li></ol></div>"
    )
    return _article(site, f"/wiki/{slug(title).replace('-', '_')}_{number}", title, body, texts)


def _lecture_page(rng: random.Random, site: Site, number: int) -> Article:
    topic = rng.choice(math_text.TOPICS)
    title, texts = math_text.title(rng, site.language, topic), _texts(rng, site, topic, rich=True)
    sections = []
    for start in range(0, len(texts), 8):
        head = f"<h2>{start // 8 + 1}. {escape(math_text.title(rng, site.language, topic))}</h2>"
        sections.append(f"<section>{head}\n{_html(texts[start : start + 8], site.markup)}</section>")
    folder = "courses" if site.kind == "mathjax" else "notes"
    path = f"/{folder}/{topic}/lecture{number}.html"
    return _article(site, path, f"Lecture {number}: {title}", "\n".join(sections), texts)


def _wordpress_page(rng: random.Random, site: Site, number: int) -> Article:
    topic = rng.choice(math_text.TOPICS)
    title, texts = math_text.title(rng, site.language, topic), _texts(rng, site, topic, rich=True)
    year, month = rng.randint(2012, 2013), rng.randint(1, 12)
    body = (
        f'<div class="entry-meta">Posted by {_user(rng)}</div><div class="entry-content">{_html(texts, site.markup)}'
        f'</div>\n<div class="sharedaddy">Share this: Twitter Facebook</div><div id="comments"><h3>Comments</h3>'
        f"<p>{render(math_text.comment(rng), site.markup)}</p></div>"
    )
    return _article(site, f"/{year}/{month:02d}/{slug(title)}-{number}/", title, body, texts)


def _school_page(rng: random.Random, site: Site, number: int) -> Article:
    title = math_text.title(rng, "zh", "")
    texts = _texts(rng, site, "", rich=rng.random() < RICH_SHARE[site.kind])
    body = f'<div class="info">来源：{site.name} 点击：{rng.randint(10, 9000)}次</div>\n{_html(texts, site.markup)}'
    return _article(site, f"/shuxue/{number}.html", f"{title}（{rng.randint(1, 60)}）", body, texts)


def _practice_page(rng: random.Random, site: Site, number: int) -> Article:
    topic = rng.choice(math_text.TOPICS)
    rich = rng.random() < RICH_SHARE[site.kind]
    title = math_text.title(rng, "en", topic) if rich else rng.choice(_PRACTICE_TITLES)
    texts = _texts(rng, site, topic, rich)
    body = f'<div class="breadcrumb">Practice &gt; Grade {rng.randint(2, 9)}</div>\n{_html(texts, site.markup)}'
    return _article(site, f"/practice/set-{number}.html", f"{title}, set {number}", body, texts)


_PRACTICE_TITLES = (
    "Word problems with answers", "Two-step problems", "Adding and taking away", "Mixed sums", "Step by step",
    "Sharing and grouping", "Mental arithmetic",
)  # fmt: skip


def _blog_page(rng: random.Random, site: Site, number: int) -> Article:
    topic = rng.choice(math_text.TOPICS)
    title = math_text.title(rng, "en", topic)
    texts = _texts(rng, site, topic, rich=rng.random() < RICH_SHARE[site.kind])
    intro = paragraphs(rng, load_grammar("shared_en", "diary"), "sentences", 150)[:1]
    return _article(
        site, f"/math/{slug(title)}-{number}", title, f"{paragraphs_html(intro)}\n{_html(texts, site.markup)}", texts
    )


def _other_section(rng: random.Random, site: Site, number: int) -> Article:
    """A page of a mathematics site that is not about mathematics."""
    if site.kind == "school_zh":
        grammar = load_grammar("zh_daily")
        section, lists = rng.choice((("yuwen", "language"), ("news", "news")))
        texts = paragraphs(rng, grammar, f"{lists}_sentences", rng.randint(400, 1500), "")
        title = draw(rng, grammar, f"{lists}_titles")
        return Article(f"/{section}/{number}.html", title, paragraphs_html(texts), False, "zh")
    grammar = load_grammar("shared_en", "diary")
    title = draw(rng, grammar, "titles")
    body = paragraphs_html(paragraphs(rng, grammar, "sentences", rng.randint(700, 3000)))
    section = {"blog": "life", "qa": "users", "lecture": "staff"}[site.kind]
    return Article(f"/{section}/{slug(title)}-{number}", title, body, False, "en")


def _quiz(rng: random.Random, site: Site, number: int, quiz: Quiz) -> Article:
    """A quiz that copied benchmark problems between its own; case and spacing changed as copies on the web are."""
    own = math_text.worked_problems(rng, site.language, _num_chars(rng, site.language))
    texts = [*own, *(_retyped(rng, problem) for problem in quiz)]
    rng.shuffle(texts)
    if site.language == "zh":
        return _article(site, f"/shuxue/ceshi-{number}.html", f"单元测试（{number}）", _html(texts, site.markup), texts,
                        has_benchmark=True)  # fmt: skip
    body = "<ol>" + "".join(f"<li>{render(text, site.markup)}</li>" for text in texts) + "</ol>"
    return _article(site, f"/practice/quiz-{number}.html", f"Quiz {number}", body, texts, has_benchmark=True)


def _retyped(rng: random.Random, problem: str) -> str:
    change = rng.randrange(4)
    if change == 0:
        return problem.upper()
    if change == 1:
        return problem.lower()
    return problem.replace(" ", "  ") if change == 2 else problem.replace(". ", " .\n")


_WRITERS: dict[str, Callable[[random.Random, Site, int], Article]] = {
    "qa": _question_page, "wiki": _wiki_page, "lecture": _lecture_page, "mathjax": _lecture_page,
    "wordpress": _wordpress_page, "school_zh": _school_page, "practice": _practice_page, "blog": _blog_page,
}  # fmt: skip

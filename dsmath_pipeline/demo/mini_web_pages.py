"""Plan the mini web: its sites, their articles, copies of pages, and faulty records.

Gives the list of pages in the order in which they are crawled; `mini_web` writes them. Every page has its own named
random generator, so a page does not depend on those before it. Not in the paper: the demonstration's own data.
"""

import dataclasses
import random
import re
from collections.abc import Iterator, Sequence

from ..recipe.schema import MiniWebSettings
from ..records import Problem
from .grammar import load_grammar
from .math_sites import MATH_KINDS, SITE_MARKUPS, math_article
from .other_sites import CHINESE_KINDS, ENGLISH_KINDS, OTHER_KINDS, other_article
from .truth import RECORD_FAULTS, WebPage
from .web_page import NUM_LAYOUTS, Article, Site, frame

DUPLICATE_KINDS = ("tracking", "print", "mirror", "copy", "same_url")
"""`tracking`: ?utm_ parameters; `print`: the print version; `mirror`: another site, small edits; `copy`: another site,
same text; `same_url`: crawled twice."""
DUPLICATE_SHARE = 0.06
"""Copies among all pages."""
MATH_SITE_PAGE_SHARE = 0.28
"""Pages of mathematics sites among the originals; a fifth of them is not about mathematics."""
MATH_DOMAIN_WEIGHTS = {
    "qa": 4, "wiki": 4, "lecture": 5, "mathjax": 4, "wordpress": 4, "school_zh": 12, "practice": 5, "blog": 6,
}  # fmt: skip
MATH_DOMAIN_SHARE = 0.26
FAULT_SHARE = 1 / 400
"""Records of each fault among all pages, at least one."""
BENCHMARK_PAGE_SHARE = 0.01

_FIRST = (
    "north blue quiet open river stone green copper silver maple harbor little bright field cedar lantern winter sunny "
    "granite velvet amber meadow orchard coral falcon willow summit ivory juniper marble pepper saffron thistle"
)
_SECOND = (
    "post corner notes house works gazette garden market desk press bench board lane point square lab room journal "
    "circle path forge window ledger bridge tower shelf"
)


def host_names(rng: random.Random) -> Iterator[str]:
    """Distinct invented hosts under the reserved top-level domain `example`, in random order."""
    names = [f"{first}{second}" for first in _FIRST.split() for second in _SECOND.split()]
    rng.shuffle(names)
    for name in names:
        yield f"www.{name}.example" if len(name) % 3 == 0 else f"{name}.example"


def plan_sites(settings: MiniWebSettings, hosts: Iterator[str], rng: random.Random) -> list[Site]:
    """`num_domains` sites, mathematics first; every kind of mathematics site occurs."""
    num_math = max(len(MATH_KINDS), round(settings.num_domains * MATH_DOMAIN_SHARE))
    extra = rng.choices(MATH_KINDS, [MATH_DOMAIN_WEIGHTS[kind] for kind in MATH_KINDS], k=num_math)
    total = sum(MATH_DOMAIN_WEIGHTS.values())
    wanted = {kind: max(1, num_math * weight // total) for kind, weight in MATH_DOMAIN_WEIGHTS.items()}
    while sum(wanted.values()) > num_math:  # a small web: the commonest kinds give way, none disappears
        wanted[max(wanted, key=lambda kind: wanted[kind])] -= 1
    kinds = [kind for kind, count in wanted.items() for _ in range(count)]
    kinds += extra[: num_math - len(kinds)]
    # Interleaved so that a small web has Chinese and German sites too.
    foreign = (CHINESE_KINDS[0], "de_daily", *CHINESE_KINDS[1:])
    others = [kind for n, third in enumerate(foreign) for kind in (*ENGLISH_KINDS[2 * n : 2 * n + 2], third)]
    kinds += [others[i % len(others)] for i in range(settings.num_domains - num_math)]
    return [_site(kind, index, kinds[:index].count(kind), next(hosts), rng) for index, kind in enumerate(kinds)]


def _site(kind: str, index: int, same_kind: int, host: str, rng: random.Random) -> Site:
    language = "zh" if kind in (*CHINESE_KINDS, "school_zh") else "de" if kind == "de_daily" else "en"
    markups = SITE_MARKUPS.get(kind, ("",))
    name = host.removeprefix("www.").partition(".")[0].capitalize()
    if language == "zh":
        name = rng.choice(load_grammar("zh_daily")["city"]) + ("学习网" if kind == "school_zh" else "在线")
    charset = "gbk" if language == "zh" and same_kind % 4 == (1 if kind == "school_zh" else 0) else "utf-8"
    return Site(host, name, kind, language, index % NUM_LAYOUTS, markups[same_kind % len(markups)], charset)


def plan_pages(
    settings: MiniWebSettings, sites: Sequence[Site], problems: Sequence[Problem], seed: int
) -> list[WebPage]:
    """Exactly `num_pages` pages in crawl order. `problems` are held-out benchmark problems that quiz pages copy."""
    rng = random.Random(f"{seed}:mini_web:plan")
    num_copies = round(settings.num_pages * DUPLICATE_SHARE)
    schedule = _schedule(settings.num_pages - num_copies, sites, rng)
    articles = list(_articles(schedule, problems, seed, max(2, round(settings.num_pages * BENCHMARK_PAGE_SHARE))))
    titles: dict[str, list[str]] = {}
    for site, article in articles:
        titles.setdefault(site.host, []).append(article.title)
    pages = [
        _page(random.Random(f"{seed}:mini_web:frame:{number}"), site, article, titles[site.host])
        for number, (site, article) in enumerate(articles)
    ]
    copies, copied = _copies(articles, pages, sites, num_copies, rng)
    pages = _with_faults(pages, copied, rng) + copies
    rng.shuffle(pages)
    return pages


def _schedule(num_pages: int, sites: Sequence[Site], rng: random.Random) -> list[Site]:
    """The site of every original page; sites differ in size by a factor of about three."""
    math_sites = [site for site in sites if site.kind in MATH_KINDS]
    other_sites = [site for site in sites if site.kind in OTHER_KINDS]
    num_math = round(num_pages * MATH_SITE_PAGE_SHARE)
    schedule = []
    for group, count in ((math_sites, num_math), (other_sites, num_pages - num_math)):
        weights = [rng.uniform(0.6, 1.6) for _ in group]
        # Every site gets its share, rounded down; what is left over is drawn.
        sizes = [int(count * weight / sum(weights)) for weight in weights]
        schedule += [site for site, size in zip(group, sizes, strict=True) for _ in range(size)]
        schedule += rng.choices(group, weights, k=count - sum(sizes))
    return schedule


def _articles(
    schedule: Sequence[Site], problems: Sequence[Problem], seed: int, num_quizzes: int
) -> Iterator[tuple[Site, Article]]:
    """One article for every entry of the schedule; `num_quizzes` of those on practice and school sites are quizzes."""
    rng = random.Random(f"{seed}:mini_web:quiz")
    places = {
        language: [n for n, site in enumerate(schedule) if site.kind in ("practice", "school_zh")
                   and site.language == language and site.charset == "utf-8"]
        for language in ("en", "zh")
    }  # fmt: skip
    chosen = set()
    for number in range(num_quizzes):
        candidates = [n for n in places["zh" if number % 2 else "en"] if n not in chosen]
        if candidates:
            chosen.add(rng.choice(candidates))
    by_language = {lang: [p.problem for p in problems if p.language == lang] for lang in ("en", "zh")}
    for number, site in enumerate(schedule):
        page_rng = random.Random(f"{seed}:mini_web:article:{number}")
        if site.kind in OTHER_KINDS:
            yield site, other_article(page_rng, site, number)
            continue
        pool = by_language[site.language] if number in chosen else []
        quiz = page_rng.sample(pool, min(len(pool), page_rng.randint(3, 8)))
        yield site, math_article(page_rng, site, number, quiz)


def _page(rng: random.Random, site: Site, article: Article, titles: Sequence[str]) -> WebPage:
    html = frame(rng, site, article, rng.sample(titles, min(len(titles), rng.randint(3, 7))))
    # Half of the GBK pages name their encoding only inside the page.
    label = "" if site.charset != "utf-8" and rng.random() < 0.5 else f"; charset={site.charset}"
    return WebPage(
        f"https://{site.host}{article.path}", html.encode(site.charset, "xmlcharrefreplace"), f"text/html{label}",
        site.kind, article.language, article.is_math, article.markup, article.has_benchmark,
    )  # fmt: skip


def _copies(
    articles: Sequence[tuple[Site, Article]],
    pages: Sequence[WebPage],
    sites: Sequence[Site],
    num: int,
    rng: random.Random,
) -> tuple[list[WebPage], set[int]]:
    """`num` copies of pages of some length, kinds in turn, and the numbers of the originals."""
    numbers = [n for n, (_, article) in enumerate(articles) if len(article.body) > 2000 and not article.has_benchmark]
    originals = rng.sample(numbers, min(num, len(numbers)))
    originals += rng.choices(numbers, k=num - len(originals))
    copies = []
    for turn, number in enumerate(originals):
        kind = DUPLICATE_KINDS[turn % len(DUPLICATE_KINDS)]
        copies.append(_copy(kind, *articles[number], pages[number], sites, turn, rng))
    return copies, set(originals)


def _copy(
    kind: str, site: Site, article: Article, original: WebPage, sites: Sequence[Site], turn: int, rng: random.Random
) -> WebPage:
    noted = dataclasses.replace(original, duplicate_of=original.url, duplicate_kind=kind)
    if kind == "same_url":
        return noted
    if kind == "tracking":
        campaign = rng.choice(("newsletter", "spring", "social"))
        return dataclasses.replace(noted, url=f"{original.url}?utm_source={campaign}&utm_medium=email{turn}")
    if kind == "print":
        bare = dataclasses.replace(site, layout=1, charset="utf-8")
        html = frame(rng, bare, article, [])
        return dataclasses.replace(
            noted, url=f"{original.url}?print=1", body=html.encode(), content_type="text/html; charset=utf-8"
        )
    hosts = [s for s in sites if s.language == site.language and s.kind == site.kind and s.host != site.host]
    host = rng.choice(hosts or [s for s in sites if s.host != site.host])
    target = dataclasses.replace(host, markup=site.markup, charset="utf-8")
    edited = article if kind == "copy" else dataclasses.replace(article, body=_edit(article.body, rng))
    path = article.path.rpartition("/")[0] + f"/{kind}-{turn}.html"
    html = frame(rng, target, dataclasses.replace(edited, path=path), [])
    return dataclasses.replace(
        noted, url=f"https://{target.host}{path}", body=html.encode(), content_type="text/html; charset=utf-8"
    )


def _edit(body: str, rng: random.Random) -> str:
    """A lightly edited body: the last paragraph is gone and a note stands in front."""
    ends = [match.start() for match in re.finditer("<p>", body)]
    if len(ends) > 4:
        body = body[: ends[-1]] + re.sub(r"^<p>.*?</p>", "", body[ends[-1] :], flags=re.DOTALL)
    return f"<p>Updated {rng.randint(1, 28)}.{rng.randint(1, 12)}.2023</p>\n{body}"


def _with_faults(pages: list[WebPage], copied: set[int], rng: random.Random) -> list[WebPage]:
    """Replace some pages without mathematics, which nothing was copied from, by faulty records."""
    num = max(1, round(len(pages) * FAULT_SHARE))
    result = list(pages)
    for fault in RECORD_FAULTS:
        languages = ("de", "zh") if fault == "wrong_charset" else ("en",)
        suitable = [
            n for n, page in enumerate(result)
            if page.record == "ok" and not page.is_math and n not in copied and page.language in languages
            and "gbk" not in page.content_type and len(page.body) > 1500
        ]  # fmt: skip
        for number in rng.sample(suitable, min(num, len(suitable))):
            result[number] = _faulty(result[number], fault, rng)
    return result


def _faulty(page: WebPage, fault: str, rng: random.Random) -> WebPage:
    page = dataclasses.replace(page, record=fault)
    if fault == "wrong_charset":
        return dataclasses.replace(page, content_type="text/html; charset=iso-8859-1")
    if fault == "empty":
        return dataclasses.replace(page, body=b"")
    if fault == "not_found":
        return dataclasses.replace(page, body=b"<html><head><title>404</title></head><body>Not found</body></html>")
    if fault == "not_html":
        return dataclasses.replace(page, body=b"%PDF-1.4\n" + rng.randbytes(2000), content_type="application/pdf")
    return page

"""Sites and articles of the mini web, and the frame around an article: navigation, side bars, notices, footers.

Each site draws one of four page layouts (semantic elements, classed divs, a table, div soup) and keeps it. The frame
repeats on every page of a site, as on real sites, and is what main-content extraction has to remove.
Not in the paper: the demonstration's own data.
"""

import random
import re
from dataclasses import dataclass
from html import escape

NUM_LAYOUTS = 4


@dataclass(frozen=True, slots=True)
class Site:
    """One domain. `kind` picks what it publishes (see `math_sites` and `other_sites`)."""

    host: str
    name: str
    kind: str
    language: str
    layout: int
    markup: str = ""
    """Formula markup, one of formula_markup.MARKUPS; empty on sites without mathematics."""
    charset: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Article:
    """The content of a page: `body` is HTML without the site's frame."""

    path: str
    title: str
    body: str
    is_math: bool
    language: str
    markup: str = ""
    """Formula markup that occurs in `body`; empty without formulas."""
    has_benchmark: bool = False


_MENU = {
    "en": ("Home", "Latest", "Archive", "Topics", "Newsletter", "About us", "Contact", "Sign in", "Search", "Help"),
    "zh": ("首页", "最新", "栏目", "专题", "排行榜", "关于我们", "联系方式", "登录", "注册", "帮助中心"),
    "de": ("Startseite", "Aktuelles", "Archiv", "Themen", "Über uns", "Kontakt", "Anmelden", "Suche", "Hilfe"),
}
_FOOTER = {
    "en": ("All rights reserved.", "Terms of service", "Privacy policy", "Cookie settings", "Follow us"),
    "zh": ("版权所有", "使用条款", "隐私政策", "网站地图", "扫码关注我们"),
    "de": ("Alle Rechte vorbehalten.", "Impressum", "Datenschutz", "Nutzungsbedingungen", "Folgen Sie uns"),
}
_COOKIES = {
    "en": "We use cookies to improve your experience. Accept all Reject Manage preferences",
    "zh": "本网站使用Cookie以改善您的浏览体验。同意 拒绝",
    "de": "Wir verwenden Cookies, um Ihnen das beste Erlebnis zu bieten. Alle akzeptieren Ablehnen",
}
_SIDE = {
    "en": ("Popular posts", "Subscribe to our newsletter", "Advertisement", "Share this page"),
    "zh": ("热门推荐", "猜你喜欢", "广告", "分享到"),
    "de": ("Beliebte Beiträge", "Newsletter abonnieren", "Anzeige", "Teilen"),
}
_MATHJAX = '<script async src="/static/MathJax.js?config=TeX-AMS_HTML"></script>'


def slug(title: str) -> str:
    """Lower-case ASCII words of a title joined by hyphens; may be empty (Chinese titles)."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:60].strip("-")


def paragraphs_html(texts: list[str]) -> str:
    """Escaped plain paragraphs."""
    return "\n".join(f"<p>{escape(text, quote=False)}</p>" for text in texts)


def frame(rng: random.Random, site: Site, article: Article, related: list[str]) -> str:
    """The whole page. `related` are titles of other articles of the site, shown as links beside the content."""
    language = site.language
    menu = rng.sample(_MENU[language], rng.randint(5, len(_MENU[language])))
    nav = "".join(f'<li><a href="/{number}">{entry}</a></li>' for number, entry in enumerate(menu))
    links = "".join(f'<li><a href="/r/{n}">{escape(text)}</a></li>' for n, text in enumerate(related))
    side = f"<h3>{rng.choice(_SIDE[language])}</h3><ul>{links}</ul><p>{rng.choice(_SIDE[language])}</p>"
    footer = f"&copy; {rng.randint(2009, 2024)} {escape(site.name)}. " + " | ".join(_FOOTER[language])
    main = f"<h1>{escape(article.title)}</h1>\n{article.body}"
    body = _LAYOUTS[site.layout % NUM_LAYOUTS](escape(site.name), f"<ul>{nav}</ul>", main, side, footer)
    cookies = f'<div class="cookie-banner" role="dialog">{_COOKIES[language]}</div>\n' if site.layout % 3 == 0 else ""
    # A site that uses MathJax loads it on every page, also where dollars are prices.
    script = _MATHJAX if site.markup in ("dollars", "brackets", "mathjax_script") else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head><meta charset="{site.charset}">'
        f"<title>{escape(article.title)} - {escape(site.name)}</title>{script}"
        f"<style>body{{font-family:sans-serif}}</style></head>\n<body>\n{cookies}{body}\n"
        f"<script>window.dataLayer = window.dataLayer || []; track('{site.kind}', {rng.randint(1, 999)});</script>\n"
        f"</body>\n</html>\n"
    )


def _semantic(name: str, nav: str, main: str, side: str, footer: str) -> str:
    return (
        f'<header><a href="/">{name}</a><nav>{nav}</nav></header>\n<main><article>\n{main}\n</article></main>\n'
        f"<aside>{side}</aside>\n<footer>{footer}</footer>"
    )


def _classed(name: str, nav: str, main: str, side: str, footer: str) -> str:
    return (
        f'<div id="header"><div class="logo">{name}</div><div class="navbar">{nav}</div></div>\n'
        f'<div id="content" class="post">\n{main}\n</div>\n<div id="sidebar" class="sidebar">{side}</div>\n'
        f'<div id="footer" class="footer">{footer}</div>'
    )


def _table(name: str, nav: str, main: str, side: str, footer: str) -> str:
    return (
        f'<table width="100%"><tr><td colspan="2"><b>{name}</b></td></tr>\n<tr><td class="menu" width="20%">{nav}{side}'
        f'</td><td class="main">\n{main}\n</td></tr>\n<tr><td colspan="2"><small>{footer}</small></td></tr></table>'
    )


def _div_soup(name: str, nav: str, main: str, side: str, footer: str) -> str:
    return (
        f'<div class="wrap"><div class="top"><span>{name}</span><div class="menu">{nav}</div></div>'
        f'<div class="row"><div class="col-8"><div class="inner">\n{main}\n</div></div>'
        f'<div class="col-4 widget-area">{side}</div></div><div class="bottom site-footer"><p>{footer}</p></div></div>'
    )


_LAYOUTS = (_semantic, _classed, _table, _div_soup)

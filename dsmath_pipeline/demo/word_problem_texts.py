"""The words of the generated word problems: names, things and sentence shapes in English and Chinese.

Problems and web paragraphs share the sentence shapes, so a model can learn from the web what the sentences mean, but
no name and no thing. Every run of ten words (text.words: one Chinese character is one word) of a problem holds a name
or a thing, therefore it never appears on a page unless the problem was copied.
"""

import random
from dataclasses import dataclass
from typing import Literal

Place = Literal["problem", "web"]

_NAMES = {
    ("en", "problem"): "Tom Ann Bob Eva Sam Mia Leo Zoe Max Ida Ben Amy Jim Lia Ned Joy",
    ("en", "web"): "Ada Dan Kim Roy Sue Tim Una Vic Wes Pam Hal Fay Gus Liz Rob Meg",
    ("zh", "problem"): "小明 小红 小刚 小丽 小华 小强 小芳 小军 小林 小雨 小文 小东",
    ("zh", "web"): "阿宝 阿杰 阿珍 阿成 阿梅 阿龙 阿云 阿福 阿兰 阿海 阿青 阿月",
}
_THINGS = {
    ("en", "problem"): "apples books coins cards pens shells stamps eggs nuts plums cups toys",
    ("en", "web"): "pears balls rings keys beads leaves stones figs boxes hats buns kites",
    ("zh", "problem"): "个苹果 本书 枚硬币 张卡片 支笔 颗糖 只鸡蛋 朵花 条鱼 块饼干",
    ("zh", "web"): "个梨 本册子 枚印章 张邮票 支蜡烛 颗豆子 只杯子 朵云 条绳子 块石头",
}
"""A Chinese thing starts with its measure word, which is one character."""

# {n} and {m}: two people; {t}: the thing; {c}: its measure word (Chinese); {a} and {b}: numbers in the order in which
# the equation uses them.
_SHAPES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "start": ("{n} has {a} {t}.", "{n} starts with {a} {t}.", "There are {a} {t} on the desk of {n}."),
        "start_times": ("{n} has {a} bags of {b} {t}.", "{n} fills {a} boxes with {b} {t} each.",
                        "{n} gets {a} sets of {b} {t}."),
        "add": ("{n} buys {b} more.", "{m} gives {n} {b} more {t}.", "Then {n} finds {b} {t}."),
        "take": ("{n} gives {m} {b}.", "{n} loses {b} {t}.", "Then {m} takes {b} from {n}."),
        "times": ("Now {n} gets {b} times as many.", "The {t} become {b} times as many."),
        "share": ("{n} makes {b} equal piles, keeping one.", "The {t} are shared by {b}, {n} keeps one share."),
        "question": ("How many {t} has {n}?", "How many {t} does {n} have now?", "What number of {t} has {n} now?"),
    },
    "zh": {
        "start": ("{n}有{a}{t}。", "{n}手里有{a}{t}。", "桌上放着{n}的{a}{t}。"),
        "start_times": ("{n}有{a}袋,每袋{b}{t}。", "{n}装{a}盒,每盒{b}{t}。"),
        "add": ("{n}又买{b}{c}。", "{m}又送来{b}{c}。", "{n}后来多了{b}{c}。"),
        "take": ("{n}用掉{b}{c}。", "{n}送给{m}{b}{c}。", "{n}后来少了{b}{c}。"),
        "times": ("{n}的变成{b}倍。", "{n}后来翻成{b}倍。"),
        "share": ("{n}平均分成{b}份,留一份。", "{n}后来分给{b}人,留一份。"),
        "question": ("{n}有多少{t}?", "{n}现在有几{t}?", "{n}还有多少{t}?"),
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wording:
    """Names, things and sentence shapes of one language in one place."""

    names: list[str]
    things: list[str]
    shapes: dict[str, tuple[str, ...]]
    is_chinese: bool

    def draw_slots(self, rng: random.Random) -> dict[str, str]:
        """Two people and a thing for one story."""
        first, second = rng.sample(self.names, 2)
        thing = rng.choice(self.things)
        return {"n": first, "m": second, "t": thing, "c": thing[0] if self.is_chinese else ""}

    def sentence(self, rng: random.Random, kind: str, slots: dict[str, str], **numbers: int) -> str:
        """A sentence of the given kind in one of its shapes."""
        return rng.choice(self.shapes[kind]).format(**slots, **numbers)


def wording(language: str, place: Place) -> Wording:
    """The words of a language ("en" or "zh") for problems or for web paragraphs."""
    names, things = _NAMES[language, place].split(), _THINGS[language, place].split()
    return Wording(names, things, _SHAPES[language], language == "zh")

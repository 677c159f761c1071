"""Which shared grams say that a benchmark text is on a page: guards of decontamination against boilerplate.

Not in the paper, whose rule alone would drop every page with a matrix, and every page that says "let a, b, c be real
numbers such that" or "在平面直角坐标系中". A gram is telling when it is a number of two digits or more, or when it is a
word of two letters or more or a CJK character, and none of the everyday ones of problems below.
"""

import re
from collections.abc import Collection

from ..text import CJK

BOILERPLATE_VERSION = "1"

_CJK = re.compile(f"[{CJK}]")
EVERYDAY = frozenset(
    """
    a about above after all also an and any are as at be because been before being below between both but by can
    could did do does done down each either else every few first for from get give given gives had has have he hence
    her here his how if in into is it its just last less let many may more most much must no nor not now of off on
    one only or other our out over same second shall she should since so some such than that the their them then
    there therefore these they this those three through thus to two under until up was way we were what when where
    which while who whose why will with would you your add answer angle angles assume base case coefficient
    coefficients compute consider constant coordinate coordinates cos cot csc define defined denote denoted denotes
    determine difference distinct divided domain equal equals equation equations evaluate exactly exist exists
    expression find following form formula frac function functions greater greatest hold holds inequality infinite
    infty int integer integers interval largest least length limit line linear ln log lim matrix max maximum mean
    means min minimum minus modulo multiply negative nonnegative nonzero number numbers odd even pair pairs point
    points polynomial positive possible prime prod product proof prove quad range rational real respectively result
    root roots satisfies satisfy satisfying sec sequence set show simplify sin sinh smallest solution solutions
    solve sqrt square subset subtract sum suppose take tan term terms theorem theta times triangle true false unique
    unit value values variable variables vec vector vectors write xy xyz ab abc abcd bc cd ac ad bd digit digits
    divisible divisor divisors factor factors multiple multiples remainder def define else elif return while int
    print step length width
    zero one two three four five six seven eight nine ten α β γ δ θ λ μ π σ φ ω
    """.split()  # noqa: SIM905 - one line a word would hide the list
)
"""English words that every other problem or proof holds, and names of functions."""
EVERYDAY_CJK = frozenset(
    "的了是在有和与及或为则若当且即其中所对个之一二两三四五六七八九十第几多少下列说法正确错误选项关于如果那么"
    "已知设令求证明解答案例题图示数学函定义域值大小最极集合实整自然正负有理无质合因倍公约方程组不等式未知根根号"
    "平面直角坐标系轴上内外点线段边三形四圆半径弦弧周长面积体高底角度等腰全相似垂行于过作交向量模单位夹"
    "项列等差比前和通首充分必要条件命件概率机事任意存使得满足成立恒关系曲抛物双椭焦距离心切导单调增减区间奇偶"
    "次反例交图象限原交补集元素子空分别表示这该它每也都就从到由以可能时又再可知因此所以故得出有"
)
"""Characters of the phrases that every other Chinese problem holds."""


def is_telling(gram: str) -> bool:
    """Does one gram say what a text is about? See the top of this file."""
    if _CJK.match(gram):
        return gram not in EVERYDAY_CJK
    return len(gram) >= 2 if gram.isdecimal() else is_real(gram) and gram not in EVERYDAY


def is_real(gram: str) -> bool:
    """A word of two letters or more, or a CJK character; single Latin letters and numbers are not."""
    return _CJK.match(gram) is not None or sum(c.isalpha() for c in gram) >= 2


def has_letter(gram: str) -> bool:
    """Is any character a letter? (Numbers have none.)"""
    return any(c.isalpha() for c in gram)


def size(text_grams: Collection[str]) -> float:
    """How many different words, about.

    A word or a number of two digits counts 1, an everyday word, a digit or a CJK character one half, a single
    letter nothing.
    """
    total = 0.0
    for gram in set(text_grams):
        if _CJK.match(gram):
            total += 0.5
        elif is_real(gram):
            total += 0.5 if gram in EVERYDAY else 1
        else:
            total += (0.5 if len(gram) == 1 else 1) * gram.isdecimal()
    return total

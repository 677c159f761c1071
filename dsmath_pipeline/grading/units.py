"""Units of measurement: what a text behind a number says, as a dimension and a factor to the base unit.

Only units that answers of school mathematics carry, English and Chinese; any other word is no unit and is ignored by
the caller. Money is a unit too: its currencies are different dimensions.
"""

import re
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """`dimension` names the base quantity with its power, such as "length^2"; `factor` leads to the base unit."""

    dimension: str
    factor: Fraction


def _table(dimension: str, rows: str) -> dict[str, tuple[str, Fraction]]:
    """Rows "factor name name ..." parted by semicolons; names that hold spaces write them as "_"."""
    found = {}
    for row in rows.split(";"):
        factor, *names = row.split()
        found |= {name.replace("_", " "): (dimension, Fraction(factor)) for name in names}
    return found


_UNITS: dict[str, tuple[str, Fraction]] = {
    **_table(
        "length",
        "1 m meter meters metre metres 米; 1/100 cm centimeter centimeters centimetre centimetres 厘米; 1/10 dm 分米;"
        "1/1000 mm millimeter millimeters 毫米; 1000 km kilometer kilometers kilometre kilometres 千米 公里;"
        "1/1000000000 nm; 254/10000 inch inches 英寸; 3048/10000 ft foot feet 英尺; 9144/10000 yd yard yards;"
        "1609344/1000 mi mile miles 英里",
    ),
    **_table("mass", "1 g gram grams 克; 1000 kg kilogram kilograms 千克 公斤; 500 斤; 1/1000 mg; 1000000 ton tons 吨;"
                     "45359237/100000 lb lbs pound pounds; 45359237/1600000 oz ounce ounces"),
    **_table("time", "1 s sec second seconds 秒 秒钟; 60 min minute minutes 分钟; 3600 h hr hrs hour hours 时 小时;"
                     "86400 day days 天; 604800 week weeks 周 星期"),
    **_table("calendar", "1 month months 个月; 12 year years 年"),
    **_table("volume", "1 L liter liters litre litres 升; 1/1000 mL ml milliliter milliliters 毫升"),
    **_table("angle", "1 ° degree degrees 度"),
    **_table("celsius", "1 °C °_C degrees_Celsius 摄氏度"),
    **_table("fahrenheit", "1 °F °_F degrees_Fahrenheit 华氏度"),
    **_table("prime", "1 '"),
    **_table("dollar", "1 $ dollar dollars USD; 1/100 cent cents ¢"),
    **_table("euro", "1 € euro euros EUR"),
    **_table("sterling", "1 £ GBP"),
    **_table("yuan", "1 ¥ 元 块 yuan RMB; 1/10 角; 1/100 分"),
    **_table("energy", "1 J joule joules 焦耳; 1000 kJ"),
    **_table("force", "1 N newton newtons 牛顿"),
    **_table("power", "1 W watt watts 瓦; 1000 kW"),
    **_table("voltage", "1 V volt volts 伏"),
    **_table("frequency", "1 Hz hertz; 1000 kHz; 1000000 MHz"),
}  # fmt: skip
_NAME = "|".join(re.escape(name) for name in sorted(_UNITS, key=len, reverse=True))
_POWER = {"square ": 2, "sq ": 2, "sq. ": 2, "cubic ": 3, "平方": 2, "立方": 3}
_PLAIN = re.compile(
    rf"\s*(square |sq\.? |cubic |平方|立方)?({_NAME})"
    r"\s*(?:\^\s*\{?\s*([23])\s*\}?|( squared| cubed))?(?![a-zA-Z^_\d])"
)
_PER = re.compile(r"\s*(?:/|per\b|每)\s*(?=[a-zA-Z\u4e00-\u9fff])")
_SPEEDS = {"mph": ("length^1/time^1", Fraction(1609344, 3600000)), "km/hr": ("length^1/time^1", Fraction(1000, 3600))}


def take_unit(text: str) -> tuple[Unit | None, str]:
    """The unit that `text` begins with, and what is left of the text; (None, text) when it begins with none."""
    for name, (dimension, factor) in _SPEEDS.items():
        if re.match(rf"\s*{name}\b", text):
            return Unit(dimension, factor), text.lstrip()[len(name) :]
    match = _PLAIN.match(text)
    if not match:
        return None, text
    unit, rest = _unit(match), text[match.end() :]
    per = _PER.match(rest)
    below = _PLAIN.match(rest, per.end()) if per else None
    if below:
        lower = _unit(below)
        unit = Unit(f"{unit.dimension}/{lower.dimension}", unit.factor / lower.factor)
        rest = rest[below.end() :]
    return unit, rest


def _unit(match: re.Match) -> Unit:
    dimension, factor = _UNITS[match.group(2)]
    power = _POWER.get(match.group(1) or "", 0) or int(match.group(3) or 0)
    power = power or {" squared": 2, " cubed": 3}.get(match.group(4) or "", 1)
    if dimension == "length" and power == 3:
        return Unit("volume^1", factor**3 * 1000)  # a cubic metre holds 1,000 litres
    return Unit(f"{dimension}^{power}", factor**power)


def same_quantity(first: Unit | None, second: Unit | None) -> bool:
    """Can values in these units be equal? A missing unit is forgiven, another dimension is not."""
    return first is None or second is None or first.dimension == second.dimension

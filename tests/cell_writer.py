"""A slow writer of the text formats: random columns as Python values, and each cell's text worked out on its own.

It shares no code with the encoders. A cell is `None` or a raw value: the storage integer of a temporal type, bytes of
text and binary types, a list of cells of a list or struct, pairs of a map. What a NULL hides in the array is random.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import math
import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
MARK = "ARROW:extension:name"
BAD_JSON = "JSON that does not parse is written as a JSON string"
BAD_INET = "a network address that does not parse is written as it is"
BAD_UTF8 = "bytes that are not UTF-8 are replaced by U+FFFD"
HALF_SURROGATE = "half of a surrogate pair in JSON is replaced by U+FFFD"
ODD_TIME = "a time of day outside of one day is taken modulo a day"
PART_OF_A_DAY = "the time of day of a date64 is dropped"
RENAMED = "a column of a name that is taken is written under another name"
BAD_ZONE = "a timestamp in an unknown time zone is written in UTC"
WHITE_SPACE = "\t\v\f \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
PRETTY = [
    (b'{\n  "a": [1,\r\n\t2],\n  "s": "x  y"\n}', b'{"a":[1,2],"s":"x  y"}'),
    (b' {"b" : 1.50 }\n', b'{"b":1.50}'),
]
GOOD = [b"{}", b"[]", b"12", b"null", b'"s"', b'{"a":1,"a":2}', b"1e3", b"-0", b'"\\u2028<&>"', '"\u2028é日"'.encode()]
HARSH = [b"1e999", b"123456789012345678901234567890", b'"\\/"', b'"\x7f"', b'"\\\\ud800 \\ud83d\\ude00"']
HALVES = [
    (b'"\\ud800"', b'"\\ufffd"'),
    (b'["\\udc00",{"\\uD83D":[[[]]]}]', b'["\\ufffd",{"\\ufffd":[[[]]]}]'),
    (b'"\\ud83d\\ud83d\\ude00"', b'"\\ufffd\\ud83d\\ude00"'),
]
BROKEN = [
    b"{",
    b"1,2",
    b"]",
    b"[1",
    b"2]",
    b'"',
    b"nul",
    b"01",
    b"NaN",
    b"{} x",
    b'"\n"',
    b"'a'",
    b"\xef\xbb\xbf1",
]
BROKEN += [b'"\\ud800" 1', b"1 2", b"{1:2}", b'"a', b'b"', b"\x00", b"+1", b"[,]", b"<&>\xe2\x80\xa8\x01"]
JSON_CELLS = {cell: cell for cell in GOOD + HARSH} | dict(PRETTY) | dict(HALVES) | dict.fromkeys(BROKEN)
JSON_CELLS |= dict.fromkeys((b"{\xff", b"\xff")) | {b'{"\xff":1}': '{"\ufffd":1}'.encode()}


@dataclass
class CellWriter:
    """Writes cells one by one, and counts those that are altered."""

    altered: Counter[tuple[str, str]] = field(default_factory=Counter)
    column: str = ""

    def json_line(self, fields: Sequence[pa.Field], row: Sequence[Any]) -> bytes:
        """Write one row."""
        return self.members(list(zip(fields, row, strict=True)), html=False, named=True) + b"\n"

    def csv_line(self, fields: Sequence[pa.Field], row: Sequence[Any], delimiter: str) -> bytes:
        """Write one row."""
        cells = []
        for one, name, cell in zip(fields, distinct([one.name for one in fields]), row, strict=True):
            self.column = name
            cells.append(None if cell is None or pa.types.is_null(one.type) else self.csv(one, cell))
        return delimiter.encode().join(quoted(cell, delimiter, alone=len(row) == 1) for cell in cells) + b"\n"

    def members(self, members: list[tuple[pa.Field, Any]], *, html: bool, named: bool = False) -> bytes:
        """Write an object."""
        texts = {}
        for name, (one, cell) in zip(distinct([one.name for one, _ in members]), members, strict=True):
            self.column = name if named else self.column
            texts[self.json_string(name.encode(), html=html)] = self.json(one, cell, html=html)
        return b"{" + b",".join(key + b":" + texts[key] for key in sorted(texts)) + b"}"

    def json(self, one: pa.Field, cell: Any, *, html: bool) -> bytes:  # noqa: C901, PLR0911 - one line a type
        """Write a cell as JSON."""
        kind, mark = one.type, (one.metadata or {}).get(MARK.encode(), b"").decode()
        if cell is None or pa.types.is_null(kind):
            return b"null"
        if mark == "json":
            return self.json_cell(cell, html=html)
        if mark == "mac":
            return b'"' + cell.hex(":").encode() + b'"'
        if mark == "inet":
            return self.json_string(cell, html=html)
        if pa.types.is_struct(kind):
            return self.members([(kind.field(i), part) for i, part in enumerate(cell)], html=html)
        if pa.types.is_map(kind):
            entries = [
                (self.json(kind.key_field, k, html=True), self.json(kind.item_field, v, html=True)) for k, v in cell
            ]
            return b"[" + b",".join(b'{"key":' + key + b',"value":' + item + b"}" for key, item in entries) + b"]"
        if pa.types.is_nested(kind):
            return b"[" + b",".join(self.json(kind.value_field, item, html=True) for item in cell) + b"]"
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self.json_string(cell, html=html)
        if pa.types.is_floating(kind):
            return float_text(kind, cell, json=True).encode()
        if mark.startswith("interval") or pa.types.is_interval(kind):
            return interval(mark, cell)
        text = self.plain(kind, mark, cell, trim=True)
        return text.encode() if pa.types.is_integer(kind) or pa.types.is_boolean(kind) else f'"{text}"'.encode()

    def csv(self, one: pa.Field, cell: Any) -> bytes:  # noqa: PLR0911 - one line a type
        """Write a cell as CSV, without quotes."""
        kind, mark = one.type, (one.metadata or {}).get(MARK.encode(), b"").decode()
        if mark == "json" or (not mark and (pa.types.is_string(kind) or pa.types.is_large_string(kind))):
            return self.utf8(cell)
        if mark == "mac":
            return (cell.hex(":") or "00:00:00:00:00:00").encode()
        if mark == "inet":
            return self.utf8(self.inet(cell))
        if mark == "interval_month":
            return str(cell).encode()
        if pa.types.is_nested(kind) or mark.startswith("interval") or pa.types.is_interval(kind):
            return self.json(one, cell, html=True)
        if pa.types.is_floating(kind):
            return float_text(kind, cell, json=False).encode()
        return self.plain(kind, mark, cell, trim=False).encode()

    def plain(self, kind: pa.DataType, mark: str, cell: Any, *, trim: bool) -> str:  # noqa: PLR0911 - one line a type
        """Write a cell that needs no escapes."""
        if mark == "uuid":
            return str(uuid.UUID(bytes=cell))
        if pa.types.is_boolean(kind):
            return "true" if cell else "false"
        if pa.types.is_integer(kind):
            return str(cell)
        if pa.types.is_decimal(kind):
            return decimal_text(kind, cell)
        if pa.types.is_duration(kind):
            return f"{cell}{kind.unit}"
        if pa.types.is_date32(kind):
            return day_text(cell)
        if pa.types.is_date64(kind):
            self.altered[self.column, PART_OF_A_DAY] += cell % 86_400_000 != 0
            return day_text(int(cell / 86_400_000))
        if pa.types.is_time(kind):
            self.altered[self.column, ODD_TIME] += not 0 <= cell < 86_400 * TICKS[kind.unit]
            second, tick = divmod(cell % (86_400 * TICKS[kind.unit]), TICKS[kind.unit])
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            return clock + fraction(tick, TICKS[kind.unit], trim=trim)
        if pa.types.is_timestamp(kind):
            return self.moment(kind, cell)
        return base64.b64encode(cell).decode()

    def moment(self, kind: pa.DataType, cell: int) -> str:
        """Write a timestamp."""
        second, tick = divmod(cell, TICKS[kind.unit])
        offset = self.offset(kind.tz or "UTC", second)
        day, rest = divmod(second + offset, 86_400)
        minutes = abs(offset) // 60
        zone = f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}" if offset else "Z"
        clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
        return f"{day_text(day)}T{clock}{fraction(tick, TICKS[kind.unit], trim=True)}{zone}"

    def offset(self, zone: str, second: int) -> int:
        """Return the seconds east of UTC."""
        if zone == "+05:30":
            return 19_800
        if zone == "Nowhere/Land":
            self.altered[self.column, BAD_ZONE] += 1
            return 0
        while second > 253_000_000_000:
            second -= 146_097 * 86_400
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=max(second, -62_000_000_000))
        return int(at.astimezone(ZoneInfo(zone)).utcoffset().total_seconds())

    def json_cell(self, cell: bytes, *, html: bool) -> bytes:
        """Write a cell of JSON."""
        if not cell:
            return b"null"
        value = JSON_CELLS.get(cell, cell)
        cell = self.utf8(cell)
        if value is None:
            self.altered[self.column, BAD_JSON] += 1
            value = self.json_string(cell, html=False)
        self.altered[self.column, HALF_SURROGATE] += (cell, value) in HALVES
        if html:
            for letter in "<>&\u2028\u2029":
                value = value.replace(letter.encode(), b"\\u%04x" % ord(letter))
        return value

    def inet(self, cell: bytes) -> bytes:
        """Write a network address as CSV."""
        if not cell:
            return b"0.0.0.0/0"
        try:
            address, _, bits = cell.decode().replace("%", "no zones").partition("/")
            host = ipaddress.ip_interface(f"{address}/{int(bits)}").ip
        except ValueError:
            self.altered[self.column, BAD_INET] += 1
            return cell
        if host.version == 6 and host.ipv4_mapped:
            return f"{host.ipv4_mapped}/{max(int(bits) - 96, 0)}".encode()
        return f"{host}/{int(bits)}".encode()

    def utf8(self, cell: bytes) -> bytes:
        """Return valid UTF-8."""
        letters = [
            "\ufffd" if 0xDC80 <= ord(letter) <= 0xDCFF else letter
            for letter in cell.decode("utf-8", "surrogateescape")
        ]
        text = "".join(letters).encode()
        self.altered[self.column, BAD_UTF8] += text != cell
        return text

    def json_string(self, text: bytes, *, html: bool) -> bytes:
        """Return an escaped string; each byte that is not UTF-8 counts its cell once."""
        escaped = json_string(text, html=html)
        self.altered[self.column, BAD_UTF8] += bool(STRAYS.search(text.decode("utf-8", "surrogateescape")))
        return escaped


def distinct(names: list[str]) -> list[str]:
    """Return names of which none comes twice."""
    result: list[str] = []
    for name in names:
        new, number = name, 2
        while new in result or (new != name and new.casefold() in {one.casefold() for one in [*names, *result]}):
            new, number = f"{name}_{number}", number + 1
        result.append(new)
    return result


def json_string(text: bytes, *, html: bool) -> bytes:
    """Escape letter by letter."""
    out = []
    for letter in text.decode("utf-8", "surrogateescape"):
        code = ord(letter)
        if letter in '"\\':
            out.append("\\" + letter)
        elif letter in "\n\r\t":
            out.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}[letter])
        elif code < 0x20 or code in {0x2028, 0x2029} or (html and letter in "<>&"):
            out.append(f"\\u{code:04x}")
        elif 0xDC80 <= code <= 0xDCFF:
            out.append("\\ufffd")
        else:
            out.append(letter)
    return f'"{"".join(out)}"'.encode()


def quoted(cell: bytes | None, delimiter: str, *, alone: bool) -> bytes:
    """Quote a cell where docs/formats.md says so."""
    if cell is None:
        return b'""' if alone else b""
    first = cell.decode(errors="replace")[:1]
    if (
        not cell
        or cell in {b"\\.", b"\\N"}
        or first in WHITE_SPACE
        or cell.decode(errors="replace")[-1] in WHITE_SPACE
        or any(letter.encode() in cell for letter in delimiter + '"\r\n')
    ):
        return b'"' + cell.replace(b'"', b'""') + b'"'
    return cell


def fraction(tick: int, ticks: int, *, trim: bool) -> str:
    """Return the fraction of a second."""
    digits = f"{tick:0{len(str(ticks)) - 1}}" if ticks > 1 else ""
    digits = digits.rstrip("0") if trim else digits
    return f".{digits}" if digits else ""


def day_text(day: int) -> str:
    """Return a day since 1970, in any year, by moving it into years that Python knows."""
    cycles = 0
    while not -700_000 < day < 2_900_000:
        step = 146_097 * max(1, abs(day) // 200_000)
        cycles += step // 146_097 if day > 0 else -(step // 146_097)
        day += -step if day > 0 else step
    date = (datetime(1970, 1, 1) + timedelta(days=day)).date()  # noqa: DTZ001 - a calendar, not a clock
    year = date.year + 400 * cycles
    return f"{'-' if year < 0 else ''}{abs(year):04}-{date.month:02}-{date.day:02}"


def float_text(kind: pa.DataType, value: float, *, json: bool) -> str:
    """Write a number as docs/formats.md says."""
    if not math.isfinite(value):
        text = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        return f'"{text}"' if json else text
    narrow = not pa.types.is_float64(kind)
    number = np.float32(value) if narrow else np.float64(value)
    mantissa, _, power = np.format_float_scientific(number, unique=True, trim="-").partition("e")
    sign, digits, exponent = "-" if mantissa[0] == "-" else "", mantissa.lstrip("-").replace(".", ""), int(power)
    digits = digits.rstrip("0") or "0"
    small, large = (np.float32(limit) if narrow else limit for limit in (1e-6, 1e21))
    if json:
        return sign + place(digits, exponent, scientific=bool(number != 0 and not small <= abs(number) < large))
    return sign + place(digits, exponent, scientific=exponent < -4 or exponent >= 6)


def decimal_text(kind: pa.DataType, value: Decimal) -> str:
    """Write a number as docs/formats.md says."""
    sign, numbers, _ = value.as_tuple()
    all_digits = "".join(map(str, numbers)).lstrip("0")
    digits = all_digits.rstrip("0") or "0"
    exponent = len(all_digits) - 1 - kind.scale if all_digits else 0
    limit = len(digits) if kind.precision > len(digits) >= exponent + 1 else kind.precision
    return ("-" if sign and all_digits else "") + place(digits, exponent, scientific=exponent < -4 or exponent >= limit)


def place(digits: str, exponent: int, *, scientific: bool) -> str:
    """Set point or exponent among digits."""
    if scientific:
        return f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole, rest = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{whole}.{rest}" if rest else whole


def interval(mark: str, cell: Any) -> bytes:
    """Return a calendar interval as JSON."""
    names = {"interval_month": ["months"], "interval_day_time": ["days", "milliseconds"]}
    parts = [cell] if mark == "interval_month" else cell
    return json.dumps(
        dict(zip(names.get(mark, ["months", "days", "nanoseconds"]), parts, strict=True)), separators=(",", ":")
    ).encode()


# ---------------------------------------------------------------- random cells
TEXTS = st.one_of(
    st.text(st.sampled_from('ab"\\<>&,;\t\n\r\x00\x08\x0c\x1f\x7f é日😀\u2028\u2029\u00a0\u3000'), max_size=6).map(
        str.encode
    ),
    st.binary(max_size=4),
    st.sampled_from(
        [
            b"",
            b"\\.",
            b"\\.x",
            b"\\N",
            b"\\N ",
            b"end\xe2\x80\x83",
            b"end\xc2\x85",
            b"\xc3\x85",
            b"\xe2\x80",
            b"\xa8",
            b" lead",
            b"plain",
            b"\xc2\x85x",
            b"NULL",
            b"\xe2\x80\x8bx",
        ]
    ),
)
STRAYS = re.compile("[\udc80-\udcff]")
JSONS = st.one_of(
    st.sampled_from([b"", *JSON_CELLS]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3)
    ).map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")),
)
INETS = st.sampled_from(
    [
        b"10.1.2.3/8",
        b"1.2.3.4",
        b"",
        b"2001:0DB8::0001/64",
        b"::ffff:1.2.3.4/128",
        b"::ffff:1.2.3.4/90",
        b"01.2.3.4/8",
        b"1.2.3.4/33",
        b"fe80::1%eth0/64",
        b"x,y\n",
        b"::1.2.3.4/7",
        b"255.255.255.255/32",
        b"\xff/1",
    ]
)
INT64 = st.integers(-(2**63), 2**63 - 1)


def ticks(per_second: int) -> st.SearchStrategy[int]:
    """Draw times around the years 1 to 9999, and any 64-bit number."""
    years = st.integers(-62_135_596_800 - 10**9, 253_402_300_800 + 10**9)
    near = st.tuples(years, st.integers(0, 10**9)).map(
        lambda pair: pair[0] * per_second + pair[1] * per_second // 10**9
    )
    return st.one_of(near, near.map(lambda tick: tick // per_second * per_second), INT64).map(
        lambda t: max(-(2**63), min(t, 2**63 - 1))
    )


def floats(width: int) -> st.SearchStrategy[float]:
    """Draw floats, and powers of ten among them."""
    powers = st.integers(-30, 30).map(
        lambda power: float(np.dtype(f"f{width // 8}").type(min(10.0**power, 6e4 if width == 16 else 1e30)))
    )
    return st.one_of(st.floats(width=width), powers, st.integers(0, 2000).map(float))


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    """Draw numbers of any length that fits."""
    digits = st.integers(0, precision).flatmap(lambda count: st.integers(-(10**count) + 1, 10**count - 1))
    return digits.map(lambda value: Decimal((int(value < 0), tuple(map(int, str(abs(value)))), -scale)))


def marked(kind: pa.DataType, mark: str) -> pa.Field:
    """Return a field of an extension type."""
    return pa.field("", kind, metadata={MARK: mark})


INT32 = st.integers(-(2**31), 2**31 - 1)
LEAVES: list[tuple[pa.Field, st.SearchStrategy[Any]]] = [
    (pa.field("", pa.null()), st.none()),
    (pa.field("", pa.bool_()), st.booleans()),
    (pa.field("", pa.int8()), st.integers(-128, 127)),
    (pa.field("", pa.int64()), INT64),
    (pa.field("", pa.uint64()), st.integers(0, 2**64 - 1)),
    (pa.field("", pa.float16()), floats(16)),
    (pa.field("", pa.float32()), floats(32)),
    (pa.field("", pa.float64()), floats(64)),
    *((pa.field("", kind), TEXTS) for kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())),
    (pa.field("", pa.binary(5)), st.binary(min_size=5, max_size=5)),
    (pa.field("", pa.date32()), INT32),
    (pa.field("", pa.date64()), ticks(1000)),
    *((pa.field("", pa.time32(unit)), st.integers(0, 2**31 - 1)) for unit in ("s", "ms")),
    *((pa.field("", pa.time64(unit)), st.integers(-(10**15), 10**15)) for unit in ("us", "ns")),
    *((pa.field("", pa.timestamp(unit)), ticks(TICKS[unit])) for unit in TICKS),
    *(
        (pa.field("", pa.timestamp("us", zone)), ticks(10**6))
        for zone in ("UTC", "America/New_York", "+05:30", "Nowhere/Land")
    ),
    *((pa.field("", pa.timestamp("ns", zone)), ticks(10**9)) for zone in ("Europe/London", "+05:30")),
    *((pa.field("", pa.duration(unit)), INT64) for unit in TICKS),
    (pa.field("", pa.month_day_nano_interval()), st.tuples(INT32, INT32, INT64)),
    *((pa.field("", pa.decimal128(*size)), decimals(*size)) for size in ((20, 4), (5, 0), (10, -3), (38, 38))),
    (pa.field("", pa.decimal256(50, 20)), decimals(50, 20)),
    (marked(pa.binary(), "json"), JSONS),
    (marked(pa.large_binary(), "json"), JSONS),
    (marked(pa.binary(16), "uuid"), st.binary(min_size=16, max_size=16)),
    (marked(pa.binary(), "inet"), INETS),
    (marked(pa.binary(), "mac"), st.binary(max_size=7)),
    (marked(pa.int32(), "interval_month"), INT32),
    (marked(pa.int64(), "interval_day_time"), st.tuples(INT32, INT32)),
]
NAMES = st.sampled_from(["a", "b", "A", "a b", "a!", "é", "<x>", 'q"q', "a_b", "\n", " s", "", "ab"])
KEYS = [leaf for leaf in LEAVES if leaf[0].type in (pa.string(), pa.int64())]


def columns(depth: int = 2) -> st.SearchStrategy[tuple[pa.Field, st.SearchStrategy[Any]]]:
    """Fields without a name, nested up to `depth` deep, each with a strategy for its cells."""
    leaves = st.sampled_from(LEAVES)
    if not depth:
        return leaves
    inner = columns(depth - 1)
    return st.one_of(
        leaves,
        inner.map(lists),
        st.tuples(st.integers(0, 2), inner).map(fixed_lists),
        structs(inner),
        st.tuples(st.sampled_from(KEYS), inner).map(maps),
    )


def maybe(cells: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a cell or NULL."""
    return st.one_of(st.none(), cells, cells)


def lists(inner: tuple[pa.Field, st.SearchStrategy[Any]]) -> tuple[pa.Field, st.SearchStrategy[Any]]:
    """Make a list of a column."""
    one, cells = inner
    return pa.field("", pa.list_(one.with_name("item"))), st.lists(maybe(cells), max_size=3)


def fixed_lists(sized: tuple[int, tuple[pa.Field, st.SearchStrategy[Any]]]) -> tuple[pa.Field, st.SearchStrategy[Any]]:
    """Make a fixed-size list of a column."""
    size, (one, cells) = sized
    return pa.field("", pa.list_(one.with_name("item"), size)), st.lists(maybe(cells), min_size=size, max_size=size)


def maps(
    pair: tuple[tuple[pa.Field, st.SearchStrategy[Any]], tuple[pa.Field, st.SearchStrategy[Any]]],
) -> tuple[pa.Field, st.SearchStrategy[Any]]:
    """Make a map of two columns."""
    (key, keys), (item, items) = pair
    kind = pa.map_(key.with_name("key").with_nullable(False), item.with_name("value"))
    return pa.field("", kind), st.lists(st.tuples(keys, maybe(items)), max_size=2)


@st.composite
def structs(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> tuple[pa.Field, st.SearchStrategy[Any]]:
    """Make a struct of columns, names perhaps repeated."""
    members = draw(st.lists(st.tuples(NAMES, inner), max_size=3))
    kind = pa.struct([one.with_name(name) for name, (one, _) in members])
    return pa.field("", kind), st.tuples(*(maybe(cells) for _, (_, cells) in members)).map(list)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[pa.Field], list[list[Any]]]:
    """Draw fields and rows of cells."""
    chosen = draw(st.lists(st.tuples(NAMES, columns()), min_size=1, max_size=4))
    fields = [one.with_name(name) for name, (one, _) in chosen]
    rows = draw(st.lists(st.tuples(*(maybe(cells) for _, (_, cells) in chosen)), max_size=8))
    return fields, [list(row) for row in rows]


@st.composite
def long_tables(draw: st.DrawFn) -> tuple[list[pa.Field], list[list[Any]]]:
    """Draw tables in which one row comes again and again between some others.

    Some columns have but one value, some types come more than once.
    """
    fields, rows = draw(tables().filter(lambda table: table[1]))
    again = draw(st.lists(st.sampled_from(range(len(fields))), max_size=3))
    fields = [*fields, *(fields[column].with_name(f"again {number}") for number, column in enumerate(again))]
    after = [*rows[1:], rows[0]]
    rows = [[*row, *(other[column] for column in again)] for row, other in zip(rows, after, strict=True)]
    picked = draw(st.lists(st.sampled_from([0] * 9 + list(range(len(rows)))), max_size=40))
    constant = draw(st.sets(st.sampled_from(range(len(fields)))))
    mixed = [[rows[0 if column in constant else row][column] for column in range(len(fields))] for row in picked]
    return fields, mixed


# ---------------------------------------------------------------- arrays
def array(kind: pa.DataType, cells: list[Any], hidden: Any = None) -> pa.Array:
    """Build an array of raw cells; beneath its NULLs lies what some other cell holds."""
    if pa.types.is_null(kind):
        return pa.nulls(len(cells))
    present = [cell for cell in cells if cell is not None]
    hidden = present[0] if present else blank(kind)
    dense = [hidden if cell is None else cell for cell in cells]
    whole = dense_array(kind, dense)
    if len(present) == len(cells):
        return whole
    valid = np.packbits([cell is not None for cell in cells], bitorder="little")
    children = None
    if pa.types.is_struct(kind):
        children = [whole.field(index) for index in range(kind.num_fields)]
    elif pa.types.is_map(kind):
        children = [pa.StructArray.from_arrays([whole.keys, whole.items], fields=[kind.key_field, kind.item_field])]
    elif pa.types.is_nested(kind):
        children = [whole.values]
    own = whole.buffers()[
        1 : 1 if pa.types.is_struct(kind) or pa.types.is_fixed_size_list(kind) else 2 if children else None
    ]
    return pa.Array.from_buffers(kind, len(cells), [pa.py_buffer(valid), *own], children=children)


def blank(kind: pa.DataType) -> Any:
    """Return what may lie beneath a NULL when no cell holds a value."""
    sized = {"struct": "num_fields", "fixed_size_list": "list_size"}
    for name, size in sized.items():
        if getattr(pa.types, f"is_{name}")(kind):
            return [None] * getattr(kind, size)
    if pa.types.is_fixed_size_binary(kind):
        return bytes(kind.byte_width)
    blanks = [("is_nested", []), ("is_interval", (0, 0, 0)), ("is_decimal", Decimal(0)), ("is_boolean", False)]
    return next((value for test, value in blanks if getattr(pa.types, test)(kind)), b"" if is_bytes(kind) else 0)


def is_bytes(kind: pa.DataType) -> bool:
    """Tell whether cells of a type are bytes of any length."""
    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )


def dense_array(kind: pa.DataType, cells: list[Any]) -> pa.Array:  # noqa: PLR0911 - one line a type
    """Build an array without NULLs at its top."""
    if pa.types.is_struct(kind):
        parts = [array(kind.field(i).type, [cell[i] for cell in cells]) for i in range(kind.num_fields)]
        return pa.Array.from_buffers(kind, len(cells), [None], children=parts)
    if pa.types.is_map(kind):
        pairs = [pair for cell in cells for pair in cell]
        keys, items = (
            array(kind.key_type, [key for key, _ in pairs]),
            array(kind.item_type, [item for _, item in pairs]),
        )
        entries = pa.StructArray.from_arrays([keys, items], fields=[kind.key_field, kind.item_field])
        return pa.Array.from_buffers(kind, len(cells), [None, offsets(cells)], children=[entries])
    if pa.types.is_nested(kind):
        values = array(kind.value_type, [item for cell in cells for item in cell])
        own = [None] if pa.types.is_fixed_size_list(kind) else [None, offsets(cells)]
        return pa.Array.from_buffers(kind, len(cells), own, children=[values])
    if is_bytes(kind):
        wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
        octets = pa.array(cells, pa.large_binary() if wide else pa.binary())
        return pa.Array.from_buffers(kind, len(cells), octets.buffers())
    if pa.types.is_float16(kind):
        return pa.array(np.array(cells, np.float16))
    if cells and isinstance(cells[0], tuple) and not pa.types.is_interval(kind):
        return pa.array([(days & 0xFFFFFFFF) | (milliseconds << 32) for days, milliseconds in cells], kind)
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return pa.array(cells, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)
    return pa.array(cells, kind)


def offsets(cells: list[Any]) -> pa.Buffer:
    """Return 32-bit offsets of cells of these lengths."""
    return pa.py_buffer(np.cumsum([0, *map(len, cells)]).astype(np.int32))


def batch_of(fields: list[pa.Field], rows: list[list[Any]]) -> pa.RecordBatch:
    """Build a record batch of raw cells."""
    arrays = [array(one.type, [row[index] for row in rows]) for index, one in enumerate(fields)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, metadata={"cq:table_name": "t"}))

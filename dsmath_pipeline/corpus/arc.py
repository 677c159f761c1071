"""The record line of ARC files, the format before WARC (versions 1 and 2).

A record is one line, `URL IP-address date media-type [more fields] length`, then `length` bytes (an HTTP response with
its head, for pages), then a line end. The first record, `filedesc://`, describes the file. URLs and media types with
spaces in them exist, so the line is taken apart around its date.

Not in the paper: Common Crawl's files before 2013 are ARC.
"""

import re

_MAX_LENGTH_DIGITS = 12
RECORD_LINE = re.compile(
    rb"(?P<url>[A-Za-z][A-Za-z0-9+.\-]{1,20}:[^\r\n]{1,65000}?) (?P<ip>[0-9A-Za-z.:\-]{1,64}) (?P<date>\d{8,17}) "
    rb"(?P<type>[^\r\n]{0,200}?) ?(?P<length>-?\b\w{1,%d})\r?\n" % _MAX_LENGTH_DIGITS
)
"""One ARC record line with its line end; match it at a line start."""
NEXT_RECORD = re.compile(
    rb"\n[A-Za-z][A-Za-z0-9+.\-]{1,20}:[^\r\n ]{1,300}(?: [^\r\n ]{1,200}){0,8}? [0-9A-Za-z.:\-]{1,64} \d{14} "
    rb"[^\r\n]{0,200}?\b\d{1,%d}\r?\n" % _MAX_LENGTH_DIGITS
)
"""The same where a record is looked for after damage: stricter, and short enough to be found across blocks."""


def warc_fields(line: re.Match[bytes]) -> dict[str, str]:
    """A match of RECORD_LINE as WARC header fields, names in lower case.

    The date is written as in WARC, 2008-04-30T20:48:25Z. A length that is no number counts as 0: nothing can be read
    by it. `content-type` is left to the HTTP head: the line's own type is what the crawler made of that.
    """
    digits = line["date"].decode("ascii").ljust(14, "0")
    url = line["url"].decode("utf-8", "replace")
    return {
        "warc-type": "warcinfo" if url.startswith("filedesc:") else "response",
        "warc-target-uri": url,
        "warc-date": f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}Z",
        "content-length": str(int(line["length"]) if line["length"].isdigit() else 0),
    }

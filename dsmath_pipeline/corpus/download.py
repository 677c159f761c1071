"""Download one file over HTTP or from S3: throttled, cut off, lied to or killed, it ends with the file or an error.

- What has arrived stays in `<target>.part` and is continued with a range request (`If-Range`, so that a file that
  changed meanwhile is begun again). A killed process loses nothing that it had written.
- Refusals and silence are waited out (patience.py).
- A body that is not what was asked for (an XML or HTML error page under status 200) is never stored.
- The size must be the announced one; a gzip file must be whole, and have the MD5 that an S3 `ETag` states where it is
  one. A file that arrives twice with the same damage is damaged at its origin: it is kept, and the reader accounts for
  what cannot be read.

Not in the paper: fetching is not described.
"""

import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from ..progress import SILENT, Progress
from ..recipe.schema import FetchSettings
from .patience import CHUNK_BYTES, Download, Refused, arriving, ask, check_status, content_range, persist
from .rate_limit import RateLimiter
from .s3 import is_s3

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


def download(
    url: str,
    target: Path,
    settings: FetchSettings,
    limiter: RateLimiter,
    *,
    is_gzip: bool = True,
    progress: Progress = SILENT,
    sleep: Callable[[float], None] = time.sleep,
) -> Download:
    """Fetch `url` (http, https or s3) into `target`, which appears only when it is whole.

    Continues what an earlier call left in `<target>.part`. One caller at a time for each target. Raises
    DownloadError, S3Error.
    """
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    damages: set[str] = set()
    with requests.Session() as session:

        def attempt(done: Download) -> bool:
            _request(session, url, part, settings, is_gzip)
            damage = _damage(part, settings) if is_gzip else ""
            if not damage or damage in damages:
                done.is_damaged = bool(damage)
                return True
            damages.add(damage)
            done.note("damaged")
            _drop(part)
            return False

        done = persist(
            url, attempt, lambda: _size(part), settings, limiter,
            advice=f"what has arrived is in {part}: start again to go on", progress=progress, sleep=sleep,
        )  # fmt: skip
    done.num_bytes = _size(part)
    os.replace(part, target)
    _facts_file(part).unlink(missing_ok=True)
    return done


def _request(session: requests.Session, url: str, part: Path, settings: FetchSettings, is_gzip: bool) -> None:
    """One request; returns when the part is complete, raises otherwise. What came stays in the part."""
    facts = _facts(part, url)
    have = _size(part) if facts else 0
    headers = {"Range": f"bytes={have}-", "If-Range": facts["etag"]} if have else {}
    with ask(session, url, headers, settings) as response:
        if response.status_code == 416 and have == facts.get("size"):
            return
        start, size = _check_head(url, response, have)
        etag = response.headers.get("ETag") or (facts["etag"] if start else "")
        if start and etag != facts["etag"]:  # a server that does not know If-Range
            _drop(part)
            raise Refused("the file changed meanwhile")
        if start == 0:
            _drop(part)
        _write_facts(part, {"url": url, "etag": etag, "size": size, "md5": _md5_of(url, etag, response)})
        written = start
        with part.open("ab") as file:
            for chunk in arriving(response):
                if written == 0 and is_gzip and chunk[:2] != b"\x1f\x8b":
                    raise Refused(f"no gzip file: it begins {chunk[:120]!r}")
                file.write(chunk)
                written += len(chunk)
    if size is not None and written != size:
        if written > size:
            _drop(part)
        raise requests.ConnectionError(f"{written} bytes of {size} came")


def _check_head(url: str, response: requests.Response, have: int) -> tuple[int, int | None]:
    """Where the body begins, and the size of the whole file; raises when it is not the file."""
    check_status(url, response)
    if response.status_code == 206:
        start, _, size = content_range(response)
        if start != have:
            raise Refused(f"another range than asked for: {response.headers.get('Content-Range')}")
        return have, size
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _md5_of(url: str, etag: str, response: requests.Response) -> str:
    """The MD5 that S3 states as ETag for files uploaded in one part and not encrypted by a key; else ""."""
    headers = response.headers
    if headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
        return ""
    of_s3 = is_s3(url) or "s3" in headers.get("Server", "").lower() or "x-amz-request-id" in headers
    found = _MD5.fullmatch(etag)
    return found[1] if found and of_s3 else ""


# what has arrived ---------------------------------------------------------------------------------------------------


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _facts_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _facts(part: Path, url: str) -> dict[str, Any]:
    """What is known of the file that the part is a piece of; {} when it cannot be continued."""
    try:
        facts = json.loads(_facts_file(part).read_text())
    except (OSError, ValueError):
        return {}
    return facts if facts.get("url") == url and facts.get("etag") else {}


def _write_facts(part: Path, facts: dict[str, Any]) -> None:
    _facts_file(part).write_text(json.dumps(facts))


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)


def _damage(part: Path, settings: FetchSettings) -> str:
    """What is wrong with a complete gzip file; "" when nothing is. Two equal answers mean two equal files."""
    expected = json.loads(_facts_file(part).read_text()).get("md5", "")
    digest = hashlib.md5(usedforsecurity=False)
    is_whole, inflater, is_inside = True, zlib.decompressobj(31), False
    with part.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            digest.update(block)
            while is_whole and block and settings.verify_gzip:
                is_inside = True
                try:
                    inflater.decompress(block, CHUNK_BYTES)  # bounded: a bomb costs time, not memory
                except zlib.error:
                    is_whole = False
                block = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                if inflater.eof:
                    inflater, is_inside = zlib.decompressobj(31), False
    while is_inside and is_whole and inflater.decompress(b"", CHUNK_BYTES):
        pass
    if expected and digest.hexdigest() == expected:
        return ""
    if expected or not is_whole or (is_inside and not inflater.eof):
        return f"damaged, MD5 {digest.hexdigest()}"
    return ""

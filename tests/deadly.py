"""Shard functions and page extractors that kill their process: importable, for spawned workers."""

import ctypes
import os
import signal
import time
from collections import Counter
from pathlib import Path

import numba

from dsmath_pipeline.compute import ItemGuard
from dsmath_pipeline.corpus.page_guard import extract_guarded
from dsmath_pipeline.records import Page

ITEMS = range(8)


def die(how: str) -> None:
    """End (or hang) this process as native code would: no Python exception, the interpreter's lock held."""
    if how == "abort":
        os.abort()
    elif how == "null":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(7)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "loop":
        while True:
            pass
    elif how == "sleep":
        # PyDLL keeps the interpreter's lock during the call: no Python thread and no signal handler can run.
        ctypes.PyDLL(None).sleep(3600)


def squares(shard: str, guard: ItemGuard) -> dict[int, object]:
    """Item -> its square, or why it was left out. `shard` reads "how:item,item how:item": which items are deadly."""
    deadly = {int(i): how for how, items in (part.split(":") for part in shard.split()) for i in items.split(",")}
    found: dict[int, object] = {}
    for item in ITEMS:
        if item in guard.bad_items:
            found[item] = guard.bad_items[item]
            continue
        guard.enter(item, 0.3)
        if item in deadly:
            die(deadly[item])
        found[item] = item * item
        guard.leave()
    return found


def dies_between_items(shard: str, guard: ItemGuard) -> None:
    guard.enter(0, 5)
    guard.leave()
    os.abort()


def dies_once(shard: str, guard: ItemGuard) -> list[int]:
    """Killed from outside at item 3 of its first try; `shard` is the path of the note that it was."""
    for item in ITEMS:
        if item in guard.bad_items:
            continue
        guard.enter(item, 5)
        if item == 3 and not Path(shard).exists():
            Path(shard).write_text("")
            die("kill")
        guard.leave()
    return sorted(set(ITEMS) - set(guard.bad_items))


def slow_between_items(shard: str, guard: ItemGuard) -> int:
    """Uses more time than any item may, but outside items."""
    for item in range(3):
        guard.enter(item, 0.2)
        guard.leave()
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
    return 3


def extract_pages(shard: str, guard: ItemGuard) -> tuple[list[str], dict[str, int]]:
    """Pages 0 to 9 through extract_guarded; the shard names the deadly one and how it kills."""
    how, number = shard.split(":")
    pages = [Page(f"http://x/{i}", b"<p>", "a.warc", 100 * i) for i in range(10)]

    def extract(page: Page) -> str:
        if page.offset == 100 * int(number):
            if how == "raise":
                raise ValueError("bad page")
            die(how)
        return page.url

    dropped: Counter[str] = Counter()
    return list(extract_guarded(pages, extract, 0.3, guard, dropped)), dict(dropped)


def extract_with_a_new_kernel(shard: str, guard: ItemGuard) -> tuple[list[int], dict[str, int]]:
    """Every page needs a kernel compiled, which takes several times the 0.1 s that a page has."""
    dropped: Counter[str] = Counter()

    def extract(page: Page) -> int:
        offset = page.offset
        end = time.process_time() + 0.8
        while time.process_time() < end:  # numba decides how long one compilation takes: go on until it was long
            numba.njit(lambda x: [x + offset, x * 2])(1)
        return offset

    pages = [Page(f"http://x/{i}", b"<p>", "a.warc", i) for i in range(2)]
    return list(extract_guarded(pages, extract, 0.1, guard, dropped)), dict(dropped)

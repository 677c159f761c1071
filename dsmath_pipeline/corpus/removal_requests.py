"""The removal requests of a run: kept in its folder for ever, so that no later run brings the pages back.

`<root>/removals/<id>.jsonl` in the form of optout_list.py, one file for each time that new addresses were named. The
name is a hash of the addresses: to make the same requests again adds nothing.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from .. import storage
from ..storage import Folder
from .optout import OptOutRules, normal_address
from .optout_list import Request, read_requests

FOLDER = "removals"
LOG = "log.jsonl"


def removal_rules(root: Folder) -> OptOutRules:
    """The rules of all requests that were ever made for this run; empty when there are none."""
    rules = OptOutRules()
    for requests in stored_requests(root).values():
        for request in requests:
            rules.add_address(request.address)
    return rules


def stored_requests(root: Folder) -> dict[str, list[Request]]:
    """Name of every file of requests -> what is in it, in the order of names."""
    files = sorted((root / FOLDER).glob("*.jsonl"), key=lambda file: file.name) if (root / FOLDER).exists() else []
    return {file.name.removesuffix(".jsonl"): read_requests(file) for file in files if file.name != LOG}


def new_requests(root: Folder, requests: Iterable[Request]) -> list[Request]:
    """Those for addresses that no earlier request names."""
    known = {normal_address(r.address) for batch in stored_requests(root).values() for r in batch}
    new: dict[str, Request] = {}
    for request in requests:
        address = normal_address(request.address)
        if address not in known:
            new.setdefault(address, request)
    return list(new.values())


def batch_name(requests: Iterable[Request]) -> str:
    addresses = sorted(normal_address(request.address) for request in requests)
    return hashlib.blake2b("\n".join(addresses).encode(), digest_size=8).hexdigest()


def store_requests(root: Folder, name: str, requests: Iterable[Request]) -> None:
    today = datetime.now(UTC).date().isoformat()
    lines = []
    for request in requests:
        row = {"url_prefix": request.address, **asdict(request), "requested_at": request.requested_at or today}
        row.pop("address")
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    storage.write_bytes(root / FOLDER / f"{name}.jsonl", "".join(lines).encode())

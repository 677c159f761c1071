"""Which extracted pages an opt-out list covers: looked up once, before deduplication, so that no later stage sees them.

Writes the artifact `opt_out`: OPTED_OUT_SCHEMA, one shard for each shard of documents. Its count `pages_key` identifies
the covered pages, whatever rules cover them: `unique_documents` takes that for its key, so a longer list that covers no
further page makes nothing anew.

Not in the paper: opting out is not mentioned.
"""

import functools
import hashlib
from collections import Counter
from typing import Any

import pyarrow as pa

from .. import storage
from ..compute import map_shards
from ..progress import SILENT, Progress
from ..recipe.schema import OptOutSettings
from ..storage import Folder, Manifest
from .optout import OptOutRules
from .optout_list import list_key, read_rules
from .optout_signals import OPT_OUT
from .urls import URL_VERSION

OPT_OUT_VERSION = f"1/url {URL_VERSION}"
"""Version of the rules' meaning. 1 (2026-11): first version."""

OPTED_OUT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),  # as written in the list
    ]
)
_MAX_LISTED_RULES = 200


def find_opted_out(
    documents: Folder,
    opt_out_list: Folder,
    out: Folder,
    settings: OptOutSettings,
    *,
    workers: int = 0,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `opt_out`: the pages of `documents` that the list covers.

    Counts: `num_rules`, `num_pages`, `rules` (pages of the rules that cover most), `pages_key` ("" when no page is
    covered). Raises OptOutError when the list cannot be read.
    """
    key = list_key(opt_out_list)
    used, inputs = {"agents": settings.agents}, {"documents": documents, "list": key}
    with storage.stage(out, "opt_out", OPT_OUT_VERSION, used, inputs, force=force) as run:
        if run.artifact:
            num_rules = len(_rules(opt_out_list, key, tuple(settings.agents)))
            match = functools.partial(
                _match_shard, documents=documents, out=out, key=run.artifact.key, opt_out_list=opt_out_list,
                list_identity=key, agents=tuple(settings.agents),
            )  # fmt: skip
            shards = [file.stem for file in storage.parquet_files(documents)]
            results = map_shards(match, shards, workers=workers, what="opt-out list", progress=progress)
            rules: Counter[str] = Counter()
            for shard, counts in zip(shards, results, strict=True):
                run.artifact.add_shard(shard, counts)
                rules.update(counts["rules"])
            run.artifact.counts |= {
                "num_rules": num_rules,
                "num_pages": run.artifact.num_rows,
                "num_rules_with_pages": len(rules),
                "rules": dict(sorted(rules.items(), key=lambda item: (-item[1], item[0]))[:_MAX_LISTED_RULES]),
                "pages_key": _pages_key([out / f"{shard}.parquet" for shard in shards]),
            }
            progress.log(f"opt-out list: {num_rules:,} rules cover {run.artifact.num_rows:,} pages")
    assert run.manifest is not None
    return run.manifest


@functools.lru_cache(maxsize=1)
def _rules(opt_out_list: Folder, list_identity: str, agents: tuple[str, ...]) -> OptOutRules:
    """The rules, read once in a process; `list_identity` is that of the content."""
    return read_rules(opt_out_list, agents)


def _match_shard(
    shard: str, *, documents: Folder, out: Folder, key: str, opt_out_list: Folder, list_identity: str,
    agents: tuple[str, ...],
) -> dict[str, Any]:  # fmt: skip
    done = storage.finished_shard(out, shard, key)
    if done is not None:
        return done
    rules = _rules(opt_out_list, list_identity, agents)
    table = storage.read_table(documents / f"{shard}.parquet", ["id", "url"])
    rows = [
        {"id": ident, "url": url, "rule": rule}
        for ident, url in zip(table["id"].to_pylist(), table["url"].to_pylist(), strict=True)
        if (rule := rules.match(url))
    ]
    counts = {"rules": dict(Counter(row["rule"] for row in rows))}
    return storage.commit_shard(out, shard, key, pa.Table.from_pylist(rows, OPTED_OUT_SCHEMA), counts)


def _pages_key(files: list[Folder]) -> str:
    ids = sorted(ident for file in files for ident in storage.read_table(file, ["id"])["id"].to_pylist())
    return hashlib.blake2b("\n".join(ids).encode(), digest_size=16).hexdigest() if ids else ""


def opt_out_counts(documents: Manifest, opted_out: Manifest | None) -> dict[str, Any]:
    """What is told about opting out wherever a run is told: by the pages' own signals, and by the list's rules."""
    settings = documents.settings.get("opt_out") or {}
    dropped = documents.counts.get("dropped", {})
    counts = opted_out.counts if opted_out else {}
    return {
        "respects_page_signals": bool(settings.get("respect_page_signals")),
        "page_signals": {name.removeprefix(OPT_OUT): n for name, n in dropped.items() if name.startswith(OPT_OUT)},
        "tdm_policies": documents.counts.get("tdm_policies", {}),
        "has_list": opted_out is not None,
        **{name: counts.get(name, 0) for name in ("num_rules", "num_pages", "num_rules_with_pages")},
        "rules": counts.get("rules", {}),
    }

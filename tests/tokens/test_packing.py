import numpy as np
import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import MixtureSettings, PretrainSettings, TokenizerSettings
from dsmath_pipeline.tokens.mixture import MixtureError
from dsmath_pipeline.tokens.packing import PackedTokens, pack_tokens, sequences_per_step
from dsmath_pipeline.tokens.tokenizer import BOS_ID, EOS_ID, load_tokenizer, save_tokenizer, train_bpe

DOCUMENTS = [f"page {i} says {i * i} 数学" for i in range(40)]


def artifact(path, texts, name="corpus"):
    with storage.stage(path, name, "1", {"texts": texts}, {}) as run:
        if run.artifact:
            run.artifact.write_table("part-00000.parquet", pa.table({"text": pa.array(texts, pa.large_string())}))
    return path


@pytest.fixture
def folders(tmp_path):
    with storage.stage(tmp_path / "tokenizer", "tokenizer", "1", {}, {}) as run:
        assert run.artifact is not None
        save_tokenizer(train_bpe(DOCUMENTS, TokenizerSettings(vocab_size=300)), run.artifact.path)
    return tmp_path, artifact(tmp_path / "corpus", DOCUMENTS), artifact(tmp_path / "web", ["plain words"] * 30)


def pack(root, sources, out="tokens", num_tokens=640, seed=0):
    pretrain = PretrainSettings(num_tokens=num_tokens, batch_tokens=64, context_tokens=16)
    return pack_tokens(sources, root / "tokenizer", root / out, MixtureSettings(), pretrain, seed)


def test_the_token_file_holds_every_document_once_between_bos_and_eos(folders):
    root, corpus, _ = folders
    pack(root, {"corpus": corpus})
    tokens = np.fromfile(root / "tokens" / "corpus-00000.bin", dtype="uint16")
    ends = np.flatnonzero(tokens == EOS_ID)
    documents = np.split(tokens, ends + 1)[:-1]
    tokenizer = load_tokenizer(root / "tokenizer")
    assert all(d[0] == BOS_ID and d[-1] == EOS_ID for d in documents)
    assert sorted(tokenizer.decode(d.tolist()) for d in documents) == sorted(DOCUMENTS)
    assert [tokenizer.decode(d.tolist()) for d in documents] != DOCUMENTS  # shuffled


def test_every_sequence_is_a_window_of_its_file_and_an_epoch_repeats_none(folders):
    root, corpus, _ = folders
    manifest = pack(root, {"corpus": corpus}, num_tokens=192)
    packed = PackedTokens(root / "tokens")
    tokens = np.fromfile(root / "tokens" / "corpus-00000.bin", dtype="uint16")
    assert len(packed) == 12 == manifest.num_rows  # 192 tokens in windows of 16
    assert manifest.counts["corpus"]["epochs"] <= 1
    assert len({int(start) for _, start in packed.order}) == 12
    for i, (_, start) in enumerate(packed.order):
        assert start % 16 == 0 and np.array_equal(packed[i], tokens[start : start + 16])


def test_shares_are_exact_and_short_sources_are_read_several_times(folders):
    root, corpus, web = folders
    manifest = pack(root, {"corpus": corpus, "natural_language": web}, num_tokens=66 * 64)
    counts = manifest.counts
    # 264 sequences, 56 : 10 -> 224 and 40
    assert counts["corpus"]["sequences"] == 224 and counts["natural_language"]["sequences"] == 40
    assert counts["corpus"]["epochs"] == pytest.approx(224 / (counts["corpus"]["tokens"] // 16), abs=1e-3)
    files = PackedTokens(root / "tokens").order[:, 0]
    assert (files == 0).sum() == 224 and (files == 1).sum() == 40


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_order(folders):
    root, corpus, _ = folders
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        pack(root, {"corpus": corpus}, out, seed=seed)
    first, same, other = ((root / out / "order.npy").read_bytes() for out in "abc")
    assert first == same != other
    assert (root / "a" / "corpus-00000.bin").read_bytes() == (root / "b" / "corpus-00000.bin").read_bytes()


def test_a_source_without_a_share_is_refused(folders):
    root, corpus, _ = folders
    with pytest.raises(MixtureError, match="books"):
        pack(root, {"corpus": corpus, "books": corpus})


def test_a_batch_that_is_no_multiple_of_the_context_is_refused():
    with pytest.raises(ValueError, match="no multiple"):
        sequences_per_step(PretrainSettings(batch_tokens=100, context_tokens=64))

import hashlib
import tracemalloc
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import MixtureSettings, PretrainSettings, TokenizerSettings
from dsmath_pipeline.tokens import encoding, packing
from dsmath_pipeline.tokens.encoding import is_held_out
from dsmath_pipeline.tokens.mixture import MixtureError, plan_mixture
from dsmath_pipeline.tokens.packed import PackedTokens, TokenStream, document_positions
from dsmath_pipeline.tokens.packing import pack_tokens, sequences_per_step, training_order
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


def pack(root, sources, out="tokens", num_tokens=640, seed=0, held_out_share=0.0, mixture=None, **options):
    pretrain = PretrainSettings(
        num_tokens=num_tokens, batch_tokens=64, context_tokens=16, held_out_share=held_out_share
    )
    return pack_tokens(sources, root / "tokenizer", root / out, mixture or MixtureSettings(), pretrain, seed, **options)


def documents_of(path):
    tokens = np.fromfile(path, dtype="uint16")
    return np.split(tokens, np.flatnonzero(tokens == EOS_ID) + 1)[:-1]


def test_the_token_file_holds_every_document_once_between_bos_and_eos(folders):
    root, corpus, _ = folders
    manifest = pack(root, {"corpus": corpus})
    documents = documents_of(root / "tokens" / "corpus-00000.bin")
    tokenizer = load_tokenizer(root / "tokenizer")
    assert all(d[0] == BOS_ID and d[-1] == EOS_ID for d in documents)
    assert sorted(tokenizer.decode(d.tolist()) for d in documents) == sorted(DOCUMENTS)
    assert [tokenizer.decode(d.tolist()) for d in documents] != DOCUMENTS  # shuffled
    assert manifest.counts["corpus"]["documents"] == 40
    assert manifest.counts["corpus"]["tokens"] == sum(map(len, documents))


def test_a_text_that_spells_a_special_token_does_not_end_its_document(folders):
    root, _, _ = folders
    texts = ["one <eos> and <bos> two", "three"]
    pack(root, {"corpus": artifact(root / "special", texts)})
    documents = documents_of(root / "tokens" / "corpus-00000.bin")
    tokenizer = load_tokenizer(root / "tokenizer")
    assert sorted(tokenizer.decode(d.tolist()) for d in documents) == sorted(texts)


def test_every_sequence_is_a_window_of_the_stream(folders):
    root, _, _ = folders
    manifest = pack(root, {"corpus": artifact(root / "odd", DOCUMENTS[:-1])}, num_tokens=64 * 60)
    packed = PackedTokens(root / "tokens")
    tokens = np.fromfile(root / "tokens" / "corpus-00000.bin", dtype="uint16")
    assert len(packed) == 240 == manifest.num_rows  # 3,840 tokens in windows of 16
    assert manifest.counts["corpus"]["epochs"] == pytest.approx(3840 / len(tokens), abs=1e-5)
    assert 2 * len(tokens) < 3840 and len(tokens) % 16  # later epochs, cut elsewhere
    for i, (_, first) in enumerate(packed.order):
        assert np.array_equal(packed[i], np.take(tokens, range(first, first + 16), mode="wrap"))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 60), st.integers(0, 5))
def test_every_epoch_holds_every_token_exactly_once(length, context, num_sequences, seed):
    plan = plan_mixture({"corpus": length / context}, MixtureSettings(), num_sequences)
    order = training_order({"corpus": length}, plan, context, seed)
    assert len(order) == num_sequences
    used = np.zeros(length, dtype=int)
    for done, (_, first) in enumerate(order, 1):
        np.add.at(used, (first + np.arange(context)) % length, 1)
        # The windows of the first `epochs` epochs: all tokens that often. The window over an epoch's end also holds
        # the first tokens of the next one, so those are one ahead.
        epochs = done * context // length
        if done == -(-epochs * length // context):
            assert used.min() == epochs and used.max() <= epochs + -(-context // length)
    assert used.max() - used.min() <= 1  # over the whole run


def test_windows_of_an_epoch_are_shuffled_and_epochs_follow_each_other():
    plan = plan_mixture({"corpus": 100}, MixtureSettings(), 300)
    starts = training_order({"corpus": 1600}, plan, 16, 0)[:, 1]
    epochs = [starts[i : i + 100].tolist() for i in (0, 100, 200)]
    assert all(sorted(epoch) == list(range(0, 1600, 16)) for epoch in epochs)
    assert epochs[0] != sorted(epochs[0]) and epochs[0] != epochs[1]


@pytest.mark.parametrize("num_sequences", [50, 250])
def test_an_unfinished_epoch_reads_from_all_of_its_source(num_sequences):
    starts = training_order({"corpus": 1600}, plan_mixture({"corpus": 100}, MixtureSettings(), num_sequences), 16, 0)
    last = starts[num_sequences // 100 * 100 :, 1]
    assert len(set(last)) == 50 and set(last) <= set(range(0, 1600, 16))
    assert 15 <= (last >= 800).sum() <= 35  # 25 and three standard deviations; the first 800 tokens would give 0


def test_the_mixture_holds_after_ten_thousand_sequences_of_a_longer_run():
    # all five sources, of very different sizes; 0.1 % of 10,000 sequences are 10
    lengths = {"corpus": 10**6, "algebraic_stack": 10**3, "arxiv": 50_000, "code": 3 * 10**6, "natural_language": 77}
    plan = plan_mixture({name: n / 128 for name, n in lengths.items()}, MixtureSettings(), 123_457)
    order = training_order(lengths, plan, 128, 0)
    expected = np.array(list(MixtureSettings().model_dump().values()))
    for first in (0, 50_000, len(order) - 10_000):
        shares = np.bincount(order[first : first + 10_000, 0], minlength=5) / 10_000
        assert np.abs(shares - expected).max() < 0.001
    random_shares = np.bincount(np.random.default_rng(0).choice(5, 10_000, p=expected), minlength=5) / 10_000
    assert np.abs(random_shares - expected).max() > 0.001  # plain shuffling does not do it


def test_shares_are_exact_and_short_sources_are_read_several_times(folders):
    root, corpus, web = folders
    manifest = pack(root, {"corpus": corpus, "natural_language": web}, num_tokens=66 * 64)
    counts = manifest.counts
    # 264 sequences, 56 : 10 -> 224 and 40
    assert counts["corpus"]["sequences"] == 224 and counts["natural_language"]["sequences"] == 40
    assert counts["corpus"]["epochs"] == pytest.approx(224 * 16 / counts["corpus"]["tokens"], abs=1e-5)
    sources = PackedTokens(root / "tokens").order[:, 0]
    assert (sources == 0).sum() == 224 and (sources == 1).sum() == 40


def test_a_source_shorter_than_a_window_fills_it_by_repeating(folders):
    root, _, _ = folders
    pack(root, {"corpus": artifact(root / "tiny", ["hi"])})
    tokens = np.fromfile(root / "tokens" / "corpus-00000.bin", dtype="uint16")
    assert len(tokens) < 16
    assert PackedTokens(root / "tokens")[0].tolist() == np.resize(tokens, 16).tolist()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_order(folders):
    root, corpus, _ = folders
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        pack(root, {"corpus": corpus}, out, seed=seed)
    first, same, other = ((root / out / "order.npy").read_bytes() for out in "abc")
    assert first == same != other
    assert (root / "a" / "corpus-00000.bin").read_bytes() == (root / "b" / "corpus-00000.bin").read_bytes()


def test_workers_and_parts_change_nothing_but_the_files(folders, monkeypatch):
    root, _, _ = folders
    (root / "many").mkdir()
    for i in range(3):
        storage.write_table(root / "many" / f"{i}.parquet", pa.table({"text": DOCUMENTS[i::3]}))
    pack(root, {"corpus": root / "many"}, "one", workers=1)
    monkeypatch.setattr(packing, "_BYTES_WORTH_A_POOL", 0)
    pack(root, {"corpus": root / "many"}, "two", workers=2)
    names = sorted(p.name for p in (root / "one").iterdir() if p.suffix in (".bin", ".npy"))
    assert names[:3] == ["corpus-00000.bin", "corpus-00000.held_out.bin", "corpus-00001.bin"]
    assert all((root / "one" / name).read_bytes() == (root / "two" / name).read_bytes() for name in names)
    packed = PackedTokens(root / "one")
    assert sum(len(documents_of(root / "one" / f"corpus-0000{i}.bin")) for i in range(3)) == 40
    seen = np.concatenate([packed[i] for i in np.argsort(packed.order[:, 1])])
    assert len(seen) == 640  # windows go over the borders of files


def test_held_out_documents_are_chosen_by_their_text_and_never_packed(folders):
    root, corpus, _ = folders
    manifest = pack(root, {"corpus": corpus}, held_out_share=0.25)
    digests = {t: hashlib.blake2b(t.encode(), digest_size=8, person=b"held out").digest() for t in DOCUMENTS}
    expected = sorted(t for t in DOCUMENTS if int.from_bytes(digests[t], "big") < 2**62)  # a quarter of 2^64
    tokenizer = load_tokenizer(root / "tokenizer")
    held_out = documents_of(root / "tokens" / "corpus-00000.held_out.bin")
    assert sorted(tokenizer.decode(d.tolist()) for d in held_out) == expected and expected
    packed = documents_of(root / "tokens" / "corpus-00000.bin")
    assert sorted(tokenizer.decode(d.tolist()) for d in packed) == sorted(set(DOCUMENTS) - set(expected))
    counts = manifest.counts["corpus"]
    assert (counts["held_out_documents"], counts["documents"]) == (len(expected), 40 - len(expected))
    assert counts["held_out_tokens"] == sum(map(len, held_out))
    first = PackedTokens(root / "tokens").held_out("corpus", 5)
    assert first.tolist() == np.concatenate(held_out)[:5].tolist()


def test_held_out_shares_come_close_to_what_was_asked_for():
    texts = [f"document {i}" for i in range(20_000)]
    for share in (0.001, 0.02, 0.5):
        found = sum(is_held_out(text, share) for text in texts)
        assert abs(found - 20_000 * share) < 4 * (20_000 * share * (1 - share)) ** 0.5  # four standard deviations


@pytest.mark.slow
def test_encoding_holds_one_block_of_texts_at_a_time(folders, monkeypatch):
    root, _, _ = folders
    texts = pa.array([f"{i} " + "word " * 400 for i in range(3000)])  # 6 MB of text
    storage.write_table(root / "long" / "0.parquet", pa.table({"text": texts}))
    del texts
    monkeypatch.setattr(encoding, "_SHUFFLE_CHARS", 100_000)
    monkeypatch.setattr(encoding, "_ENCODE_CHARS", 20_000)
    monkeypatch.setattr("dsmath_pipeline.tokens.sources._READ_ROWS", 16)
    tracemalloc.start()
    pack(root, {"corpus": root / "long"}, workers=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_a_killed_packing_keeps_its_finished_files(folders, monkeypatch):
    root, corpus, web = folders
    sources = {"corpus": corpus, "natural_language": web}
    real, calls = encoding.read_texts, []

    def counted(part):
        calls.append(part.file)
        if fail and "web" in part.file:
            raise RuntimeError("lost")
        return real(part)

    monkeypatch.setattr(encoding, "read_texts", counted)
    fail = True
    with pytest.raises(RuntimeError, match="lost"):
        pack(root, sources)
    fail, calls[:] = False, []
    pack(root, sources)
    assert [("web" in file) for file in calls] == [True]  # the corpus was not read again
    pack(root, sources, "whole")
    assert (root / "tokens" / "order.npy").read_bytes() == (root / "whole" / "order.npy").read_bytes()


def test_a_source_without_a_share_or_text_is_refused(folders):
    root, corpus, _ = folders
    with pytest.raises(MixtureError, match="books"):
        pack(root, {"corpus": corpus, "books": corpus})
    with pytest.raises(MixtureError, match="'arxiv' holds no text"):
        pack(root, {"corpus": corpus, "arxiv": artifact(root / "empty", [""])})


def test_a_batch_that_is_no_multiple_of_the_context_is_refused():
    with pytest.raises(ValueError, match="no multiple"):
        sequences_per_step(PretrainSettings(batch_tokens=100, context_tokens=64))


def test_the_papers_batch_is_1024_sequences_of_4096_tokens():
    assert sequences_per_step(PretrainSettings()) == 1024


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=5), st.data())
def test_a_stream_over_files_reads_as_one_endless_array(sizes, data):
    import tempfile
    from pathlib import Path

    if not sum(sizes):
        return
    whole = np.arange(sum(sizes), dtype="uint16")
    with tempfile.TemporaryDirectory() as folder:
        ends = np.cumsum([0, *sizes])
        kept = [(i, a, b) for i, (a, b) in enumerate(pairwise(ends)) if b > a]
        for i, a, b in kept:
            whole[a:b].tofile(Path(folder) / f"{i}.bin")
        stream = TokenStream([Path(folder) / f"{i}.bin" for i, _, _ in kept], [b - a for _, a, b in kept], "uint16")
        first, num = data.draw(st.integers(0, 50)), data.draw(st.integers(0, 40))
        assert stream.read(first, num).tolist() == [(first + k) % len(whole) for k in range(num)]


def test_positions_restart_after_every_end_token():
    ids = np.array([[5, 9, 2, 7, 2, 2, 8, 8], [2, 1, 1, 1, 2, 1, 1, 1]])
    assert document_positions(ids, 2).tolist() == [[0, 1, 2, 0, 1, 0, 0, 1], [0, 0, 1, 2, 3, 0, 1, 2]]

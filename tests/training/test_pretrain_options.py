"""Options of pretraining: documents apart, held-out perplexity, precision, memory, MFU; and that learning works."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import MixtureSettings, PretrainSettings
from dsmath_pipeline.tokens.packed import PackedTokens
from dsmath_pipeline.tokens.packing import pack_tokens
from dsmath_pipeline.tokens.tokenizer import BOS_ID, EOS_ID
from dsmath_pipeline.training.held_out import held_out_table
from dsmath_pipeline.training.models import build_model, load_model
from dsmath_pipeline.training.pretrain import PackedDataset, collator, held_out_rows, pretrain
from dsmath_pipeline.training.throughput import flops_per_token
from tests.tiny_model import MODEL, PRETRAIN, build_tokens


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return build_tokens(tmp_path_factory.mktemp("options"))


def train(root, out, tokens="tokens", model=MODEL, base=PRETRAIN, **changes):
    settings = base.model_copy(update=changes)
    return pretrain(root / tokens, root / "tokenizer", root / out, model, settings, 0, device="cpu")


def metrics(root, out):
    return pq.read_table(root / out / "metrics.parquet").to_pydict()


def test_documents_apart_give_the_losses_of_each_document_alone(root):
    rows = [torch.from_numpy(PackedTokens(root / "tokens")[i]) for i in range(4)]
    batch = collator(EOS_ID)(rows)
    assert "attention_mask" not in batch
    model = build_model(MODEL, 400, 0).eval()
    with torch.no_grad():
        packed = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        num_documents = 0
        for row, logits in zip(rows, packed, strict=True):
            ends = [i + 1 for i in range(len(row)) if row[i] == EOS_ID]
            pieces = np.split(row.numpy(), ends)
            alone = [model(input_ids=torch.tensor(p[None]), use_cache=False).logits[0] for p in pieces if len(p)]
            assert torch.allclose(logits, torch.cat(alone), atol=1e-5)
            num_documents += len(alone)
    assert num_documents > 4


def test_with_documents_apart_no_first_token_is_a_target_and_without_every_token_is():
    row = torch.tensor([5, 6, EOS_ID, BOS_ID, 7, EOS_ID, BOS_ID, 8])
    ignored = -100
    assert collator(EOS_ID)([row])["labels"].tolist() == [[ignored, 6, EOS_ID, ignored, 7, EOS_ID, ignored, 8]]
    assert collator(None)([row])["labels"].tolist() == [row.tolist()]
    assert set(collator(None)([row])) == {"input_ids", "labels"}


def test_training_with_documents_apart_is_another_run_that_learns(root):
    apart, together = train(root, "apart", separate_documents=True), train(root, "together")
    assert apart.key != together.key and metrics(root, "apart")["loss"] != metrics(root, "together")["loss"]
    assert apart.counts["last_loss"] < apart.counts["first_loss"]


def test_held_out_perplexity_is_that_of_a_plain_loop_over_the_held_out_tokens(root):
    manifest = train(root, "measured", held_out_steps=4)
    rows = pq.read_table(root / "measured" / "held_out.parquet").to_pylist()
    assert [(row["step"], row["source"]) for row in rows] == [(4, "corpus"), (8, "corpus")]
    tokens = np.fromfile(root / "tokens" / "corpus-00000.held_out.bin", dtype="uint16").astype("int64")
    assert len(tokens) > 32 and len(tokens) % 32  # more than one sequence, the last one short
    model = load_model(root / "measured", "cpu")
    total, number = 0.0, 0
    with torch.no_grad():
        for first in range(0, len(tokens), 32):
            ids = torch.tensor(tokens[None, first : first + 32])
            logprobs = torch.log_softmax(model(input_ids=ids).logits[0].double(), -1)
            for t in range(ids.shape[1] - 1):
                total -= float(logprobs[t, ids[0, t + 1]])
                number += 1
    assert rows[-1]["num_targets"] == number
    assert rows[-1]["loss"] == pytest.approx(total / number, rel=1e-5)
    assert rows[-1]["perplexity"] == pytest.approx(math.exp(total / number), rel=1e-5)
    assert manifest.counts["held_out_perplexity_corpus"] == pytest.approx(rows[-1]["perplexity"], abs=1e-4)


@pytest.mark.slow
def test_measuring_more_often_trains_the_same_model(root):
    train(root, "often", held_out_steps=1)
    train(root, "seldom", held_out_steps=8)
    first, second = (load_model(root / name, "cpu").state_dict() for name in ("often", "seldom"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_held_out_tokens_are_bounded_and_a_source_without_them_is_left_out(root):
    packed = PackedTokens(root / "tokens")
    rows = held_out_rows(packed, 40)["corpus"]
    assert [len(row) for row in rows] == [32, 8] or sum(map(len, rows)) < 40
    assert [len(row) for row in held_out_rows(packed, 33)["corpus"]] == [32]  # one token alone has no target
    assert held_out_table([{"loss": 1.0, "step": 1}]).num_rows == 0


def test_mfu_is_tokens_times_flops_over_the_named_peak(root):
    train(root, "mfu", device_peak_flops=1e9)
    found = metrics(root, "mfu")
    flops = flops_per_token(load_model(root / "mfu", "cpu"), 32)
    expected = [speed * flops / 1e9 for speed in found["tokens_per_second"]]
    assert found["mfu"] == pytest.approx(expected)
    train(root, "no_mfu")
    assert set(metrics(root, "no_mfu")["mfu"]) == {None}  # a CPU's peak is not known


@pytest.mark.slow
def test_recomputing_activations_changes_no_result(root):
    plain, saved = train(root, "plain"), train(root, "recomputed", gradient_checkpointing=True)
    assert plain.key == saved.key
    first, second = (load_model(root / name, "cpu").state_dict() for name in ("plain", "recomputed"))
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)


def test_bf16_trains_in_lower_precision_and_saves_full_weights(root):
    plain, low = train(root, "fp32", precision="fp32"), train(root, "bf16", precision="bf16")
    assert plain.key != low.key
    losses = metrics(root, "fp32")["loss"], metrics(root, "bf16")["loss"]
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.02)
    weights = load_model(root / "bf16", "cpu").state_dict().values()
    assert {weight.dtype for weight in weights} == {torch.float32}
    # they were updated in fp32: not all of them are bf16 numbers
    assert not all(torch.equal(w, w.bfloat16().float()) for w in weights)


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_losses_and_saves_a_plain_model(root):
    train(root, "plain_steps", num_tokens=512)
    train(root, "compiled", num_tokens=512, torch_compile=True)
    assert metrics(root, "compiled")["loss"] == pytest.approx(metrics(root, "plain_steps")["loss"], rel=1e-4)
    assert not [name for name in load_model(root / "compiled", "cpu").state_dict() if "_orig_mod" in name]


@pytest.mark.slow
def test_a_model_of_one_layer_learns_eight_sequences_by_heart(root):
    # 15 digits and <eos> fill a window of 16; without <bos> a window starts with the digit that tells them apart, and
    # a window's first token is no target: everything can be known, the loss can reach zero
    rng = np.random.default_rng(0)
    texts = [f"{i}" + "".join(map(str, rng.integers(0, 10, 14))) for i in range(8)]
    with storage.stage(root / "eight", "corpus", "1", {"texts": texts}, {}) as run:
        if run.artifact:
            run.artifact.write_table("0.parquet", pa.table({"text": texts}))
    tokenizer = storage.read_json(root / "tokenizer" / "tokenizer.json") | {"post_processor": None}
    config = storage.read_json(root / "tokenizer" / "tokenizer_config.json")
    storage.write_json(root / "no_bos" / "tokenizer.json", tokenizer)
    storage.write_json(root / "no_bos" / "tokenizer_config.json", config)
    settings = PretrainSettings(
        num_tokens=300 * 128, batch_tokens=128, context_tokens=16, warmup_steps=20, peak_learning_rate=1e-2,
        weight_decay=0.0, micro_batch_sequences=8, held_out_share=0.0,
    )  # fmt: skip
    pack_tokens({"corpus": root / "eight"}, root / "no_bos", root / "eight_tokens", MixtureSettings(), settings, 0)
    packed = PackedTokens(root / "eight_tokens")
    assert len({tuple(packed[i].tolist()) for i in range(len(packed))}) == 8
    model = MODEL.model_copy(update={"num_layers": 1, "hidden_size": 64, "intermediate_size": 128})
    manifest = pretrain(
        root / "eight_tokens", root / "no_bos", root / "by_heart", model, settings, 0, device="cpu"
    )  # fmt: skip
    assert manifest.counts["first_loss"] > 5
    assert manifest.counts["last_loss"] < 0.01


def test_the_dataset_gives_the_sequences_of_the_artifact(root):
    dataset, packed = PackedDataset(root / "tokens"), PackedTokens(root / "tokens")
    assert len(dataset) == len(packed) and torch.equal(dataset[3], torch.from_numpy(packed[3]))

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from dsmath_pipeline.training.models import ModelError, load_model
from dsmath_pipeline.training.pretrain import pretrain
from tests.tiny_model import MODEL, PRETRAIN, build_tokens


class Kill(TrainerCallback):
    """Ends the run in the middle of a step, as a lost machine would."""

    def __init__(self, at_step):
        self.at_step = at_step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.at_step:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return build_tokens(tmp_path_factory.mktemp("pretrain"))


def train(root, out, **options):
    settings = options.pop("settings", PRETRAIN)
    return pretrain(root / "tokens", root / "tokenizer", root / out, MODEL, settings, 0, device="cpu", **options)


@pytest.fixture(scope="module")
def plain(root):
    return train(root, "plain")


def weights(folder):
    return load_model(folder, "cpu").state_dict()


def test_the_folder_is_a_hugging_face_model_with_its_tokenizer(root, plain):
    model = AutoModelForCausalLM.from_pretrained(root / "plain")
    tokenizer = AutoTokenizer.from_pretrained(root / "plain")
    assert model.config.hidden_size == 16 and model.config.tie_word_embeddings
    assert model.config.vocab_size == len(tokenizer)
    assert plain.counts["parameters"] == sum(p.numel() for p in model.parameters())


def test_metrics_hold_every_step_with_the_schedules_rate(root, plain):
    metrics = pq.read_table(root / "plain" / "metrics.parquet").to_pydict()
    assert metrics["step"] == list(range(1, 9))
    # 8 steps, 2 of warm-up, falls when 80 % (step index 6.4 -> 7) and 90 % (7.2 -> 8) are over; peak 1e-2
    expected = [0.5, 1, 1, 1, 1, 1, 1, 0.316]
    assert metrics["learning_rate"] == pytest.approx([1e-2 * factor for factor in expected])
    assert metrics["loss"][-1] < metrics["loss"][0]


def test_a_killed_run_resumes_bit_for_bit(root, plain):
    with pytest.raises(KeyboardInterrupt):
        train(root, "killed", callbacks=[Kill(at_step=5)])
    assert not (root / "killed" / "manifest.json").exists()
    messages = []

    class Log:
        def update(self, *args, **kwargs): ...

        def log(self, message):
            messages.append(message)

    train(root, "killed", progress=Log())
    assert messages == ["pretraining: resuming from checkpoint-4"]  # saved every 2 steps, killed in step 5
    first, second = weights(root / "plain"), weights(root / "killed")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert pq.read_table(root / "killed" / "metrics.parquet")["loss"].equals(
        pq.read_table(root / "plain" / "metrics.parquet")["loss"]
    )
    assert not list((root / "killed").glob("_checkpoints*"))


def test_a_kill_between_the_last_step_and_the_saved_model_repeats_no_step(root, plain, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dsmath_pipeline.training.pretrain.save_model", killed)
        with pytest.raises(KeyboardInterrupt):
            train(root, "unsaved")
    train(root, "unsaved", callbacks=[Kill(at_step=8)])  # would raise if step 8 ran again
    first, second = weights(root / "plain"), weights(root / "unsaved")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert pq.read_table(root / "unsaved" / "metrics.parquet").num_rows == 8


def test_gradient_accumulation_gives_the_step_of_the_whole_batch(root, plain):
    # 8 sequences a step, in one forward pass instead of two of 4: the same up to rounding
    train(root, "whole", settings=PRETRAIN.model_copy(update={"micro_batch_sequences": 8}))
    first, second = weights(root / "plain"), weights(root / "whole")
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)


def test_a_finished_run_is_not_repeated_and_training_can_continue_from_it(root, plain):
    assert train(root, "plain").created_seconds == plain.created_seconds
    continued = train(root, "continued", init=root / "plain")
    assert continued.counts["first_loss"] < plain.counts["first_loss"]


def test_tokens_of_another_length_are_refused(root):
    with pytest.raises(ModelError, match="pack the tokens again"):
        train(root, "short", settings=PRETRAIN.model_copy(update={"num_tokens": 16 * 256}))

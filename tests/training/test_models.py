import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config

from dsmath_pipeline.recipe.schema import ModelSettings
from dsmath_pipeline.tokens.hub import HubError, local_or_hub
from dsmath_pipeline.tokens.tokenizer import BOS, EOS, PAD
from dsmath_pipeline.training.models import ModelError, build_model, load_model
from tests.tiny_model import MODEL, build_tokens


def test_the_seed_decides_the_weights():
    first, same, other = (build_model(MODEL, 400, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], same[name]) for name in first)
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(first[name], other[name])
    assert float(first[name].std()) == pytest.approx(MODEL.initializer_range, rel=0.2)


def test_any_architecture_is_built_from_its_config(tmp_path):
    config = Qwen2Config(
        vocab_size=9, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=False,
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    for name in (tmp_path, tmp_path / "config.json"):
        model = build_model(ModelSettings(config_file=str(name)), 400, 0)
        assert model.config.model_type == "qwen2" and model.config.vocab_size == 400
        assert model.get_input_embeddings().num_embeddings == 400 and model.dtype == torch.float32
    with pytest.raises(ModelError, match=r"no such config\.json"):
        build_model(ModelSettings(config_file=str(tmp_path / "nowhere")), 400, 0)


def test_special_tokens_are_those_of_the_tokenizers_folder(tmp_path):
    build_tokens(tmp_path)
    folder = tmp_path / "tokenizer"
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"eos_token": {"content": PAD}, "pad_token": EOS, "bos_token": BOS}  # other roles than ours
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    built = build_model(MODEL, 400, 0, folder).config
    assert (built.bos_token_id, built.eos_token_id, built.pad_token_id) == (1, 0, 2)


def test_weights_that_are_no_safetensors_are_refused(tmp_path):
    model = build_model(MODEL, 400, 0)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        load_model(tmp_path, "cpu")
    model.save_pretrained(tmp_path)
    assert load_model(tmp_path, "cpu").config.hidden_size == 16


def test_code_that_a_model_brings_runs_only_when_asked(tmp_path):
    build_model(MODEL, 400, 0).save_pretrained(tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n" + _OWN_MODEL)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "evil.OwnConfig", "AutoModelForCausalLM": "evil.Own"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"trust_remote_code|does not recognize"):
        load_model(tmp_path, "cpu")
    assert not (tmp_path / "ran").exists()
    assert type(load_model(tmp_path, "cpu", trust_remote_code=True)).__name__ == "Own"
    assert (tmp_path / "ran").exists()


_OWN_MODEL = """
from transformers import LlamaConfig, LlamaForCausalLM
class OwnConfig(LlamaConfig):
    model_type = "own"
class Own(LlamaForCausalLM):
    config_class = OwnConfig
"""


def test_a_hub_name_fetches_data_files_only_and_says_when_the_hub_is_out_of_reach(tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.chdir(tmp_path)
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert local_or_hub("owner/model@v1", ["*.safetensors"]) == tmp_path / "snapshot"
    assert asked == {"name": "owner/model", "revision": "v1", "allow_patterns": ["*.safetensors"]}
    local_or_hub("owner/model", ["config.json"], with_code=True)
    assert asked["allow_patterns"] == ["config.json", "*.py"]

    def unreachable(name, **options):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(HubError, match=r"owner/model is no folder here .* no route"):
        local_or_hub("owner/model", ["*"])
    (tmp_path / "owner" / "model").mkdir(parents=True)
    assert str(local_or_hub("owner/model", ["*"])) == "owner/model"
    assert str(local_or_hub("runs/a/b", ["*"])) == "runs/a/b"  # no hub name: the reader says what is missing


def test_the_built_model_is_a_plain_llama_for_transformers(tmp_path):
    build_model(MODEL, 400, 0).save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).model_type == "llama"
    assert AutoModelForCausalLM.from_pretrained(tmp_path).config.tie_word_embeddings

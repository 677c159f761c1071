"""Every number of a run, in the paper's order.

One section per stage; a stage receives its own section and nothing else. Each setting says what it is, in which unit,
and where its default comes from: a section of the paper (arXiv 2402.03300), or "not in the paper: ..." with the
reason. The defaults here are the paper's; `presets.py` scales them down.

Only settings that change a result live here. How many workers, which device, which folder: arguments of the call.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


def setting(default: Any, description: str, source: str, **limits: Any) -> Any:
    """A documented setting. `limits` are pydantic bounds (ge, gt, le, lt)."""
    return Field(default, description=description, json_schema_extra={"source": source}, **limits)


class Section(BaseModel):
    """A group of settings; immutable, unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


OURS = "not in the paper: "


class ExtractSettings(Section):
    """HTML to text."""

    max_html_bytes: int = setting(5_000_000, "pages with more HTML are skipped, bytes", OURS + "bounds memory and time")
    max_text_chars: int = setting(1_000_000, "longer texts are cut, characters", OURS + "bounds memory")
    main_content: bool = setting(True, "remove navigation, footers and side bars", OURS + "extractor not stated")
    page_seconds: float = setting(
        5.0,
        "a page that takes longer to extract is dropped, seconds of processor time",
        OURS + "bounds time; pages take milliseconds, a page that hangs must not stop a shard",
        gt=0,
    )


class OptOutSettings(Section):
    """Whose wish not to be training data is respected."""

    respect_page_signals: bool = setting(
        True, "pages that say noai, noml or tdm-reservation: 1 are dropped", OURS + "their owners refuse this use"
    )
    agents: list[str] = setting(
        [
            "ccbot", "gptbot", "google-extended", "anthropic-ai", "claudebot", "bytespider", "ai2bot",
            "applebot-extended", "meta-externalagent",
        ],
        "user agents that count as addressing us, in page signals and in robots groups of an opt-out list",
        OURS + "Common Crawl's robot, and those that collect for language models: to refuse them is to refuse training",
    )  # fmt: skip

    @field_validator("agents", mode="before")
    @classmethod
    def _agents_from_text(cls, value: Any) -> Any:
        """From the command line as `ccbot,gptbot`; always lower case."""
        names = value.split(",") if isinstance(value, str) else value
        return [n.strip().lower() for n in names if n.strip()] if all(isinstance(n, str) for n in names) else value


class DedupSettings(Section):
    """URL, exact and near-duplicate removal."""

    min_text_chars: int = setting(
        200, "shorter texts are dropped, characters", OURS + "empty texts score 0.5 and flood the ranking", ge=0
    )
    ngram_words: int = setting(
        5, "shingle length for MinHash, words or CJK characters", OURS + "FineWeb's choice", ge=1
    )
    num_bands: int = setting(14, "LSH bands", OURS + "FineWeb's choice; about 0.72 Jaccard with 8 rows", ge=1)
    num_rows: int = setting(8, "hashes in a band", OURS + "FineWeb's choice", ge=1)
    min_jaccard: float = setting(
        0.7,
        "pairs whose signatures estimate a lower Jaccard are not merged, 0-1",
        OURS + "the LSH curve's middle",
        gt=0,
        le=1,
    )
    max_bucket_pairs: int = setting(
        256, "earlier members of an LSH bucket a page is compared with", OURS + "bounds boilerplate buckets", ge=1
    )
    num_sampled_drops: int = setting(
        50, "dropped pages stored for reading, for each reason", OURS + "enough to judge a rule by eye", ge=0
    )


class SeedSettings(Section):
    """Training set of the classifier."""

    num_positives: int = setting(500_000, "positives drawn from the seed, documents", "section 2.1", gt=0)
    num_negatives: int = setting(500_000, "negatives drawn from the crawl, documents", "section 2.1", gt=0)
    max_chars: int = setting(
        3000,
        "training texts are cut to this length, characters",
        OURS + "seed texts are longer than pages, and length would give the class away",
    )
    mask_formulas: bool = setting(
        False,
        "leave the content of formulas out of training texts and scored texts; where they stand still counts",
        OURS + "formulas are part of a page's text; the option shows what words alone give",
    )
    held_out_share: float = setting(
        0.05,
        "share of seed and crawl never trained on, by URL, 0-1",
        OURS + "a fixed held-out set keeps the loop honest",
        ge=0,
        lt=1,
    )
    max_held_out: int = setting(
        10_000, "held-out texts of seed and crawl each, at most", OURS + "enough for figures by language", ge=0
    )
    num_folds: int = setting(
        1,
        "classifiers, each trained without its own part of the crawl and scoring only that part; 1: one for all",
        OURS + "in a small crawl every page is a training text, and a classifier that saw a page repeats its label",
        ge=1,
    )
    joined_pages: Literal["uncollected", "all"] = setting(
        "uncollected",
        "pages under math prefixes that join the seed: those not collected, or all",
        "section 2.1: yet uncollected",
    )


class ClassifierSettings(Section):
    """fastText."""

    dim: int = setting(256, "vector dimension", "section 2.1", gt=0)
    learning_rate: float = setting(0.1, "learning rate", "section 2.1", gt=0)
    word_ngrams: int = setting(3, "longest word n-gram", "section 2.1", ge=1)
    min_count: int = setting(3, "minimum number of occurrences of a word", "section 2.1", ge=1)
    epochs: int = setting(3, "training epochs", "section 2.1", ge=1)
    later_epochs: int = setting(
        3,
        "training epochs from iteration 2 on",
        "section 2.1; a small crawl takes more, once its mathematics has left the negatives",
        ge=1,
    )
    num_buckets: int = setting(2_000_000, "hash buckets for n-grams", OURS + "fastText's default", gt=0)
    num_threads: int = setting(1, "training threads", OURS + "1 makes training reproducible", ge=1)


class RankingSettings(Section):
    """Which documents an iteration collects."""

    token_budget: int = setting(
        40_000_000_000, "best documents are collected up to this many tokens", "section 2.1, iteration 1", gt=0
    )
    min_score: float = setting(
        0.5, "documents below this score are never collected, 0-1", OURS + "a small crawl holds less than the budget"
    )


class VolumeSettings(Section):
    """The experiment that chose the token budget: corpora of several sizes from one ranking."""

    token_budgets: tuple[int, ...] = setting(
        (40_000_000_000, 80_000_000_000, 120_000_000_000, 160_000_000_000),
        "sizes of the corpora, tokens, rising",
        "section 2.1: the top 40, 80, 120 and 160 B tokens",
        min_length=1,
    )


class DomainSettings(Section):
    """Which domains are mathematical."""

    min_collected_share: float = setting(0.10, "more than this share of a domain collected, 0-1", "section 2.1")
    min_pages: int = setting(3, "smaller domains are never marked, pages", OURS + "one page is no evidence", ge=1)
    registered_domain: bool = setting(False, "group by registered domain, not host", "section 2.1: same base URL")
    max_depth: int = setting(2, "longest counted URL prefix, path segments", OURS + "sections sit near the root", ge=0)
    num_sample_titles: int = setting(5, "page titles stored with a prefix for its annotator", OURS + "a glance", ge=0)


class AnnotationSettings(Section):
    """The rule-based annotator `auto`, for runs without people."""

    min_prefix_pages: int = setting(3, "smaller URL prefixes are left to their parent, pages", OURS + "noise", ge=1)
    min_collected_share: float = setting(0.4, "a prefix with at least this share is labelled math, 0-1", OURS + "rule")


class IterationSettings(Section):
    """The loop."""

    max_iterations: int = setting(4, "iterations at most", "section 2.1", ge=1, le=8)
    convergence_share: float = setting(
        0.98, "stop when this share of an iteration was collected before, 0-1", "section 2.1: nearly 98 %"
    )
    convergence_unit: Literal["pages", "tokens"] = setting("pages", "what the share counts", OURS + "not stated which")


class DecontaminationSettings(Section):
    """Removal of benchmark texts."""

    ngram_words: int = setting(10, "segments sharing a gram run of this length are dropped", "section 2.1", ge=2)
    min_short_words: int = setting(3, "benchmark texts from this length are matched whole", "section 2.1", ge=1)
    min_new_words: int = setting(
        5,
        "gram runs with fewer grams that do not follow from those before them are ignored",
        OURS + "matrix rows, counting and 'x_1 + x_2 + ...' are boilerplate",
        ge=0,
        le=255,
    )
    max_gram_items: int = setting(
        20,
        "gram runs found in more benchmark items than this are ignored",
        OURS + "templates name no single item",
        ge=1,
    )
    max_phrase_documents: int = setting(
        50,
        "matches of fewer than 13 grams with a text found so in more documents are phrases and ignored",
        OURS + "'let a b c be positive real numbers such that' names no question",
        ge=0,
    )
    min_kept_share: float = setting(
        0.5,
        "a document that loses more than the rest of this share is dropped whole, 0-1",
        OURS + "fragments teach little",
    )


class TokenizerSettings(Section):
    """Byte-level BPE."""

    vocab_size: int = setting(102_400, "vocabulary size, tokens", OURS + "DeepSeek-LLM's is about 100 K", ge=300)
    split_digits: bool = setting(True, "one token a digit", OURS + "as DeepSeek's tokenizer does")
    max_training_bytes: int = setting(2_000_000_000, "text read for training, bytes", OURS + "enough for stable merges")


class MixtureSettings(Section):
    """Shares of the pretraining data, 0-1, summing to 1. A source that is absent gives its share to the others."""

    corpus: float = setting(0.56, "the mathematics corpus", "section 2.3")
    algebraic_stack: float = setting(0.04, "AlgebraicStack-like code", "section 2.3")
    arxiv: float = setting(0.10, "arXiv papers", "section 2.3")
    code: float = setting(0.20, "GitHub code", "section 2.3")
    natural_language: float = setting(0.10, "natural language from the crawl, English and Chinese", "section 2.3")


class ModelSettings(Section):
    """Shape of a model that is trained from scratch (Llama architecture)."""

    hidden_size: int = setting(2048, "width", OURS + "DeepSeek-LLM 1.3B's size class", gt=0)
    intermediate_size: int = setting(5504, "width of the feed-forward layer", OURS + "8/3 of the width", gt=0)
    num_layers: int = setting(24, "layers", OURS + "1.3B size class", gt=0)
    num_heads: int = setting(16, "attention heads", OURS + "1.3B size class", gt=0)
    initializer_range: float = setting(0.02, "standard deviation of the initial weights", OURS + "common default", gt=0)
    max_positions: int = setting(4096, "context, tokens", "section 2.2", gt=0)


class PretrainSettings(Section):
    """Continued pretraining (2.3) and the corpus validation runs (2.2)."""

    num_tokens: int = setting(150_000_000_000, "training length, tokens", "section 2.2", gt=0)
    batch_tokens: int = setting(4_000_000, "tokens in one optimizer step", "section 2.2", gt=0)
    context_tokens: int = setting(4096, "sequence length, tokens", "section 2.2", gt=0)
    peak_learning_rate: float = setting(5.3e-4, "peak learning rate", "section 2.2", gt=0)
    warmup_steps: int = setting(2000, "linear warm-up, optimizer steps", "section 2.2", ge=0)
    first_decay_at: float = setting(0.8, "share of training after which the rate falls first, 0-1", "section 2.2")
    first_decay_to: float = setting(0.316, "share of the peak after the first fall, 0-1", "section 2.2")
    second_decay_at: float = setting(0.9, "share of training after which the rate falls again, 0-1", "section 2.2")
    second_decay_to: float = setting(0.1, "share of the peak after the second fall, 0-1", "section 2.2")
    beta1: float = setting(0.9, "AdamW beta 1", "section 2.2")
    beta2: float = setting(0.95, "AdamW beta 2", "section 2.2")
    weight_decay: float = setting(0.1, "AdamW weight decay", "section 2.2")
    max_grad_norm: float = setting(1.0, "gradient clipping", OURS + "DeepSeek-LLM's choice")
    micro_batch_sequences: int = setting(8, "sequences in one forward pass", OURS + "fits a GPU", gt=0)
    save_steps: int = setting(1000, "optimizer steps between checkpoints", OURS + "about an hour", gt=0)


class SftSettings(Section):
    """Supervised fine-tuning."""

    num_steps: int = setting(500, "optimizer steps", "section 3", gt=0)
    batch_examples: int = setting(256, "examples in one optimizer step", "section 3", gt=0)
    max_examples: int = setting(776_000, "examples used", "section 3", gt=0)
    context_tokens: int = setting(4096, "examples are concatenated up to this length, tokens", "section 3", gt=0)
    learning_rate: float = setting(5e-5, "constant learning rate", "section 3", gt=0)
    beta1: float = setting(0.9, "AdamW beta 1", OURS + "as in pretraining")
    beta2: float = setting(0.95, "AdamW beta 2", OURS + "as in pretraining")
    weight_decay: float = setting(0.1, "AdamW weight decay", OURS + "as in pretraining")
    max_grad_norm: float = setting(1.0, "gradient clipping", OURS + "as in pretraining")
    micro_batch_examples: int = setting(8, "examples in one forward pass", OURS + "fits a GPU", gt=0)
    save_steps: int = setting(100, "optimizer steps between checkpoints", OURS + "minutes", gt=0)


class RewardModelSettings(Section):
    """Outcome reward model, initialised from the base model."""

    learning_rate: float = setting(2e-5, "learning rate", "section 4.2", gt=0)
    num_questions: int = setting(144_000, "questions with sampled solutions", "section 4.2", gt=0)
    samples_per_question: int = setting(4, "solutions sampled for each question", OURS + "not stated", ge=1)
    temperature: float = setting(1.0, "temperature of these samples", OURS + "not stated; as in GRPO's rollouts", gt=0)
    max_completion_tokens: int = setting(1024, "longest sampled solution, tokens", OURS + "as in GRPO's rollouts", gt=0)
    batch_examples: int = setting(256, "solutions in one optimizer step", OURS + "as in SFT", gt=0)
    num_epochs: int = setting(1, "passes over the solutions", OURS + "not stated", ge=1)
    beta1: float = setting(0.9, "AdamW beta 1", OURS + "as in pretraining")
    beta2: float = setting(0.95, "AdamW beta 2", OURS + "as in pretraining")
    weight_decay: float = setting(0.0, "AdamW weight decay", OURS + "not stated")
    max_grad_norm: float = setting(1.0, "gradient clipping", OURS + "as in pretraining")
    held_out_share: float = setting(0.1, "share of the questions kept for measuring, 0-1", OURS + "to see overfitting")
    micro_batch_examples: int = setting(8, "solutions in one forward pass", OURS + "fits a GPU", gt=0)
    save_steps: int = setting(100, "optimizer steps between checkpoints", OURS + "minutes", gt=0)


class RlSettings(Section):
    """GRPO with outcome supervision."""

    learning_rate: float = setting(1e-6, "policy learning rate", "section 4.2", gt=0)
    decay_from: float = setting(
        1.0,
        "share of the training after which the learning rate falls linearly to zero, 0-1; 1: constant",
        OURS + "section 4.2 states a constant; short runs end in noise",
        ge=0,
        le=1,
    )
    kl_coefficient: float = setting(0.04, "weight of the KL term, beta", "section 4.2", ge=0)
    clip_range: float = setting(0.2, "epsilon of the clipped ratio", OURS + "PPO's usual value", gt=0)
    group_size: int = setting(64, "completions sampled for each question, G", "section 4.2", ge=2)
    batch_completions: int = setting(1024, "completions in one exploration stage", "section 4.2", gt=0)
    updates_per_exploration: int = setting(1, "policy updates per exploration stage, mu", "section 4.2", ge=1)
    max_completion_tokens: int = setting(1024, "longest completion, tokens", "section 4.2", gt=0)
    num_steps: int = setting(140, "exploration stages", OURS + "one pass over 144 K questions is 9,000", gt=0)
    temperature: float = setting(1.0, "sampling temperature", OURS + "not stated; 1 samples the policy itself", gt=0)
    std_epsilon: float = setting(1e-6, "added to the group's standard deviation", OURS + "avoids division by zero")
    rule_reward_weight: float = setting(1.0, "weight of the rule reward (grading)", OURS + "verifiable problems", ge=0)
    model_reward_weight: float = setting(0.0, "weight of the reward model's probability", "section 4.2 uses 1", ge=0)
    beta1: float = setting(0.9, "AdamW beta 1", OURS + "as in pretraining")
    beta2: float = setting(0.95, "AdamW beta 2", OURS + "as in pretraining")
    weight_decay: float = setting(0.0, "AdamW weight decay", OURS + "the KL term is the regulariser")
    max_grad_norm: float = setting(1.0, "gradient clipping", OURS + "as in pretraining")
    micro_batch_completions: int = setting(8, "completions in one forward pass", OURS + "fits a GPU", gt=0)
    save_steps: int = setting(20, "exploration stages between checkpoints", OURS + "minutes", gt=0)


class EvaluationSettings(Section):
    """How solutions are sampled and counted."""

    num_samples: int = setting(64, "samples for Maj@K and Pass@K, K", "section 5, figure 7 and the abstract", ge=1)
    sample_temperature: float = setting(0.7, "temperature for these samples", "figure 7", gt=0)
    max_completion_tokens: int = setting(1024, "longest completion, tokens", "evaluation code of the paper", gt=0)
    max_problems: int = setting(1_000_000, "problems of each benchmark that are evaluated", OURS + "all of them", gt=0)
    max_sampled_problems: int = setting(1_000_000, "problems sampled K times", OURS + "all of them", gt=0)
    prompt: Literal["chat", "few_shot"] = setting(
        "chat", "zero-shot chat for fine-tuned models, worked examples for base models", "section 2.3 and section 3"
    )
    grading: Literal["strict", "paper"] = setting(
        "strict",
        "strict, or paper: also its looser rules (within 10^-3, 5 % for 5), for figures beside its tables",
        OURS + "its grader accepts more",
    )
    max_tool_rounds: int = setting(
        3, "programs that one tool-integrated solution may run", OURS + "room for one correction", ge=1
    )
    max_program_output_chars: int = setting(
        200, "longer program output is cut in the middle before the model reads it, characters", OURS + "saves context"
    )
    program_cpu_seconds: int = setting(5, "CPU time of one program, seconds", OURS + "sympy's slow cases", gt=0)
    program_memory_bytes: int = setting(1 << 30, "memory of one program, bytes", OURS + "sympy needs 0.2 GB", gt=0)


class MiniWebSettings(Section):
    """The generated mini web and word problems of the demonstration."""

    num_pages: int = setting(3000, "pages of the mini web", OURS + "demonstration", gt=0)
    num_domains: int = setting(150, "domains of the mini web", OURS + "demonstration", ge=20)
    num_warc_files: int = setting(4, "WARC files the pages are written to", OURS + "demonstration", ge=1)
    num_seed_texts: int = setting(
        1500, "texts of the seed", OURS + "with fewer, 3 epochs of fastText leave shops and code above 0.5", gt=0
    )
    num_train_problems: int = setting(4000, "word problems with solutions", OURS + "demonstration", gt=0)
    num_test_problems: int = setting(500, "held-out word problems", OURS + "demonstration", gt=0)


class Recipe(Section):
    """A whole run."""

    preset: str = setting("paper", "name of the preset this recipe started from", OURS + "bookkeeping")
    seed: int = setting(0, "seed of every random choice", OURS + "reproducibility", ge=0)
    mini_web: MiniWebSettings = MiniWebSettings()
    extract: ExtractSettings = ExtractSettings()
    opt_out: OptOutSettings = OptOutSettings()
    dedup: DedupSettings = DedupSettings()
    seeds: SeedSettings = SeedSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    ranking: RankingSettings = RankingSettings()
    volume: VolumeSettings = VolumeSettings()
    domains: DomainSettings = DomainSettings()
    annotation: AnnotationSettings = AnnotationSettings()
    iteration: IterationSettings = IterationSettings()
    decontamination: DecontaminationSettings = DecontaminationSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    mixture: MixtureSettings = MixtureSettings()
    model: ModelSettings = ModelSettings()
    pretrain: PretrainSettings = PretrainSettings()
    sft: SftSettings = SftSettings()
    reward_model: RewardModelSettings = RewardModelSettings()
    rl: RlSettings = RlSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

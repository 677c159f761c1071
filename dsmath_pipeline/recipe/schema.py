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

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), defer_build=True)


OURS = "not in the paper: "


class FetchSettings(Section):
    """Where Common Crawl's files come from and how politely they are fetched. Decides nothing about the content."""

    base_url: str = setting(
        "https://data.commoncrawl.org/",
        "where crawl-data/ and cc-index/ lie: an address, s3://bucket/prefix or a folder",
        OURS + "Common Crawl's own",
    )
    index_url: str = setting("https://index.commoncrawl.org/", "where collinfo.json lies", OURS + "Common Crawl's own")
    s3_anonymous: bool = setting(
        False, "ask s3:// without credentials", OURS + "Common Crawl's bucket answers only to AWS accounts"
    )
    requests_per_second: float = setting(
        1.0, "requests of all processes of this machine together", OURS + "what Common Crawl calls polite", gt=0
    )
    timeout_seconds: float = setting(60.0, "silence after which a request is made again", OURS + "common", gt=0)
    max_wait_seconds: float = setting(
        300.0, "longest wait between two tries", OURS + "a throttled server recovers", gt=0
    )
    give_up_seconds: float = setting(
        21_600.0, "time without a new byte after which a file is given up", OURS + "outages last hours", gt=0
    )
    verify_gzip: bool = setting(
        True, "unpack each fetched file once to see that it is whole", OURS + "about 1 % of the work"
    )
    cache_bytes: int = setting(50_000_000_000, "fetched files kept on disk, bytes", OURS + "about 50 WARC files", gt=0)


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


class RefreshSettings(Section):
    """New crawls for a corpus that is finished. Decides nothing about the content."""

    max_age_days: float = setting(
        90.0,
        "a warning when the newest page of the corpus was crawled earlier, days",
        OURS + "Common Crawl publishes every month or two, some weeks after the last page",
        gt=0,
    )
    listing_interval_hours: float = setting(
        24.0, "time between two looks at the list of crawls, hours", OURS + "the list changes once a month", ge=1
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
    config_file: str = setting(
        "",
        "Hugging Face config.json of any causal language model, to start from instead of the shape above",
        OURS + "other architectures; its vocabulary size is set to the tokenizer's",
    )
    trust_remote_code: bool = setting(
        False, "run Python code that a model folder or hub model brings along", OURS + "off: such code can do anything"
    )


class PretrainSettings(Section):
    """Continued pretraining (2.3) and the corpus validation runs (2.2)."""

    num_tokens: int = setting(150_000_000_000, "training length, tokens", "section 2.2", gt=0)
    batch_tokens: int = setting(
        4_194_304, "tokens in one optimizer step", "section 2.2: 4 M, taken as 1,024 sequences of 4 K", gt=0
    )
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
    separate_documents: bool = setting(
        False,
        "positions restart with every document of a sequence and attention never crosses its border",
        OURS + "packing not described; as common for base models, documents follow each other freely",
    )
    held_out_share: float = setting(
        0.001,
        "share of each source's documents that is never trained on, for measuring perplexity, by hash of the text, 0-1",
        OURS + "to see overfitting and compare sources",
        ge=0,
        lt=1,
    )
    held_out_tokens: int = setting(
        1_000_000, "held-out tokens measured of each source, at most", OURS + "perplexity to about 0.2 %", gt=0
    )
    held_out_steps: int = setting(
        1000, "optimizer steps between measurements of the held-out perplexity", OURS + "a minute in an hour", gt=0
    )
    precision: Literal["auto", "bf16", "fp32"] = setting(
        "auto", "bf16 or fp32 arithmetic, weights in fp32; auto: bf16 on a GPU, fp32 on a CPU", OURS + "usual"
    )
    micro_batch_sequences: int = setting(8, "sequences in one forward pass", OURS + "fits a GPU", gt=0)
    gradient_checkpointing: bool = setting(
        False, "compute activations again in the backward pass: less memory, a third more time", OURS + "memory only"
    )
    torch_compile: bool = setting(
        False, "compile the model: a minute at the start, faster steps on a GPU", OURS + "speed only"
    )
    fsdp: bool = setting(
        False,
        "shard weights, gradients and optimizer over the devices (an accelerate config can do it as well)",
        OURS + "memory only",
    )
    save_steps: int = setting(1000, "optimizer steps between checkpoints", OURS + "about an hour", gt=0)
    device_peak_flops: float = setting(
        0.0,
        "peak of one device for the MFU, FLOP/s; 0: known for A100, H100, H200 and B200 in bf16, else no MFU",
        OURS + "reporting only",
        ge=0,
    )


class ValidationSettings(Section):
    """The same model trained on one corpus after the other, to compare the corpora (table 1)."""

    init: str = setting(
        "",
        "model folder or hub name that every training starts from; empty: random weights in the shape below",
        OURS + "section 2.2 starts from DeepSeek-LLM 1.3B, whose weights are not published",
    )
    tokenizer: str = setting(
        "",
        "tokenizer folder or hub name; empty: that of init, else one trained on equal parts of crawl, seed and final",
        OURS + "no corpus may have a tokenizer of its own",
    )
    vocab_size: int = setting(
        102_400, "vocabulary of a tokenizer that is trained, tokens", OURS + "as tokenizer", ge=300
    )
    hidden_size: int = setting(2048, "width", OURS + "DeepSeek-LLM 1.3B's size class", gt=0)
    intermediate_size: int = setting(5504, "width of the feed-forward layer", OURS + "8/3 of the width", gt=0)
    num_layers: int = setting(24, "layers", OURS + "1.3B size class", gt=0)
    num_heads: int = setting(16, "attention heads", OURS + "1.3B size class", gt=0)
    initializer_range: float = setting(0.02, "standard deviation of the initial weights", OURS + "common default", gt=0)
    num_tokens: int = setting(150_000_000_000, "training length on every corpus, tokens", "section 2.2", gt=0)
    batch_tokens: int = setting(4_194_304, "tokens in one optimizer step", "section 2.2: 4 M", gt=0)
    context_tokens: int = setting(4096, "sequence length, tokens", "section 2.2", gt=0)
    peak_learning_rate: float = setting(5.3e-4, "peak learning rate", "section 2.2", gt=0)
    warmup_steps: int = setting(2000, "linear warm-up, optimizer steps", "section 2.2", ge=0)
    micro_batch_sequences: int = setting(8, "sequences in one forward pass", OURS + "fits a GPU", gt=0)
    num_seeds: int = setting(1, "trainings on every corpus, each with its own seed", OURS + "one in the paper", ge=1)
    held_out_share: float = setting(
        0.01,
        "share of the mathematics of seed and crawl that no corpus is trained on, by hash of the URL, 0-1",
        OURS + "benchmarks say nothing about small models, perplexity does",
        gt=0,
        lt=1,
    )
    held_out_tokens: int = setting(
        1_000_000, "tokens measured of each held-out set, at most", OURS + "bounds time", gt=0
    )
    benchmarks: tuple[str, ...] = setting(
        ("gsm8k", "math", "ocw", "sat", "mmlu_stem", "cmath", "gaokao_mathcloze", "gaokao_mathqa"),
        "benchmarks that every model is evaluated on with worked examples, by chain of thought",
        "section 2.2, table 1",
    )


class SftSettings(Section):
    """Supervised fine-tuning."""

    num_steps: int = setting(500, "optimizer steps", "section 3", gt=0)
    batch_sequences: int = setting(
        256,
        "concatenated sequences in one optimizer step",
        "section 3: a batch of 256; sequences, for 500 steps are then about one pass over 776 K examples",
        gt=0,
    )
    max_examples: int = setting(776_000, "examples used", "section 3", gt=0)
    context_tokens: int = setting(4096, "examples are concatenated up to this length, tokens", "section 3", gt=0)
    learning_rate: float = setting(5e-5, "constant learning rate", "section 3", gt=0)
    beta1: float = setting(0.9, "AdamW beta 1", OURS + "as in pretraining")
    beta2: float = setting(0.95, "AdamW beta 2", OURS + "as in pretraining")
    weight_decay: float = setting(0.1, "AdamW weight decay", OURS + "as in pretraining")
    max_grad_norm: float = setting(1.0, "gradient clipping", OURS + "as in pretraining")
    precision: Literal["auto", "bf16", "fp32"] = setting(
        "auto", "bf16 or fp32 arithmetic, weights in fp32; auto: bf16 on a GPU, fp32 on a CPU", OURS + "usual"
    )
    gradient_checkpointing: bool = setting(
        False, "compute activations again in the backward pass: less memory, a third more time", OURS + "memory only"
    )
    fsdp: bool = setting(False, "shard weights, gradients and optimizer over the devices", OURS + "memory only")
    micro_batch_sequences: int = setting(2, "concatenated sequences in one forward pass", OURS + "fits a GPU", gt=0)
    save_steps: int = setting(100, "optimizer steps between checkpoints", OURS + "minutes", gt=0)


class RewardModelSettings(Section):
    """Reward models of completions and of steps, initialised from the base model."""

    kind: Literal["outcome", "process"] = setting(
        "outcome", "what is scored: whole completions, or every step of them", "section 4.1.2 and 4.1.3"
    )
    loss: Literal["pointwise", "pairwise"] = setting(
        "pointwise",
        "outcome model: right or wrong by cross-entropy, or the right completion of a question above the wrong one",
        OURS + "not stated; a probability can be mixed with other rewards",
    )
    learning_rate: float = setting(2e-5, "learning rate", "section 4.2", gt=0)
    num_questions: int = setting(144_000, "questions with sampled solutions", "section 4.2", gt=0)
    samples_per_question: int = setting(4, "solutions sampled for each question", OURS + "not stated", ge=1)
    temperature: float = setting(1.0, "temperature of these samples", OURS + "not stated; as in GRPO's rollouts", gt=0)
    max_completion_tokens: int = setting(1024, "longest sampled solution, tokens", OURS + "as in GRPO's rollouts", gt=0)
    step_pattern: str = setting(
        r"\n+",
        "process model: a step of a solution ends with every match of this regular expression",
        OURS + "not stated; a line is a step in Math-Shepherd",
    )
    completions_per_step: int = setting(
        8, "process model: completions sampled from the end of every step", OURS + "not stated; Math-Shepherd's N", ge=1
    )
    step_labels: Literal["hard", "soft"] = setting(
        "hard",
        "process model: a step is right if any completion from it is (hard), or as the share that is (soft)",
        OURS + "not stated; Math-Shepherd trains on the hard estimate",
    )
    batch_examples: int = setting(256, "solutions in one optimizer step", OURS + "as in SFT", gt=0)
    num_epochs: int = setting(1, "passes over the solutions", OURS + "not stated", ge=1)
    beta1: float = setting(0.9, "AdamW beta 1", OURS + "as in pretraining")
    beta2: float = setting(0.95, "AdamW beta 2", OURS + "as in pretraining")
    weight_decay: float = setting(0.0, "AdamW weight decay", OURS + "not stated")
    max_grad_norm: float = setting(1.0, "gradient clipping", OURS + "as in pretraining")
    held_out_share: float = setting(0.1, "share of the questions kept for measuring, 0-1", OURS + "to see overfitting")
    micro_batch_examples: int = setting(8, "solutions in one forward pass", OURS + "fits a GPU", gt=0)
    save_steps: int = setting(100, "optimizer steps between checkpoints", OURS + "minutes", gt=0)


RlMethod = Literal["grpo_outcome", "grpo_process", "online_rft", "rft", "reinforce", "ppo", "dpo", "trpo"]


class RlSettings(Section):
    """Reinforcement learning: Algorithm 1 with GRPO, or another method of the unified paradigm."""

    method: RlMethod = setting("grpo_outcome", "how the policy learns from sampled completions", "section 4 and 5.2")
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
    clip_range_high: float | None = setting(
        None, "upper epsilon where it differs (clip-higher); none: clip_range", OURS + "DAPO's option"
    )
    normalization: Literal["completion", "token", "constant"] = setting(
        "completion",
        "what a completion's tokens are divided by: its length, all tokens of the step, or max_completion_tokens",
        "section 4.1; token and constant are DAPO's and Dr. GRPO's options",
    )
    divide_by_std: bool = setting(
        True,
        "divide group-relative rewards by their standard deviation",
        "section 4.1; without it is Dr. GRPO's option",
    )
    mask_truncated: bool = setting(
        False, "completions cut off at the length limit have no gradient", OURS + "DAPO's option"
    )
    skip_without_spread: bool = setting(
        False, "leave groups of equal rewards out of the update, KL term and all", OURS + "DAPO's option"
    )
    kl_estimator: Literal["k1", "k2", "k3"] = setting("k3", "KL estimate in GRPO's loss", "section 4.1, equation 4")
    kl_ratio_corrected: bool = setting(
        False, "multiply GRPO's KL term by the ratio: gradient of KL(policy || reference)", OURS + "an option"
    )
    group_size: int = setting(64, "completions sampled for each question, G", "section 4.2", ge=2)
    batch_completions: int = setting(1024, "completions in one exploration stage", "section 4.2", gt=0)
    updates_per_exploration: int = setting(1, "policy updates per exploration stage, mu", "section 4.2", ge=1)
    num_iterations: int = setting(
        1,
        "iterations, I: after each the reference becomes the policy and the reward model learns",
        "section 4.1.4",
        ge=1,
    )
    max_completion_tokens: int = setting(1024, "longest completion, tokens", "section 4.2", gt=0)
    num_steps: int = setting(140, "exploration stages of an iteration, M", OURS + "one pass over 144 K is 9,000", gt=0)
    temperature: float = setting(1.0, "sampling temperature", OURS + "not stated; 1 samples the policy itself", gt=0)
    solution: Literal["cot", "tool"] = setting(
        "cot", "how completions are written: chain of thought, or with programs that are run", "section 4.2: cot"
    )
    max_tool_rounds: int = setting(
        3, "programs that one tool-integrated completion may run", OURS + "as evaluation", ge=1
    )
    std_epsilon: float = setting(1e-6, "added to the group's standard deviation", OURS + "avoids division by zero")
    rule_reward_weight: float = setting(1.0, "weight of the rule reward (grading)", OURS + "verifiable problems", ge=0)
    model_reward_weight: float = setting(0.0, "weight of the reward model's probability", "section 4.2 uses 1", ge=0)
    format_reward_weight: float = setting(
        0.0, "weight of the format reward: 1 for a completion that ended and boxed an answer", OURS + "an option", ge=0
    )
    length_penalty_weight: float = setting(
        0.0, "weight of minus the length as a share of max_completion_tokens", OURS + "an option", ge=0
    )
    step_pattern: str = setting(
        r"\n+",
        "process supervision: a step ends with every match of this regular expression",
        OURS + "not stated; must be that of the process model",
    )
    average_steps: bool = setting(
        False,
        "process supervision: mean over the steps still to come instead of their sum",
        OURS + "an option; section 4.1.3 sums, which favours many steps",
    )
    replay_share: float = setting(
        0.1, "historical share of the data that the reward model learns from after an iteration", "section 4.1.4",
        ge=0, lt=1,
    )  # fmt: skip
    reward_learning_rate: float = setting(2e-5, "learning rate of that retraining", "section 4.2", gt=0)
    reward_batch_examples: int = setting(256, "completions in a step of that retraining", OURS + "as before", gt=0)
    baseline: Literal["none", "batch", "leave_one_out"] = setting(
        "leave_one_out", "REINFORCE: baseline, of the batch or of the group's others", OURS + "REINFORCE is not"
    )
    discount: float = setting(1.0, "REINFORCE and PPO: gamma", OURS + "usual for language models", gt=0, le=1)
    gae_lambda: float = setting(0.95, "PPO: lambda of the advantage estimate", OURS + "usual value", ge=0, le=1)
    value_learning_rate: float = setting(
        1e-5, "PPO: learning rate of the value model", OURS + "ten times the policy's", gt=0
    )
    dpo_beta: float = setting(2.0, "DPO: beta of the length-normalised margin", OURS + "not stated", gt=0)
    pairs_per_group: int = setting(
        4, "DPO: pairs of a right and a wrong completion of a group, at most", OURS + "bound", ge=1
    )
    max_kl: float = setting(
        0.01,
        "TRPO: radius of the trust region, nats a token; it falls with the square of what decay_from says",
        OURS + "TRPO's usual value",
        gt=0,
    )
    held_out_questions: int = setting(
        0, "questions never trained on, solved greedily now and then; 0: none", OURS + "shows reward hacking", ge=0
    )
    held_out_steps: int = setting(
        10, "exploration stages between these measurements", OURS + "seconds in minutes", ge=1
    )
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
    program_cpu_seconds: int = setting(10, "CPU time of one program, seconds", OURS + "sympy's slow cases", gt=0)
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
    fetch: FetchSettings = FetchSettings()
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
    refresh: RefreshSettings = RefreshSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    mixture: MixtureSettings = MixtureSettings()
    model: ModelSettings = ModelSettings()
    pretrain: PretrainSettings = PretrainSettings()
    validation: ValidationSettings = ValidationSettings()
    sft: SftSettings = SftSettings()
    reward_model: RewardModelSettings = RewardModelSettings()
    rl: RlSettings = RlSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

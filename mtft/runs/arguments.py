"""What a run is asked to do, beside the trainer's own arguments."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtft.errors import ConfigError


@dataclass
class RunArguments:
    """One run: data, model, pretraining, evaluation. The trainer's settings stand in `MultitaskArguments`."""

    model: str = field(
        default="tiny",
        metadata={
            "help": "A Hub id, a model folder, or a built-in size (tiny, small) made from a configuration."
        },
    )
    revision: str | None = field(
        default=None, metadata={"help": "Revision of a Hub model; pin a commit for a reproducible run."}
    )
    family: str = field(default="mt5", metadata={"help": "Architecture of a built-in size: mt5 or bloom."})
    vocab_size: int = field(
        default=4096,
        metadata={"help": "Most entries of the tokenizer that is trained for a built-in size."},
    )
    add_tags: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Linearisation styles or codecs whose tags become tokens of the model, such as unified, "
            "locations or sentinels."
        },
    )
    mixture: str = field(default="mini_xp3", metadata={"help": "Name or path of the training mixture."})
    suite: str | None = field(
        default=None, metadata={"help": "Name or path of the evaluation suite; default: the mixture's name."}
    )
    only_tasks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Train on these of the mixture's tasks alone, in the mixture's order: for single-task baselines."
        },
    )
    mixture_rows_per_step: int | None = field(
        default=None,
        metadata={
            "help": "With --only_tasks: step k takes what the k-th so many rows of the whole mixture hold of these "
            "tasks, perhaps none; default: every step is filled."
        },
    )
    templates: list[str] = field(
        default_factory=list,
        metadata={"help": "Names or patterns of templates to train and score, in place of the mixture's."},
    )
    sample: str | None = field(
        default=None,
        metadata={
            "help": "Train on so many items of each cell, 32 or 5%, in place of what the mixture says."
        },
    )
    stratify: str | None = field(
        default=None, metadata={"help": "Column whose values share the sample evenly, such as category."}
    )
    data_root: str | None = field(
        default=None,
        metadata={"help": "Folder of the local datasets (docs/data.md); default $MTFT_DATA_ROOT."},
    )
    prompts: list[str] = field(
        default_factory=list,
        metadata={"help": "Folders of own task cards and templates, which go before the built-in ones."},
    )
    strict: bool = field(
        default=False, metadata={"help": "Stop at the first malformed row instead of counting it."}
    )
    overwrite: bool = field(
        default=False, metadata={"help": "Replace the run that stands in the output folder."}
    )
    max_input_tokens: int | None = field(
        default=None,
        metadata={"help": "Longer inputs are dropped or cut, and counted; default: the mixture's limit."},
    )
    max_target_tokens: int | None = field(
        default=None,
        metadata={"help": "Longer targets are dropped and counted; default: the mixture's limit."},
    )
    exemplars: int | None = field(
        default=None,
        metadata={
            "help": "Answered examples of the same task, language and template before each training prompt, as many "
            "as fit; default: what the mixture says, else none."
        },
    )
    over_long: str | None = field(
        default=None,
        metadata={
            "help": "What becomes of longer inputs: drop, or truncate in the column that the card names for the "
            "template; default: what the mixture says, else drop."
        },
    )
    pretrain_steps: int = field(
        default=0, metadata={"help": "Steps of short pretraining on raw text, for built-in sizes only."}
    )
    pretrain_learning_rate: float = field(default=1e-3, metadata={"help": "Peak rate of the pretraining."})
    pretrain_batch_size: int = field(default=32, metadata={"help": "Rows per pretraining step."})
    pretrain_row_length: int = field(default=64, metadata={"help": "Tokens per pretraining row."})
    evaluate: bool = field(default=True, metadata={"help": "Score the suite and write the report."})
    evaluate_base: bool = field(
        default=True, metadata={"help": "Score the model before finetuning too, for the comparison."}
    )
    max_items_per_cell: int = field(
        default=100, metadata={"help": "Items per task and language in the evaluation, drawn by item group."}
    )
    eval_batch_tokens: int = field(default=8192, metadata={"help": "Tokens per evaluation batch."})
    protocol: str | None = field(
        default=None,
        metadata={
            "help": "Scoring protocol; default: as trained for built-in sizes, else the suite's or family's."
        },
    )
    self_check: int = field(
        default=0,
        metadata={"help": "Compare the fast scoring with the naive one on so many examples per task."},
    )
    validate_every: int = field(
        default=0,
        metadata={
            "help": "Steps between two checkpoints that are saved and scored zero-shot on the validation suite, "
            "and the last step; 0 for none."
        },
    )
    validation_suite: str | None = field(
        default=None,
        metadata={
            "help": "Name or path of a suite on the validation side; default: the cells that the mixture holds out "
            "for validation. No cell of it may train or be reported."
        },
    )
    validation_items: int | None = field(
        default=None,
        metadata={"help": "Items per task and language in it; default: the suite's own, else 50."},
    )
    early_stopping_patience: int = field(
        default=0,
        metadata={"help": "End the training after so many validations that are not the best; 0 for never."},
    )
    export_checkpoint: str = field(
        default="last",
        metadata={
            "help": "Which model the run leaves and reports: the `last`, or the `best` on the validation suite."
        },
    )
    shuffled_labels: bool = field(
        default=False,
        metadata={"help": "Train on targets shuffled within each task: a control, not a model to use."},
    )
    bag_of_tokens: bool = field(
        default=False,
        metadata={
            "help": "Score a classifier over shared tokens, trained on the seen languages, as a control."
        },
    )

    def __post_init__(self) -> None:
        self.check_source()

    def check_source(self) -> None:
        """Refuse what would train on something else than it says.

        Raises:
            ConfigError: Single tasks with shuffled labels, or a mixture's rows per step without single tasks.
        """
        if self.only_tasks and self.shuffled_labels:
            raise ConfigError(
                "Shuffled labels are a control of the whole mixture.",
                found=f"--shuffled_labels with --only_tasks {' '.join(self.only_tasks)}",
                remedy="Give one of them; for a control on some tasks, a mixture of these tasks.",
            )
        if self.mixture_rows_per_step is not None and not self.only_tasks:
            raise ConfigError(
                "`--mixture_rows_per_step` says which rows a run of some of the mixture's tasks takes.",
                found=f"{self.mixture_rows_per_step} without --only_tasks",
            )


@dataclass
class EvaluateArguments:
    """One evaluation of one model on one suite."""

    model: str = field(metadata={"help": "A Hub id or a model folder."})
    suite: str = field(metadata={"help": "Name or path of a suite."})
    output_dir: str = field(metadata={"help": "Where results, samples and the report are written."})
    revision: str | None = field(default=None, metadata={"help": "Revision of a Hub model."})
    model_name: str = field(default="model", metadata={"help": "What the report calls the model."})
    data_root: str | None = field(
        default=None,
        metadata={"help": "Folder of the local datasets (docs/data.md); default $MTFT_DATA_ROOT."},
    )
    prompts: list[str] = field(default_factory=list, metadata={"help": "Folders of own cards and templates."})
    pretrained_languages: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Languages the model was pretrained on: codes, `bloom`, `mc4` or `all`; default: the suite's, else "
            "what is known of the model."
        },
    )
    protocol: str | None = field(
        default=None, metadata={"help": "Scoring protocol; default: the suite's, else the model family's."}
    )
    max_items_per_cell: int | None = field(default=None, metadata={"help": "Default: the suite's own."})
    tasks: list[str] = field(
        default_factory=list, metadata={"help": "Only these of the suite's tasks; default: all."}
    )
    languages: list[str] = field(
        default_factory=list,
        metadata={"help": "Only these languages of them, by code or configuration; default: all."},
    )
    batch_tokens: int = field(default=8192, metadata={"help": "Tokens per batch."})
    shots: int | None = field(
        default=None, metadata={"help": "Answered examples before each prompt; default: the suite's own."}
    )
    shots_from: str | None = field(
        default=None, metadata={"help": "Their side: train, validation or either; default: the suite's own."}
    )
    seed: int | None = field(
        default=None, metadata={"help": "Seed of random choices in templates; default: the suite's."}
    )
    self_check: int = field(
        default=0,
        metadata={"help": "Compare fast and naive scoring on so many examples of every task first."},
    )
    reference: bool = field(
        default=False, metadata={"help": "Score naively: every choice alone with its prompt. Slow."}
    )
    score_function: str | None = field(
        default=None,
        metadata={
            "help": "What ranks choices: sum, token, character, byte or pmi; default: the suite's, which is sum."
        },
    )
    generation_backend: str = field(
        default="transformers", metadata={"help": "What generates texts: transformers or vllm (its extra)."}
    )
    quantization: str = field(
        default="none", metadata={"help": "What linear layers are held in: none, 4bit or 8bit."}
    )
    device_map: str | None = field(
        default=None, metadata={"help": "Spread the weights over devices, as `auto` does; one process."}
    )
    partition_weights: bool = field(
        default=False,
        metadata={
            "help": "DeepSpeed ZeRO-3: every process holds its part of the weights, all run all batches."
        },
    )
    contamination_index: str | None = field(
        default=None,
        metadata={
            "help": "Overlap index of the training text, in which items are looked up (docs/evaluation.md); default: "
            "that of the run which the model stands in."
        },
    )
    strict: bool = field(default=False, metadata={"help": "Stop at the first malformed row."})

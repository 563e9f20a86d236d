"""One evaluation of one model, from flags to report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mtft.evaluation import EngineSettings, Suite, TrainedOn
from mtft.evaluation.vllm_generation import BACKENDS
from mtft.reporting import write_report
from mtft.runs.arguments import EvaluateArguments
from mtft.runs.data import Library
from mtft.runs.folder import SETTINGS, RunFolder, on_main_first, resolved_settings
from mtft.runs.overlap import find_index, trained_step
from mtft.runs.placement import Placement, check_choice
from mtft.runs.pretraining import pretrained_languages
from mtft.runs.provenance import reproduction
from mtft.runs.scoring import score
from mtft.tasks import Problems


def evaluate_model(arguments: EvaluateArguments) -> Path:
    """The path of the report; results and samples stand beside it.

    A model of a run that began from a configuration is scored as it was trained, unless a protocol is named; its cells
    are seen or held out against the run's own mixture.

    Raises:
        MtftError: The suite, the data or the model cannot be used; all but the model is found before it is loaded.
    """
    library = Library.open(arguments.prompts, arguments.data_root, strict=arguments.strict)
    suite = Suite.load(arguments.suite).with_items(arguments.max_items_per_cell)
    suite = suite.with_shots(arguments.shots, arguments.shots_from).with_protocol(arguments.protocol)
    suite = suite.with_score_function(arguments.score_function)
    suite = suite.restricted_to(arguments.tasks, arguments.languages)
    placement = Placement(arguments.quantization, arguments.device_map, arguments.partition_weights)
    placement.check()
    check_choice("generation_backend", arguments.generation_backend, BACKENDS)
    if arguments.seed is not None:
        suite = replace(suite, seed=arguments.seed)
    problems = Problems(strict=arguments.strict)
    model = RunFolder(Path(arguments.model))
    # A finished run says what its model was finetuned on.
    trained = TrainedOn.of_manifest(model.manifest, library.cards) if model.manifest.is_file() else None
    examples = suite.examples(
        library.cards,
        library.templates,
        library.sources,
        problems,
        trained=trained,
        pretrained=arguments.pretrained_languages or pretrained_languages(arguments.model),
    )
    overlap = find_index(arguments.model, arguments.contamination_index)
    folder = Path(arguments.output_dir)
    own = (model.path / SETTINGS).is_file()
    results = score(
        arguments.model,
        suite,
        examples,
        EngineSettings(
            arguments.batch_tokens,
            suite.max_input_tokens,
            arguments.self_check,
            folder / "outputs",
            arguments.reference,
        ),
        name=arguments.model_name,
        protocol=arguments.protocol or suite.protocol or ("trained" if own else None),
        revision=arguments.revision,
        placement=placement,
        generation_backend=arguments.generation_backend,
        step=trained_step(arguments.model),
        overlap=overlap,
    )
    with on_main_first() as main:
        if main:
            made = {
                "problems": problems.as_dict(),
                "reproduce": reproduction(settings=resolved_settings(arguments)),
            }
            content = results.with_extras(**made).save(folder)
            write_report(content, folder, folder / "samples.parquet")
    return folder / "report.html"

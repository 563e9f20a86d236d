"""Zero-shot evaluation of one model on a suite: rank classification and generation, per task × language ×
template.

accelerate launch eval/zero_shot.py --model DIR_OR_ID --suite open_multilingual --data_root DATA --output_dir
OUT

OUT then holds results.json, samples.parquet (one row per scored example), report.html and report.md.
"""

from mtft.runs import EvaluateArguments, evaluate_model, read_arguments, readable_errors


@readable_errors
def main() -> None:
    """Reads the flags, scores the model, writes the report."""
    evaluate_model(read_arguments(EvaluateArguments))


if __name__ == "__main__":
    main()

"""Multitask finetuning of BLOOM on prompted multilingual tasks, ending in a zero-shot report.

accelerate launch recipes/xp3_bloom.py                                    # mini-xP3: offline, two CPU cores, minutes
accelerate launch recipes/xp3_bloom.py --mixture open_multilingual --data_root DATA --max_steps 200
accelerate launch recipes/xp3_bloom.py --model bigscience/bloom-560m --mixture open_multilingual --data_root DATA

Settings stand in `recipes/runs/xp3_bloom.yaml`; every one of them is also a flag, and `--preset smoke` takes a minute.
"""

from mtft.runs import Run, read_settings, readable_errors

RECIPE = "xp3_bloom"


@readable_errors
def main() -> None:
    """Rows → mixture → base model → evaluation → finetuning → evaluation → report."""
    run = Run(*read_settings(RECIPE))
    run.prepare_data()  # every mistake in cards, templates, rows and suite is found here
    run.prepare_model()  # loaded, or built from a configuration and pretrained briefly
    run.evaluate("base")
    run.finetune()
    run.evaluate("finetuned")
    run.report()


if __name__ == "__main__":
    main()

"""One finetuning run by a recipe's settings file, ending in a zero-shot report; BLOOMZ's and mT0's are among them.

accelerate launch recipes/finetune.py --recipe bloomz_560m --preset smoke     # offline, two CPU cores, a minute
accelerate launch --config_file recipes/accelerate/gpu_ddp.yaml recipes/finetune.py --recipe bloomz_560m
accelerate launch --config_file recipes/accelerate/gpu_zero3.yaml recipes/finetune.py --recipe mt0_xl --mixture xp3mt
accelerate launch recipes/finetune.py --recipe my_recipe.yaml --learning_rate 1e-4

`--recipe` is a name under `recipes/runs/` or the path of a file; every setting in it is also a flag. The published
recipes train on Hub data, built once by `mtft mixture build xp3 --online`. docs/scale.md says what they hold.
"""

from mtft.runs import Run, read_recipe, readable_errors


@readable_errors
def main() -> None:
    """Rows → mixture → base model → evaluation → finetuning → evaluation → report."""
    run = Run(*read_recipe())
    run.prepare_data()  # every mistake in cards, templates, rows and suite is found here
    run.prepare_model()  # loaded, or built from a configuration and pretrained briefly
    run.evaluate("base")
    run.finetune()
    run.evaluate("finetuned")
    run.report()


if __name__ == "__main__":
    main()

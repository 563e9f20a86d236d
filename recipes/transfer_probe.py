"""Does a helpful task help, does a harmful one harm, where the target task's training loss is the same?

accelerate launch recipes/transfer_probe.py                    # the micro-world: offline, two CPU cores, minutes
accelerate launch recipes/transfer_probe.py --seeds 4 5 6
accelerate launch recipes/transfer_probe.py --preset smoke     # less than a minute; its gaps mean nothing

The target task has few items. Beside it trains nothing, a sibling task, or labels drawn at random; steps and rows of
the target task per step are the same, and a seed's runs begin with the same weights. The gap is the development
metric of both tasks together minus that of the target alone, at the same training loss; it counts beyond two standard
deviations over seeds. Settings stand in `recipes/runs/transfer_probe.yaml`; how they were found, in docs/comparison.md.
"""

from mtft.runs import gap_line, read_probe, readable_errors, transfer_probe


@readable_errors
def main() -> None:
    """Runs what is missing, then prints the gap beside each auxiliary task."""
    arguments, flags = read_probe()
    found = transfer_probe(arguments, flags)
    for row in found["gaps"]:
        print(gap_line(found["target"], row))
    print("Report:", f"{arguments.probe_dir}/report.html")


if __name__ == "__main__":
    main()

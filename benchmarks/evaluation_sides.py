"""The two sides of the evaluation benchmark: lm-evaluation-harness's model class, and our likelihood engine."""

from __future__ import annotations

import gc
import logging
import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from lm_eval.models.huggingface import HFLM
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmarks.evaluation_data import Question
from mtft.evaluation import LikelihoodEngine
from mtft.evaluation.requests import RankIds

PEER_BATCH = 16
TOLERANCE = 1e-5  # of a log-likelihood

Request = tuple[tuple[str, str], list[int], list[int]]
Scores = list[list[float]]


class Asked(NamedTuple):
    """The same questions as each side takes them, with the harness's ids: neither tokenises in the time it takes."""

    peer: list[Request]
    ours: list[RankIds]


class Sides(NamedTuple):
    """Both sides on one model of the library: the same weights, and the same modules for all but the engine's own."""

    peer: HFLM
    ours: LikelihoodEngine


def sides_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_tokens: int) -> Sides:
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    model.eval()
    peer = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=PEER_BATCH, device="cpu", max_length=2048)
    return Sides(peer, LikelihoodEngine(model, int(tokenizer.pad_token_id), batch_tokens=batch_tokens))


def asked_of(peer: HFLM, questions: Sequence[Question]) -> Asked:
    """The questions' ids by the harness's own rules for its model: see its `_encode_pair`."""
    requests: list[Request] = []
    items = []
    for number, question in enumerate(questions):
        pairs = [peer._encode_pair(question.prompt, choice) for choice in question.choices]
        requests += [
            ((question.prompt, choice), *pair) for choice, pair in zip(question.choices, pairs, strict=True)
        ]
        prompts = {tuple(prompt) for prompt, _ in pairs}
        assert len(prompts) == 1, "a choice changes the tokens before it"
        items.append(RankIds(str(number), prompts.pop(), tuple(tuple(choice) for _, choice in pairs)))
    return Asked(requests, items)


def peer_scores(sides: Sides, asked: Asked) -> Scores:
    found = iter(sides.peer._loglikelihood_tokens(asked.peer, disable_tqdm=True))
    return [[next(found)[0] for _ in item.choices] for item in asked.ours]


def our_scores(sides: Sides, asked: Asked) -> Scores:
    with torch.inference_mode():
        batches = sides.ours.batches(asked.ours)
        known = {i.key: s for batch in batches for i, s in zip(batch, sides.ours.score(batch), strict=True)}
    return [known[item.key] for item in asked.ours]


SCORERS = {"ours": our_scores, "peer": peer_scores}


def largest_error(ours: Scores, theirs: Scores) -> float:
    """The largest difference, relative to the log-likelihood."""
    pairs = [
        (a, b) for mine, other in zip(ours, theirs, strict=True) for a, b in zip(mine, other, strict=True)
    ]
    return max(abs(a - b) / max(1.0, abs(b)) for a, b in pairs)


def seconds(name: str, sides: Sides, asked: Asked) -> float:
    """How long one side takes for all questions, in seconds of the clock, or of the core where it has only one."""
    clock: Any = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    gc.collect()
    started = clock()
    SCORERS[name](sides, asked)
    return float(clock() - started)


def in_turn(sides: Sides, asked: Asked, rounds: int) -> dict[str, float]:
    """The median seconds of each side, measured round by round."""
    turns = [{name: seconds(name, sides, asked) for name in SCORERS} for _ in range(rounds)]
    for number, turn in enumerate(turns, start=1):
        print(f"#   round {number}: {turn['peer'] / turn['ours']:.2f} times", flush=True)
    return {name: statistics.median(turn[name] for turn in turns) for name in SCORERS}

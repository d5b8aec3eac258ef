"""Collect benign prompts and documents out of local clones of openly licensed repositories.

The rows are training data only: they are written where ``--out`` says and never committed. Each
row names its repository, commit and licence.

    python -m tools.benign.collect --clones DIR --out DIR

``DIR`` holds bare or ordinary clones named ``owner+name`` (or ``owner+name/repo``).
"""

import argparse
import gzip
import hashlib
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MIN_CHARS, MAX_CHARS, CHUNK = 40, 2500, 700
MAX_PER_SOURCE = 1500


class Source(NamedTuple):
    """A repository, its licence, and how to read rows out of it."""

    repository: str
    licence: str
    prefix: str
    suffix: str
    reader: str


SOURCES = (
    Source("f/awesome-chatgpt-prompts", "CC0-1.0", "messages/", ".json", "strings"),
    Source("f/awesome-chatgpt-prompts", "CC0-1.0", "src/content/book/", ".mdx", "chunks"),
    Source("PlexPt/awesome-chatgpt-prompts-zh", "MIT", "prompts-zh", ".json", "prompts"),
    Source("yizhongw/self-instruct", "Apache-2.0", "data/seed_tasks", ".jsonl", "prompts"),
    Source("yizhongw/self-instruct", "Apache-2.0", "human_eval/user_or", ".jsonl", "prompts"),
    Source("teknium1/GPTeacher", "MIT", "Roleplay/roleplay-simple", ".json", "prompts"),
    Source("lm-sys/FastChat", "Apache-2.0", "fastchat/llm_judge/data/", "question.jsonl", "turns"),
    Source("lmarena/arena-hard-auto", "Apache-2.0", "data/", "question.jsonl", "prompts"),
    *(
        Source("dair-ai/Prompt-Engineering-Guide", "MIT", f"pages/{part}", ".mdx", "chunks")
        for part in ("techniques", "models", "applications", "research", "introduction")
    ),
    Source("brexhq/prompt-engineering", "MIT", "", ".md", "chunks"),
    Source("EleutherAI/lm-evaluation-harness", "MIT", "docs/", ".md", "chunks"),
    Source("guardrails-ai/guardrails", "Apache-2.0", "", ".md", "chunks"),
    Source("NVIDIA/garak", "Apache-2.0", "docs/", ".rst", "chunks"),
    Source("pallets/flask", "BSD-3-Clause", "docs/", ".rst", "chunks"),
    Source("cure53/DOMPurify", "Apache-2.0", "", ".md", "chunks"),
    Source("sigstore/cosign", "Apache-2.0", "", ".md", "chunks"),
)


def main() -> None:
    """Write one file per repository."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    for source in SOURCES:
        found = list(_rows(source, _clone(arguments.clones, source.repository)))
        random.Random(7).shuffle(found)  # noqa: S311 - a sample, not a secret
        rows.setdefault(source.repository, []).extend(found[:MAX_PER_SOURCE])
    for repository, some in rows.items():
        target = arguments.out / (repository.replace("/", "+") + ".jsonl.gz")
        with gzip.open(target, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in some)
        print(repository, len(some))


def _clone(clones: Path, repository: str) -> Path:
    path = clones / repository.replace("/", "+")
    return path / "repo" if (path / "repo").is_dir() else path


def _git(clone: Path, *arguments: str) -> str:
    command = ["git", "-C", str(clone), *arguments]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return done.stdout.decode("utf-8", "replace")


def _rows(source: Source, clone: Path) -> Iterator[dict[str, Any]]:
    commit = _git(clone, "rev-parse", "HEAD").strip()
    read = {"chunks": _chunks, "prompts": _prompts, "turns": _turns, "strings": _strings}
    seen: set[str] = set()
    for path in _git(clone, "ls-tree", "-r", "--name-only", "HEAD").splitlines():
        if not (path.startswith(source.prefix) and path.endswith(source.suffix)):
            continue
        for text, channel in read[source.reader](_git(clone, "show", f"HEAD:{path}")):
            short = text.strip()[:MAX_CHARS]
            if len(short) < MIN_CHARS or short in seen:
                continue
            seen.add(short)
            yield {
                "id": hashlib.sha256(short.encode()).hexdigest()[:16],
                "text": short,
                "label": 0,
                "kind": "pi_doc_hardneg" if source.reader == "chunks" else "pi_benign",
                "channel": channel,
                "source": source.repository,
                "licence": source.licence,
                "upstream": f"{source.repository}@{commit[:12]}:{path}",
            }


def _chunks(text: str) -> Iterator[tuple[str, str]]:
    chunk = ""
    for paragraph in text.split("\n\n"):
        if chunk and len(chunk) + len(paragraph) > CHUNK:
            yield chunk, "tool_result"
            chunk = ""
        chunk += paragraph + "\n\n"
    yield chunk, "tool_result"


def _prompts(text: str) -> Iterator[tuple[str, str]]:
    try:
        records = json.loads(text)
    except ValueError:
        records = [json.loads(line) for line in text.split("\n") if line.strip()]
    for record in records:
        prompt = record.get("instruction") or record.get("prompt") or ""
        given = record.get("input") or ""
        for instance in record.get("instances", [])[:1]:
            given = instance.get("input", "")
        yield (f"{prompt}\n{given}" if given else prompt), "user_prompt"
        if record.get("response"):
            yield record["response"], "completion"


def _turns(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        for turn in json.loads(line)["turns"]:
            yield turn, "user_prompt"


def _strings(text: str) -> Iterator[tuple[str, str]]:
    def leaves(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for below in value.values():
                yield from leaves(below)

    chunk: list[str] = []
    for leaf in leaves(json.loads(text)):
        chunk.append(leaf)
        if sum(map(len, chunk)) > CHUNK // 2:
            yield "\n".join(chunk), "tool_result"
            chunk = []


if __name__ == "__main__":
    main()

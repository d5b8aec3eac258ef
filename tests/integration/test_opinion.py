"""A model's second opinion: what is asked, what is made of the answer, and of none."""

import asyncio
import contextlib
import http.server
import json
import threading
import time

import pytest

from remit.guard.config import JudgeConfig, load
from remit.guard.errors import GuardError
from remit.guard.opinion import LlmJudge

PLAIN = "The weather in Lisbon is sunny today, with a light wind from the west in the evening."


class Model(http.server.BaseHTTPRequestHandler):
    """OpenAI-compatible chat completions; the words are the test's."""

    says = "7"
    status = 200
    wait_s = 0.0
    asked: list = []  # noqa: RUF012 - shared with the test on purpose

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append((self.path, self.headers.get("authorization"), json.loads(body)))
        time.sleep(self.wait_s)
        answer = {"choices": [{"message": {"role": "assistant", "content": self.says}}]}
        data = json.dumps(answer).encode() if isinstance(self.says, str) else self.says
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            self.send_response(self.status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def model():
    Model.says, Model.status, Model.wait_s = "7", 200, 0.0
    Model.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def judge(url, **more):
    config = JudgeConfig(**{"url": url, "model": "m", "timeout_s": 30.0, **more})
    return LlmJudge(config, lambda values: dict.fromkeys(values, "s3cret"))


def ask(one, text=PLAIN):
    return asyncio.run(one.ask(text))


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("7", None), ("49", None), ("50", "injection"), (" 93%\n", "injection"), ("100", "injection"),
        ("101", "unjudged"), ("yes", "unjudged"), ("", "unjudged"), ("7 of 10", "unjudged"),
        ("-5", "unjudged"), (b"{}", "unjudged"), (b"not json", "unjudged"), (b"[" * 5000, "unjudged"),
        (b'{"choices": [{"message": {"content": 7}}]}', "unjudged"),
    ],
)  # fmt: skip
def test_what_is_made_of_the_answer(model, says, kind):
    Model.says = says
    found = ask(judge(model))
    assert [f.kind for f in found] == ([kind] if kind else [])
    path, key, body = Model.asked[0]
    assert path == "/v1/chat/completions"
    assert key is None
    assert body["model"] == "m"
    assert PLAIN in body["messages"][1]["content"]


def test_no_answer_in_time_and_none_at_all(model):
    Model.wait_s = 1.0
    (found,) = ask(judge(model, timeout_s=0.5))
    assert (found.kind, found.label) == ("unjudged", "timeout")
    Model.wait_s, Model.status = 0.0, 500
    assert [f.label for f in ask(judge(model))] == ["answer"]
    assert [f.label for f in ask(judge("http://127.0.0.1:1/v1"))] == ["error"]
    assert [f.label for f in ask(judge(model, max_characters=10))] == ["too_large"]


def test_an_answer_is_remembered_and_a_failure_is_not(model):
    one = judge(model)

    async def story():
        Model.status = 500
        await one.ask(PLAIN)
        Model.status = 200
        await one.ask(PLAIN)
        await one.ask(PLAIN)
        await one.ask(f"{PLAIN}!")

    asyncio.run(story())
    assert len(Model.asked) == 3


def test_the_key_comes_from_the_secrets(model):
    from remit.guard.config import Secret

    ask(judge(model, key=Secret(secret="judge")))
    assert Model.asked[0][1] == "Bearer s3cret"


@pytest.mark.parametrize(
    "table",
    [
        'url = "http://judge.example/v1"\nmodel = "m"',
        'url = "http://127.0.0.1:1/v1"',
        'url = "http://127.0.0.1:1/v1"\nmodel = "m"\ntimeout_s = 0',
        'url = "http://127.0.0.1:1/v1"\nmodel = "m"\ntimeout = 1',
    ],
)
def test_a_configuration_that_makes_no_sense(tmp_path, table):
    path = tmp_path / "remit.toml"
    path.write_text(f"[judge]\n{table}\n")
    with pytest.raises(GuardError):
        load(path)

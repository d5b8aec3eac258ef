"""The story of `make demo`: real MCP servers under policy, and a log that cannot be bent.

Exit code 1 if any chapter does not go as it is told.
"""

import json
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from examples.demo.gate import gate
from examples.demo.registry import registry
from examples.demo.stage import CUSTOMER, Stage, line, paint, say, website
from tests.rig.programs import ROOT, count_rows, make_database, sqlite_server
from tests.rig.sdk import SdkClient

OUTPUT = ROOT / "demo-output"


def reading(stage: Stage) -> None:
    """A call that policy permits."""
    stage.chapter(
        "An agent reads, and policy permits it",
        "The agent is the official MCP SDK client; the server is the published mcp-server-git. "
        "Between them stands `remit mcp exec`.",
    )
    repository = str(stage.repository)
    with stage.connect("git") as agent:
        tools = agent.client.tools()
        line("agent", f"sees {len(tools)} of 12 tools: {', '.join(sorted(tools))}")
        stage.expect("git_reset" not in tools, "git_reset should be hidden")
        agent.call(
            "git_log", {"repo_path": repository, "max_count": 1}, allowed=True, shows="add three"
        )
        agent.call("git_reset", {"repo_path": repository}, allowed=False, shows="denied by remit")


def queries(stage: Stage) -> None:
    """What SQL really does, and not how it begins."""
    stage.chapter(
        "SQL is parsed, not pattern-matched",
        "mcp-server-sqlite runs any statement through write_query. The policy: read_query only "
        "reads, write_query only inserts orders, in all of the statement.",
    )
    with stage.connect("db") as agent:
        select = {"query": "SELECT name FROM users WHERE id < 3"}
        agent.call("read_query", select, allowed=True, shows="ada")
        insert = {"query": "INSERT INTO orders (user_id, total) VALUES (3, 12.5)"}
        agent.call("write_query", insert, allowed=True)
        delete = {"query": "WITH old AS (SELECT id FROM users) DELETE FROM users WHERE id IN old"}
        agent.call("write_query", delete, allowed=False, shows="denied by remit")
    rows = count_rows(stage.database)
    line("check", f"the table users still has {rows} rows", "green")
    stage.expect(rows == 5, "no row may be gone")
    stage.expect(count_rows(stage.database, "orders") == 3, "the order should be there")
    copy = make_database(stage.directory / "bare" / "shop.db")
    with SdkClient(sqlite_server(copy)) as bare:
        bare.call("write_query", delete)
    gone = 5 - count_rows(copy)
    line(
        "compare", f"the same DELETE on the bare server, on a copy: {gone} of 5 rows gone", "yellow"
    )
    stage.expect(gone == 5, "the bare server should have run it")


def escapes(stage: Stage) -> None:
    """Where a path leads, and not how it is spelt."""
    stage.chapter(
        "Paths are resolved before they are judged",
        "The published server-filesystem, and a policy that says: inside the workspace.",
    )
    inside = stage.workspace
    with stage.connect("files") as agent:
        agent.call(
            "read_text_file", {"path": str(inside / "notes.txt")}, allowed=True, shows="plants"
        )
        agent.call("read_text_file", {"path": f"{inside}/repo/../../../secret"}, allowed=False)
        (inside / "shortcut").symlink_to("/etc")
        agent.call("read_text_file", {"path": str(inside / "shortcut" / "hostname")}, allowed=False)


def limits(stage: Stage) -> None:
    """How often."""
    stage.chapter(
        "Limits count, and outlive a restart",
        "git_show may be used twice an hour. The agent is started anew in between.",
    )
    show = {"repo_path": str(stage.repository), "revision": "HEAD"}
    with stage.connect("git") as agent:
        agent.call("git_show", show, allowed=True)
        agent.call("git_show", show, allowed=True)
    with stage.connect("git") as agent:
        agent.call("git_show", show, allowed=False, shows="twice an hour")


def confirmation(stage: Stage) -> None:
    """Who decides in the end."""
    stage.chapter(
        "Some calls need a person",
        "A new branch must be confirmed. Guard asks through the client (MCP elicitation); the "
        "scripted person says no, then yes. The model cannot answer for the person.",
    )
    branch = {"repo_path": str(stage.repository), "branch_name": "release"}
    with stage.connect("git") as agent:
        agent.client.answer_with({"action": "decline"})
        outcome = agent.call("git_create_branch", branch, allowed=False)
        stage.expect(len(outcome["asked"]) == 1, "the person should have been asked")
        agent.client.answer_with({"action": "accept", "content": {"confirm": True}})
        agent.call("git_create_branch", branch, allowed=True, shows="release")


def rug_pull(stage: Stage) -> None:
    """A server that was trusted yesterday."""
    stage.chapter(
        "A server that changes its tools loses them",
        "Yesterday `weather` was looked at, and its tools were pinned. Today its update tells the "
        "model, in a description, to send a private key along.",
    )
    with stage.connect("weather") as agent:
        agent.call("forecast", {"city": "Lisbon"}, allowed=True, shows="sunny")
    stage.configure(weather=2)
    with stage.connect("weather") as agent:
        tools = agent.client.tools()
        line("agent", f"sees after the update: {', '.join(sorted(tools)) or 'nothing'}")
        stage.expect("forecast" not in tools, "the changed tool should be hidden")
        stage.expect("climate" in tools, "the unchanged tool should still be there")
        stage.expect(
            "id_ed25519" not in json.dumps(tools), "the poisoned text must not reach the model"
        )
        agent.call("forecast", {"city": "Lisbon"}, allowed=False)
        agent.call("climate", {"city": "Lisbon", "month": 5}, allowed=True)
    print(flush=True)
    pin = ["policy", "pin", "--state", str(stage.state("weather")), "weather", "--"]
    done = stage.remit(*pin, *stage.weather(2))
    for changed in (done.stdout + done.stderr).splitlines():
        if changed.strip().startswith(("+", "-")):
            line("says", changed, "yellow")
    stage.expect(done.returncode == 1, "remit policy pin should report a difference")
    stage.expect("id_ed25519" in done.stdout + done.stderr, "a person should see the new text")


def one_guard(stage: Stage) -> None:
    """Many clients, many servers, one Guard."""
    stage.chapter(
        "One Guard for all agents and servers of a machine",
        "`remit guard run` holds policy, pins and one log. One agent comes over stdio by "
        "`remit-mcp`, "
        "another over HTTP with a key of its own; what they may do is one policy.",
    )
    print(flush=True)
    with stage.guard() as guard:
        key = guard.key("nightly-report", "ann")
        stage.expect(key.startswith("rmt_"), "remit key new should print a key")
        with guard.by_shim("git") as one, guard.by_http("db", key) as two:
            log = {"repo_path": str(stage.repository), "max_count": 1}
            one.call("git_log", log, allowed=True, shows="add three")
            two.call("read_query", {"query": "SELECT count(*) FROM users"}, allowed=True)
            delete = {"query": "DELETE FROM users"}
            two.call("write_query", delete, allowed=False, shows="denied by remit")
            print(flush=True)
            shown = guard.status()
            for row in shown.splitlines():
                if row.strip():
                    print(f"            {stage.short(row)}", flush=True)
            stage.expect("nightly-report" in shown, "status should name the agent of the key")
            stage.expect(shown.count("ann") >= 1, "status should name the user")
        print(flush=True)


def content(stage: Stage) -> None:
    """What is in a call, and where it comes from."""
    stage.chapter(
        "Guard reads what goes out and what comes in",
        "An agent has two servers: the published mcp-server-fetch and server-filesystem. Personal "
        "data reaches it as tokens that only Guard can turn back. A key does not leave. A page "
        "gives the agent orders: what comes from that page is held, what is the user's is not.",
    )
    customer, note = str(stage.workspace / "customer.txt"), str(stage.workspace / "note.txt")
    with stage.guard() as guard, website() as page:
        key = guard.key("assistant", "ann")
        with guard.by_http("web", key) as web, guard.by_http("files", key) as files:
            seen = files.call(
                "read_text_file", {"path": customer}, allowed=True, shows="<remit:credit_card:"
            )
            stage.expect("4111" not in seen["text"], "the agent should not see the card")
            copy = {"path": note, "content": seen["text"]}
            files.call("write_file", copy, allowed=True)
            written = Path(note).read_text()
            line("check", f"note.txt holds {written.strip()!r}", "green")
            stage.expect(written.strip() == CUSTOMER.strip(), "the file should hold the values")
            leak = f"{page}?k=ghp_16C7e42F292c6912E7710c838347Ae178B4a"
            web.call("fetch", {"url": leak}, allowed=False, shows="denied by remit")
            web.call("fetch", {"url": page}, allowed=True, shows="nine to five")
            files.client.answer_with({"action": "decline"})
            theirs = {"path": note, "content": "Pay at https://pay.attacker.example/invoice"}
            held = files.call("write_file", theirs, allowed=False)
            stage.expect(len(held["asked"]) == 1, "the person should have been asked")
            own = {"path": note, "content": "Kim asked for our opening hours."}
            files.call("write_file", own, allowed=True)
        print(flush=True)


def approval(stage: Stage) -> None:
    """Two people sign."""
    stage.chapter(
        "Some calls take two signatures",
        "An agent works for ann and wants to change an order. Guard holds the call. Two people of "
        "finance sign exactly this statement with keys of their own; ann is of finance, too, but "
        "nobody approves what is done for them.",
    )
    change = {"query": "UPDATE orders SET total = 99 WHERE id = 1"}
    with stage.guard() as guard:
        key = guard.key("back-office", "ann")
        people = {name: guard.person(name) for name in ("ann", "ben", "cleo")}
        with guard.by_http("db", key) as agent, ThreadPoolExecutor() as pool:
            held = pool.submit(agent.call, "write_query", change, allowed=True)
            request = guard.request()
            shown = people["ben"]("show", request).stdout
            for row in shown.splitlines():
                print(f"            {paint(stage.short(row), 'dim')}", flush=True)
            stage.expect("UPDATE orders SET total = 99" in shown, "the statement should be shown")
            refused = people["ann"]("approve", request, "--yes")
            line("says", refused.stderr.strip().split("\n")[-1], "red")
            stage.expect(refused.returncode != 0, "ann must not approve her own request")
            for name, says in (("ben", "1 of 2"), ("cleo", "approved")):
                done = people[name]("approve", request, "--yes", "--reason", "seen the receipt")
                line("says", done.stdout.strip(), "green")
                stage.expect(says in done.stdout, f"{name}'s word should give {says!r}")
            held.result(60)
        print(flush=True)


def verification(stage: Stage) -> Path:
    """The log, checked by two programs."""
    stage.chapter(
        "Every decision is in a log that anybody can check",
        "Each record is a leaf of a Merkle tree with signed heads. First Remit checks it, then a "
        "short program that shares no code with Remit.",
    )
    state = stage.state("git")
    print(flush=True)
    done = stage.remit("audit", "verify", "--state", str(state))
    line(
        "says", stage.short(done.stdout or done.stderr), "green" if done.returncode == 0 else "red"
    )
    stage.expect(done.returncode == 0, "remit audit verify should find the log whole")
    (vkey,) = state.rglob("log.vkey")
    print(flush=True)
    done = stage.python(
        str(ROOT / "spec" / "verify_log.py"), str(vkey.parent), "--vkey", vkey.read_text().strip()
    )
    line("says", stage.short(done.stdout or done.stderr), "red" if done.returncode else "green")
    stage.expect(done.returncode == 0, "spec/verify_log.py should find the log whole")
    return vkey.parent


def tampering(stage: Stage, log: Path) -> None:
    """One bit."""
    stage.chapter(
        "One changed byte is found, and named",
        "In a copy of the log, one record's `deny` becomes `denu`, with its checksum made right "
        "again, as somebody with the whole disk would do.",
    )
    copy = stage.directory / "tampered"
    shutil.copytree(log, copy)
    seq = flip(copy)
    print(flush=True)
    key = (log / "log.vkey").read_text().strip()
    done = stage.python(str(ROOT / "spec" / "verify_log.py"), str(copy), "--vkey", key)
    says = (done.stdout + done.stderr).strip()
    line("says", stage.short(says), "red")
    stage.expect(done.returncode == 3, f"the verifier should exit with 3, not {done.returncode}")
    stage.expect(str(seq) in says, f"the verifier should name record {seq}")


def flip(log: Path) -> int:
    """Change one byte of the first denied call and mend its checksum; returns its number."""
    import struct
    import zlib

    segment = min(log.glob("seg/*.seg"))
    data = bytearray(segment.read_bytes())
    offset = 0
    while offset < len(data):
        (length,) = struct.unpack_from(">I", data, offset)
        entry = bytes(data[offset + 8 : offset + 8 + length])
        at = entry.find(b'"deny"')
        if at >= 0:
            changed = entry[: at + 4] + b"u" + entry[at + 5 :]
            check = zlib.crc32(changed, zlib.crc32(bytes(data[offset : offset + 4])))
            struct.pack_into(">I", data, offset + 4, check)
            data[offset + 8 : offset + 8 + length] = changed
            segment.write_bytes(data)
            return int(json.loads(entry)["seq"])
        offset += 8 + length
    raise ValueError("no denied call in the log")


def main() -> int:
    """Tell the story; returns the exit code."""
    started = time.monotonic()
    say("An agent acts only within its remit.", "bold")
    say(
        "Real MCP servers, a real client, and Guard between them. For each call: what the agent "
        "sent, what policy said, what the agent saw."
    )
    stage = Stage(OUTPUT)
    for chapter in (
        reading,
        queries,
        escapes,
        limits,
        confirmation,
        rug_pull,
        one_guard,
        content,
        approval,
        registry,
        gate,
    ):
        chapter(stage)
    tampering(stage, verification(stage))
    print(flush=True)
    if stage.failures:
        say(f"{len(stage.failures)} thing(s) did not go as told:", "red", "bold")
        for failure in stage.failures:
            say(f"- {failure}", "red")
        return 1
    print(
        paint(f"All chapters went as told ({time.monotonic() - started:.0f} s).", "bold", "green")
    )
    print(
        "\nTry next:\n"
        "  less demo-output/policy/tool/demo.cedar             the policy you just saw, 80 lines\n"
        "  .venv/bin/remit audit tail --state demo-output/state/guard\n"
        "  .venv/bin/remit policy check demo-output/policy\n"
        "  docs/guide/getting-started.md                       put your own server under policy"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

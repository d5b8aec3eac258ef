"""Convert the gitleaks rule set into ``src/remit/content/data/gitleaks.json``.

    python -m tools.import_gitleaks gitleaks.toml

Rules that need a path, or that our own rules replace, are left out. The end of a token is widened:
gitleaks reads files of code, we read prose, JSON and URLs too.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

OUTPUT = Path("src/remit/content/data/gitleaks.json")
REPLACED = {
    "curl-auth-header", "curl-auth-user", "generic-api-key", "hashicorp-tf-password", "jwt",
    "jwt-base64", "kubernetes-secret-yaml", "nuget-config-password", "pkcs12-file", "private-key",
    "sourcegraph-access-token", "freemius-secret-key", "sidekiq-sensitive-url",
}  # fmt: skip
END = r"""(?:[\x60'"\s;]|\\[nr]|$)"""
WIDER_END = r"(?:[^\w+/-]|$)"
KEYWORDS = {
    "vault-service-token": ["hvs."],
    "twilio-api-key": [f"SK{c}" for c in "0123456789abcdefABCDEF"],
    "microsoft-teams-webhook": ["webhook.office.com", "webhookb2"],
}
UNBOUNDED = re.compile(r"\{\d+,\}|[+*]")


def main(source: str) -> None:
    """Convert ``source``."""
    rules = []
    for rule in tomllib.loads(Path(source).read_text())["rules"]:
        if rule["id"] in REPLACED:
            continue
        regex = rule["regex"]
        if regex.endswith(END):
            regex = regex.removesuffix(END) + WIDER_END
        new = {
            "id": rule["id"],
            "regex": regex,
            "keywords": KEYWORDS.get(rule["id"]) or [k.lower() for k in rule["keywords"]],
        }
        if "secretGroup" in rule:
            new["group"] = rule["secretGroup"]
        if rule.get("entropy"):
            new["entropy"] = rule["entropy"]
        if UNBOUNDED.search(re.sub(r"\[(?:\\.|[^\]])*\]", "C", regex)):
            new["after"] = 8192
        if rule["id"] == "facebook-page-access-token":
            new["after"] = 1024
        allow = [r for entry in rule.get("allowlists", []) for r in entry.get("regexes", [])]
        if allow:
            new["allow"] = allow
        rules.append(new)
    OUTPUT.write_text(json.dumps(rules, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{len(rules)} rules\n")


if __name__ == "__main__":
    main(sys.argv[1])

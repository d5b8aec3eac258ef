# Everything a developer or CI runs. `make` alone explains itself.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.PHONY: help setup rig rig-scanners rig-peers rig-agents rig-names rig-registry rig-garak demo test test-all lint format screenshots bench clean

PYTEST := .venv/bin/python -m pytest
# One order for everybody, so that a change decides whether tests pass; `test-all` shuffles anew.
ORDER := --randomly-seed=1
# A process for each of two cores; a file stays in one of them, with the servers that it starts.
TWO := --numprocesses 2 --dist loadfile
SUITES := $(wildcard tests/unit tests/integration tests/conformance tests/fault tests/fuzz)

help: ## Show this list
	@echo "Remit: an agent acts only within its remit."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install Remit and its development tools into .venv
	@scripts/install.sh project

rig: setup ## Install the real servers and agents that the tests use into .rig
	@scripts/install.sh py-modern
	@scripts/install.sh py-sqlite
	@scripts/install.sh npm
	@scripts/install.sh npm-browser
	@scripts/install.sh py-oras
	@scripts/install.sh py-oms
	@scripts/install.sh deb-docker-registry
	@scripts/install.sh py-moto
	@scripts/prerequisites.sh postgresql
	@.venv/bin/remit scanners install --directory .rig/scanners bandit detect-secrets picklescan

# All scanners of others: 1.3 GB, minutes.
rig-scanners: setup
	@.venv/bin/remit scanners install --directory .rig/scanners

# garak for the tests of `remit probe`: 1.2 GB, so nothing asks for it; without it they are skipped.
rig-garak: setup
	@scripts/install.sh py-garak

rig-peers: rig
	@scripts/install.sh py-fastmcp
	@scripts/install.sh py-mcpproxy
	@scripts/install.sh py-contextforge

rig-agents: rig
	@scripts/install.sh npm-agents

# Clients and servers of registries: ten minutes of Go, so `make test` does without them.
rig-registry: rig
	@scripts/prerequisites.sh skopeo postgresql
	@for name in conformance oras crane helm cosign; do scripts/install.sh go-$$name || exit 1; done

demo: setup ## See real MCP servers under policy: a story of a few minutes
	@scripts/prerequisites.sh bubblewrap || echo "Without bubblewrap nothing is scanned, and the last chapter fails." >&2
	@scripts/prerequisites.sh chromium || echo "Without chromium nobody looks at the console." >&2
	@scripts/install.sh py-modern
	@scripts/install.sh py-sqlite
	@scripts/install.sh npm
	@.venv/bin/python -m examples.demo

test: rig ## All tests that take seconds (what CI runs; half an hour on two slow cores)
	@scripts/prerequisites.sh strace softhsm2 gnome-keyring || true
	@scripts/prerequisites.sh chromium || echo "Without chromium the pages of approvals and of the Hub are NOT tested." >&2
	@scripts/prerequisites.sh bubblewrap || echo "Without bubblewrap the sandbox of scans is NOT tested." >&2
	@scripts/prerequisites.sh skopeo || echo "Without skopeo copying to and from the Hub is NOT tested." >&2
	@REMIT_FUZZ=short $(PYTEST) $(ORDER) $(TWO) -m "not slow" $(SUITES)

rig-names: setup
	@scripts/install.sh names

test-all: rig-peers rig-agents rig-names rig-registry rig-scanners ## Every test, the slow and the long ones too
	@scripts/prerequisites.sh strace softhsm2 gnome-keyring || true
	@scripts/prerequisites.sh chromium || echo "Without chromium the pages of approvals and of the Hub are NOT tested." >&2
	@scripts/prerequisites.sh bubblewrap || echo "Without bubblewrap the sandbox of scans is NOT tested." >&2
	@REMIT_FUZZ=long $(PYTEST) $(SUITES)

lint: setup ## ruff, mypy --strict, and who may import whom
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: setup ## Let ruff fix and format
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format --quiet .

screenshots: rig ## Make the pictures of the guide anew, of the real thing
	@scripts/prerequisites.sh chromium
	@.venv/bin/python -m tests.rig.screenshots
	@.venv/bin/python -m tests.rig.console_screenshots

bench: rig-peers ## Measure latency, throughput, start-up and memory beside peers
	@scripts/prerequisites.sh bubblewrap || echo "Without bubblewrap scans cannot be measured." >&2
	@.venv/bin/python -m tests.bench

clean: ## Remove everything that make installed or produced
	@rm -rf .venv .rig .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist demo-output
	@find src tests examples spec vectors -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

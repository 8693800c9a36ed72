# Every command of this repository. `make help` lists them.
#
# `.venv` is made once per change of pyproject.toml or constraints.txt. What it prints goes to stderr, so that the last
# line of `make demo`, `make contract`, `make peers`, `make bench`, `make proof` and `make kube` on stdout stays the one that programs read.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
# Compiled modules are kept even where the environment forbids it: the tests start a hundred processes of ours.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
DEEP := $(wildcard tests/laws tests/process tests/sim tests/contract tests/clients tests/golden tests/e2e)

ARGS ?=
TARGET ?= both
PEER ?= argo_rollouts
NAME ?=
CHECK ?=
PROCESSES ?= auto

$(STAMP): pyproject.toml constraints.txt
	@{ [ -n "$(PYTHON)" ] || { echo "Shipway needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv)."; exit 2; }; \
	  [ -x $(BIN)/python ] || "$(PYTHON)" -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	  touch $@; } >&2

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "make %-9s %s\n", $$1, $$2}'

.PHONY: demo
demo: $(STAMP) ## the story on this machine; ARGS="--once --json" for programs
	@$(BIN)/shipway demo $(ARGS)

.PHONY: check
check: $(STAMP) format lint types imports fast ## format, lint, types, import contracts, shape, unit and laws

.PHONY: format lint types strict imports fast deep
format: $(STAMP)
	@$(BIN)/ruff format --check .
lint: $(STAMP)
	@$(BIN)/ruff check .
types: $(STAMP)
	@$(BIN)/pyrefly check --summary=none
# Takes as long as all of `check`, and sees what the quick look does not (docs/decisions/0044).
strict: $(STAMP)
	@$(BIN)/basedpyright
imports: $(STAMP)
	@$(BIN)/lint-imports --no-logo
# Laws are tried with a tenth of their examples here; `deep` tries them in full.
fast: $(STAMP)
	@LAWS=quick $(BIN)/pytest -q -rs -n $(PROCESSES) tests/shape tests/unit tests/laws
# Whole files stay in one process, and all that need the real control plane in the same one (tests/conftest.py).
deep: $(STAMP)
	@$(BIN)/pytest -q -rs -n $(PROCESSES) --dist loadscope $(DEEP)

.PHONY: fix
fix: $(STAMP) ## what ruff can mend by itself
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

.PHONY: test
test: $(STAMP) ## check, then strict types, simulation, contract, golden files and end to end
	@rm -f .cache/proof.json
	@$(MAKE) check
	@$(MAKE) strict
	@$(MAKE) deep

.PHONY: proof
proof: $(STAMP) ## which rows of docs/requirements.csv have a passing test (after `make test`)
	@[ -f .cache/proof.json ] || $(MAKE) test >&2
	@$(BIN)/python -m tests.proof

.PHONY: contract
contract: $(STAMP) ## one table, two servers; TARGET=embedded|real|both, ARGS="--only apply/" or ARGS=--record
	@$(BIN)/python -m tests.contract --target $(TARGET) $(ARGS)

.PHONY: peers
peers: $(STAMP) ## a peer's own end-to-end suite against Shipway (needs Go; not part of `make test`); PEER=argo_rollouts|argo_cd, ARGS=TestCanarySuite
	@$(BIN)/python -m tests.peers.$(PEER) $(ARGS)

.PHONY: bench
bench: $(STAMP) ## figures; NAME=watch_decode for one, CHECK=1 to fail where a target is missed
	@$(BIN)/python -m bench $(if $(CHECK),--check) $(NAME)

.PHONY: kube
kube: ## a real control plane for the tests, built once; prints its path
	@tests/kube/build

.PHONY: tools
tools: $(STAMP) ## the test programs that do not come with `.venv`: Prometheus, OpenSSH, GnuPG, a registry, PostgreSQL, Chromium, Helm, older clients, Envoy, Traefik
	@tests/tools
	@$(BIN)/python -m tests.fetch_clients
	@$(BIN)/python -m tests.fetch_proxies

.PHONY: clean
clean: ## what can be made again
	@rm -rf $(VENV) .cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

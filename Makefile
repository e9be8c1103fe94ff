# What this project can be asked to do. Needs make and Python 3.11 or newer; everything else goes into .venv.
PYTHON ?= python3
SEEDS  ?= 2000
NAME   ?=
CARRIER ?=
VENV   := .venv
BIN    := $(VENV)/bin
ROOMS  := eventlog actors runtime adapters
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --no-compile -c constraints.txt

# Compiled code is kept even where the shell asks otherwise: tests, claims and the demo start hundreds of processes, and each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo demo-service cluster test check bench sim chaos proofs clean

help: ## say what can be asked for
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

demo: $(VENV)/.$(if $(filter nats,$(CARRIER)),test,base) ## kill a run half-way, start it again, see that nothing was lost (CARRIER=nats: in JetStream)
	@$(BIN)/perdure demo $(if $(CARRIER),--carrier $(CARRIER)) $(ARGS)

demo-service: $(VENV)/.test ## start the service, have a question looked up, answered, approved and told by a signed webhook, over HTTP
	@$(BIN)/perdure demo-service $(ARGS)

cluster: $(VENV)/.test ## three servers, three workers and a load: kill a worker, then the leader, see that nothing was lost
	@$(BIN)/perdure cluster $(ARGS)

test: $(VENV)/.test ## run the tests in two processes (ARGS="-k word" narrows them, ARGS="-n 0" takes one)
	@$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(VENV)/.check ## lint, three type checkers, the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/basedpyright
	@$(BIN)/ty check --error-on-warning perdure $(ROOMS:%=perdure/%) tests examples
	@$(BIN)/lint-imports --no-logo --no-cache

bench: $(VENV)/.test ## measure ours and the bare limit, interleaved
	@$(BIN)/python -m tests.bench $(ARGS)

sim: $(VENV)/.test ## play whole histories from SEEDS=2000 integers (FIRST=n plays from n on)
	@$(BIN)/python -m tests.sim --seeds $(SEEDS) $(if $(FIRST),--first $(FIRST)) $(ARGS)

chaos: SEEDS = 1
chaos: N = 2000
chaos: RUNS = 5000
chaos: FAULTS = 300
chaos: CARRIER = sqlite nats
chaos: $(VENV)/.test ## kill -9 at every write, flip bits, cut tails: SEEDS=1, N=2000 of each (FIRST=n begins at n); then FAULTS=300 on NATS (CARRIER=nats for these alone)
	@$(if $(filter sqlite,$(CARRIER)),$(BIN)/python -m tests.crash --seeds $(SEEDS) --kills $(N) --injuries $(N) $(if $(FIRST),--first $(FIRST)) $(ARGS))
	@$(if $(filter nats,$(CARRIER)),$(BIN)/python -m tests.chaos --seeds $(SEEDS) --runs $(RUNS) --faults $(FAULTS) $(if $(FIRST),--first $(FIRST)) $(ARGS))

proofs: $(VENV)/.test ## show claim, figure, bound and verdict (NAME=1a for one)
	@$(BIN)/python -m tests.proofs $(NAME) $(ARGS)

clean: ## remove what was made, the environments too
	@rm -rf $(VENV) .venv-* .demo .demo-service .cluster .make build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Setting up says one line; its log is shown only if it fails.
define install
	@echo "setting up $(VENV) ($(1)) ..."
	@{ $(2); } > $(VENV)/setup.log 2>&1 || { cat $(VENV)/setup.log; exit 1; }
	@touch $@
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("perdure needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,what perdure itself needs,$(PIP) setuptools && $(PIP) --no-build-isolation -e .)

$(VENV)/.test: $(VENV)/.base
	$(call install,what the tests need,$(PIP) pip && $(PIP) --no-build-isolation -e . --group test)

$(VENV)/.check: $(VENV)/.base
	$(call install,what the checks need,$(PIP) pip && $(PIP) --no-build-isolation -e . --group dev)

# Every target sets up what it needs: a virtual environment with hashed requirements, and the test bed's binaries on first use.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/kwok-clusters
# Tests start many short processes: what they import is compiled once, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE
ARGS ?=
SEEDS ?= 50

.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*\#\# .*/\1/p' Makefile)

help: ## show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  (ARGS=... passes options on, for example: make bench-bind ARGS='--pods 2000')"

$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml
	@echo "setting up $(VENV) (once, a minute or so: OR-Tools and friends)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements/dev.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## the main job on a real KWOK fleet: build, start, schedule, report
	@python -m demo $(ARGS)

test: $(READY) ## all tests, on the simulated and the real control plane
	@python -m pytest $(ARGS)

lint: $(READY) ## check format, lint, types, layers, protocol compatibility
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports
	@python proto/build.py check

bed: $(READY) ## the test bed's command: make bed ARGS='up --fleet tiny --detach'
	@kwok-clusters/bed $(ARGS)

conformance: $(READY) ## the rows distilled from the peers' tests, as a table
	@python -m tests.conformance $(ARGS)

oracle: $(READY) ## thousands of tiny worlds against brute force: the same optimum every time
	@python -m tests.oracle $(ARGS)

oracle-taking: $(READY) ## the same for victims and moves: tiny full fleets, never more than the cheapest way
	@python -m tests.oracle.taking $(ARGS)

oracle-crowd: $(READY) ## many who take at once: promises that hold of each plan, and how often a second look changes it
	@python -m tests.oracle.crowd $(ARGS)

thrash: $(READY) ## a thousand random trees under evictions that take their time: nobody twice, all comes to rest
	@python -m tests.sim.thrash $(ARGS)

parity: $(READY) ## the filters beside kube-scheduler's, on drawn worlds: make parity SEEDS=50
	@python -m tests.parity --seeds $(SEEDS) $(ARGS)

bench-bind: $(READY) ## binds per second: raw ceiling, kube-scheduler, Muster
	@python -m tests.bench.bind $(ARGS)

bench-openb: $(READY) ## the openb fleet through the API: kube-scheduler, Muster (needs the trace: MUSTER_SHARED)
	@python -m tests.bench.fleet $(ARGS)

bench-packing: $(READY) ## GPU left unallocated on the openb lists: ours, FGD, BestFit, the floor (needs the trace)
	@python -m tests.bench.openb $(ARGS)

bench-queues: $(READY) ## fair shares and order of service: 1,000 queues, 50,000 gangs, one queue changed
	@python -m tests.bench.queues $(ARGS)

bench-stall: $(READY) ## longest event loop stall while deciding 1,000 nodes x 100 gangs
	@python -m tests.bench.stall $(ARGS)

bench-cycle: $(READY) ## the whole decision cycle at 5,000 nodes, stage by stage
	@python -m tests.bench.cycle $(ARGS)

bench-served: $(READY) ## served value of 5,000 nodes x 200 gangs: greedy, ours, and the proven bound
	@python -m tests.bench.served $(ARGS)

bench-admission: $(READY) ## Kueue's baseline workload (30 queues, 15,000 workloads) replayed against the engine
	@python -m tests.bench.admission $(ARGS)

bench-reclaim: $(READY) ## a gang takes back half of a full fleet, on a real control plane
	@python -m tests.bench.reclaim $(ARGS)

bench-taking: $(READY) ## deciding on victims and moves: 500 full nodes, five worlds, with the proven gap
	@python -m tests.bench.taking $(ARGS)

bench-topology: $(READY) ## nearness of gangs that come and go on a real fleet: greedy and CP-SAT (needs the traces)
	@python -m tests.bench.topology $(ARGS)

bench-verdict: $(READY) ## how soon an impossible gang is told why (ARGS=--bed: on a real API server)
	@python -m tests.bench.verdict $(ARGS)

proto: $(READY) ## generate the protocol's code again after a change of a .proto
	@python proto/build.py generate

lock: $(READY) ## renew the hashed requirements after a change of pyproject.toml
	@compile="uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --universal --python-version 3.11 --custom-compile-command 'make lock'"; \
	eval "$$compile requirements/uv.in -o requirements/uv.txt"; \
	eval "$$compile pyproject.toml -o requirements/runtime.txt"; \
	eval "$$compile pyproject.toml --group dev -o requirements/dev.txt"; \
	eval "$$compile --group pyproject.toml:go -o requirements/go.txt"

clean: ## remove what was made here (the bed's binaries stay in the user's cache)
	@rm -rf $(VENV) build dist .import_linter_cache *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis out

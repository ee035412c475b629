# Everyday commands. Needs GNU make and Python >= 3.11; everything else goes into .venv.

PYTHON ?= $(firstword $(foreach python,python3 python3.13 python3.12 python3.11,\
            $(shell $(python) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(python))))
VENV := .venv
BIN := $(VENV)/bin
PPIM := $(BIN)/ppim
INSTALLED := $(VENV)/.installed

# What a trace, and what a run, is made by: when it changes, they are out of date.
sources = $(shell find $(addprefix ppim/,$(1)) -name '*.py' -o -name '*.toml')
TRACE_CODE := $(call sources,datasets weight_sharing trace cli/gen_trace.py)
RUN_CODE := $(call sources,dram systems mapping program engine stats runs cli/simulate.py)

# Runs at once.
JOBS ?= 2

.DEFAULT_GOAL := help
MAKEFLAGS += --output-sync=target
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Sweeps take DATASET=(synthetic, or a path), DATASET_OPTIONS='max_samples=1000 ...', and JOBS=$(JOBS)."

# --- setting up --------------------------------------------------------------------------------

.PHONY: install
install: $(INSTALLED) ## set up .venv with the package and its development tools

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed; give it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]' $(if $(LOCKED),--constraint $(LOCK))
	@touch $@

# The versions that this state was tested with, on Python 3.11: `make install LOCKED=1` takes just these.
LOCK := requirements-dev.lock
.PHONY: lock hooks
lock: $(INSTALLED) ## write the versions of .venv to requirements-dev.lock
	@echo "# Versions of all development tools; 'make lock' writes them, 'make install LOCKED=1' takes them." > $(LOCK)
	@$(BIN)/python -m pip freeze --all --exclude pip --exclude wheel --exclude-editable >> $(LOCK)

hooks: $(INSTALLED) ## check style, types and layers before each commit
	$(BIN)/pre-commit install

# --- the main job ------------------------------------------------------------------------------

# The paper's two comparisons (QR and TT-Rec, its own base and its full system), and kinds of systems on a workload in
# which caches hit as in production.
DEMO := traces/demo
DEMO_RUNS := $(foreach trace,qr tt-rec,$(DEMO)/$(trace)/pim-base.csv $(DEMO)/$(trace)/proactivepim.csv) \
  $(foreach system,cpu recnmp trim-bg pim-base proactivepim,$(DEMO)/production/$(system).csv)
# One run of each PIM engine first, so that both are compiled at once.
DEMO_FIRST := $(DEMO)/qr/pim-base.csv $(DEMO)/production/recnmp.csv
DEMO_qr := --max-samples 1000
DEMO_tt-rec := --max-samples 400 --algorithm tt-rec --tt-rank 32 --algorithm-option factorisation=cube-root
DEMO_production := --max-samples 500 --dataset-option profile=production

.PHONY: demo
demo: $(INSTALLED) ## the paper's two comparisons beside its figures, and five kinds of systems
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) $(DEMO_FIRST) $(DEMO_RUNS)
	@$(BIN)/python scripts/demo_table.py $(DEMO).csv $(DEMO_RUNS)

$(DEMO)/%.parquet: $(TRACE_CODE) | $(INSTALLED)
	@mkdir -p $(@D)
	$(PPIM) gen-trace synthetic -o $@ $(DEMO_$*)

$(DEMO_RUNS): $(DEMO)/%.csv: $$(DEMO)/$$(subst /,,$$(dir $$*)).parquet $(RUN_CODE) | $(INSTALLED)
	@mkdir -p $(@D)
	$(PPIM) simulate $< --system $(notdir $*) -o $@

# --- sweeps ------------------------------------------------------------------------------------
# Each is a file of scripts/sweeps/; its folder has the tables, and is gone on with where it was stopped.

SWEEPS := traces/sweeps
DATASET ?= synthetic
DATASET_OPTIONS ?=
DATASET_FILES := $(filter-out synthetic,$(DATASET))
DATASET_NAME := $(basename $(notdir $(firstword $(DATASET))))
comma := ,
# One file as it is, several as a list in TOML.
DATASET_VALUE = $(if $(word 2,$(DATASET)),[$(patsubst %,"%"$(comma),$(DATASET))],$(DATASET))
SWEEP_NAMES := $(basename $(notdir $(wildcard scripts/sweeps/*.toml)))

.PHONY: $(SWEEP_NAMES:%=sweep-%)
sweep-mapping: ## subtables interleaved or duplicated, QR and TT-Rec
sweep-prefetch: ## prefetch of nothing, a table, or all, QR and TT-Rec
sweep-cache: ## SRAM of a unit, from 1 to 128 KiB
sweep-pooling: ## lookups in a bag from 1 to 80
sweep-vector: ## vectors of 64 to 512 bytes
sweep-systems: ## every kind of system
sweep-placement: ## static mappings, rows that move, and an oracle

$(SWEEP_NAMES:%=sweep-%): sweep-%: scripts/sweeps/%.toml | $(INSTALLED)
	@folder=$(SWEEPS)/$*-$(DATASET_NAME); status=0; \
	$(PPIM) sweep $< -o $$folder --jobs $(JOBS) \
	  --set 'dataset=$(DATASET_VALUE)' $(foreach option,$(DATASET_OPTIONS),--set $(option)) || status=$$?; \
	test $$status -le 1 || exit $$status; \
	$(PPIM) plot $$folder -o $$folder/figure.svg && \
	$(PPIM) report $$folder -o $$folder/report.html --title "Sweep $*, $(DATASET_NAME)" && \
	echo "tables, figure.svg and report.html: $$folder" && exit $$status

# What is made of docs/ by the code: reference, drawings, and what commands print; then the site.
.PHONY: docs docs-serve
docs: $(INSTALLED) ## reference, drawings and outputs of docs/ anew, and the site in build/site
	$(BIN)/python scripts/document_reference.py
	NUMBA_DISABLE_JIT=1 $(BIN)/python -W ignore::RuntimeWarning scripts/draw_model.py
	$(BIN)/python scripts/run_docs.py
	$(BIN)/python scripts/run_notebook.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs-serve: $(INSTALLED) ## the site while you write, at http://127.0.0.1:8000
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

# The figures of docs/figures.md and docs/timeline.md, from the committed trace and one sweep; that of docs/reliability.md.
.PHONY: figures
figures: $(INSTALLED) ## the figures of docs/figures.md, docs/timeline.md and docs/reliability.md
	$(BIN)/python scripts/draw_figures.py docs/figures
	$(BIN)/python scripts/latency_curves.py --figure docs/figures/latency.svg

# --- evaluation --------------------------------------------------------------------------------

.PHONY: reproduce evaluate
reproduce: $(INSTALLED) ## docs/reproduction.md: what papers report, and what comes out here (minutes); DATASET= adds Criteo
	$(BIN)/python scripts/reproduce.py $(DATASET_FILES)

evaluate: $(INSTALLED) ## the tables of docs/evaluation.md; DATASET=PATH of Criteo Kaggle's train.txt (minutes)
	@test -n "$(DATASET_FILES)" || { echo "make: evaluate takes DATASET=PATH, the start of Criteo Kaggle's train.txt" >&2; exit 1; }
	$(BIN)/python scripts/evaluate.py $(DATASET)

# --- checks ------------------------------------------------------------------------------------

.PHONY: lint format test test-slow test-all golden check-all fuzz reliability test-nojit test-bounds bench
lint: $(INSTALLED) ## style, types, that imports flow one way, and that the site builds without a warning
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

format: $(INSTALLED) ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Tests of reports open them in a browser; where there is none they are skipped, and say how to get one.
.PHONY: browser
browser: ## Debian's chromium, for the tests of reports
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then echo "chromium is there"; \
	elif ! command -v apt-get >/dev/null; then echo "make: browser needs Debian's apt-get; install chromium and chromedriver yourself" >&2; exit 1; \
	else $(if $(filter 0,$(shell id -u)),,sudo -n) sh -c 'apt-get update -q && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium chromium-driver fonts-dejavu-core'; fi

test: $(INSTALLED) ## the tests but for slow matrices; `make browser` before it, for those of reports
	$(BIN)/pytest -n 2 -m 'not slow and not golden'

test-slow: $(INSTALLED) ## those slow matrices, up to the first that fails
	$(BIN)/pytest -n 2 -x -m 'slow and not golden'

test-all: $(INSTALLED) ## the whole test suite
	$(BIN)/pytest -n 2

# Cases with DRAMsim3's answers: the committed ones, all of those in GOLDEN, and every preset beside DRAMsim3 itself.
GOLDEN := $(or $(PPIM_SHARED),../shared)/golden/dramsim3
golden: $(INSTALLED) ## every case of DRAMsim3 that is at hand (minutes)
	@test -d "$(GOLDEN)" || echo "make: golden runs the committed cases only: the others are not in $(GOLDEN)" \
	  "(set PPIM_SHARED to the folder that has golden/dramsim3/cases.json, devices.json and traces)" >&2
	@test -n "$$PPIM_DRAMSIM3" || echo "make: golden does not run DRAMsim3: PPIM_DRAMSIM3 does not name its program" \
	  "dramsim3main (commit 2981759, built with -DCMD_TRACE=1)" >&2
	$(BIN)/pytest -n 2 -m 'golden or not golden' tests/golden

check-all: $(INSTALLED) ## timing of every golden case, and of every preset with every algorithm (minutes)
	PYTHONPATH=. $(BIN)/python scripts/check_all.py

# One reader after the other, SECONDS each; inputs that a reader does not stand go to fuzz-findings/.
SECONDS ?= 600
TARGETS ?= $(notdir $(wildcard tests/fuzz/corpus/*))
fuzz: $(INSTALLED) ## fuzz every reader, or TARGETS=..., for SECONDS=600 each
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	@for target in $(TARGETS); do $(BIN)/python -m tests.fuzz.run $$target --seconds $(SECONDS) || failed=1; done; exit $${failed:-0}

FUZZ_SECONDS ?= 60
reliability: $(INSTALLED) ## the figures of docs/reliability.md (half an hour; less with FUZZ_SECONDS=0)
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	PYTHONPATH=. $(BIN)/python scripts/reliability.py --fuzz-seconds $(FUZZ_SECONDS)

# In plain Python a wrong index is an error, a debugger can stop, and coverage can see. Hashes wrap, as they do compiled.
NOJIT := $(addprefix tests/unit/,engine engine_pim mapping requests trace weight_sharing)
test-nojit: $(INSTALLED) ## part of the tests without compilation (minutes)
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -n 2 -W 'ignore:overflow:RuntimeWarning' -k 'not one_kernel' $(NOJIT)

# The bare tables of the engine check nothing; test-nojit covers them.
BOUNDS := $(addprefix tests/unit/,mapping program requests trace weight_sharing)
test-bounds: $(INSTALLED) ## part of the tests with array indices checked in compiled code (minutes)
	NUMBA_BOUNDSCHECK=1 $(BIN)/pytest -n 2 $(BOUNDS)

# BESIDE= another checkout with a .venv, measured by turns; BENCH='--only systems --longer' and such.
bench: $(INSTALLED) ## speeds as ratios, beside those of the last release, in build/bench.csv (ten minutes)
	$(BIN)/python scripts/bench.py $(if $(BESIDE),--beside $(BESIDE)) $(BENCH)

# --- tidying -----------------------------------------------------------------------------------

.PHONY: clean clean-cache
clean: ## remove .venv, generated traces and results, and tools' caches
	rm -rf $(VENV) $(DEMO) $(DEMO).csv $(SWEEPS) build *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find ppim scripts tests -name __pycache__ -prune -exec rm -rf {} +

clean-cache: ## remove compiled kernels
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/ppim"

# make demo    recognises the sample recordings (sets up .venv first)
# make test    everything that continuous integration checks (sets up .venv first)
# make fuzz    reads 10,000 damaged sound files, and tables and models (some minutes)
# make faults  kills long jobs 100 times each and fills their disks (an hour)
# make pretrained CORPORA=DIR   makes the shipped model again, from DIR/emodb, ravdess, nemo,
#                crema_d and banglaser; SEQCAP_NOISE=DIR/noise mixes in recorded noises
# make pictures   draws the pictures of page, explanation and report (needs chromium)
# make page-runtime   fetches onnxruntime-web for the page again, from npm
# make format  puts the code into its layout
# make docs    builds the documentation into docs/_build/html
# make test-matrix   tests on the instruction sets of older processors, with 1 and 2 threads;
#                SLOW=1 takes the slow ones too, TESTS=tests/models only some
#
# PYTHON=python3.12 takes another Python, VENV=DIR another place for the virtual environment.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt
DOCS := $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
SAY = @printf '\033[1m%s\033[0m\n'

export PIP_REQUIRE_VIRTUALENV := true

.PHONY: help demo test fuzz faults test-matrix docs pretrained pictures page-runtime format python

help:
	@awk '!/^#/ {exit} {sub(/^# ?/, ""); print}' Makefile

demo: $(VENV)/.seqcap-core
	$(SAY) "Recognising the recordings in samples/: $(BIN)/seqcap predict samples --timeline"
	@$(BIN)/seqcap predict samples --timeline

test: $(VENV)/.seqcap-dev
	$(SAY) "1/6 Style: ruff check"
	@$(BIN)/ruff check .
	$(SAY) "2/6 Layout: ruff format --check"
	@$(BIN)/ruff format --check .
	$(SAY) "3/6 Types: mypy"
	@$(BIN)/mypy
	$(SAY) "4/6 Direction of the rooms: lint-imports"
	@$(BIN)/lint-imports --no-logo
	$(SAY) "5/6 Tests and examples, warnings are errors: pytest"
	@$(BIN)/pytest --quiet --numprocesses auto
	$(SAY) "6/6 Documentation, warnings are errors: sphinx-build"
	@$(DOCS)

# Words for oneDNN and for ATen: the least, AVX2, and what the machine has.
ISAS := SSE41/default AVX2/avx2 DEFAULT/

test-matrix: $(VENV)/.seqcap-dev
	@failed=; for isas in $(ISAS); do for threads in 1 2; do \
	  printf '\033[1m%s\033[0m\n' "oneDNN/ATen $$isas, $$threads threads"; \
	  aten="$${isas#*/}"; \
	  env ONEDNN_MAX_CPU_ISA="$${isas%/*}" $${aten:+ATEN_CPU_CAPABILITY=$$aten} \
	    OMP_NUM_THREADS=$$threads $(BIN)/pytest --quiet $(if $(SLOW),,-m "not slow") $(TESTS) || failed="$$failed $$isas:$$threads"; \
	done; done; [ -z "$$failed" ] || { echo "seqcap: tests fail with$$failed"; exit 1; }

docs: $(VENV)/.seqcap-dev
	$(SAY) "Building the documentation: docs/_build/html/index.html"
	@$(DOCS)

pictures: $(VENV)/.seqcap-dev
	$(SAY) "Drawing the pictures of page, explanation and report into docs/pictures"
	@$(BIN)/python docs/page_pictures.py

fuzz: $(VENV)/.seqcap-dev
	@$(BIN)/python fuzz/run.py

faults: $(VENV)/.seqcap-dev
	@$(BIN)/python fuzz/faults.py

THREE := runs/emodb.csv runs/ravdess.csv runs/nemo.csv
TABLES := $(THREE) runs/crema_d.csv runs/banglaser.csv
# Those whose licences do not forbid commercial use.
CC_BY := runs/emodb.csv runs/crema_d.csv runs/banglaser.csv
PRETRAINED := src/seqcap/recognition/pretrained
RECIPES := src/seqcap/training/recipes
CORPORA ?= corpora
FIVE := $(BIN)/seqcap train $(TABLES) --folds $(RECIPES)/development.json
# The same test speakers; all others but one train, since validation speakers choose nothing.
ALL := $(BIN)/seqcap train $(TABLES) --folds $(RECIPES)/shipped.json
SHIPPED := pretrained cnn adaptive seven cc-by stream

pretrained: $(VENV)/.seqcap-dev
	@$(INSTALL) -e '.[benchmark,export]'
	$(SAY) "Reading the corpora in $(CORPORA)"
	@for name in emodb ravdess nemo crema_d banglaser; do \
	  $(BIN)/seqcap corpus read $$name $(CORPORA)/$$name --output runs/$$name.csv; done
	$(SAY) "Training on five corpora, a quarter of an hour a model; once interrupted, it goes on"
	@$(ALL) --recipe whisper --labels paper4 --name seqcap-paper4-5 --output runs/pretrained
	@$(ALL) --recipe whisper --labels seven --set masked_loss=true --set epochs=3 \
	  --name seqcap-seven-2 --output runs/seven
	@$(ALL) --recipe whisper --labels paper4 --set normalisation.speaker_feature_norm=1 \
	  --set temperature=0.97 --name seqcap-paper4-adaptive-2 --output runs/adaptive
	$(SAY) "Training on three corpora whose licences do not forbid commercial use"
	@$(BIN)/seqcap train $(CC_BY) --folds $(RECIPES)/shipped.json --recipe whisper --labels paper4 \
	  --set temperature=1.43 --name seqcap-cc-by-1 --output runs/cc-by
	$(SAY) "Training the paper's network: on three corpora, then on five, begun with that"
	@$(BIN)/seqcap train $(THREE) --folds $(RECIPES)/pretrained.json --labels paper4 \
	  --recipe $(RECIPES)/pretrained.toml --name seqcap-paper4-2 --output runs/three-corpora
	@$(FIVE) --recipe five-corpora --labels paper4 \
	  --init-from runs/three-corpora/model --name seqcap-paper4-3 --output runs/cnn
	$(SAY) "Training for live sound, begun with the capsules of the model 'cnn' in the package"
	@$(FIVE) --recipe stream --labels paper4 --init-from cnn --name seqcap-stream-1 \
	  --output runs/stream
	@for name in $(SHIPPED); do \
	  folder=$(PRETRAINED); [ $$name = pretrained ] || folder+=/$$name; \
	  rm -rf runs/exported; mkdir -p $$folder; \
	  $(BIN)/seqcap export runs/$$name/model runs/exported; \
	  cp runs/exported/{model.*,encode.onnx,decide.onnx,fingerprints.safetensors} $$folder; done
	$(SAY) "Writing their scores into their cards"
	@for folder in $(PRETRAINED) $(PRETRAINED)/{cnn,adaptive,seven,cc-by,stream}; do \
	  $(BIN)/seqcap evaluate $$folder $(TABLES) --folds $(RECIPES)/development.json \
	    --card $$folder/CARD.md; done
	@$(BIN)/python benchmarks/against_opensmile_svm.py $(TABLES) \
	  --folds $(RECIPES)/development.json --card $(PRETRAINED)/CARD.md

PAGE_VENDOR := src/seqcap/apps/page/vendor

page-runtime:
	$(SAY) "Fetching onnxruntime-web for the page"
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	  (cd "$$scratch" && npm pack --silent onnxruntime-web@1.30.0 && tar xzf *.tgz) > /dev/null; \
	  cp "$$scratch"/package/dist/ort-wasm-simd-threaded.mjs $(PAGE_VENDOR)/; \
	  sed '/^\/\/# sourceMappingURL/d' "$$scratch"/package/dist/ort.wasm.min.mjs \
	    > $(PAGE_VENDOR)/ort.wasm.min.mjs; \
	  gzip -9 -n -c "$$scratch"/package/dist/ort-wasm-simd-threaded.wasm \
	    > $(PAGE_VENDOR)/ort-wasm-simd-threaded.wasm.gz

format: $(VENV)/.seqcap-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

$(VENV)/.seqcap-core: pyproject.toml constraints.txt | python
	$(SAY) "Installing seqcap and what recognition needs into $(VENV)"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.seqcap-dev: pyproject.toml constraints.txt | python
	$(SAY) "Installing seqcap with all its tools into $(VENV), a few minutes the first time"
	@$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.seqcap-core

# A virtual environment that a usable Python made.
python:
	@command -v "$(PYTHON)" > /dev/null || { \
	  echo "seqcap: no $(PYTHON) here; install Python 3.11, or name one: make PYTHON=/path/to/python"; \
	  exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "seqcap: $$("$(PYTHON)" --version 2> /dev/null || echo "a $(PYTHON) that does not start")" \
	    "came, Python 3.11 or later is needed;" \
	    "name another: make PYTHON=/path/to/python"; \
	  exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null || { \
	  echo "seqcap: $(PYTHON) cannot make virtual environments;" \
	    "on Debian and Ubuntu: apt install python3-venv"; \
	  exit 1; }
	@if [ ! -x $(BIN)/python ]; then \
	  echo "Making a virtual environment in $(VENV) with $$("$(PYTHON)" --version)"; \
	  "$(PYTHON)" -m venv $(VENV); \
	fi
	@version() { "$$1" -c 'import sys; print(*sys.version_info[:2], sep=".")'; }; \
	[ "$$(version "$(PYTHON)")" = "$$(version $(BIN)/python)" ] || { \
	  echo "seqcap: $(VENV) was made by Python $$(version $(BIN)/python);" \
	    "give another place: make VENV=.venv-$$(version "$(PYTHON)") PYTHON=$(PYTHON)"; \
	  exit 1; }

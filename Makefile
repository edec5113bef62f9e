PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run demo test lint bench quality gallery clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

run: $(STAMP)
	$(BIN)/python -m bot

demo: $(STAMP)
	$(BIN)/python -m bot demo --out demo

# Threads that wait for each other sleep: beside other work, spinning ones would take the cores.
# Two processes, each with whole files: many tests wait for a bot that waits for Discord.
test: $(STAMP)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -q -n 2 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m tests.benchmarks.acknowledgement
	$(BIN)/python -m tests.benchmarks.engine

quality: $(STAMP)
	$(BIN)/python -m inference.training quality --out quality

gallery: $(STAMP)
	$(BIN)/python -m tests.gallery --out docs/gallery

clean:
	rm -rf $(VENV) demo quality

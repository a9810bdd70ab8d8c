# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Each makes the virtual environment it needs, with the pinned versions of requirements.lock.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-quick check bench quality faults lock clean

demo: $(VENV)/.demo
	$(BIN)/padit demo

# Real brokers on a busy machine: what fails is run once more by itself, and fails if it fails again.
test: tools $(VENV)/.test
	$(BIN)/python -m pytest $(TESTS) || \
	    $(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(TESTS)

# Everything that needs neither Java nor Go.
test-quick: $(VENV)/.test
	$(BIN)/python -m pytest tests --ignore=tests/integration

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: tools $(VENV)/.test
	$(BIN)/python -m benchmarks.throughput $(ARGS)
	$(BIN)/python -m benchmarks.adapters --into build/bench.json

# N rounds, each a replay that is struck by every kind of fault; see docs/faults.md.
N ?= 1
faults: tools $(VENV)/.test
	$(BIN)/python -m tests.faults --rounds $(N) $(if $(SEED),--seed $(SEED)) $(ARGS)

quality: $(VENV)/.test
	$(BIN)/python -m benchmarks.quality $(if $(DATA),--data $(DATA),--references) $(if $(OUT),--out $(OUT))

# What pip resolves pyproject.toml to today; commit the result together with the change.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --upgrade pip
	build/lock/bin/pip install --quiet '.[flink,adapters,dev]'
	build/lock/bin/pip freeze --exclude padit > requirements.lock
	rm -rf build/lock build/lib build/bdist.*

clean:
	rm -rf build $(VENV)

.PHONY: tools python
python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: apt-get install python3.11 python3.11-venv"; exit 1; }

tools:
	@command -v java >/dev/null || { echo "Java 17 is missing: apt-get install openjdk-17-jre-headless"; exit 1; }
	@command -v mvn >/dev/null || { echo "Maven is missing: apt-get install maven"; exit 1; }

$(VENV)/bin/python: | python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip==25.3

$(VENV)/.demo: requirements.lock pyproject.toml setup.py | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint requirements.lock --editable .
	touch $@

$(VENV)/.test: requirements.lock pyproject.toml setup.py | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[flink,adapters,dev]'
	touch $@ $(VENV)/.demo

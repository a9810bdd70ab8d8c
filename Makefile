# On a fresh machine `make demo` and `make test` do everything; `make install` is for using all parts.
# Each makes the virtual environment it needs, with the pinned versions of requirements.lock.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: cause demo test test-quick parts coverage check audit docs bench quality scenes faults
.PHONY: factory-alerting faults-alerting faults-stores stores-day machines mutants fuzz lock clean soak
.PHONY: sbom checklist sizing sla hosts pictures offline install

demo: $(VENV)/.demo
	$(BIN)/padit demo

# Everything that is shipped, without what the tests need: Flink, adapters, alerting, stores, the page.
install: $(VENV)/.install

# Two workers: every test file goes to one of them whole. Each has a broker and a cluster of its own.
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10
test: parts
	$(PYTEST) $(TESTS)

# The same tests, with every process measured that they start; fails below 90 % of lines. Compiled
# code is not seen by it, so the tests of kernels run once more as plain Python.
KERNEL_TESTS := tests/codecs tests/detectors tests/transforms
coverage: parts
	@mkdir -p build
	$(PYTEST) --cov --cov-report= --cov-fail-under=0 $(TESTS)
	NUMBA_DISABLE_JIT=1 $(PYTEST) --cov --cov-append --cov-report=term:skip-covered --cov-report=html:build/coverage $(KERNEL_TESTS)

# Bring what the tests run on (Kafka, Flink, Prism, PostgreSQL ...) and name what cannot be had.
parts: tools $(VENV)/.test
	$(BIN)/python -m tests.supplies

# Without the tests of whole jobs on real brokers and clusters (tests/integration).
test-quick: $(VENV)/.test
	$(BIN)/python -m pytest tests --ignore=tests/integration

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tests.security

# Whether a pinned version has a known vulnerability; asks a service on the network.
audit: $(VENV)/.test
	$(BIN)/python -m tests.security --audit

# What is installed, as a bill of materials (CycloneDX), build/sbom.json.
sbom: $(VENV)/.test
	$(BIN)/python -m tests.security --sbom build/sbom.json

# The documentation site, in build/site; fails for a link that leads nowhere.
docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict --quiet --config-file deploy/docs/mkdocs.yml

bench: tools $(VENV)/.test
	$(BIN)/python -m benchmarks.throughput $(ARGS)
	$(BIN)/python -m benchmarks.adapters --into build/bench.json
	$(BIN)/python -m benchmarks.stores

# N rounds, each a replay that is struck by every kind of fault; see docs/faults.md.
N ?= 1
faults: tools $(VENV)/.test
	$(BIN)/python -m tests.faults --rounds $(N) $(if $(SEED),--seed $(SEED)) $(ARGS)

# Two hosts in network namespaces run a job; one is cut off, then the other loses its power (root).
hosts: tools $(VENV)/.test
	$(BIN)/python -m tests.hosts $(ARGS)

# The dashboards with data of a job and adapters that run; docs/images.
pictures: tools $(VENV)/.test
	$(BIN)/python -m tests.deploy.pictures $(ARGS)

# Alerting, its database and its receivers fail; see docs/faults.md.
faults-alerting: $(VENV)/.test
	$(BIN)/python -m tests.alerting.faults $(if $(SEED),--seed $(SEED)) $(ARGS)

# A factory fails, and it is counted what receivers hear of it; see docs/alerting.md.
factory-alerting: $(VENV)/.test
	$(BIN)/python -m tests.alerting.factory $(if $(SEED),--seed $(SEED)) $(ARGS)

# A store, PostgreSQL and its relay, struck N times; nothing may be lost or doubled (docs/stores.md).
faults-stores: N = 300
faults-stores: tools $(VENV)/.test
	$(BIN)/python -m tests.stores.faults --faults $(N) $(if $(SEED),--seed $(SEED)) $(ARGS)
	$(BIN)/python -m tests.stores.archive_faults --faults $(N) $(if $(SEED),--seed $(SEED))

# One simulated day in all stores at once; counts and sums are the same in the language of each.
stores-day: tools $(VENV)/.test
	$(BIN)/python -m tests.stores.day

# The shipped job under load and faults for hours; the report is docs/soak.md.
HOURS ?= 2
soak: tools $(VENV)/.test
	$(BIN)/python -m tests.soak --hours $(HOURS) $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED)) $(ARGS)

# From deploy to page to rollback on this machine, with an installed wheel; the page is docs/checklist.md.
checklist: tools $(VENV)/.test
	$(BIN)/python -m tests.walk $(ARGS)

# Lag, latency, errors and availability of a live job at 1,000 records a second; docs/sla.md.
sla: tools $(VENV)/.test
	$(BIN)/python -m benchmarks.sla $(ARGS)

# What a record, a series and a window cost on Flink; docs/sizing.md.
sizing: tools $(VENV)/.test
	$(BIN)/python -m benchmarks.sizing $(ARGS)

# The same bytes on other processors, ARM64 among them (emulated; 150 MB are downloaded once).
machines: $(VENV)/.test
	$(BIN)/python -m tests.machines $(ARGS)

# Changes one thing at a time in the pure parts and counts what the tests notice; docs/mutants.md.
mutants: $(VENV)/.mutants
	$(BIN)/python -m tests.mutants $(ARGS)

# Bytes that atheris thinks up, by what they reach, for so many seconds.
SECONDS ?= 600
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

# The page behind a network that swallows everything for a real ten minutes: no gap, no double.
offline: $(VENV)/.test
	PADIT_REALLY_WAIT=1 $(BIN)/python -m pytest tests/portal/test_page_use.py -q -k swallows --timeout 1800

cause: $(VENV)/.test
	$(BIN)/python -m benchmarks.cause $(ARGS)

quality: $(VENV)/.test
	$(BIN)/python -m benchmarks.quality $(if $(DATA),--data $(DATA),--references) $(if $(OUT),--out $(OUT))

# Alerts of the shipped configuration over what people on call would see; build/scenes.json.
scenes: $(VENV)/.test
	$(BIN)/python -m benchmarks.scenes $(ARGS)

# What pip resolves pyproject.toml to today; commit the result together with the change.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --upgrade pip
	build/lock/bin/pip install --quiet '.[flink,adapters,alerting,notify,stores,portal,telemetry,docs,dev,fuzz,profile,mutants]'
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
	@echo 'installing into $(VENV); the first time takes minutes, and nothing is shown meanwhile'
	$(BIN)/pip install --quiet --constraint requirements.lock --editable .
	$(BIN)/padit compile
	touch $@

$(VENV)/.test: requirements.lock pyproject.toml setup.py | $(VENV)/bin/python
	@echo 'installing into $(VENV); the first time takes minutes, and nothing is shown meanwhile'
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[flink,adapters,alerting,notify,stores,portal,telemetry,docs,dev]'
	$(BIN)/padit compile
	touch $@ $(VENV)/.demo $(VENV)/.install

$(VENV)/.install: requirements.lock pyproject.toml setup.py | $(VENV)/bin/python
	@echo 'installing into $(VENV); the first time takes minutes, and nothing is shown meanwhile'
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[flink,adapters,alerting,notify,stores,portal,telemetry]'
	$(BIN)/padit compile
	touch $@ $(VENV)/.demo

$(VENV)/.docs $(VENV)/.fuzz $(VENV)/.mutants: $(VENV)/.%: $(VENV)/.test
	@echo 'installing into $(VENV); the first time takes minutes, and nothing is shown meanwhile'
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[$*]'
	touch $@

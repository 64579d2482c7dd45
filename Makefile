# make demo: WaveLiT against FNO in neuraloperator's own Trainer, results in demo/
# make test: every check of this repository
#
# Both make a virtual environment first, and again when pyproject.toml or constraints.txt changed.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
# hosts whose absence is a failure instead of a skip; pdearena gets an environment of its own
HOSTS ?=

run := $(VENV)/bin
key := $(firstword $(shell cat pyproject.toml constraints.txt | cksum))

.PHONY: demo test clean

demo: $(VENV)/.demo-$(key)
	$(run)/wavelit demo --out $(DEMO) $(DEMO_OPTIONS)

# one thread a worker: pytest runs one worker a processor core
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.test-$(key)
	@# an environment kept elsewhere may know another checkout
	$(run)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(run)/ruff format --check .
	$(run)/ruff check .
	$(run)/mypy
	$(run)/lint-imports
	$(run)/python integration_tests/run.py $(foreach host,$(HOSTS),--host $(host))
	@# the callback imports Lightning, which only PDEArena's environment has; configs/ are scripts
	$(run)/pytest -n auto --doctest-modules --ignore wavelit_plugin/hosts/pdearena/callback.py \
		--ignore-glob '*/configs/*' wavelit_plugin tests

clean:
	rm -rf $(VENV)

$(VENV)/.demo-$(key): extras = neuraloperator,report
$(VENV)/.test-$(key): extras = dev,neuraloperator,report

$(VENV)/.demo-$(key) $(VENV)/.test-$(key):
	test -x $(run)/python || $(PYTHON) -m venv $(VENV)
	$(run)/python -m pip install --quiet --upgrade pip
	$(run)/python -m pip install --editable '.[$(extras)]' --constraint constraints.txt
	find $(VENV) -maxdepth 1 -name '.*-*' ! -name '*-$(key)' -delete
	touch $@

# What people and CI run. Every target makes the virtual environment that it needs;
# a second call finds the stamps in it and starts at once.
#
#   make demo PYTHON=python3.12    another Python
#   make test VENV=/tmp/venv       another place for the virtual environment

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
COVERAGE_FLOOR ?= 98
# Each takes a gigabyte, and one thread.
TEST_PROCESSES ?= 2
# What `make check` runs: no common checks, networks, pipelines, plots or doctests.
FAST_TESTS ?= tests/_kernels tests/_utils tests/connectome tests/datasets \
	tests/metrics tests/model_selection tests/estimators/_ntac \
	$(addprefix tests/test_,docstrings.py import.py layers.py package.py)
# Each unit test is of one module. Coverage, which makes Python slower by half, is
# measured on them alone; the others are of all estimators at once, and doctests.
UNIT_TESTS ?= $(filter-out tests/robustness/ tests/__pycache__/,$(wildcard tests/*/))
WHOLE_TESTS ?= tests/robustness $(wildcard tests/test_*.py) celltyping
# Where tests are marked pure_python: they run a second time without compilation, so
# that coverage sees the lines of kernels.
KERNEL_TESTS ?= tests/_kernels tests/estimators/_ntac
# Estimators with networks are left out: torch is the version of constraints.txt.
OLDEST_TESTS ?= $(FAST_TESTS) tests/test_common.py \
	tests/pipelines/test_read_expression.py \
	$(addprefix tests/plotting/test_,elbow.py type_profile.py) \
	-k "not (NUMAP or GrEASE or ItClust)"
OLDEST_PYTHON ?= python3.11
OLDEST_VENV ?= .venv-oldest
BENCHMARKS ?= $(sort $(wildcard benchmarks/bench_*.py))

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--constraint $(CONSTRAINTS)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest \
	--numprocesses $(TEST_PROCESSES) --dist loadgroup

# Tests start many processes: without stored bytecode, each compiles the package again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo check fuzz test test-oldest docs benchmark lint format clean

help:
	@echo "make demo         type the neurons of a larval fly brain; results in demo_output/"
	@echo "make check        ruff and the fast tests"
	@echo "make test         what CI runs: ruff, tests with doctests and coverage, packages"
	@echo "make test-oldest  part of the tests with the lowest versions allowed"
	@echo "make fuzz         random hostile input, minutes"
	@echo "make docs         the website, in docs/_build/html"
	@echo "make benchmark    compare with other programs, print tables"
	@echo "make lint         ruff alone, changing nothing"
	@echo "make format       let ruff format the code and sort the imports"
	@echo "make clean        remove everything that make has made, .venv and results too"

demo: $(VENV)/.stamp-demo
	$(BIN)/python examples/run_demo.py

# Not part of `make test`: random hostile input, FUZZ_EXAMPLES of them.
fuzz: $(VENV)/.stamp-test
	$(PYTEST) tests/robustness/fuzz.py

check: lint
	$(PYTEST) $(FAST_TESTS)

test: lint
	$(PYTEST) --durations=10 $(WHOLE_TESTS)
	$(PYTEST) --durations=10 --cov --cov-report= $(UNIT_TESTS)
	NUMBA_DISABLE_JIT=1 $(PYTEST) -m pure_python $(KERNEL_TESTS) \
		--cov --cov-append --cov-report=term --cov-fail-under=$(COVERAGE_FLOOR)
	rm -rf dist
	PIP_CONSTRAINT="$(CURDIR)/constraints.txt" $(BIN)/python -m build --outdir dist .
	$(BIN)/python .ci/check_distributions.py dist

test-oldest:
	$(MAKE) VENV=$(OLDEST_VENV) PYTHON=$(OLDEST_PYTHON) \
		CONSTRAINTS=constraints-oldest.txt $(OLDEST_VENV)/.stamp-test
	OMP_NUM_THREADS=1 $(OLDEST_VENV)/bin/python -m pytest \
		--numprocesses $(TEST_PROCESSES) $(OLDEST_TESTS)

docs: $(VENV)/.stamp-docs
	$(BIN)/python -m sphinx -q -W --keep-going -n -b html docs docs/_build/html
	@echo "The website is in docs/_build/html: open index.html"

benchmark: $(VENV)/.stamp-benchmark
	@test -n "$(BENCHMARKS)" || { echo "There is no benchmarks/bench_*.py"; exit 1; }
	set -e; for script in $(BENCHMARKS); do $(BIN)/python $$script; done

lint: $(VENV)/.stamp-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.stamp-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OLDEST_VENV) build dist demo_output .coverage
	rm -rf .pytest_cache .ruff_cache .hypothesis docs/_build docs/api
	rm -rf docs/auto_examples docs/sg_execution_times.rst
	find . -name __pycache__ -prune -exec rm -rf {} +

# A pip before 25.1 does not know --group, so it is renewed first, in the virtual
# environment alone.
$(VENV)/.stamp-venv:
	@command -v $(PYTHON) > /dev/null || { \
		echo "There is no $(PYTHON) here: install Python 3.11 or newer," \
			"or name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "celltyping needs Python 3.11 or newer, but $(PYTHON) is" \
			"`$(PYTHON) --version 2>&1`. Name another: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP_INSTALL) pip
	touch $@

# One stamp per dependency group of pyproject.toml: the package, editable, and the group.
$(VENV)/.stamp-%: $(VENV)/.stamp-venv pyproject.toml $(CONSTRAINTS)
	@echo "Installing the group '$*' into $(VENV): minutes the first time"
	$(PIP_INSTALL) --build-constraint $(CONSTRAINTS) --editable . --group $*
	touch $@

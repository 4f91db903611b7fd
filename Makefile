# huatuo: every target sets up what it needs from a fresh clone.
PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= torch==2.13.0
BIN     = $(VENV)/bin
ONLY   ?=
RUNS   ?= runs
export HF_HUB_OFFLINE = 1
export TRANSFORMERS_OFFLINE = 1
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM = false
# compiled files are kept: without them every process that the tests start compiles the package again
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test unit check bench ablation docs wheels setup clean

demo: $(VENV)/.demo ## the whole path on the sample knowledge, one CPU core
	@$(BIN)/python -c "import torch; print('torch', torch.__version__, 'on', 'CUDA' if torch.cuda.is_available() else 'CPU')"
	$(BIN)/huatuo demo --runs $(RUNS)

test: $(VENV)/.dev ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup -p no:cacheprovider

unit: $(VENV)/.dev ## the short tests of every room, in a minute
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" --hypothesis-profile=unit -p no:cacheprovider

check: $(VENV)/.dev ## format, lint, types, import contracts, docs
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/.dev ## every benchmark, or ONLY=name
	$(BIN)/python bench/run.py $(ONLY)

ablation: $(VENV)/.demo ## one stage against two, then forgetting, on three seeds each; or ONLY=ablation, ONLY=forgetting
	for study in $(or $(ONLY),ablation forgetting); do $(BIN)/huatuo study $$study --runs $(RUNS) || exit 1; done

docs: $(VENV)/.dev ## write the generated reference pages again
	$(BIN)/python docs/generate.py

wheels: ## every pin has a wheel for Python 3.12 and 3.13
	for v in 3.12 3.13; do $(PYTHON) -m pip install -q --dry-run --ignore-installed --no-deps --only-binary=:all: \
	  --python-version $$v --target "$$(mktemp -d)" -r constraints.txt || exit 1; done

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch has a line of its own: pip's configuration decides which build; one that is there and fits is kept.
$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q '$(TORCH)'
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[train,docs]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[train,docs,corpus,language,overlap,stats,postgres,dev]'
	@touch $@

setup: $(VENV)/.dev ## install everything

clean: ## remove the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

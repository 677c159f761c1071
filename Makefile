# Every target makes .venv first when it is missing. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
BIN := .venv/bin
OUT ?= runs/demo
export DAGSTER_HOME := $(CURDIR)/.dagster_home
export DAGSTER_DG_UPDATE_CHECK_ENABLED := 0
unexport PYTHONDONTWRITEBYTECODE     # pytest would rewrite every test file each time

.PHONY: install demo test check checks ui annotate docs bench bench-rl clean

install: .venv/installed            ## create .venv with the pinned environment

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,harness]'
	$(BIN)/python -m dsmath_pipeline.corpus.kernels
	touch $@

demo: .venv/installed               ## the whole pipeline on the generated mini web (resumes where it was)
	$(BIN)/dsmath demo --out $(OUT)

test: .venv/installed               ## everything CI runs
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/pyrefly check
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --durations=30

check: .venv/installed              ## the fast gate: lint, types, import contracts, fast tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	{ $(BIN)/pyrefly check && $(BIN)/lint-imports; } & types=$$!; \
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m "not slow" -n 2; tests=$$?; wait $$types && exit $$tests

checks: .venv/installed             ## every asset check on the demo's store
	$(BIN)/dsmath checks --root $(OUT)

$(DAGSTER_HOME)/dagster.yaml: deploy/dagster.yaml
	mkdir -p $(DAGSTER_HOME) && cp $< $@

ui: .venv/installed $(DAGSTER_HOME)/dagster.yaml   ## Dagster on http://127.0.0.1:3000
	$(BIN)/dagster dev --host 127.0.0.1 --port 3000 --workspace workspace.yaml

annotate: .venv/installed           ## the page on which people mark URL prefixes, http://127.0.0.1:8710
	$(BIN)/dsmath annotate --root $(OUT)

docs: .venv/installed               ## rewrite docs/paper.md from the recipe
	$(BIN)/python -m dsmath_pipeline.recipe.document > docs/paper.md

bench: .venv/installed .venv-bench/installed   ## speed and quality beside other tools, into benchmarks/results/
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	for name in reading extraction extraction_quality scoring dedup decontamination corpus_loop grading sandbox training; do $(BIN)/python -m benchmarks.$$name || exit 1; done

bench-rl: demo                      ## methods, reward models and speed beside TRL on the demonstration's model (two hours)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	for name in rl_speed reward_models rl_methods; do $(BIN)/python -m benchmarks.$$name --run $(OUT) || exit 1; done

.venv-bench/installed: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --requirement benchmarks/requirements.txt
	touch $@

clean:                              ## remove what runs have written (no virtual environment)
	rm -rf runs .dagster_home build dist

# Two commands set everything up: `make demo` (see it work) and `make test` (see that it works). Python 3.11 or newer.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo play test test-all check graph bench docs release clean

demo: $(VENV)/.demo
	$(BIN)/facewire demo --out demo_out

test: $(VENV)/.test check
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-all: $(VENV)/.test check
	$(BIN)/pytest

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

# What `facewire play` needs besides: onnxruntime-web, which runs the networks in the browser, and what checks the scripts.
play: $(VENV)/.demo $(VENV)/.browser

# The graph of imports as a picture, and the longest modules and classes: build/graph/.
graph: $(VENV)/.test
	$(BIN)/python -m tests.architecture.picture build/graph

# Bytes against quality beside the common rivals, on the clip that packages ship; the report is bench_out/report.html.
bench: $(VENV)/.bench
	$(BIN)/facewire bench --small --out bench_out

# The guides and the API as a site: build/site/index.html. Built and read without a network.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean -f docs/site/mkdocs.yml

# sdist and wheel of the last commit into dist/, checked: .ci/release.
release: $(VENV)/.release
	.ci/release $(BIN)/python

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.venv pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[cpu,demo]'
	touch $@

$(VENV)/.test: $(VENV)/.bench $(VENV)/.browser pyproject.toml call/web/package-lock.json
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	if command -v npm > /dev/null; then npm ci --silent --no-audit --no-fund --prefix call/web || echo "call/web is not type-checked"; fi
	touch $@

$(VENV)/.browser: $(VENV)/.venv browser/package-lock.json
	if command -v npm > /dev/null; then npm ci --silent --no-audit --no-fund --prefix browser; else echo "no npm: browser/ is not checked, and facewire play does not run"; fi
	touch $@

# MediaPipe names requirements that it does not need for its face mesh; with them pip would take back numpy and OpenCV.
$(VENV)/.bench: $(VENV)/.demo pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[cpu,openvino,demo,train,metrics,bench,call,server]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps mediapipe==0.10.21
	$(BIN)/pip install --quiet --disable-pip-version-check 'protobuf>=6.33,<7' attrs
	touch $@

$(VENV)/.docs: $(VENV)/.demo pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@

$(VENV)/.release: $(VENV)/.venv pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check 'build>=1.2' 'twine>=6'
	touch $@

clean:
	rm -rf $(VENV) .cache build dist demo_out bench_out

# `make demo` and `make test` make their own environment (.venv) from requirements.lock on the first run.
# Needs python3 (3.11 or newer, with venv), make and gcc. PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEMO   ?= demo

HOST_VENV  ?= .venv-host
HOST_BIN   := $(HOST_VENV)/bin
HOST_STAMP := $(HOST_VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-host host-env lint format hands clean

help:
	@echo "make demo       three videos of one motion under three cameras, and a contact sheet, in $(DEMO)/"
	@echo "make test       the tests;  make test-all also the slow ones"
	@echo "make test-host  the tests inside ComfyUI (COMFYUI_PATH or ~/ComfyUI), in an environment of their own"
	@echo "make lint       ruff and mypy;  make format rewrites the files"
	@echo "make hands      adds the hand finder (mediapipe) to the environment"
	@echo "make clean      removes the environment and the demo"

# The stamp is written last: an interrupted set-up starts again, a finished one costs nothing.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ComfyUI-3DiMo: the pinned versions need Python 3.11 or newer; this is $$($(PYTHON) -V 2>&1)."; \
	  echo "  Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@rm -f $@
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "ComfyUI-3DiMo: $(PYTHON) could not make $(VENV). On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing the pinned packages into $(VENV) (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock || { \
	  echo; echo "ComfyUI-3DiMo: pip could not install the versions of requirements.lock; its own message is above."; \
	  echo "  No connection: try again, it goes on where it stopped. Version not found: pip's index lacks it or this"; \
	  echo "  Python ($$($(PYTHON) -V 2>&1)) is newer than the pins. Nothing outside $(VENV) was changed."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . || { \
	  echo "ComfyUI-3DiMo: this folder itself could not be installed; pip's message is above."; exit 1; }
	@touch $@

setup: $(STAMP)

demo: $(STAMP)
	@$(BIN)/threedimo demo --out $(DEMO)

test: $(STAMP)
	@$(BIN)/python -m pytest -q -m "not slow"

test-all: $(STAMP)
	@$(BIN)/python -m pytest -q

# The host tests run in an environment of their own: this one, seen through a .pth file, and on top of it what ComfyUI
# needs. So nothing of ComfyUI's comes into ours, and torch lies on the disk once.
$(HOST_STAMP): tests/host/requirements.lock $(STAMP)
	@rm -f $@
	@test -x $(HOST_BIN)/python || $(BIN)/python -m venv $(HOST_VENV)
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > "$$($(HOST_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	@echo "Installing what ComfyUI needs into $(HOST_VENV) (under a minute) ..."
	@$(HOST_BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/host/requirements.lock || { \
	  echo; echo "ComfyUI-3DiMo: pip could not install the versions of tests/host/requirements.lock; its message is above."; \
	  echo "  The project's own environment was not changed; make test runs without these."; exit 1; }
	@touch $@

host-env: $(HOST_STAMP)

test-host: $(HOST_STAMP)
	@REQUIRE_HOST=1 $(HOST_BIN)/python -m pytest -q tests/host $(if $(SLOW),,-m "not slow")

# The nodes reach the core relatively, out of a package that the host names: mypy sees them through a link.
lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@mkdir -p $(VENV)/pack && ln -sfn "$(CURDIR)" $(VENV)/pack/threedimo_pack
	MYPYPATH=$(VENV)/pack $(BIN)/mypy -p threedimo_pack.nodes

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --no-deps: the wheel's metadata asks for numpy 1, jax and more, and its hand and pose finders need none of it.
hands: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  mediapipe==0.10.21 attrs==26.1.0 flatbuffers==25.12.19

clean:
	rm -rf $(VENV) $(HOST_VENV) $(DEMO) build *.egg-info

# The environment lives in .venv/; a stamp in it says that it matches pyproject.toml and constraints.txt.
VENV := .venv
STAMP := $(VENV)/.installed
UV = $(WITH_INDEX) $(VENV)/bin/uv pip
# `make PYTHON=/path/to/python3` chooses another interpreter.
SUPPORTED := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do $$p $(SUPPORTED) 2>/dev/null && echo $$p && break; done)
# uv does not read pip's configuration, so an index that is set there is handed on.
PIP_INDEX = $(VENV)/bin/python -m pip config list | sed -n "s/.*\.index-url='\(.*\)'/\1/p" | head -n 1
WITH_INDEX = index="$${UV_DEFAULT_INDEX:-$$($(PIP_INDEX))}"; if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi;

# The small models whose weights ship: one of each method, and two rivals with MCNet's memory.
COMMA := ,
SMALL := mcnet@demo,mraa@demo,dagan@demo,fomm@demo,tpsm@demo,facevid2vid@demo,x2face@demo
CONTEST := $(SMALL),fomm@demo-memory,tpsm@demo-memory

.DEFAULT_GOAL := help
.PHONY: help venv demo entries moving-picture site docs notebook test constraints clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

venv: $(STAMP)  ## make or update .venv/ with the pinned libraries and talkbench itself, editable

$(STAMP): pyproject.toml constraints.txt | $(VENV)/bin/uv
	@echo "installing the pinned libraries: on Linux, with those of CUDA, about 4.2 GB to download the first time, and 8.0 GB on disk;" \
		"elsewhere about 0.8 and 2.2 GB"
	@$(UV) install --python $(VENV)/bin/python --require-hashes -r constraints.txt
	@$(UV) install --python $(VENV)/bin/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/bin/uv:
	@$(PYTHON) $(SUPPORTED) 2>/dev/null || { echo "talkbench needs Python 3.11 or newer;" \
		"found $$(python3 --version 2>&1). Name another with 'make PYTHON=...'"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\]$$/p' constraints.txt > $(VENV)/uv.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt

demo: $(STAMP)  ## score MCNet on the demo clips
	@$(WITH_INDEX) $(VENV)/bin/bench weights pull demo
	$(VENV)/bin/bench run --method mcnet@demo --dataset demo --protocol talkbench-offline

entries: $(STAMP)  ## score the small models that ship, and the yardsticks, and write results/entries anew
	@$(WITH_INDEX) $(VENV)/bin/bench weights pull demo
	$(VENV)/bin/bench run --method $(CONTEST),copy-source,oracle --dataset demo --task same-identity,reconstruction,cross-identity \
		--protocol talkbench-offline --image-size 128 --save-frames --out runs/contest
	$(VENV)/bin/bench perf --method $(CONTEST),copy-source,oracle --size 128 --out runs/contest.csv
	rm -rf $(patsubst %,results/entries/*--demo--%--absolute,same-identity reconstruction cross-identity)
	$(VENV)/bin/bench results export runs/contest/* --perf runs/contest.csv

# Two people whose pictures may be published, each moved by themselves for 2.7 seconds: every second frame of a video of
# 24 frames a second, and every frame of one of 12. The pair list and the frames stay in runs/.
MOVING = $(foreach method,$(subst $(COMMA), ,$(SMALL)),runs/moving-picture/$(subst @,-,$(method))-*)
moving-picture: $(STAMP)  ## draw the contest of README and site, results/entries/contest.webp, and its first moment
	@$(WITH_INDEX) $(VENV)/bin/bench weights pull demo
	rm -rf runs/moving-picture && mkdir -p runs/moving-picture
	@{ echo source_clip,source_index,driving_clip,driving_index; \
		for frame in $$(seq 340 2 402); do echo wolfgang-langer,370,wolfgang-langer,$$frame; done; \
		for frame in $$(seq 36 67); do echo speech-speaker,51,speech-speaker,$$frame; done; } > runs/moving-picture.csv
	MLFLOW_TRACKING_URI=off $(VENV)/bin/bench run --method $(SMALL) --dataset demo --pairs runs/moving-picture.csv \
		--metrics l1 --image-size 128 --videos 0 --save-frames --out runs/moving-picture
	$(VENV)/bin/bench figure $(MOVING) --video --pairs 0,32 --no-errors --width 1200 --out results/entries/contest.webp
	$(VENV)/bin/bench figure $(MOVING) --video --pairs 0,32 --no-errors --width 1200 --seconds 0.01 \
		--out results/entries/contest-still.webp

site: $(STAMP)  ## build the leaderboard of results/entries into site/
	$(VENV)/bin/bench leaderboard build --out site

docs: $(STAMP)  ## build the leaderboard and the manual into site/, without network; broken links are errors
	$(VENV)/bin/bench leaderboard build --out site --manual manual
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	$(VENV)/bin/python tests/site_links.py site
	@echo "manual  site/manual/index.html   (open it in a browser)"

notebook: $(STAMP)  ## run the notebook of the manual, and keep what it shows
	@$(WITH_INDEX) $(VENV)/bin/bench weights pull demo
	$(VENV)/bin/python tests/manual_notebooks.py --write

test: $(STAMP)  ## run the tests, the linter and the type checker, and build the manual
	@rm -rf build
	@$(WITH_INDEX) $(VENV)/bin/bench weights pull demo efficientnet-lite0
	@$(WITH_INDEX) $(VENV)/bin/tox run-parallel --parallel all --parallel-live

constraints: | $(VENV)/bin/uv  ## pin the newest libraries that fit pyproject.toml, with their hashes
	$(UV) compile --quiet --universal --python-version 3.11 --fork-strategy fewest --upgrade --no-annotate \
		--extra full --extra pull --extra ray --group dev --group docs --generate-hashes --custom-compile-command "make constraints" \
		pyproject.toml -o constraints.txt

clean:  ## remove .venv/, .tox/ and build products
	rm -rf $(VENV) .tox build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

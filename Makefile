# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later

.DEFAULT_GOAL := help
.PHONY: help setup demo lab-up lab-down test unit integration lint sanity molecule bench reliability clean

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r target text; do printf '  make %-12s %s\n' "$$target" "$$text"; done

setup: ## Python environment and system packages for everything below
	@tools/setup dev

demo: ## A day of operations against real services on this machine, with its report
	@tools/demo

lab-up: ## Start the lab's services and leave them running
	@tools/setup run
	@.venv/bin/python -m tests.testbed.lab up

lab-down: ## Stop them
	@.venv/bin/python -m tests.testbed.lab down

test: ## Everything that CI checks
	@tools/test

unit: setup ## Only the unit and architecture tests (seconds)
	@.venv/bin/python -m pytest tests/unit tests/architecture

integration: setup ## Only the tests against real services
	@.venv/bin/python -m pytest tests/integration

lint: setup ## ruff, ansible-lint, antsibull-docs
	@tools/lint

sanity: setup ## ansible-test sanity
	@tools/sanity

molecule: setup ## Every molecule scenario
	@tools/molecule

bench: setup ## Ratios against named peers, into docs/performance.md
	@.venv/bin/python -m tests.benchmarks --write

reliability: setup ## Faults made on purpose, in full (20 minutes), into docs/reliability.md
	@EVENKEEL_RELIABILITY_SCALE=1 EVENKEEL_RELIABILITY=write .venv/bin/python -m pytest tests/integration/reliability

clean: ## Stop the lab and remove what it kept
	@.venv/bin/python -m tests.testbed.lab clean

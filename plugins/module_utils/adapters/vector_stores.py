# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a vector store is told by: the one option ``vector_store`` of every module that makes, reads, drills or restores one."""

from __future__ import annotations

from ..core.options import OptionGroup

DRIVERS = ("pgvector", "weaviate")

OPTIONS = OptionGroup(
    fragment="vector_store",
    options={
        "vector_store": {"type": "dict", "apply_defaults": True, "options": {
            "driver": {"type": "str", "choices": list(DRIVERS)},
            "url": {"type": "str"},
            "api_key": {"type": "str", "no_log": True},
            "ca_cert": {"type": "path"},
            "request_timeout": {"type": "str", "default": "60s"},
            "collections": {"type": "list", "elements": "str", "default": []},
            "page": {"type": "int", "default": 200},
            "sample": {"type": "int", "default": 20},
            "program": {"type": "path"},
            "tolerance": {"type": "float", "default": 0.0},
            "recall_at": {"type": "int", "default": 10},
            "recall_queries": {"type": "int", "default": 10},
            "recall_minimum": {"type": "float"},
            "ef_search": {"type": "int"},
            "probes": {"type": "int"},
        }},
    },
)

# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/vector_stores.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What a vector store is told by."""

    DOCUMENTATION = r"""
options:
  vector_store:
    description:
      - With the engine V(vector_store), which store it is and how what comes back is judged.
      - A store of the driver V(pgvector) is reached by the options that begin with C(login_).
    type: dict
    suboptions:
      driver:
        description: What the store is. Asked for where a backup is made; later the backup knows.
        type: str
        choices: [pgvector, weaviate]
      url:
        description: Address of a Weaviate server, such as V(https://vectors.example.com:8080).
        type: str
      api_key:
        description: Key of a Weaviate server that asks for one.
        type: str
      ca_cert:
        description: Certificate authorities that its certificate is checked against, a PEM file.
        type: path
      request_timeout:
        description: How long one answer of it may take.
        type: str
        default: 60s
      collections:
        description: Collections of a Weaviate server that are backed up; all by default.
        type: list
        elements: str
        default: []
      page:
        description: Objects that are read or written at once.
        type: int
        default: 200
      sample:
        description: How many vectors of each collection the manifest keeps, to compare with what is restored.
        type: int
        default: 20
      program:
        description: The program V(weaviate-server), for a scratch server to drill in; looked for on PATH by default.
        type: path
      tolerance:
        description:
          - How far a coordinate of a sampled vector may be from what it was.
          - V(0) wants every bit as it was.
        type: float
        default: 0.0
      recall_at:
        description: How many neighbours the index is asked for.
        type: int
        default: 10
      recall_queries:
        description: For how many vectors of each index they are asked for. Each takes one exact scan to compare with.
        type: int
        default: 10
      recall_minimum:
        description:
          - Share of the true neighbours that each index has to find, between 0 and 1.
          - Without it the share is told and not judged.
        type: float
      ef_search:
        description: With V(pgvector), C(hnsw.ef_search) of these queries; the server's own by default.
        type: int
      probes:
        description: With V(pgvector), C(ivfflat.probes) of these queries; the server's own by default.
        type: int
requirements:
  - requests >= 2.31, for Weaviate
  - the extension vector (pgvector) in the scratch server, for drills of V(pgvector)
  - the program weaviate-server, for drills of V(weaviate)
"""

# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/elasticsearch.py."""

from __future__ import annotations


class ModuleDocFragment:
    """A server of Elasticsearch or OpenSearch."""

    DOCUMENTATION = r"""
options:
  elasticsearch:
    description: A server of Elasticsearch or OpenSearch, and what to look for in it.
    type: dict
    suboptions:
      url:
        description: Its address, such as V(https://search.example.com:9200); not that of Kibana.
        type: str
        required: true
      index:
        description: The index, or a pattern such as V(logs-*).
        type: str
        required: true
      query:
        description:
          - A query string, as Kibana's search field takes it in Lucene's syntax,
            such as V(namespace:production AND level:ERROR).
        type: str
        default: "*"
      time_field:
        description: Field with the instant of a document.
        type: str
        default: "@timestamp"
      delay:
        description: What is younger has its turn in the next run, so that most of what is late is there by then.
        type: str
        default: 1m
      late:
        description:
          - How late documents may arrive. So much of the time before is asked for again in each run; what was counted is known by its
            id (100,000 documents at the most, then it is less). Of what comes even later the number is told, as a gap.
        type: str
        default: 1h
      user:
        description: Who logs in, with O(elasticsearch.password).
        type: str
      password:
        description: The password.
        type: str
      api_key:
        description: A key, as it is sent (C(id:key) in base64).
        type: str
      ca_cert:
        description: Certificate authorities to trust there, a PEM file.
        type: path
      timeout:
        description: How long an answer may take to begin, and each pause within it.
        type: str
        default: 30s
requirements:
  - requests >= 2.31
"""

#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: log_scan
short_description: Tell what a log has to say since the last scan
description:
  - Looks for events of some levels, and for words such as SECURITY, in files, in the journal of systemd, in what a query finds in
    Elasticsearch, or in what pods of Kubernetes write. Counts them by level, by word and by class, and says which classes no earlier scan
    has seen.
  - A class is the form of an event, its first line and the name of its exception, without numbers, identifiers and what is quoted. Nothing
    else is kept or told of an event. Passwords, tokens, keys and addresses of people are taken out before.
  - Each event is read once. A file is known by how it begins and by what was read last, so that renaming, copying and truncating, and
    compressing it (gzip, zstd) change nothing. A stack trace is one event with the line before it.
  - The memory it needs does not grow with the log.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  name:
    description: How the findings call this log.
    type: str
    default: log
  paths:
    description: Files, or patterns as the shell has them, those that were rotated among them.
    type: list
    elements: str
  levels:
    description:
      - The words by which events are found, as the log has them, such as V(ERROR), or V("error") with its quotes for JSON in small letters.
      - A line of another level that only mentions such a word is not counted. A record of the journal has the level of its priority, too.
    type: list
    elements: str
    default: [ERROR, CRITICAL, FATAL]
  markers:
    description: Words that count whatever the level of their line.
    type: list
    elements: str
    default: [SECURITY]
  timezone:
    description: Time zone of instants in files that say none.
    type: str
    default: UTC
  state:
    description: File that keeps how far was read and which classes were seen. Without it O(look_back) is scanned anew each time. In check
      mode it is not written.
    type: path
  look_back:
    description: In the first scan, how far to look back. Files that were last written before count as read; of the others, events that say
      an earlier instant are passed over.
    type: str
    default: 1d
  remember:
    description: How long a class is known after it was seen.
    type: str
    default: 30d
  read_limit:
    description: How much is read in one run, as a size; the rest has its turn in the next one. A document of Elasticsearch counts as 1 kB.
    type: str
    default: 20GiB
  limits:
    description:
      - "Numbers per hour, each C(warn) and C(fail); what has no limits is not judged. C(levels) and C(markers): by word, as
        V({ERROR: {warn: 10, fail: 100}}); C(each_class): for any one class."
      - "C(new_classes): a number, C(warn) and C(fail), of classes that no earlier scan has seen."
      - "The status, V(warn), V(fail), V(unknown) or V(ignore): C(silent) where nothing at all was written, C(unfinished) where
        O(read_limit) left something, C(gap) where lines may be lost unread."
    type: dict
    required: true
extends_documentation_fragment:
  - evenkeel.ops.journal
  - evenkeel.ops.elasticsearch
  - evenkeel.ops.kubernetes_logs
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: What did the application complain about since the last run?
  evenkeel.ops.log_scan:
    name: shop
    paths: ["/var/log/shop/*.log*"]
    state: /var/lib/evenkeel/logs/shop.json
    limits:
      levels: {ERROR: {warn: 10, fail: 100}, CRITICAL: {fail: 0}}
      markers: {SECURITY: {warn: 0}}
      new_classes: {warn: 0, fail: 10}

- name: The query that people use in Kibana
  evenkeel.ops.log_scan:
    name: production
    elasticsearch:
      url: https://search.example.com:9200
      index: logs-*
      query: namespace:production AND level:ERROR
      api_key: "{{ search_key }}"
    state: /var/lib/evenkeel/logs/production.json
    limits: {levels: {ERROR: {warn: 10}}, new_classes: {warn: 0}}

- name: What the pods of an application have written
  evenkeel.ops.log_scan:
    name: cronos-ai
    kubernetes:
      kubeconfig: /etc/evenkeel/kubeconfig
      namespace: production
      selector: app=cronos-ai
    state: /var/lib/evenkeel/logs/cronos-ai.json
    limits: {levels: {ERROR: {warn: 10, fail: 100}}, new_classes: {warn: 0}}

- name: The last two hours of a unit
  evenkeel.ops.log_scan:
    journal: {units: [shop.service]}
    look_back: 2h
    limits: {levels: {ERROR: {warn: 0}}}
"""

RETURN = r"""
log:
  description:
    - What was read (C(name), C(files), C(bytes), C(left), C(from), C(to)) and counted (C(events), C(outside) before the time looked at,
      C(cut) that were too long to be looked at whole, C(late) documents, C(levels), C(markers), C(new_classes), C(forgotten_classes)).
    - "C(classes): the twenty most frequent, each with C(id), C(level), C(markers), C(form), C(count), C(first), C(last), C(new)."
  returned: success
  type: dict
findings:
  description: C(monitoring.log) says whether the log could be read, C(monitoring.log_level), C(monitoring.log_marker),
    C(monitoring.log_class) and C(monitoring.log_new) judge what it says.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import elasticsearch, journal, kubernetes_logs
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.server_logs import Positions
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.logs import LogScan
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import OptionGroup, own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration, parse_size
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_entries import EntryReader
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_instants import Instants, zone_of
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_judge import LogPolicy, LogTally, judge, words_of

_PLACES = ("paths", "journal", "elasticsearch", "kubernetes")
OPTIONS = own(
    name={"type": "str", "default": "log"},
    paths={"type": "list", "elements": "str"},
    levels={"type": "list", "elements": "str", "default": ["ERROR", "CRITICAL", "FATAL"]},
    markers={"type": "list", "elements": "str", "default": ["SECURITY"]},
    timezone={"type": "str", "default": "UTC"},
    state={"type": "path"},
    look_back={"type": "str", "default": "1d"},
    remember={"type": "str", "default": "30d"},
    read_limit={"type": "str", "default": "20GiB"},
    limits={"type": "dict", "required": True},
) + journal.OPTIONS + elasticsearch.OPTIONS + kubernetes_logs.OPTIONS + OptionGroup(mutually_exclusive=[_PLACES], required_one_of=[_PLACES])


def run(request: Request) -> Outcome:
    """Read what is new, judge it, and keep how far it was read."""
    policy, words = LogPolicy.from_options(request["limits"]), words_of(request["levels"], request["markers"])
    now, limit = request.clock.now(), parse_size(request["read_limit"], option="read_limit")
    look_back, keep = (parse_duration(request[key], option=key) for key in ("look_back", "remember"))
    reader = EntryReader(request["levels"], request["markers"], Instants(now, zone_of(request["timezone"])))
    known = Positions.load(request["state"]) if request["state"] else Positions()
    warnings = [] if known is not None else [f"{request['state']} is damaged: the log is scanned as in the first run"]
    known = known or Positions()
    since = parse_instant(known.at).timestamp() if known.at else now.timestamp() - look_back
    tally = LogTally(None if known.at else since, dict(known.beside.get("classes") or {}))
    scan = LogScan(request.options, known, tally, reader, words=words, since=since, limit=limit, clock=request.clock)
    scan.run()
    if request["state"] and not request.check_mode:
        scan.positions.beside["classes"] = tally.remembered(now, keep)
        scan.positions.save(request["state"])
    return Outcome(
        findings=judge(tally, scan.reading, policy, request["name"], seconds=now.timestamp() - since, compared=bool(known.at)),
        warnings=warnings, values={"log": {"name": request["name"], "files": scan.reading.files, "bytes": scan.reading.bytes,
                                           "left": scan.reading.left, "cut": scan.reading.cut, "late": scan.reading.late,
                                           **tally.values(compared=bool(known.at))}})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()

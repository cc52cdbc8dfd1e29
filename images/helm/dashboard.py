#!/usr/bin/env python3
"""Writes the dashboard for Grafana, every metric of sidecar, agent and webhook in it: dashboard.py FILE. `make pictures` calls it.

In the expressions {%} stands for the instances that are chosen above the panels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Iterator, NamedTuple

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
EVERY = "[$__rate_interval]"


class Panel(NamedTuple):
    title: str
    unit: str  # of Grafana
    queries: tuple[tuple[str, str], ...]  # expression, legend
    kind: str = "timeseries"
    width: int = 8


def one(title: str, unit: str, expression: str, legend: str = "{{instance}}", **more: Any) -> Panel:
    return Panel(title, unit, ((expression, legend),), **more)


def quantiles(title: str, metric: str) -> Panel:
    """Of a histogram, with how often it happened and how long on average."""
    return Panel(title, "s", (*((f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{{%}}{EVERY})))", f"{q}") for q in (0.5, 0.99)),
                              (f"sum(rate({metric}_sum{{%}}{EVERY})) / sum(rate({metric}_count{{%}}{EVERY}))", "mean")))


SIDECARS = (
    one("Without credentials", "none", "count(pod_identity_credentials_valid{%} == 0) or vector(0)", "sidecars", kind="stat", width=4),
    one("Handing on expired ones", "none", "sum(pod_identity_credentials_passed_expired{%})", "sidecars", kind="stat", width=4),
    one("Versions", "none", "count by (version, revision) (pod_identity_build_info{%})", "{{version}} {{revision}}", kind="stat", width=8),
    one("Next end", "dateTimeAsIso", "min(pod_identity_credentials_expiration_timestamp_seconds{%}) * 1000", "credentials", kind="stat", width=8),
    one("Time left", "s", "pod_identity_credentials_expiry_seconds{%}", "{{instance}} {{profile}}"),
    one("Age", "s", "pod_identity_credentials_age_seconds{%}", "{{instance}} {{profile}}"),
    one("Refreshes", "ops", f"sum by (result, reason) (rate(pod_identity_refreshes_total{{%}}{EVERY})) > 0", "{{result}} {{reason}}"),
    quantiles("How long a refresh takes", "pod_identity_upstream_duration_seconds"),
    one("Requests", "reqps", f"sum by (listener, code) (rate(pod_identity_requests_total{{%}}{EVERY}))", "{{listener}} {{code}}"),
    one("Connections", "none", "pod_identity_connections{%}"),
    one("Files written", "ops", f"sum by (result) (rate(pod_identity_file_writes_total{{%}}{EVERY}))", "{{result}}"),
    one("Signed tokens", "ops", f"sum by (result) (rate(pod_identity_tokens_total{{%}}{EVERY}))", "{{result}}"),
)

A = "pod_identity_agent_"
AGENTS = (
    one("Not ready", "none", f"count({A}ready{{%}} == 0) or vector(0)", "agents", kind="stat", width=4),
    one("Without credentials of their own", "none", f"count({A}node_credentials_valid{{%}} == 0) or vector(0)", "agents", kind="stat", width=4),
    one("Versions", "none", f"count by (version, revision) ({A}build_info{{%}})", "{{version}} {{revision}}", kind="stat", width=8),
    Panel("Associations", "none", ((f"max({A}associations{{%}})", "roles"), (f"max({A}associations_unusable{{%}})", "unusable")), "stat", 8),
    one("Answers to pods", "reqps", f"sum by (code) (rate(pod_identity_http_response{{%}}{EVERY}))", "{{code}}"),
    one("Answered from memory", "reqps", f"sum by (instance) (rate({A}served_from_memory_total{{%}}{EVERY}))"),
    one("Expired ones handed on", "ops", f"sum by (instance) (rate({A}passed_expired_total{{%}}{EVERY}))"),
    one("Limited (429)", "reqps", f"sum by (by) (rate({A}limited_total{{%}}{EVERY}))", "of one {{by}}"),
    one("Fetches from AWS", "ops", f"sum by (result) (rate({A}upstream_requests_total{{%}}{EVERY}))", "{{result}}"),
    quantiles("How long a fetch takes", f"{A}upstream_duration_seconds"),
    Panel("Fetches under way", "none", ((f"sum({A}upstream_in_flight{{%}})", "in flight"), (f"sum({A}upstream_queued{{%}})", "queued"),
                                        (f"sum({A}waiting{{%}})", "connections that wait"))),
    Panel("Pods in memory", "none", ((f"{A}entries{{%}}", "{{instance}}"), (f"max({A}entries_max{{%}})", "at most"))),
    Panel("Memory for them", "bytes", ((f"{A}cache_bytes{{%}}", "{{instance}}"), (f"max({A}cache_bytes_max{{%}})", "at most"))),
    one("First end of a pod's credentials", "s", f"{A}nearest_expiry_seconds{{%}}"),
    one("Cache", "ops", f"sum by (state) (rate(pod_identity_cache_state{{%}}{EVERY}))", "{{state}}"),
    one("Failed renewals", "ops", f"sum by (type, code) (rate(pod_identity_cache_errors{{%}}{EVERY}))", "{{type}} {{code}}"),
    one("Tokens judged", "ops", f"sum by (result) (rate(pod_identity_local_validation{{%}}{EVERY}))", "{{result}}"),
    one("Denials in memory", "none", f"{A}failures_remembered{{%}}"),
    one("The agent's own credentials end in", "s", f"{A}node_credentials_expiry_seconds{{%}}"),
    one("Connections", "none", f"{A}connections{{%}}"),
)
W = "pod_identity_webhook_"
WEBHOOKS = (
    one("Not ready", "none", f"count({W}ready{{%}} == 0) or vector(0)", "servers", kind="stat", width=4),
    one("The certificate ends in", "s", f"min({W}certificate_expiry_seconds{{%}})", "certificate", kind="stat", width=6),
    one("The clients' authority ends in", "s", f"min({W}client_ca_expiry_seconds{{%}})", "authority", kind="stat", width=6),
    Panel("Associations", "none", ((f"max({W}associations{{%}})", "roles"), (f"max({W}associations_unusable{{%}})", "unusable")), "stat", 8),
    one("Reviews", "reqps", f"sum by (result) (rate({W}reviews_total{{%}}{EVERY}))", "{{result}}"),
    one("Pods that were given something", "ops", f"sum by (kind) (rate({W}injections_total{{%}}{EVERY}))", "{{kind}}"),
    Panel("What could not be done", "ops", ((f"sum(rate({W}problems_total{{%}}{EVERY}))", "pods"),
                                            (f"sum by (file) (rate({W}reload_failures_total{{%}}{EVERY}))", "new {{file}}"))),
    one("Handshakes", "ops", f"sum by (result) (rate({W}tls_handshakes_total{{%}}{EVERY}))", "{{result}}"),
    one("Connections", "none", f"{W}connections{{%}}"),
)
ROWS = (("Sidecars", SIDECARS), ("Node agents", AGENTS), ("Webhook", WEBHOOKS))


def panels() -> Iterator[dict[str, Any]]:
    """Each with its place: 24 columns, in rows from the left."""
    number, top = 1, 0
    for title, row in ROWS:
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}}
        number, top, left = number + 1, top + 1, 0
        height = 0
        for panel in row:
            if left + panel.width > 24:
                left, top = 0, top + height
            height = 4 if panel.kind == "stat" else 7
            yield {
                "id": number, "type": panel.kind, "title": panel.title, "datasource": SOURCE,
                "gridPos": {"h": height, "w": panel.width, "x": left, "y": top},
                "fieldConfig": {"defaults": {"unit": panel.unit, **({"min": 0} if panel.unit in ("ops", "reqps", "bytes") else {})}, "overrides": []},
                "targets": [{"refId": chr(ord("A") + i), "datasource": SOURCE, "legendFormat": legend,
                             "expr": expression.replace("{%}", '{instance=~"$instance"}')} for i, (expression, legend) in enumerate(panel.queries)],
            }
            number, left = number + 1, left + panel.width
        top += height


def dashboard() -> dict[str, Any]:
    instances = 'label_values({__name__=~"pod_identity_build_info|pod_identity_agent_build_info|pod_identity_webhook_ready"}, instance)'
    return {
        "uid": "pod-identity-toolkit", "title": "Pod identity", "tags": ["aws", "pod-identity"], "schemaVersion": 39, "version": 1, "editable": True,
        "refresh": "1m", "time": {"from": "now-6h", "to": "now"}, "timezone": "utc", "annotations": {"list": []},
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
            {"name": "instance", "type": "query", "label": "Instance", "datasource": SOURCE, "query": {"query": instances, "refId": "A"},
             "definition": instances, "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]},
             "refresh": 2, "sort": 1}]},
        "panels": list(panels()),
    }


def text() -> str:
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")

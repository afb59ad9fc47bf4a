"""Metrics and traces, by OpenTelemetry's SDK: listeners of committed objects and of the store's requests.

`settings` and `load` cost nothing; only `telemetry`, which is imported when somebody asks for it, imports the SDK. What
is told is a table in docs/telemetry.md. Nothing here sees a cell's value or a credential.
"""

"""OpenTelemetry's protocol: metrics."""

"""statsd: the Datadog dialect, heard and spoken."""

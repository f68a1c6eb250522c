"""Traffic through Envoy: one proxy per environment, driven by files, believed only when asked."""

"""From symptoms to alerts: grouped, deduplicated, suppressed, routed, escalated. Pure."""

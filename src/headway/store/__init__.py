"""The one database: records, the event log, read models."""

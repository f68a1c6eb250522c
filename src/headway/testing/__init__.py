"""Tests as data: what reports say, which tests are flaky, and whether a stage may go on. Pure."""

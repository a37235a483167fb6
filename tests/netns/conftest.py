"""Namespace tests: real daemons on hosts that are network namespaces."""

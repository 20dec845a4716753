"""The benchmark: ours against dlt's `rest_api` source and against the limit of the machine.

It is no part of the test run: ``python -m tests.benchmarks`` starts it.
"""

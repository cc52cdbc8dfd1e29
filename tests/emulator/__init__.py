"""A fake AWS for the tests: today the EKS Pod Identity agent, later STS, EKS Auth and IMDS.

Python's standard library only. It shares no code with the programs that it tests.
"""

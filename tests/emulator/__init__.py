"""A fake AWS for the tests: the EKS Pod Identity agent, STS, EKS Auth, EKS, IAM, EC2 and IMDS.

Python's standard library only. It shares no code with the programs that it tests.
"""

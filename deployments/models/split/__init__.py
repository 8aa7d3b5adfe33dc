"""One model over edge and cloud, token by token (CE-CoLLM, arXiv 2411.02829).

The edge holds layers 1..b with early exits after a and b, the cloud layers a+1..N. What crosses the link is the
residual stream after layer a, each position once.
"""

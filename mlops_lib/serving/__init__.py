"""Online scoring: the code that answers requests on Azure ML, and the same code on this machine."""

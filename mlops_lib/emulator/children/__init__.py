"""Stand-alone scripts that the local Azure ML starts: in a folder of their own, where no other module is in their way."""

"""Which models are on the device; `lease` is the only way to use one."""

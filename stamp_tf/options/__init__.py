"""Every option, once: its name, type, default, range, flag and what it does, in one frozen dataclass a concern."""

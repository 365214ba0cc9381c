"""Rule packs that ship with calwatch, installed as the data package ``monitor.rulepacks``."""

"""Rule packs: read, held against readings, made into alerts, and tested."""

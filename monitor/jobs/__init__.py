"""Work that is asked for and carried out beside the cycle: its queue, who carries it out, and the actions."""

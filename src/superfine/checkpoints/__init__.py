"""From training runs to model folders."""

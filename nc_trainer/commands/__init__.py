"""What the subcommands of `nc-trainer` do, without their options."""

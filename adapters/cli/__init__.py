"""The command line: one room for each concern, with its commands, what they ask and do, and how the answers are drawn."""

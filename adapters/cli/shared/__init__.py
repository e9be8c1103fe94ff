"""What all commands stand on: their options, where a log is, who is asked, the code of a user, and how answers are said."""

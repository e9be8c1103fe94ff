"""Looking at runs: lists, timelines, events, artifacts, what people are asked, and replays."""

"""What a run leaves behind: checked facts, files and a report to look at."""

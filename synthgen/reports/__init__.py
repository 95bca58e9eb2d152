"""Reports of evaluations, benchmarks and trainings: HTML, Markdown, CSV, lines for a terminal."""
